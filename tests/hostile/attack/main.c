/* Programs that try to get out of a sandbox: `attack NAME ARGUMENT...`. */
#include "attack.h"

#include <stdarg.h>

static const struct {
    const char *name;
    attack *run;
} attacks[] = {
    {"content", content},
    {"metadata", metadata},
    {"handles", handles},
    {"own-namespaces", own_namespaces},
    {"pinned", pinned},
    {"outside", outside},
    {"hidden", hidden},
    {"submounts", submounts},
    {"kernel-files", kernel_files},
    {"devices", devices},
    {"common-devices", common_devices},
    {"io-uring", io_uring},
    {"new-calls", new_calls},
    {"foreign", foreign},
    {"high-bits", high_bits},
    {"setid", setid},
    {"terminal", terminal},
    {"danger", danger},
    {"abstract-socket", abstract_socket},
    {"path-socket", path_socket},
    {"families", families},
    {"tcp", tcp},
    {"netlink", netlink},
    {"launcher", launcher},
    {"limits", limits},
    {"victim", victim},
    {"host-namespaces", host_namespaces},
    {"descriptors", descriptors},
    {"environment", environment},
    {"ipc", ipc},
    {"keyrings", keyrings},
    {"fork-bomb", fork_bomb},
    {"memory", memory},
    {"cgroup", cgroup},
    {"locks", locks},
    {"early", early},
    {"exchanged", exchanged},
    {"vforked", vforked},
    {"stopping", stopping},
    {"frozen", frozen},
    {"stuck", stuck},
};

void escaped(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("ESCAPED ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
}

int escaped_if(long result, const char *what) {
    if (result >= 0) {
        escaped("%s", what);
        return 1;
    }
    const char *name = strerrorname_np(errno);
    printf("denied %s: %s\n", what, name ? name : "?");
    return 0;
}

int in_child(int (*function)(char **), char **arguments) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        int result = function(arguments);
        fflush(stdout);
        _exit(result);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv) {
    if (argc < 2) return 99;
    if (strcmp(argv[1], "as") == 0) return as_caller(argv + 2);
    for (size_t at = 0; at < sizeof attacks / sizeof *attacks; at++) {
        if (strcmp(argv[1], attacks[at].name) == 0) {
            attacks[at].run(argv + 2);
            puts("end");
            return 0;
        }
    }
    return 99;
}
