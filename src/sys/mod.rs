//! Room 6, the only unsafe code: system calls that `rustix` has no safe function for.
//!
//! One function per call, and nothing of ours is used here. None of them allocates or takes a
//! lock, so that all may be called between clone and exec. Each returns the kernel's `errno`.
#![allow(unsafe_code, reason = "this is the one room for it; every block says why it is sound")]

pub(crate) mod arguments;
pub(crate) mod clone;
pub(crate) mod exec;
pub(crate) mod landlock;
pub(crate) mod mount;
pub(crate) mod net;
pub(crate) mod pages;
pub(crate) mod prctl;
#[cfg(feature = "tokio")]
pub(crate) mod reactor;
pub(crate) mod seccomp;
pub(crate) mod signal;
pub(crate) mod wait;

use rustix::io::Errno;

/// What `libc::syscall` returned, as a result.
fn result(returned: libc::c_long) -> Result<usize, Errno> {
    // A return of -1 means that libc has set this thread's errno.
    usize::try_from(returned)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

/// The same for functions of libc that return an `int`.
fn result_int(returned: libc::c_int) -> Result<usize, Errno> {
    result(libc::c_long::from(returned))
}
