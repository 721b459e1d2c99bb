//! Groups that reach beyond a sandbox, or that open much of the kernel to it. None of them is
//! part of another group: a profile that wants one names it.

use super::super::condition::{Condition, Test};
use super::numbers::*;
use super::{Group, Guard, Use};

/// Groups of whole calls, then groups of uses.
pub(super) const GROUPS: &[Group] = &[
    Group::of(
        "@mount",
        "change what is mounted where",
        calls![
            mount umount2 pivot_root mount_setattr move_mount open_tree open_tree_attr fsopen
            fsconfig fsmount fspick
        ],
    ),
    Group::of(
        "@module",
        "load code into the kernel",
        calls![init_module finit_module delete_module],
    ),
    Group::of(
        "@keyring",
        "the kernel's key storage, which namespaces don't separate",
        calls![add_key request_key keyctl],
    ),
    Group::of("@bpf", "load and run programs in the kernel's virtual machine", calls![bpf]),
    Group::of("@perf", "performance counters and tracing", calls![perf_event_open]),
    Group::of(
        "@io-uring",
        "rings of requests, which the kernel carries out past this filter",
        calls![io_uring_setup io_uring_enter io_uring_register],
    ),
    Group::of(
        "@userfaultfd",
        "hold the kernel up at a page fault, which makes races in it easy to win",
        calls![userfaultfd],
    ),
    Group::of("@kexec", "boot another kernel", calls![kexec_load kexec_file_load]),
    Group::of(
        "@debug",
        "look into and control other processes",
        calls![ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd],
    ),
    Group::of(
        "@clock",
        "set and slew the system's clocks",
        calls![settimeofday clock_settime clock_adjtime adjtimex],
    ),
    Group::of(
        "@raw-io",
        "the processor's I/O ports and segment tables",
        calls![iopl ioperm modify_ldt],
    ),
    Group::of("@reboot", "restart or stop the machine", calls![reboot]),
    Group::of("@swap", "change what the system swaps to", calls![swapon swapoff]),
    Group::of(
        "@obsolete",
        "calls that nothing uses, and numbers that were never put to use",
        calls![
            _sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms
            get_thread_area getpmsg lookup_dcookie nfsservctl putpmsg query_module security
            set_thread_area sysfs tuxcall uselib ustat vserver
        ],
    ),
    Group::of(
        "@privileged",
        "administration of the system: accounting, quotas, names, logs, file handles, other \
         processes' pages",
        calls![
            acct chroot fanotify_init fanotify_mark lsm_set_self_attr migrate_pages move_pages
            open_by_handle_at quotactl quotactl_fd setdomainname sethostname syslog vhangup
        ],
    ),
    Group::guarding(
        "@namespace",
        "make and enter namespaces, in which much of the kernel opens to the \
         unprivileged",
        calls![setns],
        &[
            refuse("clone", EPERM, &[Condition::low(0, Test::AnyBit(NAMESPACES))]),
            // By what is harmless, not by what makes namespaces: new flags are namespaces' flags.
            refuse("unshare", EPERM, &[Condition::full(0, Test::AnyBit(!HARMLESS_TO_UNSHARE))]),
        ],
    ),
    Group::guarding(
        "@terminal-injection",
        "push characters into a terminal as if its user had typed them \
         (ioctl TIOCSTI, TIOCLINUX)",
        &[],
        &[
            refuse("ioctl", EPERM, &[Condition::low(1, Test::Equal(TIOCSTI))]),
            refuse("ioctl", EPERM, &[Condition::low(1, Test::Equal(TIOCLINUX))]),
        ],
    ),
    Group::guarding(
        "@setid-files",
        "make setuid and setgid files, which outlast the sandbox",
        calls![openat2],
        &[
            refuse("chmod", EPERM, &[SETID_MODE_1]),
            refuse("fchmod", EPERM, &[SETID_MODE_1]),
            refuse("fchmodat", EPERM, &[SETID_MODE_2]),
            refuse("fchmodat2", EPERM, &[SETID_MODE_2]),
            refuse("creat", EPERM, &[SETID_MODE_1]),
            // Without these flags there is no mode: its register holds anything.
            refuse("open", EPERM, &[Condition::low(1, CREATES), SETID_MODE_2]),
            refuse("openat", EPERM, &[Condition::low(2, CREATES), SETID_MODE_3]),
            refuse("mknod", EPERM, &[SETID_MODE_1]),
            refuse("mknodat", EPERM, &[SETID_MODE_2]),
        ],
    ),
    Group::guarding(
        "@network-other",
        "sockets of other families (packet, vsock, crypto, Bluetooth, ...) and \
         protocols; MPTCP and SMC would pass by the rules for TCP ports",
        &[],
        &[
            refuse("socket", EAFNOSUPPORT, OTHER_FAMILY),
            refuse("socketpair", EAFNOSUPPORT, OTHER_FAMILY),
            refuse("socket", EPROTONOSUPPORT, OTHER_NETLINK),
            refuse("socket", EPROTONOSUPPORT, OTHER_PROTOCOL),
        ],
    ),
    Group::guarding(
        "@tcp-fast-open",
        "connect by sending (MSG_FASTOPEN), which passes by the rules for TCP ports",
        &[],
        &[
            // What the kernel says when the administrator has switched it off; clients fall back.
            refuse("sendto", EOPNOTSUPP, &[Condition::low(3, Test::AnyBit(MSG_FASTOPEN))]),
            refuse("sendmsg", EOPNOTSUPP, &[Condition::low(2, Test::AnyBit(MSG_FASTOPEN))]),
            refuse("sendmmsg", EOPNOTSUPP, &[Condition::low(3, Test::AnyBit(MSG_FASTOPEN))]),
        ],
    ),
    Group::guarding(
        "@limits-of-others",
        "change the limits of another process of the same user: with one of processor time or \
         descriptors the sandbox's init could be ended, and processes outside of a pid namespace",
        &[],
        // Limits can still be read, and a process may change its own, which it calls 0.
        &[refuse("prlimit64", EPERM, OTHERS_LIMIT)],
    ),
    Group::guarding(
        "@personality",
        "execution domains other than Linux's own, some of which switch off \
         protections of memory",
        &[],
        &[refuse("personality", EPERM, OTHER_PERSONALITY)],
    ),
];

