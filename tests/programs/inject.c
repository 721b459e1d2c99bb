/* Types a line into the terminal on standard input as if its user had, and says what came of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(void) {
    const char *line = "echo typed\n";
    for (const char *c = line; *c; c++) {
        if (ioctl(0, TIOCSTI, c)) {
            printf("TIOCSTI: %s\n", strerrorname_np(errno));
            return 0;
        }
    }
    printf("TIOCSTI: typed\n");
    return 0;
}
