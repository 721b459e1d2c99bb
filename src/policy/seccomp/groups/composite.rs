//! Groups made of other groups and of calls chosen from them.

use super::super::condition::{Condition, Test};
use super::numbers::{AF_UNIX, CLONE_THREAD};
use super::{Group, Use};

/// What profiles usually name.
pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "@default",
        description: "everything harmless: enough for shells, compilers, interpreters, version \
                      control, databases and servers",
        includes: &[
            "@io",
            "@aio",
            "@file-system",
            "@process",
            "@signal",
            "@memory",
            "@numa",
            "@time",
            "@event",
            "@sync",
            "@ipc",
            "@network",
            "@identity",
            "@resources",
            "@sched",
            "@system-info",
            "@sandbox",
        ],
        calls: &[],
        parts: &[],
        guards: &[],
    },
    Group {
        name: "@startup",
        description: "what a program needs to be executed, set up its runtime (glibc, musl, \
                      Rust, Go), open its libraries, start threads, print and exit",
        includes: &["@sync"],
        calls: STARTUP,
        parts: &[THREADS],
        guards: &[],
    },
    Group {
        name: "@compute",
        description: "read, compute, write to open descriptors and exit: threads, but no new \
                      processes, no sockets, no changes to the file system",
        includes: &["@startup", "@time"],
        calls: COMPUTE,
        parts: &[],
        guards: &[],
    },
    Group {
        name: "@network-unix",
        description: "UNIX sockets only",
        includes: &[],
        calls: calls![
            bind connect listen accept accept4 shutdown getsockname getpeername getsockopt
            setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
        ],
        parts: &[
            Use { call: "socket", conditions: UNIX_FAMILY },
            Use { call: "socketpair", conditions: UNIX_FAMILY },
        ],
        guards: &[],
    },
];

const UNIX_FAMILY: &[Condition] = &[Condition::low(0, Test::Equal(AF_UNIX))];

const THREADS: Use =
    Use { call: "clone", conditions: &[Condition::low(0, Test::AnyBit(CLONE_THREAD))] };

const STARTUP: &[&str] = calls![
    // The launcher's own last steps, and the end.
    execve exit exit_group
    // The dynamic loader.
    open openat access faccessat faccessat2 stat lstat fstat newfstatat statx readlink
    readlinkat getcwd read pread64 lseek close mmap munmap mprotect mremap madvise brk
    // Threads and their memory.
    arch_prctl set_tid_address rseq map_shadow_stack prctl sched_yield sched_getaffinity
    getrandom getrlimit prlimit64 uname
    // Who am I; secure mode.
    getpid gettid getuid geteuid getgid getegid
    // Signals: handlers, and `abort`.
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack tkill tgkill restart_syscall uprobe
    uretprobe
    // Rust looks whether descriptors 0 to 2 are open; Go sets up its poller.
    poll ppoll epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 pipe2 fcntl nanosleep
    clock_gettime
    // Standard output: is it a terminal, and off it goes.
    ioctl write writev
];

const COMPUTE: &[&str] = calls![
    readv preadv preadv2 pwrite64 pwritev pwritev2 dup dup2 dup3 close_range pipe select
    pselect6 epoll_create epoll_pwait2 eventfd fadvise64 getdents getdents64 statfs fstatfs
    chdir fchdir umask mincore mlock mlock2 munlock mlockall munlockall msync mseal pkey_alloc
    pkey_free pkey_mprotect get_mempolicy rt_sigpending rt_sigsuspend rt_sigtimedwait pause
    getppid getpgid getpgrp getsid getresuid getresgid getgroups getrusage setrlimit getpriority
    getcpu sched_getattr sched_getparam sched_getscheduler sched_get_priority_max
    sched_get_priority_min sysinfo
];
