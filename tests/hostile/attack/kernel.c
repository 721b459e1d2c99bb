/* Attacks on the kernel's interfaces: files, devices, calls, terminals. */
#include "attack.h"

#include <linux/io_uring.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

/* Nothing is written, should it open: this may run on a host without a sandbox. */
void kernel_files(char **arguments) {
    (void)arguments;
    const char *write_only[] = {"/proc/sys/kernel/core_pattern",
                                "/proc/sys/kernel/modprobe",
                                "/proc/sys/vm/drop_caches",
                                "/proc/sys/fs/suid_dumpable",
                                "/proc/sysrq-trigger",
                                "/proc/irq/default_smp_affinity",
                                "/sys/kernel/uevent_helper",
                                "/sys/kernel/mm/ksm/run",
                                "/sys/power/state",
                                "/sys/module/kernel/parameters/panic",
                                "/proc/1/oom_score_adj",
                                "/proc/self/root/proc/sys/kernel/core_pattern",
                                "/proc/self/root/proc/sysrq-trigger"};
    for (size_t at = 0; at < sizeof write_only / sizeof *write_only; at++)
        escaped_if(open(write_only[at], O_WRONLY), write_only[at]);
    const char *read_only[] = {"/proc/kcore", "/proc/kallsyms/x", "/dev/mem", "/dev/kmsg",
                               "/proc/kmsg",  "/dev/port",        "/sys/kernel/debug/tracing"};
    for (size_t at = 0; at < sizeof read_only / sizeof *read_only; at++)
        escaped_if(open(read_only[at], O_RDONLY), read_only[at]);
}

/* Device nodes made by itself: of a memory device, of a block device, by every way to make one. */
void devices(char **arguments) {
    const char *places[] = {".", "/tmp", "/dev", "/dev/shm", arguments[0]};
    char path[4096];
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        snprintf(path, sizeof path, "%s/node", places[at]);
        if (mknod(path, S_IFCHR | 0666, makedev(1, 1)) == 0) {
            escaped_if(open(path, O_RDONLY), "memory by a node of its own");
            unlink(path);
        }
        if (mknod(path, S_IFBLK | 0666, makedev(254, 0)) == 0) {
            escaped("a block device %s", path);
            unlink(path);
        }
    }
    escaped_if(open("/dev/vda", O_RDONLY), "the host's disk");
}

/* Most hosts let every user open some of these, once the kernel has a driver for them. */
void common_devices(char **arguments) {
    (void)arguments;
    const char *paths[] = {"/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control",
                           "/dev/kmsg"};
    for (size_t at = 0; at < sizeof paths / sizeof *paths; at++)
        escaped_if(open(paths[at], O_RDWR), paths[at]);
}

void io_uring(char **arguments) {
    (void)arguments;
    struct io_uring_params parameters = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &parameters);
    escaped_if(ring, "a ring");
    memset(&parameters, 0, sizeof parameters);
    parameters.flags = IORING_SETUP_R_DISABLED;
    escaped_if(syscall(SYS_io_uring_setup, 4 | HIGH, &parameters), "a ring, high bits set");
    /* EBADF would mean that the kernel itself was asked. */
    if (syscall(SYS_io_uring_enter, -1, 0, 0, 0, 0) < 0 && errno == EBADF)
        escaped("io_uring_enter gets through");
    if (syscall(SYS_io_uring_register, -1, 0, 0, 0) < 0 && errno == EBADF)
        escaped("io_uring_register gets through");
}

/* Calls that are newer than most lists of calls to deny. With such arguments they fail by themselves,
 * but not with ENOSYS or EPERM. */
void new_calls(char **arguments) {
    (void)arguments;
    static char block[512];
    const struct {
        int number;
        const char *name;
    } known[] = {{428, "open_tree"},       {429, "move_mount"},        {430, "fsopen"},
                 {431, "fsconfig"},        {432, "fsmount"},           {433, "fspick"},
                 {442, "mount_setattr"},   {438, "pidfd_getfd"},       {460, "lsm_set_self_attr"},
                 {467, "open_tree_attr"}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        errno = 0;
        long result = syscall(known[at].number, -1, block, -1, block, 0, 0);
        if (result >= 0 || (errno != ENOSYS && errno != EPERM))
            escaped("%s gets through: %ld %s", known[at].name, result, strerrorname_np(errno));
    }
    for (int number = 470; number < 1100; number++) {
        errno = 0;
        long result = syscall(number, -1, block, -1, block, 0, 0);
        if (result >= 0 || errno != ENOSYS) escaped("call %d gets through", number);
    }
    /* New namespaces, where a filter can't see the flags. */
    struct clone_args clone = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &clone, sizeof clone);
    if (child == 0) _exit(0);
    escaped_if(child, "clone3 with a new user namespace");
}

#ifdef __x86_64__
static int by_x32(char **arguments) {
    (void)arguments;
    if (syscall(0x40000000 | SYS_getpid) > 0) escaped("a call of x32");
    if (syscall(0x40000000 | 520, "/proc/self/exe", 0, 0) >= 0) escaped("execve of x32");
    return 0;
}

static int by_i386(char **arguments) {
    (void)arguments;
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    if (result > 0) escaped("a call of i386");
    return 0;
}
#endif

void foreign(char **arguments) {
#ifdef __x86_64__
    in_child(by_x32, arguments);
    in_child(by_i386, arguments);
#else
    (void)arguments;
#endif
}

