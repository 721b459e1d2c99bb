/* Attacks on what is visible of the host's files, and on what may be changed of it. */
#include "attack.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static char way[4][4096];

/* The same file by several names: itself, by a descriptor, by the root of a process. */
static int ways(const char *path) {
    int fd = open(path, O_RDONLY), place = open(path, O_PATH);
    snprintf(way[0], sizeof way[0], "%s", path);
    snprintf(way[1], sizeof way[1], "/proc/self/root%s", path);
    snprintf(way[2], sizeof way[2], "/proc/self/fd/%d", fd);
    snprintf(way[3], sizeof way[3], "/proc/self/fd/%d", place);
    return fd;
}

static void say(long result, const char *what, const char *by) {
    char text[8192];
    snprintf(text, sizeof text, "%s %s", what, by);
    escaped_if(result, text);
}

/* FILE is read-only, and so is the directory it is in; WRITABLE is a directory that isn't. */
void content(char **arguments) {
    const char *file = arguments[0], *writable = arguments[1];
    char path[4096];
    int fd = ways(file);
    for (int at = 0; at < 4; at++) {
        say(open(way[at], O_WRONLY), "open for writing", way[at]);
        say(open(way[at], O_RDWR | O_APPEND), "open for appending", way[at]);
        say(open(way[at], O_RDONLY | O_TRUNC), "open to truncate", way[at]);
        say(truncate(way[at], 0), "truncate", way[at]);
        snprintf(path, sizeof path, "%s/linked%d", writable, at);
        if (linkat(AT_FDCWD, way[at], AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
            say(open(path, O_WRONLY), "write by a hard link", path);
        snprintf(path, sizeof path, "%s/moved%d", writable, at);
        say(rename(way[at], path), "rename", way[at]);
        snprintf(path, sizeof path, "%s/new", writable);
        close(open(path, O_CREAT | O_WRONLY, 0644));
        say(rename(path, way[at]), "replace", way[at]);
        say(syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, way[at], 2 /* exchange */), "exchange",
            way[at]);
    }
    say(write(fd, "x", 1), "write to a reading descriptor", file);
    say(ftruncate(fd, 0), "ftruncate", file);
    say(fallocate(fd, 0, 0, 4096), "fallocate", file);
    snprintf(path, sizeof path, "%s/new", writable);
    int source = open(path, O_RDONLY);
    say(copy_file_range(source, NULL, fd, NULL, 1, 0) > 0 ? 0 : -1, "copy_file_range", file);
    say(ioctl(fd, FICLONE, source), "clone a range", file);
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    say(memory == MAP_FAILED ? -1 : 0, "map for writing", file);
    memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        say(mprotect(memory, 4096, PROT_READ | PROT_WRITE), "make a mapping writable", file);
    snprintf(path, sizeof path, "%s", file);
    *strrchr(path, '/') = 0;
    say(open(path, O_TMPFILE | O_WRONLY, 0600), "a nameless file in", path);
    say(unlink(file), "unlink", file);
    strcat(path, "/made");
    say(open(path, O_CREAT | O_WRONLY, 0644), "make", path);
    say(mkdir(path, 0755), "mkdir", path);
    say(symlink("x", path), "symlink", path);
    say(mkfifo(path, 0644), "mkfifo", path);
}

/* Nothing about FILE may change, not its mode, owner, times, attributes either. */
void metadata(char **arguments) {
    const char *file = arguments[0];
    struct timespec times[2] = {{1, 0}, {1, 0}};
    int fd = ways(file);
    for (int at = 0; at < 4; at++) {
        say(chmod(way[at], 0777), "chmod", way[at]);
        say(chown(way[at], getuid(), getgid()), "chown", way[at]);
        /* The others end in a link of /proc, whose owner is nobody's concern. */
        if (at < 2) say(lchown(way[at], -1, getgid()), "lchown", way[at]);
        say(utimensat(AT_FDCWD, way[at], times, 0), "utimensat", way[at]);
        say(utimensat(AT_FDCWD, way[at], NULL, 0), "touch", way[at]);
        say(setxattr(way[at], "user.ringfence", "x", 1, 0), "setxattr", way[at]);
        say(removexattr(way[at], "user.kept"), "removexattr", way[at]);
    }
    say(fchmod(fd, 0777), "fchmod", file);
    say(fchown(fd, getuid(), getgid()), "fchown", file);
    say(futimens(fd, times), "futimens", file);
    say(fsetxattr(fd, "user.ringfence", "x", 1, 0), "fsetxattr", file);
    int place = open(file, O_PATH);
    say(syscall(SYS_fchownat, place, "", getuid(), getgid(), AT_EMPTY_PATH), "fchownat by O_PATH", file);
    say(syscall(452 /* fchmodat2 */, place, "", 0777, AT_EMPTY_PATH), "fchmodat2 by O_PATH", file);
    say(syscall(SYS_utimensat, fd, NULL, times, 0), "utimensat by descriptor", file);
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NODUMP_FL;
        say(ioctl(fd, FS_IOC_SETFLAGS, &flags), "set flags", file);
    }
    struct fsxattr extended = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &extended) == 0) {
        extended.fsx_xflags |= FS_XFLAG_NODUMP;
        say(ioctl(fd, FS_IOC_FSSETXATTR, &extended), "set extended flags", file);
        say(syscall(469 /* file_setattr */, AT_FDCWD, file, &extended, 24, 0), "file_setattr", file);
    }
}

