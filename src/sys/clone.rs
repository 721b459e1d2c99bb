//! `clone3(2)`.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// Puts the child into the cgroup of [`CloneArgs::cgroup`] (Linux 5.7; `<linux/sched.h>`).
/// libc's own constant is 0, by an overflow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Namespace flags, from `<linux/sched.h>`, in the 64 bits that `clone3` takes.
pub(crate) mod flags {
    pub(crate) const NEWTIME: u64 = 0x0000_0080;
    pub(crate) const NEWNS: u64 = 0x0002_0000;
    pub(crate) const NEWCGROUP: u64 = 0x0200_0000;
    pub(crate) const NEWUTS: u64 = 0x0400_0000;
    pub(crate) const NEWIPC: u64 = 0x0800_0000;
    pub(crate) const NEWUSER: u64 = 0x1000_0000;
    pub(crate) const NEWPID: u64 = 0x2000_0000;
    pub(crate) const NEWNET: u64 = 0x4000_0000;
}

/// A process that was made, as its maker sees it.
pub(crate) struct Cloned {
    /// Its id in the maker's pid namespace.
    pub(crate) pid: i32,
    /// Its pidfd; close-on-exec.
    pub(crate) pidfd: OwnedFd,
}

/// Makes a process that shares nothing with this one, inside new namespaces (`flags`, all of
/// them namespace flags) and, where given, inside a version 2 cgroup (`cgroup`, an open
/// directory). It runs `child`.
///
/// The child is a copy of a possibly multi-threaded process that holds only the calling thread:
/// `child` must not allocate, take a lock, or unwind; when it returns, the process ends.
pub(crate) fn clone_and_run(
    flags: u64,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce(),
) -> Result<Cloned, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    // No signal at its end: the pidfd tells of it. With SIGCHLD, a caller who ignores that signal
    // would have the kernel reap the child at once, and a host program's wait would find it.
    args.exit_signal = 0;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the struct and its size agree, `pidfd` outlives the call, and with no stack given
    // the child goes on on a copy of this one, as after fork. It never leaves this function.
    let returned =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match super::result(returned)? {
        0 => {
            child();
            super::exec::exit_now(0)
        }
        pid => Ok(Cloned {
            pid: i32::try_from(pid).unwrap_or(i32::MAX),
            // SAFETY: the kernel stored a new descriptor that nobody else owns.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// Makes a plain copy of this process, without a pidfd: what `fork(2)` does, less the handlers
/// that libc's version runs (they may allocate or lock). Returns the child's id, or 0 in the child.
///
/// To be called in a process made by [`clone3`], which has one thread and keeps its rules: so
/// does the copy, and nothing more can go wrong in it.
pub(crate) fn fork_in_child() -> Result<i32, Errno> {
    // SAFETY: only the signal is given: no stack, no pointers. The argument order differs between
    // architectures, but all the others are zero.
    let returned = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    super::result(returned).map(|pid| i32::try_from(pid).unwrap_or(i32::MAX))
}

/// `unshare(2)` with `CLONE_NEWCGROUP`: the cgroup that this process is in becomes the root of
/// what it sees of cgroups.
pub(crate) fn unshare_cgroup() -> Result<(), Errno> {
    // SAFETY: changes nothing that memory safety depends on, as other namespaces or a separate
    // table of descriptors could.
    super::result_int(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }).map(drop)
}
