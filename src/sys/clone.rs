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

/// Makes a process that shares nothing with this one, inside new `namespaces` and, where given, inside a version 2 cgroup (`cgroup`, an open
/// directory). It runs `child`.
///
/// The child is a copy of a possibly multi-threaded process that holds only the calling thread:
/// `child` must not allocate, take a lock, or unwind; when it returns, the process ends.
pub(crate) fn clone_and_run(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce(),
) -> Result<Cloned, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | libc::CLONE_PIDFD as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    // No signal tells of its end, the pidfd does: so a process whose threads wait for children of
    // any kind, handle SIGCHLD or ignore it, neither sees this child nor takes its end away.
    args.exit_signal = 0;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the struct and its size agree, `pidfd` outlives the call, and with no stack given
    // the child goes on on a copy of this one, as after fork. It never leaves this function.
    let returned =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let mut cloned = super::result(returned);
    if cloned == Err(Errno::NOSYS) && cgroup.is_none() && namespaces & flags::NEWTIME == 0 {
        cloned = clone(args.flags, &mut pidfd);
    }
    match cloned? {
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

/// The older call, for where filters answer for kernels that lack `clone3`, as those of containers
/// do because they can't look at what is behind its pointer. The lowest eight bits of its flags
/// are the signal at exit, none here, so that it has no time namespaces; and it knows no cgroups.
fn clone(flags: u64, pidfd: &mut RawFd) -> Result<usize, Errno> {
    // SAFETY: as for clone3. The third argument is where the pidfd goes, on every architecture;
    // the ones that differ are zero.
    super::result(unsafe {
        libc::syscall(libc::SYS_clone, flags, 0, std::ptr::from_mut(pidfd), 0, 0)
    })
}

/// Whether `clone3(2)` is there: a kernel that has it refuses a null pointer, one that lacks it,
/// or a filter that hides it, doesn't get that far.
pub(crate) fn has_clone3() -> bool {
    // SAFETY: a null pointer of size 0 is refused by the kernel.
    let returned =
        unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<libc::clone_args>(), 0_usize) };
    super::result(returned) != Err(Errno::NOSYS)
}

/// A stack for a process made by [`share_and_run`]: memory of its own, with a page below it that
/// nobody may touch.
pub(crate) struct Stack {
    lowest: *mut libc::c_void,
}

// SAFETY: the memory belongs to this value alone, and is used only by the process that
// `share_and_run` makes, while its maker sleeps.
unsafe impl Send for Stack {}
// SAFETY: as above: a shared reference gives no access to the memory.
unsafe impl Sync for Stack {}

impl Stack {
    /// Far more than the steps before exec take; pages that aren't touched cost nothing.
    const BYTES: usize = 256 * 1024;
    const GUARD_BYTES: usize = 64 * 1024;

    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new memory at a place of the kernel's choice disturbs nothing.
        let lowest =
            unsafe { libc::mmap(std::ptr::null_mut(), Self::BYTES, protection, flags, -1, 0) };
        if lowest == libc::MAP_FAILED {
            return Err(Errno::NOMEM);
        }
        let stack = Self { lowest };
        // SAFETY: the range is part of what was mapped above, and nothing is in it yet.
        super::result_int(unsafe { libc::mprotect(lowest, Self::GUARD_BYTES, libc::PROT_NONE) })?;
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, with this size, and used by nobody any more.
        unsafe { libc::munmap(self.lowest, Self::BYTES) };
    }
}

/// Makes a process that shares this one's memory until it calls exec or ends; this one sleeps
/// until then (`CLONE_VM | CLONE_VFORK`, `clone(2)`). Without a copy of the page tables, that is
/// several times cheaper than fork. Everything else is the process's own: descriptors,
/// directories, credentials, limits, signals. Returns its id.
///
/// To be called in a process made by [`clone_and_run`], which has one thread and keeps its rules;
/// `child` keeps them too. When it returns, the new process ends with status `125`.
pub(crate) fn share_and_run(stack: &Stack, child: &dyn Fn()) -> Result<i32, Errno> {
    extern "C" fn run(child: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the caller below passes a pointer to this type, which outlives the process's
        // use of it, as the caller sleeps meanwhile.
        let child = unsafe { *child.cast::<&dyn Fn()>() };
        child();
        super::exec::exit_now(125)
    }
    // SAFETY: one past the end of the mapping, which is where a stack that grows down begins.
    let end = unsafe { stack.lowest.byte_add(Stack::BYTES) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is large, aligned and used by nobody else: this process sleeps while the
    // other runs. libc's function does nothing but the call.
    let pid = unsafe { libc::clone(run, end, flags, std::ptr::from_ref(&child).cast_mut().cast()) };
    super::result_int(pid).map(|pid| i32::try_from(pid).unwrap_or(i32::MAX))
}

/// Makes a process that shares this one's memory, as [`share_and_run`] does, but goes on beside
/// this one: it makes a network namespace and stops itself, for this one to [`join_network`]. When
/// that fails, it ends, and its exit status is the error. Returns its id.
///
/// To be called in a process made by [`clone_and_run`], which has one thread. Nobody else may use
/// the stack until the process was reaped.
pub(crate) fn make_network_beside(stack: &Stack) -> Result<i32, Errno> {
    extern "C" fn run(_: *mut libc::c_void) -> libc::c_int {
        // Two processes run in one memory, and libc's functions keep `errno` in it: rustix's make
        // the calls themselves.
        // SAFETY: nothing that memory safety depends on is unshared: neither memory nor
        // descriptors.
        match unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) } {
            Ok(()) => {
                let own = rustix::process::getpid();
                // It stays until it is killed, or ends if it can't even stop.
                let _ = rustix::process::kill_process(own, rustix::process::Signal::STOP);
                super::exec::exit_now(0)
            }
            Err(errno) => super::exec::exit_now(errno.raw_os_error()),
        }
    }
    // SAFETY: one past the end of the mapping, which is where a stack that grows down begins.
    let end = unsafe { stack.lowest.byte_add(Stack::BYTES) };
    let flags = libc::CLONE_VM | libc::SIGCHLD;
    // SAFETY: the stack is the new process's alone, which touches no other memory.
    let pid = unsafe { libc::clone(run, end, flags, std::ptr::null_mut()) };
    super::result_int(pid).map(|pid| i32::try_from(pid).unwrap_or(i32::MAX))
}

/// `setns(2)`: moves this process into the network namespace of a process (Linux 5.8).
pub(crate) fn join_network(pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: a descriptor and a number.
    super::result_int(unsafe { libc::setns(pidfd.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// `unshare(2)` with `CLONE_NEWNET`.
pub(crate) fn unshare_network() -> Result<(), Errno> {
    // SAFETY: as for the cgroup namespace.
    super::result_int(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// `unshare(2)` with `CLONE_NEWCGROUP`: the cgroup that this process is in becomes the root of
/// what it sees of cgroups.
pub(crate) fn unshare_cgroup() -> Result<(), Errno> {
    // SAFETY: changes nothing that memory safety depends on, as other namespaces or a separate
    // table of descriptors could.
    super::result_int(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }).map(drop)
}

/// `unshare(2)` with `CLONE_NEWTIME`: children of this process get clocks of their own.
pub(crate) fn unshare_time() -> Result<(), Errno> {
    // SAFETY: as for the cgroup namespace; this process keeps its clocks.
    super::result_int(unsafe { libc::unshare(flags::NEWTIME as libc::c_int) }).map(drop)
}
