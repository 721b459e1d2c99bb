/* Tries to become somebody, or to get privileges back.
 *
 *   regain who          real, effective and saved user id, group id, and permitted capabilities
 *   regain ids          each call, and what it came to
 *   regain securebits   what they are, and what taking one back came to */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *came(long result) { return result < 0 ? strerrorname_np(errno) : "0"; }

int main(int argc, char **argv) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    if (argc < 2) return 99;
    if (strcmp(argv[1], "who") == 0) {
        uid_t real, effective, saved;
        getresuid(&real, &effective, &saved);
        if (syscall(SYS_capget, &header, sets)) return 98;
        printf("%d %d %d %d %x\n", real, effective, saved, getegid(), sets[0].permitted);
    } else if (strcmp(argv[1], "ids") == 0) {
        uid_t other = getuid() == 0 ? 1 : 0;
        gid_t groups[] = {0, 4};
        printf("setuid %s\n", came(setuid(other)));
        printf("setresuid %s\n", came(setresuid(other, other, other)));
        printf("setgid %s\n", came(setgid(other)));
        printf("setgroups %s\n", came(setgroups(2, groups)));
        memset(sets, 0xff, sizeof sets);
        printf("capset %s\n", came(syscall(SYS_capset, &header, sets)));
        long raised = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
        printf("ambient %s\n", came(raised));
        printf("keepcaps %s\n", came(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)));
    } else {
        printf("0x%x ", prctl(PR_GET_SECUREBITS));
        puts(came(prctl(PR_SET_SECUREBITS, 0)));
    }
    return 0;
}