/* FILE isn't visible; MOUNTED is of the same file system. HANDLE (type:hexadecimal) names FILE
 * without a path; by it, who may do so opens a file around every mount. */
void handles(char **arguments) {
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } handle = {0};
    char *colon = strchr(arguments[1], ':');
    handle.head.handle_type = atoi(arguments[1]);
    for (const char *at = colon + 1; at[0] && at[1]; at += 2) {
        unsigned int byte;
        sscanf(at, "%2x", &byte);
        handle.head.f_handle[handle.head.handle_bytes++] = byte;
    }
    for (int round = 0; round < 2; round++) {
        int mount = open(arguments[0], O_RDONLY | O_DIRECTORY);
        escaped_if(open_by_handle_at(mount, &handle.head, O_RDONLY), "open by a handle");
        close(mount);
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) break;
    }
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) printf("denied %s\n", path);
    if (fd >= 0) close(fd);
}

/* In namespaces of its own, it has every capability over what it sees: FILE is still read-only,
 * HIDDEN still masked, and SECRET, a file of the host's, not there. */
void own_namespaces(char **arguments) {
    const char *file = arguments[0], *hidden_file = arguments[1], *secret = arguments[2];
    char map[64], path[4096];
    uid_t user = getuid();
    gid_t group = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)) {
        printf("denied namespaces: %s\n", strerrorname_np(errno));
        return;
    }
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", user);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", group);
    put("/proc/self/gid_map", map);
    snprintf(path, sizeof path, "%s", file);
    *strrchr(path, '/') = 0;
    const char *places[] = {"/", path, hidden_file, "/tmp", "/dev", "/run", "/proc", "/home"};
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        mount(NULL, places[at], NULL, MS_REMOUNT | MS_BIND, NULL);
        umount2(places[at], MNT_DETACH);
        umount2(places[at], MNT_DETACH);
    }
    if (mkdir("/tmp/x", 0700) == 0 && mount("/", "/tmp/x", NULL, MS_BIND, NULL) == 0) {
        mount(NULL, "/tmp/x", NULL, MS_REMOUNT | MS_BIND, NULL);
        snprintf(path, sizeof path, "/tmp/x%s", secret);
        escaped_if(open(path, O_RDONLY), "a file of the host's by a bind without what covers it");
        snprintf(path, sizeof path, "/tmp/x%s", file);
        escaped_if(open(path, O_WRONLY), "writing by a bind of its own");
    }
    /* With a root that isn't a mount, `..` once led out of it. */
    if (chroot("/tmp") == 0) {
        for (int up = 0; up < 64; up++) {
            if (chdir("..")) break;
        }
        if (chroot(".")) printf("denied chroot\n");
    }
    escaped_if(open(file, O_WRONLY), "writing to a read-only file");
    escaped_if(open(secret, O_RDONLY), "a file of the host's");
    escaped_if(open(hidden_file, O_RDONLY), "a hidden file");
}

