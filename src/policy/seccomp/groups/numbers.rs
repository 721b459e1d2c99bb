//! Numbers of the kernel's interface that the groups need. They are the same on every
//! architecture in [`Arch`](crate::policy::arch::Arch).

/// Operation not permitted.
pub const EPERM: u16 = 1;
/// Permission denied.
pub const EACCES: u16 = 13;
/// Function not implemented.
pub const ENOSYS: u16 = 38;
pub(super) const EPROTONOSUPPORT: u16 = 93;
pub(super) const EOPNOTSUPP: u16 = 95;
pub(super) const EAFNOSUPPORT: u16 = 97;

/// `prctl(2)`: read the seccomp mode.
pub const PR_GET_SECCOMP: u64 = 21;

// linux/sched.h
pub(super) const CLONE_VM: u64 = 0x100;
pub(super) const CLONE_FS: u64 = 0x200;
pub(super) const CLONE_FILES: u64 = 0x400;
pub(super) const CLONE_SIGHAND: u64 = 0x800;
pub(super) const CLONE_THREAD: u64 = 0x1_0000;
pub(super) const CLONE_SYSVSEM: u64 = 0x4_0000;
pub(super) const CLONE_NEWNS: u64 = 0x2_0000;
pub(super) const CLONE_NEWCGROUP: u64 = 0x0200_0000;
pub(super) const CLONE_NEWUTS: u64 = 0x0400_0000;
pub(super) const CLONE_NEWIPC: u64 = 0x0800_0000;
pub(super) const CLONE_NEWUSER: u64 = 0x1000_0000;
pub(super) const CLONE_NEWPID: u64 = 0x2000_0000;
pub(super) const CLONE_NEWNET: u64 = 0x4000_0000;

// asm-generic/ioctls.h
pub(super) const TIOCSTI: u64 = 0x5412;
pub(super) const TIOCLINUX: u64 = 0x541c;

// linux/stat.h, asm-generic/fcntl.h. `O_TMPFILE` without its `O_DIRECTORY`, whose bit differs.
pub(super) const S_ISUID_OR_S_ISGID: u64 = 0o6000;
pub(super) const O_CREAT_OR_TMPFILE: u64 = 0o20_000_100;

// linux/socket.h, linux/in.h, linux/in6.h
/// Sockets of this host.
pub const AF_UNIX: u64 = 1;
pub(super) const AF_INET: u64 = 2;
pub(super) const AF_INET6: u64 = 10;
/// Sockets to the kernel.
pub const AF_NETLINK: u64 = 16;
pub(super) const IPPROTO_ICMP: u64 = 1;
pub(super) const IPPROTO_TCP: u64 = 6;
pub(super) const IPPROTO_UDP: u64 = 17;
pub(super) const IPPROTO_ICMPV6: u64 = 58;
pub(super) const MSG_FASTOPEN: u64 = 0x2000_0000;

// linux/personality.h
pub(super) const PER_LINUX: u64 = 0;
pub(super) const PER_LINUX32: u64 = 8;
pub(super) const UNAME26: u64 = 0x2_0000;
pub(super) const ADDR_NO_RANDOMIZE: u64 = 0x4_0000;
/// Asks for the personality without changing it.
pub(super) const QUERY: u64 = 0xffff_ffff;
