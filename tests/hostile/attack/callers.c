/* What surrounds the launcher: hosts that lie, callers that hold things.
 *
 *   as lied-to VERSION -- COMMAND...  tells COMMAND that Landlock has this version, or fails (-ERRNO)
 *   as key NAME -- COMMAND...         COMMAND has a session keyring with this key in it
 *   as ipc KEY QUEUE                  memory and a message queue for everybody, until the end of
 *                                     standard input; says the memory's number
 *   as handle FILE                    says by which handle the kernel knows FILE */
#include "attack.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/shm.h>

static int status_of(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) < 0) return 99;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The filter asks this process whenever somebody asks the kernel for Landlock's version. */
static int lied_to(long version, char **command) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 444 /* landlock_create_ruleset */, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    int told[2], go[2], number;
    if (pipe2(told, O_CLOEXEC) || pipe2(go, O_CLOEXEC)) return 99;
    pid_t child = fork();
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) _exit(99);
        number = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                         &program);
        char byte;
        if (number < 0 || write(told[1], &number, sizeof number) < 0 || read(go[0], &byte, 1) < 0)
            _exit(99);
        execv(command[0], command);
        _exit(99);
    }
    close(told[1]);
    if (read(told[0], &number, sizeof number) != sizeof number) return status_of(child);
    int pidfd = syscall(SYS_pidfd_open, child, 0);
    int listener = syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (listener < 0 || write(go[1], "x", 1) != 1) return 99;
    struct pollfd waiting[2] = {{listener, POLLIN, 0}, {pidfd, POLLIN, 0}};
    while (poll(waiting, 2, -1) > 0 && !(waiting[1].revents & POLLIN)) {
        struct seccomp_notif asked = {0};
        if (!(waiting[0].revents & POLLIN)) break;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) continue;
        struct seccomp_notif_resp answer = {.id = asked.id};
        if (version < 0) answer.error = version;
        else answer.val = version;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    close(listener);
    return status_of(child);
}

static int with_key(const char *name, char **command) {
    if (syscall(SYS_keyctl, 1 /* join a session keyring */, NULL) < 0) return 98;
    long key = syscall(SYS_add_key, "user", name, "secret", 6, -3 /* the session's */);
    if (key < 0) return 98;
    syscall(SYS_keyctl, 5 /* permissions */, key, 0x3f3f3f3f);
    execv(command[0], command);
    return 99;
}

static int hold_ipc(int key, const char *queue) {
    int memory = shmget(key, 4096, IPC_CREAT | 0666);
    mode_t old = umask(0);
    mqd_t made = mq_open(queue, O_CREAT | O_RDWR, 0666, NULL);
    umask(old);
    if (memory < 0 || made < 0) return 99;
    printf("%d\n", memory);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    shmctl(memory, IPC_RMID, NULL);
    mq_unlink(queue);
    return 0;
}

static int say_handle(const char *path) {
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } handle = {.head.handle_bytes = 128};
    int mount;
    if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0)) return 98;
    printf("%d:", handle.head.handle_type);
    for (unsigned int at = 0; at < handle.head.handle_bytes; at++)
        printf("%02x", handle.head.f_handle[at]);
    printf("\n");
    return 0;
}

int as_caller(char **arguments) {
    const char *what = arguments[0];
    if (strcmp(what, "lied-to") == 0) return lied_to(atol(arguments[1]), arguments + 3);
    if (strcmp(what, "key") == 0) return with_key(arguments[1], arguments + 3);
    if (strcmp(what, "ipc") == 0) return hold_ipc(atoi(arguments[1]), arguments[2]);
    if (strcmp(what, "handle") == 0) return say_handle(arguments[1]);
    return 99;
}
