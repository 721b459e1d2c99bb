/* Attacks on other processes: init, the launcher, those of the host; and on what limits these. */
#include "attack.h"

#include <dirent.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>

static void look_into(pid_t process, const char *who) {
    char path[64], text[128], byte;
    const char *files[] = {"mem", "environ", "maps", "auxv", "io", "stack", "syscall", "pagemap"};
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        snprintf(path, sizeof path, "/proc/%d/%s", process, files[at]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && strcmp(files[at], "mem") && read(fd, &byte, 1) > 0) escaped("%s of %s", files[at], who);
        if (fd >= 0) close(fd);
    }
    const char *writable[] = {"mem", "exe", "oom_score_adj", "uid_map", "clear_refs", "comm",
                              "timerslack_ns", "attr/current"};
    for (size_t at = 0; at < sizeof writable / sizeof *writable; at++) {
        snprintf(path, sizeof path, "/proc/%d/%s", process, writable[at]);
        int fd = open(path, O_WRONLY);
        snprintf(text, sizeof text, "%s of %s, to write", writable[at], who);
        /* Whoever may open some of them may still not write. */
        if (fd >= 0 && (at < 2 || write(fd, "0", 1) > 0)) escaped("%s", text);
        if (fd >= 0) close(fd);
    }
    const char *links[] = {"root", "cwd", "fd/0", "fd/3", "fd/4", "ns/mnt"};
    for (size_t at = 0; at < sizeof links / sizeof *links; at++) {
        snprintf(path, sizeof path, "/proc/%d/%s", process, links[at]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) escaped("%s of %s", links[at], who);
        if (fd >= 0) close(fd);
    }
    snprintf(text, sizeof text, "tracing %s", who);
    if (escaped_if(ptrace(PTRACE_SEIZE, process, 0, 0), text)) ptrace(PTRACE_DETACH, process, 0, 0);
    struct iovec own = {&byte, 1}, other = {(void *)0x400000, 1};
    if (process_vm_readv(process, &own, 1, &other, 1, 0) < 0 && errno == EFAULT)
        escaped("memory of %s", who);
    snprintf(path, sizeof path, "/proc/%d/map_files", process);
    DIR *mapped = opendir(path);
    for (struct dirent *entry; mapped && (entry = readdir(mapped));) {
        if (entry->d_name[0] != '.') escaped("a map of %s", who);
    }
    if (mapped) closedir(mapped);
    int pidfd = syscall(SYS_pidfd_open, process, 0);
    if (pidfd >= 0) {
        for (int fd = 0; fd < 12; fd++) {
            if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0) escaped("descriptor %d of %s", fd, who);
        }
        snprintf(text, sizeof text, "namespaces of %s by a pidfd", who);
        escaped_if(syscall(SYS_setns, pidfd, CLONE_NEWNS | CLONE_NEWNET), text);
    }
}

/* Init, which is this process's parent; the program that it is of. */
void launcher(char **arguments) {
    (void)arguments;
    look_into(getppid(), "init");
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", getppid());
    escaped_if(open(path, O_RDONLY), "the launcher's program by its link");
    kill(getppid(), SIGSTOP);
    usleep(20000);
    snprintf(path, sizeof path, "/proc/%d/stat", getppid());
    char text[512] = "";
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strstr(text, ") T")) escaped("stopping init");
    escaped_if(kill(getppid(), SIGKILL) || (usleep(100000), kill(getppid(), 0) == 0) ? -1 : 0, "killing init");
}

/* The limits of init: to what they are. */
void limits(char **arguments) {
    (void)arguments;
    struct rlimit limit = {0, 0};
    escaped_if(prlimit(getppid(), RLIMIT_CORE, NULL, &limit) || prlimit(getppid(), RLIMIT_CORE, &limit, NULL)
                   ? -1 : 0, "limits of init");
    escaped_if(prlimit(getpid(), RLIMIT_CPU, NULL, &limit) || prlimit(getppid(), RLIMIT_CPU, &limit, NULL)
                   ? -1 : 0, "its processor time");
}

