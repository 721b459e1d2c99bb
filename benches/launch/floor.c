/* The least that a launch of the layers in this benchmark takes: the same kernel calls as
 * ringfence's, in one static program that reads no profile, plans nothing and checks little.
 *
 * floor [-b] [-s] [-g CGROUP]... DIRECTORY PROGRAM
 *
 * -b  makes the network namespace beside the mounts, as ringfence does where a processor is idle
 * -s  launches once for each byte on its input, and writes the nanoseconds that each took as 8
 *     bytes: what is left of a launch without the exec of a launcher
 * -g  makes a cgroup below CGROUP, of either version, limits its processes, and removes it; may be
 *     there several times, as a version 1 has a hierarchy for each controller */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(call) must((long)(call), #call)
static long must(long returned, const char *call) {
    if (returned < 0) {
        fprintf(stderr, "floor: %s: %s\n", call, strerror(errno));
        _exit(125);
    }
    return returned;
}

static int root, mask, spare, beside, maker, privileged, channel[2], told[2];
static const char *directory, *program, *inside;

/* The cgroups of one run: their parents, what each is, and how the child gets in. */
enum { MOST = 8 };
static struct cgroup {
    const char *parent;
    int above, own, second, join;
} cgroups[MOST];
static int many;
static char *stack, users[64], groups[64];
extern char **environ;

static int inner(const char *path) {
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    return syscall(SYS_openat2, root, path, &how, sizeof how);
}

static void attach(int mount, int target) {
    MUST(syscall(SYS_move_mount, mount, "", target, "",
                 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    close(mount);
    close(target);
}

static int filesystem(const char *kind, const char *const *options, int attributes) {
    int context = MUST(syscall(SYS_fsopen, kind, FSOPEN_CLOEXEC));
    for (; options && *options; options += 2)
        MUST(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[0], options[1], 0));
    MUST(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
    int mount = MUST(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
    close(context);
    return mount;
}

static int copy(int from, const char *path, int flags) {
    return MUST(syscall(SYS_open_tree, from, path,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | flags));
}

static void restrict_to(int mount, unsigned long set, int reach) {
    struct mount_attr attributes = { .attr_set = set, .propagation = MS_PRIVATE };
    MUST(syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | reach, &attributes,
                 sizeof attributes));
}

#define PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static void show(const char *source, const char *target, unsigned long set) {
    int tree = copy(AT_FDCWD, source, 0);
    restrict_to(tree, set, AT_RECURSIVE);
    attach(tree, MUST(inner(target)));
}

static void memory(const char *target, const char *size, const char *mode, int attributes) {
    char id[16];
    snprintf(id, sizeof id, "%u", getuid());
    const char *options[] = { "size", size, "mode", mode, "uid", id, "gid", id, 0 };
    MUST(mkdirat(root, target, 0755));
    attach(filesystem("tmpfs", options, attributes), MUST(inner(target)));
}

static void read_only(const char *path) {
    int target = inner(path);
    if (target < 0) return;
    int tree = copy(target, "", AT_EMPTY_PATH);
    restrict_to(tree, PLAIN | MOUNT_ATTR_RDONLY, AT_RECURSIVE);
    attach(tree, target);
}

static void cover(const char *path) {
    int target = inner(path);
    struct stat status;
    if (target < 0) return;
    MUST(fstat(target, &status));
    attach(copy(mask, S_ISDIR(status.st_mode) ? "directory" : "file", 0), target);
}

static void mounts(void) {
    const char *of_root[] = { "size", "1m", "mode", "0755", 0 };
    const char *of_mask[] = { "size", "4096", "mode", "0755", 0 };
    const char *of_dev[] = { "size", "65536", "mode", "755", 0 };
    const char *of_pts[] = { "ptmxmode", "0666", "mode", "0620", 0 };
    MUST(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
    root = filesystem("tmpfs", of_root, PLAIN);
    mask = filesystem("tmpfs", of_mask, PLAIN | MOUNT_ATTR_NOEXEC);
    MUST(mkdirat(mask, "directory", 0));
    close(MUST(openat(mask, "file", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0)));
    spare = syscall(SYS_open_tree, mask, "file", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (spare < 0) MUST(syscall(SYS_move_mount, mask, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    restrict_to(mask, PLAIN | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, 0);
    MUST(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    MUST(mkdirat(root, "dev", 0755));
    attach(filesystem("tmpfs", of_dev, PLAIN | MOUNT_ATTR_NOEXEC), MUST(inner("dev")));
    static const char *devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
    for (int i = 0; i < 6; i++) {
        char from[32];
        snprintf(from, sizeof from, "/dev/%s", devices[i]);
        close(MUST(openat(root, from + 1, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444)));
        show(from, from + 1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    }
    MUST(symlinkat("/proc/self/fd", root, "dev/fd"));
    MUST(symlinkat("/proc/self/fd/0", root, "dev/stdin"));
    MUST(symlinkat("/proc/self/fd/1", root, "dev/stdout"));
    MUST(symlinkat("/proc/self/fd/2", root, "dev/stderr"));
    MUST(symlinkat("pts/ptmx", root, "dev/ptmx"));
    MUST(mkdirat(root, "dev/pts", 0755));
    attach(filesystem("devpts", of_pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC),
           MUST(inner("dev/pts")));
    memory("dev/shm", "67108864", "1777", PLAIN | MOUNT_ATTR_NOEXEC);
    MUST(mkdirat(root, "proc", 0755));
    attach(filesystem("proc", 0, PLAIN | MOUNT_ATTR_NOEXEC), MUST(inner("proc")));
    memory("run", "268435456", "755", PLAIN);
    memory("tmp", "268435456", "1777", PLAIN);
    static const char *links[] = { "bin", "sbin", "lib", "lib64" };
    for (int i = 0; i < 4; i++) {
        char path[16], text[64];
        snprintf(path, sizeof path, "/%s", links[i]);
        ssize_t length = readlink(path, text, sizeof text - 1);
        if (length < 0) continue;
        text[length] = 0;
        MUST(symlinkat(text, root, links[i]));
    }
    MUST(mkdirat(root, "usr", 0755));
    show("/usr", "usr", PLAIN | MOUNT_ATTR_RDONLY);
    for (const char *slash = directory; (slash = strchr(slash + 1, '/'));) {
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)(slash - directory), directory);
        mkdirat(root, part + 1, 0755);
    }
    MUST(mkdirat(root, inside, 0755));
    show(directory, inside, PLAIN | MOUNT_ATTR_RDONLY);
    static const char *settings[] = { "proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus",
                                      "proc/fs" };
    for (int i = 0; i < 5; i++) read_only(settings[i]);
    static const char *hidden[] = { "proc/acpi", "proc/kcore", "proc/keys", "proc/latency_stats",
                                    "proc/sched_debug", "proc/scsi", "proc/timer_list" };
    for (int i = 0; i < 7; i++) cover(hidden[i]);
    int sealed = MUST(inner("dev"));
    restrict_to(sealed, PLAIN | MOUNT_ATTR_RDONLY, 0);
    close(sealed);
    restrict_to(root, PLAIN | MOUNT_ATTR_RDONLY, 0);
    int old = MUST(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    MUST(fchdir(root));
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(fchdir(old));
    while (umount2(".", MNT_DETACH) == 0) {}
    MUST(chdir("/"));
    close(old);
    close(root);
}

static int make_network(void *unused) {
    (void)unused;
    if (unshare(CLONE_NEWNET) == 0) kill(getpid(), SIGSTOP);
    return 1;
}

static void write_map(const char *path, const char *text) {
    int file = MUST(open(path, O_WRONLY | O_CLOEXEC));
    MUST(write(file, text, strlen(text)));
    close(file);
}

static void credentials(void) {
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { 0 };
    unsigned user = privileged ? 65534 : getuid();
    for (int number = 0; prctl(PR_CAPBSET_DROP, number) == 0; number++) {}
    MUST(prctl(PR_SET_SECUREBITS, 0xef));
    if (privileged) MUST(setgroups(0, 0));
    MUST(setresgid(user, user, user));
    MUST(setresuid(user, user, user));
    MUST(syscall(SYS_capset, &header, none));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void landlock(void) {
    struct landlock_ruleset_attr attributes = { .handled_access_fs = 0x1fff };
    int ruleset = MUST(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    const char *paths[] = { "/", "/bin", "/dev", "/dev/shm", "/lib", "/lib64", "/proc", "/run",
                            "/sbin", "/tmp", "/usr", directory };
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        int file = open(paths[i], O_PATH | O_CLOEXEC);
        struct stat status;
        if (file < 0) continue;
        MUST(fstat(file, &status));
        struct landlock_path_beneath_attr rule = { .allowed_access = i ? 0xd : 0x8,
                                                   .parent_fd = file };
        MUST(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
        close(file);
    }
    MUST(syscall(SYS_landlock_restrict_self, ruleset, 0));
}

/* As long as ringfence's filter for its usual group of calls, whose binary search passes few
 * instructions: the kernel tries every filter with every call when it is installed. */
static void filter(void) {
    enum { LENGTH = 166, STEPS = 10 };
    struct sock_filter code[LENGTH];
    struct sock_fprog text = { LENGTH, code };
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (int i = 1; i < LENGTH - 1; i++) {
        int last = LENGTH - 2 - i;
        code[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, i == STEPS ? 0 : 1000 + i,
                                               last, 0);
    }
    code[LENGTH - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &text));
}

static int target(void *unused) {
    (void)unused;
    char word;
    struct rlimit core = { 0, 0 }, processes = { 4097, 4097 };
    sigset_t none;
    MUST(setsid());
    MUST(chdir("/"));
    landlock();
    MUST(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
    MUST(setrlimit(RLIMIT_NPROC, &processes));
    MUST(setrlimit(RLIMIT_CORE, &core));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    MUST(write(told[1], "r", 1));
    MUST(read(told[1], &word, 1));
    MUST(prctl(PR_SET_DUMPABLE, 0));
    filter();
    char *words[] = { (char *)program, 0 };
    execve(program, words, environ);
    return 127;
}

static void join_network(void) {
    int status;
    MUST(waitpid(maker, &status, WUNTRACED));
    int descriptor = MUST(syscall(SYS_pidfd_open, maker, 0));
    MUST(setns(descriptor, CLONE_NEWNET));
    close(descriptor);
    kill(maker, SIGKILL);
    MUST(waitpid(maker, &status, 0));
}

static void init(void) {
    int status;
    sigset_t all;
    if (!privileged) {
        write_map("/proc/self/setgroups", "deny");
        write_map("/proc/self/uid_map", users);
        write_map("/proc/self/gid_map", groups);
    }
    if (beside) maker = MUST(clone(make_network, stack + 65536, CLONE_VM | SIGCHLD, 0));
    MUST(setsid());
    for (int i = 0; i < many; i++)
        if (cgroups[i].join >= 0) MUST(write(cgroups[i].join, "0", 1));
    MUST(unshare(CLONE_NEWCGROUP));
    mounts();
    MUST(sethostname("sandbox", 7));
    if (beside) join_network();
    credentials();
    int command = MUST(clone(target, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, 0));
    MUST(prctl(PR_SET_DUMPABLE, 0));
    sigfillset(&all);
    int signals = MUST(signalfd(-1, &all, SFD_CLOEXEC));
    struct pollfd events = { signals, POLLIN, 0 };
    MUST(poll(&events, 1, -1));
    MUST(waitpid(command, &status, 0));
    kill(-1, SIGKILL);
    MUST(write(channel[1], &status, sizeof status));
    _exit(0);
}

static int under(int at, const char *name, int flags) {
    return MUST(openat(at, name, flags | O_CLOEXEC));
}

/* Version 2 is the one that has cgroup.controllers. */
static void make_cgroup(struct cgroup *cgroup, const char *name) {
    cgroup->above = under(AT_FDCWD, cgroup->parent, O_RDONLY | O_DIRECTORY);
    cgroup->second = faccessat(cgroup->above, "cgroup.controllers", F_OK, 0) == 0;
    MUST(mkdirat(cgroup->above, name, 0755));
    cgroup->own = under(cgroup->above, name, O_RDONLY | O_DIRECTORY);
    int limit = openat(cgroup->own, "pids.max", O_RDWR | O_CLOEXEC);
    if (limit >= 0) {
        char text[32];
        MUST(write(limit, "4097", 4));
        MUST(pread(limit, text, sizeof text, 0));
        close(limit);
    }
    cgroup->join = cgroup->second ? -1 : under(cgroup->own, "tasks", O_WRONLY);
}

static void remove_cgroup(struct cgroup *cgroup, const char *name) {
    close(cgroup->own);
    MUST(unlinkat(cgroup->above, name, AT_REMOVEDIR));
    close(cgroup->above);
}

static int launch(void) {
    char name[32];
    int born = -1;
    snprintf(name, sizeof name, "floor-%d", getpid());
    for (int i = 0; i < many; i++) {
        make_cgroup(&cgroups[i], name);
        if (cgroups[i].second) born = cgroups[i].own;
    }
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, told));
    struct clone_args arguments = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
            | (beside ? 0 : CLONE_NEWNET) | (privileged ? 0 : CLONE_NEWUSER)
            | (born >= 0 ? CLONE_INTO_CGROUP : 0),
        .exit_signal = SIGCHLD,
        .cgroup = born >= 0 ? born : 0,
    };
    pid_t child = MUST(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (child == 0) init();
    close(channel[1]);
    close(told[1]);
    for (int i = 0; i < many; i++)
        if (cgroups[i].join >= 0) close(cgroups[i].join);
    int status;
    char word, text[8192], path[64];
    MUST(read(told[0], &word, 1));
    static const char *files[] = { "status", "limits", "cgroup" };
    for (int i = 0; i < (many ? 3 : 2); i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", child, files[i]);
        int file = MUST(open(path, O_RDONLY | O_CLOEXEC));
        MUST(read(file, text, sizeof text));
        close(file);
    }
    static const char *names[] = { "mnt", "pid", "ipc", "uts", "net", "cgroup", "user" };
    for (int i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", child, names[i]);
        MUST(readlink(path, text, sizeof text));
    }
    MUST(write(told[0], "g", 1));
    MUST(read(channel[0], &status, sizeof status));
    MUST(waitpid(child, 0, 0));
    close(told[0]);
    close(channel[0]);
    for (int i = 0; i < many; i++) remove_cgroup(&cgroups[i], name);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int count, char **words) {
    int serves = 0;
    words++, count--;
    for (; count > 0 && **words == '-'; words++, count--) {
        if ((*words)[1] == 'b') beside = 1;
        if ((*words)[1] == 's') serves = 1;
        if ((*words)[1] == 'g' && count > 1 && many < MOST)
            words++, count--, cgroups[many++].parent = *words;
    }
    if (count != 2) return 125;
    directory = words[0];
    program = words[1];
    inside = directory + 1;
    privileged = geteuid() == 0;
    snprintf(users, sizeof users, "%u %u 1", getuid(), getuid());
    snprintf(groups, sizeof groups, "%u %u 1", getgid(), getgid());
    stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    if (!serves) return launch();
    char byte;
    while (read(0, &byte, 1) == 1) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (launch() != 0) return 1;
        clock_gettime(CLOCK_MONOTONIC, &after);
        long long took = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
        MUST(write(1, &took, sizeof took));
    }
    return 0;
}
