//! Signal masks and dispositions, by calls that need no lock.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

/// The highest signal number; numbers start at 1 (`signal(7)`).
pub(crate) const HIGHEST: i32 = 64;

/// A set of signals, as the kernel's 64-bit mask: signal `n` is bit `n - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalSet(pub(crate) u64);

impl SignalSet {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) const fn with(self, signal: i32) -> Self {
        Self(self.0 | 1 << (signal - 1))
    }
}

/// Replaces this thread's signal mask; returns the one before.
pub(crate) fn set_mask(mask: SignalSet) -> Result<SignalSet, Errno> {
    let mut before = 0_u64;
    // SAFETY: both masks are 8 bytes, which is the size given.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask.0,
            &raw mut before,
            size_of::<u64>(),
        )
    };
    super::result(returned).map(|_| SignalSet(before))
}

/// Gives every signal its default disposition. `SIGKILL` and `SIGSTOP` have no other.
pub(crate) fn reset_dispositions() -> Result<(), Errno> {
    (1..=HIGHEST)
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
        .try_for_each(reset_disposition)
}

/// Gives one signal its default disposition.
pub(crate) fn reset_disposition(signal: i32) -> Result<(), Errno> {
    /// `struct sigaction` of the kernel: all zero is `SIG_DFL`, no flags, an empty mask.
    const DEFAULT: [u64; 4] = [0; 4];
    // SAFETY: the kernel reads a struct of at most 32 bytes; `SIG_DFL` runs no code.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            DEFAULT.as_ptr(),
            std::ptr::null_mut::<u64>(),
            size_of::<u64>(),
        )
    };
    super::result(returned).map(drop)
}

/// A descriptor that becomes readable when a signal of the set is pending (`signalfd(2)`);
/// close-on-exec, and reads don't block.
pub(crate) fn signal_descriptor(set: SignalSet) -> Result<OwnedFd, Errno> {
    // SAFETY: the mask is 8 bytes, which is the size given.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const set.0,
            size_of::<u64>(),
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    };
    let fd = super::result(returned)?;
    // SAFETY: a new descriptor that nobody else owns; numbers of descriptors fit an int.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// The next pending signal of a descriptor made by [`signal_descriptor`], and the process that
/// sent it (0: the kernel, or one that can't be seen from here).
pub(crate) fn next_signal(descriptor: &OwnedFd) -> Result<Option<(i32, u32)>, Errno> {
    // `struct signalfd_siginfo` is 128 bytes: the number first, the sender's pid at offset 12.
    let mut info = [0_u8; 128];
    match rustix::io::read(descriptor, &mut info) {
        Ok(128) => {
            let word = |at: usize| {
                u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]])
            };
            Ok(Some((word(0).cast_signed(), word(12))))
        }
        Ok(_) | Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `kill(2)` by raw numbers: a set of signals wider than the names a library has.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: numbers only.
    super::result_int(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// `pidfd_send_signal(2)`, likewise.
pub(crate) fn pidfd_kill(pidfd: std::os::fd::BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: numbers and a null pointer, which means "as kill does".
    let returned = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    super::result(returned).map(drop)
}
