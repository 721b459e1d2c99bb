//! Groups whose calls do no harm in a sandbox: what they reach is bounded by other layers.

use super::Group;

/// All of `@default` is made of these.
pub(super) const GROUPS: &[Group] = &[
    Group::of(
        "@io",
        "read, write, copy and control open descriptors; pipes",
        calls![
            read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close
            close_range dup dup2 dup3 fcntl ioctl pipe pipe2 sendfile splice tee vmsplice
            copy_file_range readahead fadvise64 cachestat
        ],
    ),
    Group::of(
        "@aio",
        "asynchronous reads and writes of the older kind (not io_uring)",
        calls![
            io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
        ],
    ),
    Group::of(
        "@file-system",
        "open, inspect, make, change and remove files and directories",
        FILE_SYSTEM,
    ),
    Group::of(
        "@process",
        "make, run, await and end processes and threads, and tell them apart",
        calls![
            clone fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid
            getpgid getpgrp setpgid getsid setsid pidfd_open unshare personality set_tid_address
            arch_prctl rseq restart_syscall
            // Made by code that the kernel puts into a process that an administrator traces;
            // refusing them would crash it.
            uprobe uretprobe
        ],
    ),
    Group::of(
        "@signal",
        "send, handle, block and await signals",
        calls![
            kill tkill tgkill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo rt_sigaction
            rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn sigaltstack
            pause
        ],
    ),
    Group::of(
        "@memory",
        "map, protect, lock and share memory",
        calls![
            brk mmap munmap mprotect mremap remap_file_pages madvise process_madvise mincore
            msync mlock mlock2 munlock mlockall munlockall mseal memfd_create memfd_secret
            pkey_alloc pkey_free pkey_mprotect map_shadow_stack
        ],
    ),
    Group::of(
        "@numa",
        "choose the memory nodes that the process's own memory comes from",
        calls![get_mempolicy set_mempolicy set_mempolicy_home_node mbind],
    ),
    Group::of(
        "@time",
        "read clocks, sleep, and be woken by timers",
        calls![
            time times gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep alarm
            getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime
            timer_settime
        ],
    ),
    Group::of(
        "@event",
        "wait for many things at once: poll, epoll, descriptors for events, signals, timers, files",
        calls![
            poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait
            epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create
            timerfd_gettime timerfd_settime inotify_init inotify_init1 inotify_add_watch
            inotify_rm_watch
        ],
    ),
    Group::of(
        "@sync",
        "let threads wait for each other",
        calls![
            futex futex_wait futex_waitv futex_wake futex_requeue membarrier get_robust_list
            set_robust_list
        ],
    ),
    Group::of(
        "@ipc",
        "System V and POSIX message queues, semaphores and shared memory",
        calls![
            msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget
            mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
        ],
    ),
    Group::of(
        "@network",
        "sockets: UNIX, IPv4 and IPv6, and questions to the kernel about interfaces and routes",
        calls![
            socket socketpair bind connect listen accept accept4 shutdown getsockname
            getpeername getsockopt setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
        ],
    ),
    Group::of(
        "@identity",
        "read and change user ids, group ids and capabilities; no gain without privileges",
        calls![
            getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid
            setregid setresuid setresgid setfsuid setfsgid setgroups capget capset
        ],
    ),
    Group::of(
        "@resources",
        "read and lower limits and priorities; measure use",
        calls![
            getrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get
            ioprio_set process_mrelease
        ],
    ),
    Group::of(
        "@sched",
        "read and choose scheduling and processors",
        calls![
            sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr
            sched_getparam sched_setparam sched_getscheduler sched_setscheduler
            sched_get_priority_max sched_get_priority_min sched_rr_get_interval getcpu
        ],
    ),
    Group::of(
        "@system-info",
        "facts about the system and its mounts; random numbers",
        calls![
            uname sysinfo getrandom statmount listmount lsm_get_self_attr lsm_list_modules
        ],
    ),
    Group::of(
        "@sandbox",
        "let a program sandbox itself further: Landlock, seccomp, and the switches of prctl",
        calls![
            landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp prctl
        ],
    ),
];

const FILE_SYSTEM: &[&str] = calls![
    open openat creat access faccessat faccessat2 stat lstat fstat newfstatat statx statfs
    fstatfs file_getattr file_setattr readlink readlinkat getdents getdents64 getcwd chdir
    fchdir umask mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat unlink unlinkat
    rename renameat renameat2 chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat utime
    utimes futimesat utimensat truncate ftruncate fallocate flock sync syncfs fsync fdatasync
    sync_file_range getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr
    setxattrat listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr
    removexattrat name_to_handle_at
];
