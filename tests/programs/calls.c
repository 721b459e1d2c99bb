/* Tries system calls that a sandbox should refuse, and prints what each came to: a line with the
 * name of the call and 0, or the name of the error. By groups:
 *
 *   calls kernel|terminal|sockets|files|foreign */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH (1UL << 32)

static void say(const char *name, long result) {
    printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "0");
}

#define TRY(name, ...) say(name, syscall(__VA_ARGS__))

/* In a child: the call may end the process. */
static void in_child(const char *name, long (*call)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(call() < 0 ? errno : 0);
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s signal %d\n", name, WTERMSIG(status));
    else
        printf("%s %s\n", name, WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "0");
}

/* A clone that succeeds would go on in two processes: the child ends at once. */
static long clone_with(unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid;
}

static long traceme(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0); }
static long new_user(void) { return unshare(CLONE_NEWUSER); }
static long new_mounts(void) { return unshare(CLONE_NEWNS); }

#ifdef __x86_64__
static long by_x32(void) { return syscall(0x40000000 | SYS_getpid); }
static long by_i386(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? (errno = -result, -1) : result;
}
#endif

static char block[256];

static int kernel(void) {
    /* Were the sandbox not there, root would do harm to the host. */
    if (geteuid() == 0) return 99;
    /* Harmless where nothing forbids them: their objects do not exist. */
    TRY("mount", SYS_mount, "none", "/nowhere/at/all", "tmpfs", 0, 0);
    TRY("umount2", SYS_umount2, "/nowhere/at/all", 0);
    TRY("pivot_root", SYS_pivot_root, "/nowhere/at/all", "/nowhere/at/all");
    TRY("chroot", SYS_chroot, "/");
    TRY("fsopen", SYS_fsopen, "tmpfs", 0);
    TRY("open_tree", SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */);
    TRY("move_mount", SYS_move_mount, AT_FDCWD, "/nowhere/at/all", AT_FDCWD, "/nowhere", 0);
    TRY("mount_setattr", SYS_mount_setattr, AT_FDCWD, "/nowhere/at/all", 0, block, 32);
    TRY("keyctl", SYS_keyctl, 0, -3, 0);
    TRY("add_key", SYS_add_key, "user", "ringfence", "x", 1, -2);
    TRY("request_key", SYS_request_key, "user", "ringfence", 0, 0);
    TRY("bpf", SYS_bpf, 0, block, sizeof block);
    TRY("perf_event_open", SYS_perf_event_open, block, 0, -1, -1, 0);
    TRY("userfaultfd", SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */);
    TRY("io_uring_setup", SYS_io_uring_setup, 1, block);
    TRY("io_uring_enter", SYS_io_uring_enter, 0, 0, 0, 0, 0);
    TRY("io_uring_register", SYS_io_uring_register, 0, 0, 0, 0);
    TRY("process_vm_readv", SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0);
    TRY("init_module", SYS_init_module, 0, 0, "");
    TRY("kexec_load", SYS_kexec_load, 0, 0, 0, 0);
    TRY("reboot", SYS_reboot, 0, 0, 0, 0);
    TRY("swapon", SYS_swapon, "/nowhere/at/all", 0);
    TRY("settimeofday", SYS_settimeofday, 0, 0);
    TRY("open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, block, 0);
    TRY("setns", SYS_setns, -1, 0);
    TRY("personality", SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */);
    TRY("unknown", 9999);
    TRY("clone3", SYS_clone3, block, 64);
    in_child("ptrace", traceme);
    in_child("unshare-user", new_user);
    in_child("unshare-mount", new_mounts);
    say("clone-user", clone_with(CLONE_NEWUSER));
    say("clone-mount", clone_with(CLONE_NEWNS));
    say("clone-plain", clone_with(0));
    return 0;
}

static int terminal(void) {
    TRY("ioctl-tiocsti", SYS_ioctl, 0, 0x5412UL, block);
    TRY("ioctl-tiocsti-high", SYS_ioctl, 0, 0x5412UL | HIGH, block);
    TRY("ioctl-tioclinux", SYS_ioctl, 0, 0x541CUL, block);
    TRY("ioctl-tioclinux-high", SYS_ioctl, 0, 0x541CUL | 7 * HIGH, block);
    TRY("ioctl-harmless", SYS_ioctl, 0, 0x5413UL /* TIOCGWINSZ */, block);
    return 0;
}

static int sockets(void) {
    TRY("socket-unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    TRY("socket-inet", SYS_socket, AF_INET, SOCK_STREAM, 0);
    TRY("socket-route", SYS_socket, AF_NETLINK, SOCK_RAW, 0);
    TRY("socket-audit", SYS_socket, AF_NETLINK, SOCK_RAW, 9);
    TRY("socket-packet", SYS_socket, AF_PACKET, SOCK_RAW, 0);
    TRY("socket-alg", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0);
    TRY("socket-vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
    TRY("socket-vsock-high", SYS_socket, AF_VSOCK | HIGH, SOCK_STREAM, 0);
    TRY("socket-mptcp", SYS_socket, AF_INET, SOCK_STREAM, 262);
    return 0;
}

static int files(void) {
    if (geteuid() == 0) return 99;
    int file = open("setid", O_CREAT | O_RDWR, 0755);
    say("open-plain", file);
    TRY("chmod-setuid", SYS_fchmodat, AT_FDCWD, "setid", 04755);
    TRY("fchmod-setuid", SYS_fchmod, file, 04755);
    TRY("fchmod-setgid-high", SYS_fchmod, file, 02755 | HIGH);
    TRY("open-setuid", SYS_openat, AT_FDCWD, "born-setid", O_CREAT | O_RDWR, 04755);
    TRY("mknod-setuid", SYS_mknodat, AT_FDCWD, "made-setid", S_IFREG | 04755, 0);
    TRY("openat2", SYS_openat2, AT_FDCWD, "setid", block, 24);
    TRY("mknod-device", SYS_mknodat, AT_FDCWD, "null", S_IFCHR | 0666, 0x103);
    return 0;
}

static int foreign(void) {
#ifdef __x86_64__
    in_child("x32", by_x32);
    in_child("i386", by_i386);
#endif
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return 99;
    switch (argv[1][0]) {
    case 'k': return kernel();
    case 't': return terminal();
    case 's': return sockets();
    default: return argv[1][1] == 'i' ? files() : foreign();
    }
}