/* PID is a process of the same user on the host, outside of the sandbox. */
void victim(char **arguments) {
    pid_t process = atoi(arguments[0]);
    escaped_if(kill(process, 0), "signals to it");
    int pidfd = syscall(SYS_pidfd_open, process, 0);
    if (pidfd >= 0) escaped_if(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), "signals by a pidfd");
    union sigval value = {0};
    escaped_if(sigqueue(process, 0, value), "queued signals");
    if (ptrace(PTRACE_SEIZE, process, 0, 0) == 0) escaped("tracing it");
    /* To everybody: 0 asks only whether there is anybody. */
    look_into(process, "a process of the host");
    int found = 0;
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        found += atoi(entry->d_name) == process;
    printf("seen %d\n", found);
}

/* Namespaces of other processes, by what /proc has of them. */
void host_namespaces(char **arguments) {
    (void)arguments;
    const char *names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
    char path[64];
    for (int process = 1; process < 400; process++) {
        for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
            snprintf(path, sizeof path, "/proc/%d/ns/%s", process, names[at]);
            int fd = open(path, O_RDONLY);
            if (fd < 0) continue;
            if (setns(fd, 0) == 0) escaped("the namespace %s", path);
            close(fd);
        }
        int pidfd = syscall(SYS_pidfd_open, process, 0);
        if (pidfd >= 0 && process != getpid() && setns(pidfd, CLONE_NEWUSER) == 0)
            escaped("the user namespace of %d", process);
        if (pidfd >= 0) close(pidfd);
    }
}

/* Nothing is open but the standard streams, and no way leads out by what is. */
void descriptors(char **arguments) {
    (void)arguments;
    char text[4096];
    for (int fd = 3; fd < 2048; fd++) {
        struct stat status;
        if (fstat(fd, &status) == 0) escaped("descriptor %d is open", fd);
    }
    for (int fd = 0; fd < 3; fd++) {
        struct stat status;
        if (fstat(fd, &status)) escaped("descriptor %d is closed", fd);
        else if (S_ISDIR(status.st_mode)) escaped("descriptor %d is a directory", fd);
    }
    if (!getcwd(text, sizeof text) || text[0] != '/') escaped("a directory outside of the root");
}

/* SECRET stood in the caller's environment. */
void environment(char **arguments) {
    char path[64];
    static char text[1 << 17];
    for (int process = -1; process < 300; process++) {
        snprintf(path, sizeof path, "/proc/%d/environ", process);
        if (process == -1) snprintf(path, sizeof path, "/proc/self/environ");
        if (process == 0) snprintf(path, sizeof path, "/proc/%d/environ", getppid());
        int fd = open(path, O_RDONLY);
        if (fd < 0) continue;
        ssize_t length = read(fd, text, sizeof text - 1);
        if (length > 0 && memmem(text, length, arguments[0], strlen(arguments[0])))
            escaped("%s", path);
        close(fd);
    }
}

