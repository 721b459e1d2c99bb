/* Sets the hostname. */
#define _GNU_SOURCE
#include <unistd.h>

int main(void) { return sethostname("changed", 7) ? 1 : 0; }
