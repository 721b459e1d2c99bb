/* Process trees that are hard to end. Every process is called what the tree's root was called,
 * so that a test finds them by their arguments.
 *
 *   tree daemon MARK        a daemon by the book (double fork, setsid) stays behind
 *   tree orphans MARK N     N children in sessions of their own stay behind
 *   tree deaf MARK          ignores every signal that can be ignored, and sleeps
 *   tree stop MARK          stops itself
 *   tree bomb MARK          forks until nothing more can be forked, then says how often; stays
 *   tree eat MARK           takes memory until there is no more
 *   tree fast MARK          forks a new copy of itself and ends, for ever */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sleep_on(void) {
    for (;;) pause();
}

int main(int argc, char **argv) {
    if (argc < 3) return 99;
    const char *how = argv[1];
    setvbuf(stdout, NULL, _IONBF, 0);
    if (strcmp(how, "daemon") == 0) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                for (int fd = 0; fd < 3; fd++) close(fd);
                sleep_on();
            }
            _exit(0);
        }
        usleep(50000);
        return 3;
    }
    if (strcmp(how, "orphans") == 0) {
        int count = atoi(argv[3]);
        for (int number = 0; number < count; number++) {
            if (fork() == 0) {
                setsid();
                sleep_on();
            }
        }
        usleep(50000);
        return 4;
    }
    if (strcmp(how, "deaf") == 0) {
        for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
        puts("deaf");
        sleep_on();
    }
    if (strcmp(how, "stop") == 0) {
        puts("stopping");
        raise(SIGSTOP);
        puts("continued");
        sleep_on();
    }
    if (strcmp(how, "bomb") == 0) {
        int count = 0;
        for (;; count++) {
            pid_t child = fork();
            if (child == 0) sleep_on();
            if (child < 0) break;
        }
        printf("%d %s\n", count, strerrorname_np(errno));
        return 5;
    }
    if (strcmp(how, "eat") == 0) {
        for (;;) {
            char *more = malloc(1 << 20);
            if (more == NULL) return 7;
            memset(more, 1, 1 << 20);
        }
    }
    if (strcmp(how, "fast") == 0) {
        for (;;) {
            pid_t child = fork();
            if (child > 0) _exit(6);
            setsid();
        }
    }
    return 99;
}
