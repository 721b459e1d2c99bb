/* Nanoseconds a call takes: getppid, openat with its close, and stat.
 *
 * inside FILE [filter], the latter under a filter of one instruction, which allows everything: what
 * the kernel takes for having one at all. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int count, char **words) {
    const char *path = words[1];
    const int times = 20000;
    struct stat status;
    if (count > 2) {
        struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog text = { 1, &code };
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &text) != 0) return 1;
    }
    double start = now();
    for (int i = 0; i < times; i++) syscall(SYS_getppid);
    double first = now();
    for (int i = 0; i < times; i++) {
        int file = open(path, O_RDONLY);
        if (file < 0) return 1;
        close(file);
    }
    double second = now();
    for (int i = 0; i < times; i++)
        if (stat(path, &status) != 0) return 1;
    double third = now();
    printf("%f %f %f\n", (first - start) / times, (second - first) / times,
           (third - second) / times);
    return 0;
}
