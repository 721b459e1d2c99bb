/* What a small job does: sleeps, allocates, writes, exits.
 *
 *   worker MICROSECONDS KIB STATUS [wait]
 *
 * Touches every page that it has allocated, writes a file and a line, and exits with the status;
 * with "wait" only once its standard input has ended. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4) return 99;
    usleep(atoi(argv[1]));
    size_t size = (size_t)atoi(argv[2]) * 1024;
    char *memory = malloc(size);
    if (!memory) return 98;
    for (size_t at = 0; at < size; at += 1024) memory[at] = 1;
    int file = open("/tmp/result", O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0 || write(file, memory, size < 4096 ? size : 4096) < 0) return 97;
    if (write(1, "done\n", 5) != 5) return 96;
    char byte;
    if (argc > 4) while (read(0, &byte, 1) > 0) {}
    return atoi(argv[3]);
}
