/* Many processes, one after the other or at once. Every process is called what the first was.
 *
 *   crowd orphans MARK N    N grandchildren that end at once, each an orphan by then, at most a
 *                           hundred at a time; says how many could be made
 *   crowd burn MARK N MS    N children, each of which leaves a grandchild in a session of its own
 *                           that uses MS milliseconds of processor time; waits for them by a pipe
 *   crowd stopped MARK      a child that is stopped, one that ignores SIGTERM, one in a session of
 *                           its own; says "ready"; sleeps
 *   crowd vfork MARK        sleeps in vfork(2), for a child that never executes anything; says
 *                           "ready" before */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void burn(long milliseconds) {
    struct timespec now;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < milliseconds);
}

int main(int argc, char **argv) {
    if (argc < 3) return 99;
    const char *how = argv[1];
    int count = argc > 3 ? atoi(argv[3]) : 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (strcmp(how, "orphans") == 0) {
        int made = 0;
        for (int number = 0; number < count; number++) {
            pid_t child = fork();
            if (child == 0) {
                /* Its parent is gone, or will be. */
                pid_t grandchild = fork();
                if (grandchild == 0) usleep(100);
                _exit(grandchild < 0);
            }
            int status = 1;
            if (child > 0) waitpid(child, &status, 0);
            made += status == 0;
            if (status != 0) usleep(1000), number--;
        }
        printf("%d\n", made);
        return 0;
    }
    if (strcmp(how, "burn") == 0) {
        int pipes[2];
        if (pipe(pipes)) return 99;
        for (int number = 0; number < count; number++) {
            pid_t child = fork();
            if (child == 0) {
                if (fork() == 0) {
                    setsid();
                    close(pipes[0]);
                    burn(atoi(argv[4]));
                }
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
        close(pipes[1]);
        char byte;
        return (int)read(pipes[0], &byte, 1);
    }
    if (strcmp(how, "stopped") == 0) {
        if (fork() == 0) {
            raise(SIGSTOP);
            for (;;) pause();
        }
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            for (;;) pause();
        }
        if (fork() == 0) {
            setsid();
            signal(SIGTERM, SIG_IGN);
            if (fork() == 0) raise(SIGSTOP);
            for (;;) pause();
        }
        usleep(20000);
        puts("ready");
        for (;;) pause();
    }
    if (strcmp(how, "vfork") == 0) {
        puts("ready");
        syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
        for (;;) pause();
    }
    return 99;
}