/// A process other than the caller, and new limits for it (a pointer).
const OTHERS_LIMIT: &[Condition] =
    &[Condition::low(0, Test::NotEqual(0)), Condition::full(2, Test::NotEqual(0))];

const fn refuse(call: &'static str, errno: u16, conditions: &'static [Condition]) -> Guard {
    Guard { what: Use { call, conditions }, errno }
}

/// Not `CLONE_NEWTIME`: in `clone` its bit is part of the exit signal.
const NAMESPACES: u64 = CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET;

const HARMLESS_TO_UNSHARE: u64 =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

const CREATES: Test = Test::AnyBit(O_CREAT_OR_TMPFILE);
const SETID_MODE_1: Condition = Condition::low(1, Test::AnyBit(S_ISUID_OR_S_ISGID));
const SETID_MODE_2: Condition = Condition::low(2, Test::AnyBit(S_ISUID_OR_S_ISGID));
const SETID_MODE_3: Condition = Condition::low(3, Test::AnyBit(S_ISUID_OR_S_ISGID));

const OTHER_FAMILY: &[Condition] = &[
    Condition::low(0, Test::NotEqual(AF_UNIX)),
    Condition::low(0, Test::NotEqual(AF_INET)),
    Condition::low(0, Test::NotEqual(AF_INET6)),
    Condition::low(0, Test::NotEqual(AF_NETLINK)),
];

/// Any netlink protocol but `NETLINK_ROUTE`, which `getifaddrs(3)` and `getaddrinfo(3)` need.
const OTHER_NETLINK: &[Condition] =
    &[Condition::low(0, Test::Equal(AF_NETLINK)), Condition::low(2, Test::NotEqual(0))];

/// The list holds for every family: protocol 1 of a UNIX socket is its own, and SMC and MPTCP
/// are what it is there for.
const OTHER_PROTOCOL: &[Condition] = &[
    Condition::low(2, Test::NotEqual(0)),
    Condition::low(2, Test::NotEqual(IPPROTO_TCP)),
    Condition::low(2, Test::NotEqual(IPPROTO_UDP)),
    Condition::low(2, Test::NotEqual(IPPROTO_ICMP)),
    Condition::low(2, Test::NotEqual(IPPROTO_ICMPV6)),
];

const OTHER_PERSONALITY: &[Condition] = &[
    Condition::low(0, Test::NotEqual(PER_LINUX)),
    Condition::low(0, Test::NotEqual(PER_LINUX32)),
    Condition::low(0, Test::NotEqual(UNAME26)),
    Condition::low(0, Test::NotEqual(UNAME26 | PER_LINUX32)),
    Condition::low(0, Test::NotEqual(ADDR_NO_RANDOMIZE)),
    Condition::low(0, Test::NotEqual(QUERY)),
];