/* BASE is writable, BASE/SUB/FILE read-only: may something else take its place? PARENT/CHILD is SUB. */
void pinned(char **arguments) {
    char from[4096], to[4096], file[4096];
    const char *base = arguments[0], *sub = arguments[1], *name = arguments[2];
    snprintf(file, sizeof file, "%s/%s/%s", base, sub, name);
    escaped_if(open(file, O_WRONLY), "writing to it");
    snprintf(from, sizeof from, "%s/%s", base, sub);
    snprintf(to, sizeof to, "%s/elsewhere", base);
    if (escaped_if(rename(from, to), "moving the directory that it is in") && mkdir(from, 0755) == 0)
        escaped_if(open(file, O_CREAT | O_WRONLY, 0755), "another file in its place");
    escaped_if(rename(file, to), "moving it away");
    /* What is mounted goes with the directory above it; then the path is free for another. */
    snprintf(from, sizeof from, "%s/%s", base, arguments[3]);
    snprintf(to, sizeof to, "%s/moved", base);
    if (rename(from, to) == 0) {
        snprintf(to, sizeof to, "%s/%s", base, sub);
        if (mkdir(from, 0755) == 0 && mkdir(to, 0755) == 0)
            escaped_if(open(file, O_CREAT | O_WRONLY, 0755), "another below a directory moved away");
    }
    snprintf(from, sizeof from, "%s/%s", base, sub);
    escaped_if(unlink(file), "removing it");
    snprintf(to, sizeof to, "%s/other", base);
    escaped_if(mkdir(to, 0755) || syscall(SYS_renameat2, AT_FDCWD, to, AT_FDCWD, from, 2) ? -1 : 0,
               "exchanging the directory that it is in");
}

/* SECRET is a file of the host's that isn't to be seen, by whatever name. */
void outside(char **arguments) {
    const char *secret = arguments[0];
    const char *roots[] = {"",
                           "/proc/self/root",
                           "/proc/1/root",
                           "/proc/thread-self/root",
                           "/proc/self/cwd/../../../../../../../..",
                           "/proc/1/cwd/../../../..",
                           "/../../../../../..",
                           "/dev/fd/../../root",
                           "/proc/self/task/../root"};
    char path[8192];
    for (size_t at = 0; at < sizeof roots / sizeof *roots; at++) {
        snprintf(path, sizeof path, "%s%s", roots[at], secret);
        escaped_if(open(path, O_RDONLY), path);
    }
    for (int process = 1; process < 64; process++) {
        snprintf(path, sizeof path, "/proc/%d/root%s", process, secret);
        if (open(path, O_RDONLY) >= 0) escaped("%s", path);
    }
}

/* PATH is masked: nothing of it is to be had, and it can't be taken away. */
void hidden(char **arguments) {
    const char *path = arguments[0];
    char to[4096];
    ways(path);
    snprintf(to, sizeof to, "%s.away", path);
    escaped_if(rename(path, to), "moving it away");
    escaped_if(unlink(path), "removing it");
    escaped_if(umount2(path, MNT_DETACH), "taking the mask away");
    escaped_if(link(path, to), "a link to it");
    for (int at = 0; at < 4; at++) {
        char byte;
        int fd = open(way[at], O_RDONLY);
        if (fd >= 0 && read(fd, &byte, 1) == 1) escaped("reading %s", way[at]);
        say(open(way[at], O_WRONLY), "writing to", way[at]);
        say(chmod(way[at], 0777), "chmod", way[at]);
    }
}

/* DIRECTORY is a mount below a read-only bind, writable on the host, with a setuid program and a
 * device in it. */
void submounts(char **arguments) {
    char path[4096];
    snprintf(path, sizeof path, "%s/new", arguments[0]);
    escaped_if(open(path, O_CREAT | O_WRONLY, 0644), "writing to a mount below a read-only one");
    snprintf(path, sizeof path, "%s/device", arguments[0]);
    escaped_if(open(path, O_RDWR), "opening a device there");
    snprintf(path, sizeof path, "%s/setid", arguments[0]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, "-c", "exit $(( $(id -u) == 12 ? 7 : 0 ))", NULL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 7) escaped("another user by setuid");
}

/* Somebody exchanges these directories for links out of here: reads what is in them, and writes. */
void exchanged(char **arguments) {
    (void)arguments;
    const char *files[] = {"source/secret", "other/secret", "target/secret"};
    const char *made[] = {"source/new", "other/new", "target/new"};
    char text[256];
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        int fd = open(files[at], O_RDWR | O_APPEND);
        if (fd < 0) fd = open(files[at], O_RDONLY);
        ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text);
        if (length > 0) escaped("%s: %.*s", files[at], (int)length, text);
        close(open(made[at], O_CREAT | O_WRONLY, 0644));
    }
}
