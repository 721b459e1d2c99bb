/* Says which signals come.
 *
 *   listen MARK SIGNAL...   says "ready", then the number of each of these signals that comes
 *   listen MARK             says "ready", then "on", again and again */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    sigset_t set;
    sigemptyset(&set);
    for (int at = 2; at < argc; at++) sigaddset(&set, atoi(argv[at]));
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("ready");
    for (;;) {
        int signal;
        if (argc == 2) {
            usleep(10000);
            puts("on");
        } else if (sigwait(&set, &signal) == 0) {
            printf("%d\n", signal);
        }
    }
}
