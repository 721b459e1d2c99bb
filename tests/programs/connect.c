/* Connects to ports of this host, or to abstract UNIX sockets (@NAME), and says what each came
 * to. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int to_abstract(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 1 + strlen(name));
}

static int to_port(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

int main(int argc, char **argv) {
    for (int at = 1; at < argc; at++) {
        const char *to = argv[at];
        int result = *to == '@' ? to_abstract(to + 1) : to_port(atoi(to));
        printf("%s %s\n", to, result ? strerrorname_np(errno) : "0");
    }
}