/* Arguments of 32 bits with bits above them, which a filter that compares all 64 doesn't know. */
void high_bits(char **arguments) {
    (void)arguments;
    unsigned long bits[] = {HIGH, 7 * HIGH, 1UL << 63};
    char path[] = "high";
    int file = open(path, O_CREAT | O_RDWR, 0755);
    for (size_t at = 0; at < sizeof bits / sizeof *bits; at++) {
        unsigned long high = bits[at];
        escaped_if(syscall(SYS_socket, AF_VSOCK | high, SOCK_STREAM, 0), "AF_VSOCK");
        escaped_if(syscall(SYS_socket, AF_ALG | high, SOCK_SEQPACKET, 0), "AF_ALG");
        escaped_if(syscall(SYS_socket, AF_INET, SOCK_STREAM, 262 | high), "MPTCP");
        escaped_if(syscall(SYS_socket, AF_NETLINK | high, SOCK_RAW, 9 /* audit */), "audit");
        if (file >= 0) escaped_if(syscall(SYS_fchmod, file, 04755 | high), "a setuid mode");
        escaped_if(syscall(SYS_unshare, CLONE_NEWUSER | high), "unshare");
        escaped_if(syscall(SYS_personality, 0x0400000 | high), "personality");
        long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD | high, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        escaped_if(child, "clone");
    }
    unlink(path);
}

static int is_setid(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && status.st_mode & 06000 && status.st_mode & S_IFREG;
}

/* Files that would be run as their owner by whoever finds them: in writable directories. */
void setid(char **arguments) {
    for (; *arguments; arguments++) {
        char path[4096];
        const char *base = *arguments;
        snprintf(path, sizeof path, "%s/setid", base);
        int file = open(path, O_CREAT | O_RDWR, 0755);
        fchmod(file, 04755);
        chmod(path, 04755);
        syscall(452 /* fchmodat2 */, AT_FDCWD, path, 04755, 0);
        syscall(452, file, "", 04755, AT_EMPTY_PATH);
        if (is_setid(path)) escaped("chmod in %s", base);
        unlink(path);
        chmod(base, 02777);
        snprintf(path, sizeof path, "%s/born", base);
        close(open(path, O_CREAT | O_RDWR, 06755));
        if (is_setid(path)) escaped("open in %s", base);
        unlink(path);
        mknod(path, S_IFREG | 06755, 0);
        if (is_setid(path)) escaped("mknod in %s", base);
        unlink(path);
        creat(path, 04755);
        if (is_setid(path)) escaped("creat in %s", base);
        unlink(path);
        uint64_t how[3] = {O_CREAT | O_RDWR, 04755, 0};
        syscall(SYS_openat2, AT_FDCWD, path, how, sizeof how);
        if (is_setid(path)) escaped("openat2 in %s", base);
        unlink(path);
        file = open(base, O_TMPFILE | O_RDWR, 04755);
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", file);
        if (file >= 0 && linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 && is_setid(path))
            escaped("a nameless file linked into %s", base);
        unlink(path);
    }
}

/* Descriptor 0 is the caller's terminal. */
void terminal(char **arguments) {
    (void)arguments;
    static char block[256] = "x";
    const unsigned long high[] = {0, HIGH, 7 * HIGH, 1UL << 63};
    for (size_t at = 0; at < sizeof high / sizeof *high; at++) {
        escaped_if(syscall(SYS_ioctl, 0, 0x5412UL /* TIOCSTI */ | high[at], block), "typing");
        block[0] = 6; /* Asks only; 2 would select and 3 paste. */
        escaped_if(syscall(SYS_ioctl, 0, 0x541CUL /* TIOCLINUX */ | high[at], block), "TIOCLINUX");
        block[0] = 'x';
    }
    /* Whoever has a controlling terminal may be sent signals by it, and take it from others. */
    escaped_if(open("/dev/tty", O_RDWR), "/dev/tty");
    escaped_if(ioctl(0, TIOCSCTTY, 1), "stealing the terminal");
}

/* Calls that change the host, or look into others; what they name doesn't exist. */
void danger(char **arguments) {
    (void)arguments;
    static char block[256];
    struct {
        const char *name;
        long result;
        int error;
    } came[] = {
#define TRY(name, ...) {name, (errno = 0, syscall(__VA_ARGS__)), errno}
        TRY("mount", SYS_mount, "none", "/nowhere/at/all", "tmpfs", 0, 0),
        TRY("umount2", SYS_umount2, "/nowhere/at/all", 0),
        TRY("pivot_root", SYS_pivot_root, "/nowhere/at/all", "/nowhere/at/all"),
        TRY("bpf", SYS_bpf, 0, block, sizeof block),
        TRY("perf_event_open", SYS_perf_event_open, block, 0, -1, -1, 0),
        TRY("userfaultfd", SYS_userfaultfd, 1),
        TRY("init_module", SYS_init_module, 0, 0, ""),
        TRY("kexec_load", SYS_kexec_load, 0, 0, 0, 0),
        TRY("swapon", SYS_swapon, "/nowhere/at/all", 0),
        TRY("setns", SYS_setns, -1, 0),
        TRY("ptrace", SYS_ptrace, 16, -1, 0, 0),
        TRY("process_vm_readv", SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0),
        TRY("kcmp", SYS_kcmp, getpid(), getpid(), 0, 0, 0),
        TRY("syslog", SYS_syslog, 10, 0, 0),
        TRY("acct", SYS_acct, "/nowhere/at/all"),
        TRY("quotactl", SYS_quotactl, 0x800001, 0, 0, 0),
        TRY("fanotify_init", SYS_fanotify_init, 0x200, 0),
#undef TRY
    };
    for (size_t at = 0; at < sizeof came / sizeof *came; at++) {
        if (came[at].error == EPERM || came[at].error == ENOSYS) continue;
        escaped("%s gets through: %s", came[at].name, strerrorname_np(came[at].error));
    }
}