/* Memory, a message queue and a file of the host's: SHMID KEY QUEUE FILE. */
void ipc(char **arguments) {
    int memory = atoi(arguments[0]);
    escaped_if(shmat(memory, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0, "System V memory by number");
    escaped_if(shmget(atoi(arguments[1]), 1, 0), "System V memory by key");
    escaped_if(mq_open(arguments[2], O_RDONLY | O_NONBLOCK), "a message queue");
    escaped_if(open(arguments[3], O_RDONLY), "a file of /dev/shm");
    escaped_if(shm_open(strrchr(arguments[3], '/'), O_RDONLY, 0), "POSIX shared memory");
}

/* DESCRIPTION is that of a key in the keyring of the caller's user and session. */
void keyrings(char **arguments) {
    const char *name = arguments[0];
    for (int ring = -8; ring < 0; ring++) {
        char text[64];
        snprintf(text, sizeof text, "the key in ring %d", ring);
        long key = syscall(SYS_keyctl, 10 /* search */, ring, "user", name, 0);
        if (escaped_if(key, text)) syscall(SYS_keyctl, 11 /* read */, key, text, sizeof text);
    }
    escaped_if(syscall(SYS_request_key, "user", name, NULL, 0), "the key by request");
    escaped_if(syscall(SYS_keyctl, 0 /* get */, -5 /* the user's session */, 0), "the user's ring");
}

/* At most LIMIT processes at once. */
void fork_bomb(char **arguments) {
    int limit = atoi(arguments[0]), made = 0;
    for (int number = 0; number < 4 * limit; number++) {
        pid_t child = fork();
        if (child == 0) {
            setsid();
            if (fork() == 0) {
                for (;;) pause();
            }
            for (;;) pause();
        }
        made += child > 0;
    }
    printf("made %d\n", made);
    if (made >= 2 * limit) escaped("%d processes", made);
}

/* More than LIMIT MiB, WHERE: many processes, a memfd, a file system in memory. A limit that holds
 * ends this process or fails the call. */
void memory(char **arguments) {
    size_t size = (size_t)atoi(arguments[0]) << 20;
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    if (strcmp(arguments[1], "processes") == 0) {
        int pipes[2];
        if (pipe(pipes)) return;
        for (int number = 0; number < 8; number++) {
            if (fork() == 0) {
                char *own = malloc(size / 4);
                if (!own) _exit(1);
                memset(own, number + 1, size / 4);
                if (write(pipes[1], "x", 1) < 0) _exit(1);
                for (;;) pause();
            }
        }
        struct pollfd waiting = {pipes[0], POLLIN, 0};
        for (int got = 0; got < 8;) {
            char one;
            if (poll(&waiting, 1, 20) == 1 && read(pipes[0], &one, 1) == 1) got++;
            /* None of them ends by itself. */
            if (waitpid(-1, NULL, WNOHANG) > 0) {
                printf("denied: one was killed\n");
                return;
            }
        }
        escaped("twice the limit in eight processes");
        return;
    }
    int fd = strcmp(arguments[1], "memfd") == 0 ? (int)syscall(SYS_memfd_create, "x", 0)
                                                : open(arguments[1], O_CREAT | O_RDWR, 0600);
    for (size_t done = 0; done < 2 * size; done += sizeof block) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) {
            printf("denied after %zu MiB: %s\n", done >> 20, strerrorname_np(errno));
            return;
        }
    }
    escaped("twice the limit in %s", arguments[1]);
}

static int leave(const char *directory, int depth) {
    char path[4096];
    int left = 0;
    const char *files[] = {"tasks", "cgroup.procs", "cgroup.threads"};
    const char *limits[] = {"memory.limit_in_bytes", "pids.max", "memory.max", "notify_on_release",
                            "release_agent"};
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[at]);
        int fd = open(path, O_WRONLY);
        if (fd >= 0 && write(fd, "0", 1) == 1) escaped("moving to %s", path), left++;
        if (fd >= 0) close(fd);
    }
    for (size_t at = 0; at < sizeof limits / sizeof *limits; at++) {
        snprintf(path, sizeof path, "%s/%s", directory, limits[at]);
        int fd = open(path, O_WRONLY);
        if (fd >= 0) escaped("%s can be written", path), close(fd), left++;
    }
    DIR *list = opendir(directory);
    for (struct dirent *entry; depth < 3 && list && (entry = readdir(list));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        left += leave(path, depth + 1);
    }
    if (list) closedir(list);
    return left;
}

/* Out of the own cgroup, or its limits changed. */
void cgroup(char **arguments) {
    (void)arguments;
    leave("/sys/fs/cgroup", 0);
}

/* FILE is visible and read-only: nobody else can be kept from writing to it by record locks. */
void locks(char **arguments) {
    int fd = open(arguments[0], O_RDONLY);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    escaped_if(fcntl(fd, F_SETLK, &lock), "a lock for writing");
    escaped_if(syscall(SYS_fcntl, fd, F_SETLK | HIGH, &lock), "the same, high bits set");
    lock.l_pid = 0;
    escaped_if(fcntl(fd, F_OFD_SETLK, &lock), "a lock of the open file");
}

/* In the first moment, before anything else: what of init is open? It was a copy of the launcher. */
void early(char **arguments) {
    (void)arguments;
    char path[64];
    const char *files[] = {"environ", "mem", "maps", "auxv", "fd/3", "root/etc"};
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        snprintf(path, sizeof path, "/proc/%d/%s", getppid(), files[at]);
        if (open(path, O_RDONLY) >= 0) escaped("%s", path);
    }
    if (ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0) escaped("tracing init");
}
