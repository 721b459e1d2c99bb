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

    pub(crate) const fn has(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }

    pub(crate) const fn without(self, signal: i32) -> Self {
        Self(self.0 & !(1 << (signal - 1)))
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
    set_disposition(signal, libc::SIG_DFL)
}

/// Has one signal ignored.
pub(crate) fn ignore(signal: i32) -> Result<(), Errno> {
    set_disposition(signal, libc::SIG_IGN)
}

/// `handler` is none that runs code: [`libc::SIG_DFL`] or [`libc::SIG_IGN`].
fn set_disposition(signal: i32, handler: libc::sighandler_t) -> Result<(), Errno> {
    // `struct sigaction` of the kernel: the handler, no flags, an empty mask.
    let action = [handler, 0, 0, 0];
    // SAFETY: the kernel reads a struct of at most 32 bytes; the handler runs no code.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.as_ptr(),
            std::ptr::null_mut::<u64>(),
            size_of::<u64>(),
        )
    };
    super::result(returned).map(drop)
}

/// Whether this process ignores a signal.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // `struct sigaction` of the kernel: at most 32 bytes, the handler first.
    let mut action = [0_usize; 4];
    // SAFETY: the kernel writes a struct of at most 32 bytes.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            std::ptr::null::<usize>(),
            action.as_mut_ptr(),
            size_of::<u64>(),
        )
    };
    super::result(returned).is_ok() && action[0] == libc::SIG_IGN
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

/// A signal that was taken by descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) number: i32,
    /// The process that sent it; 0: the kernel, or one that can't be seen from here.
    pub(crate) sender: u32,
    code: i32,
}

impl Taken {
    /// Whether the kernel sent it: for a key of the terminal, say.
    pub(crate) const fn is_kernels(self) -> bool {
        /// `SI_KERNEL` (`<asm-generic/siginfo.h>`).
        const KERNEL: i32 = 0x80;
        self.code == KERNEL
    }

    /// Whether a descriptor of [`signal_on_input`] sent it. `SI_USER` is 0, and what else processes
    /// send is below.
    pub(crate) const fn is_of_input(self) -> bool {
        self.code > 0 && !self.is_kernels()
    }
}

/// The next pending signal of a descriptor made by [`signal_descriptor`].
pub(crate) fn next_signal(descriptor: &OwnedFd) -> Result<Option<Taken>, Errno> {
    // `struct signalfd_siginfo` is 128 bytes: the number first, the code at offset 8, the sender's
    // pid at offset 12.
    let mut info = [0_u8; 128];
    match rustix::io::read(descriptor, &mut info) {
        Ok(128) => {
            let word = |at: usize| {
                u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]])
            };
            let (number, code) = (word(0).cast_signed(), word(8).cast_signed());
            Ok(Some(Taken { number, sender: word(12), code }))
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

/// Has the kernel send this process a signal whenever there is something to be read from a socket,
/// or stops that (`F_SETSIG` and `O_ASYNC`, `fcntl(2)`).
pub(crate) fn signal_on_input(
    socket: std::os::fd::BorrowedFd<'_>,
    signal: Option<i32>,
) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let socket = socket.as_raw_fd();
    // SAFETY: numbers only; the signals that come are blocked, or have their default disposition.
    unsafe {
        let flags = super::result_int(libc::fcntl(socket, libc::F_GETFL))?;
        let flags = libc::c_int::try_from(flags).unwrap_or(0);
        if let Some(signal) = signal {
            super::result_int(libc::fcntl(socket, libc::F_SETOWN, libc::getpid()))?;
            super::result_int(libc::fcntl(socket, F_SETSIG, signal))?;
        }
        let flags = match signal {
            Some(_) => flags | libc::O_ASYNC,
            None => flags & !libc::O_ASYNC,
        };
        super::result_int(libc::fcntl(socket, libc::F_SETFL, flags)).map(drop)
    }
}

/// `<asm-generic/fcntl.h>`; not in every libc's headers.
const F_SETSIG: libc::c_int = 10;
