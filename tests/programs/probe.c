/* Looks at its own confinement from inside, and prints a line "name value" for each thing found.
 * Only by doing and by asking the kernel: it knows nothing of what was planned.
 *
 *   probe            all of it; leaves a file "marker" behind first, where it may
 *   probe eat BYTES  fills so much memory, and says "eaten"
 *   probe open FILE  opens it for reading, and says what came of it
 *   probe leave NAME starts a process that would outlive it, with NAME among its arguments */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MOST_THREADS 60
#define MOST_DESCRIPTORS 1024
#define MOST_DOMAINS 70

static const char *error_of(long result) { return result < 0 ? strerrorname_np(errno) : "0"; }

static void identity(void) {
    uid_t user[3];
    gid_t group[3];
    getresuid(&user[0], &user[1], &user[2]);
    getresgid(&group[0], &group[1], &group[2]);
    printf("uids %u,%u,%u\n", user[0], user[1], user[2]);
    printf("gids %u,%u,%u\n", group[0], group[1], group[2]);
    printf("groups %d\n", getgroups(0, NULL));
    printf("sid %d\n", getsid(0));
}

static void privileges(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{0}};
    syscall(SYS_capget, &header, sets);
    uint32_t held = 0, bounding = 0, ambient = 0;
    for (int i = 0; i < 2; i++)
        held |= sets[i].effective | sets[i].permitted | sets[i].inheritable;
    for (int i = 0; i < 64; i++) {
        bounding += prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1;
        ambient += prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1;
    }
    printf("held %x\nbounding %u\nambient %u\n", held, bounding, ambient);
    printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* Every namespace by the number that the kernel gave it. */
static void namespaces(void) {
    static const char *const names[] = {"user", "mnt", "pid", "ipc", "uts", "net", "cgroup", "time"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64], text[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        ssize_t length = readlink(path, text, sizeof text - 1);
        text[length < 0 ? 0 : length] = 0;
        printf("ns-%s %s\n", names[i], length < 0 ? error_of(-1) : text);
    }
    struct utsname names_of;
    uname(&names_of);
    printf("hostname %s\n", names_of.nodename);
    FILE *map = fopen("/proc/self/uid_map", "r");
    unsigned inside, outside, count, lines = 0, all = 0;
    while (map && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
        lines++, all += count;
    if (map) fclose(map);
    if (map)
        printf("users-mapped %u\n", lines == 1 ? all : 0);
    else
        printf("users-mapped %s\n", error_of(-1));
}

static void files(void) {
    struct stat of_proc, of_keys;
    struct statvfs view;
    printf("usr %s\n", error_of(access("/usr", F_OK)));
    int there = statvfs("/usr", &view) == 0;
    printf("usr-writable %d\n", there && !(view.f_flag & ST_RDONLY));
    printf("above-root %s\n", error_of(access("/../../../usr", F_OK)));
    int both = stat("/proc", &of_proc) == 0 && stat("/proc/keys", &of_keys) == 0;
    printf("keys-masked %d\n", both && of_proc.st_dev != of_keys.st_dev);
}

/* How many more Landlock domains fit: the kernel stacks a fixed number, of which some are taken. */
static void landlock(void) {
    struct { uint64_t files; } handled = {1 << 11 /* LANDLOCK_ACCESS_FS_MAKE_BLOCK */};
    long rules = syscall(444 /* landlock_create_ruleset */, &handled, sizeof handled, 0);
    printf("landlock %s\n", error_of(rules));
    int domains = 0;
    while (rules >= 0 && domains < MOST_DOMAINS && syscall(446 /* restrict_self */, rules, 0) == 0)
        domains++;
    printf("domains-left %d\n", domains);
}

/* Kernels answer ESRCH to a request about nobody; filters refuse to ask. */
static void filter(void) {
    printf("seccomp %d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    printf("ptrace %s\n", error_of(ptrace(PTRACE_CONT, 1 << 30, 0, 0)));
}

static void *wait_for_end(void *unused) {
    (void)unused;
    while (pause() < 0) continue;
    return NULL;
}

static void limits(void) {
    static const struct { const char *name; int number; } kinds[] = {
        {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rlimit limit;
        getrlimit(kinds[i].number, &limit);
        printf("rlimit-%s %lld\n", kinds[i].name, (long long)limit.rlim_cur);
    }
    int opened = 0, extra = 0;
    for (int number = 3; number < MOST_DESCRIPTORS; number++) extra += fcntl(number, F_GETFD) >= 0;
    while (opened < MOST_DESCRIPTORS && dup(1) >= 0) opened++;
    closefrom(3);
    printf("inherited %d\ndescriptors %d\n", extra, opened + extra + 3);
    printf("secret %s\n", getenv("RINGFENCE_TRUTH_SECRET") ? "told" : "kept");

    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    int threads = 0;
    pthread_t thread;
    while (threads < MOST_THREADS && pthread_create(&thread, &small, wait_for_end, NULL) == 0)
        threads++;
    printf("threads %d\n", threads);
}

static int eat(size_t bytes) {
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return puts("no memory"), 3;
    for (size_t i = 0; i < bytes; i += 4096) memory[i] = 1;
    return puts("eaten"), 0;
}

static int leave(char *program, char *name) {
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        execl(program, program, "stay", name, NULL);
        _exit(1);
    }
    return 0;
}

int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "eat")) return eat(strtoull(words[2], NULL, 10));
    if (count == 3 && !strcmp(words[1], "leave")) return leave(words[0], words[2]);
    if (count == 3 && !strcmp(words[1], "stay")) return sleep(600), 0;
    if (count == 3 && !strcmp(words[1], "open"))
        return puts(error_of(open(words[2], O_RDONLY))), 0;
    close(open("marker", O_WRONLY | O_CREAT, 0666));
    identity();
    privileges();
    namespaces();
    files();
    filter();
    limits();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* What Landlock asks of who has no privilege. */
    landlock();
    fflush(stdout);
    _exit(0);
}
