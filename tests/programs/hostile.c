/* A caller with bad manners: arranges its own process badly, then becomes what it is told to.
 *
 *   hostile [ignore=SIGNAL] [block=SIGNAL] [open=NUMBER:PATH] [close=NUMBER] [umask=OCTAL]
 *           [files=LIMIT] [terminal] [terminal=PATH] -- COMMAND ARGUMENT... */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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
