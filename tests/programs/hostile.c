/* A caller with bad manners: arranges its own process badly, then becomes what it is told to.
 *
 *   hostile [ignore=SIGNAL] [block=SIGNAL] [open=NUMBER:PATH] [close=NUMBER] [umask=OCTAL]
 *           [files=LIMIT] [terminal] [terminal=PATH] [tmpfs=PATH] [shared] [user=ID]
 *           [refuse=CALL:ERRNO] -- COMMAND ARGUMENT...
 *
 * They are taken in their order. "tmpfs" is for root: a full file system over a path, in a
 * mount namespace; so is "shared": all mounts of one are shared ones, as where systemd runs; "user"
 * becomes another user then. "refuse" has every call of that name fail. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *value(const char *word, const char *key) {
    size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

/* A pseudo terminal as the controlling terminal, and on descriptor 0. */
static void terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) err(99, "pty");
    if (setsid() < 0) err(99, "setsid");
    int slave = open(ptsname(master), O_RDWR);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0)) err(99, "tty");
    dup2(slave, 0);
}

/* The same with somebody at the other end: the terminal becomes the standard streams. */
static void terminal_at(const char *path) {
    if (setsid() < 0) err(99, "setsid");
    int slave = open(path, O_RDWR);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0)) err(99, "%s", path);
    for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
    if (slave > 2) close(slave);
}

/* Files can be made in it, but its only page is taken. */
static void tmpfs(const char *path) {
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) err(99, "unshare");
    if (mount("tmpfs", path, "tmpfs", 0, "size=4k,mode=1777")) err(99, "%s", path);
    int full = openat(open(path, O_PATH | O_CLOEXEC), "full", O_WRONLY | O_CREAT, 0600);
    if (full < 0 || write(full, "", 1) != 1) err(99, "%s", path);
    close(full);
}

static void become(int user) {
    if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user)) err(99, "user");
}

static void refuse(const char *rule) {
    static const struct { const char *name; int number; } calls[] = {
        {"clone", SYS_clone}, {"clone3", SYS_clone3}, {"fdatasync", SYS_fdatasync},
        {"renameat", SYS_renameat}, {"socketpair", SYS_socketpair}, {"pidfd_open", SYS_pidfd_open},
        {"wait4", SYS_wait4}, {"mmap", SYS_mmap}, {"capget", SYS_capget},
        {"mount_setattr", SYS_mount_setattr},
    };
    const char *errno_text = strchr(rule, ':');
    int number = -1;
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        size_t length = strlen(calls[at].name);
        if (strncmp(rule, calls[at].name, length) == 0 && rule + length == errno_text) number = calls[at].number;
    }
    if (number < 0) errx(99, "which call is %s?", rule);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(errno_text + 1)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    /* Not no_new_privs for root: what ringfence does shall be the same as without this. */
    if (getuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) err(99, "no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) err(99, "seccomp");
}

int main(int argc, char **argv) {
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--"); at++) {
        const char *word = argv[at], *text;
        if ((text = value(word, "ignore"))) {
            signal(atoi(text), SIG_IGN);
        } else if ((text = value(word, "block"))) {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, atoi(text));
            sigprocmask(SIG_BLOCK, &set, NULL);
        } else if ((text = value(word, "open"))) {
            const char *path = strchr(text, ':') + 1;
            int fd = open(path, O_RDONLY);
            if (fd < 0 || dup2(fd, atoi(text)) < 0) err(99, "%s", path);
            if (fd != atoi(text)) close(fd);
        } else if ((text = value(word, "close"))) {
            close(atoi(text));
        } else if ((text = value(word, "umask"))) {
            umask(strtol(text, NULL, 8));
        } else if ((text = value(word, "files"))) {
            struct rlimit limit = {atoi(text), atoi(text)};
            if (setrlimit(RLIMIT_NOFILE, &limit)) err(99, "setrlimit");
        } else if ((text = value(word, "tmpfs"))) {
            tmpfs(text);
        } else if (strcmp(word, "shared") == 0) {
            if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL)) err(99, "shared");
        } else if ((text = value(word, "user"))) {
            become(atoi(text));
        } else if ((text = value(word, "refuse"))) {
            refuse(text);
        } else if ((text = value(word, "terminal"))) {
            terminal_at(text);
        } else if (strcmp(word, "terminal") == 0) {
            terminal();
        } else {
            errx(99, "what is %s?", word);
        }
    }
    if (at + 1 >= argc) errx(99, "no command");
    execv(argv[at + 1], argv + at + 1);
    err(99, "%s", argv[at + 1]);
}
