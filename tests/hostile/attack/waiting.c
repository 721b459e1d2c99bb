/* Processes that are hard to end, for the time limit. MARK, an argument of theirs, is by what they are
 * found. */
#include "attack.h"

#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static void be_deaf(void) {
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCONT, SIG_IGN);
}

/* Sleeps uninterruptibly, for a child that executes nothing, never ends, and is stopped. */
static void sleep_in_vfork(int stopped) {
    long child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (child == 0 && stopped) raise(SIGSTOP);
    for (;;) pause();
}

/* Waits for a page that nobody will ever bring; where that can't be had, it just waits. */
static void wait_for_a_page(void) {
    int fd = syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API};
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {.range = {(unsigned long)page, 4096},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &range) == 0)
        *(volatile char *)page = 1;
    for (;;) pause();
}

/* None of them can be asked to end, and the command itself can't even be stopped. */
void vforked(char **arguments) {
    (void)arguments;
    be_deaf();
    for (int number = 0; number < 4; number++) {
        if (fork() == 0) {
            if (number & 1) setsid();
            if (number < 2) wait_for_a_page();
            sleep_in_vfork(number & 1);
        }
    }
    puts("ready");
    fflush(stdout);
    sleep_in_vfork(1);
}

/* Whoever is to end them is stopped, again and again; where init can be. */
void stopping(char **arguments) {
    (void)arguments;
    pid_t init = getppid();
    be_deaf();
    for (int number = 0; number < 3; number++) {
        if (fork() == 0) {
            if (number == 0) setsid();
            break;
        }
    }
    for (;;) {
        kill(init, SIGSTOP);
        usleep(200);
    }
}

/* Two processes that are to be frozen. */
void frozen(char **arguments) {
    (void)arguments;
    if (fork() == 0) setsid();
    else puts("ready"), fflush(stdout);
    for (;;) pause();
}

/* Writes to FILE all the time: its file system is to be frozen. */
void stuck(char **arguments) {
    int fd = open(arguments[0], O_CREAT | O_WRONLY, 0644);
    if (fd < 0) return;
    if (fork() == 0) setsid();
    else puts("ready"), fflush(stdout);
    for (;;) {
        if (pwrite(fd, "x", 1, 0) < 0) return;
        usleep(1000);
    }
}
