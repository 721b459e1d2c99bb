//! This process's own command line, as others read it in `/proc/PID/cmdline`.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Where the kernel has put the first argument.
static START: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// How many bytes all arguments take, with their NULs.
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// glibc calls what is in this section with the arguments of `main`, before it: there is no other
/// way for a library to learn where they are.
#[cfg(target_env = "gnu")]
#[used]
#[unsafe(link_section = ".init_array.00098")]
static REMEMBER: extern "C" fn(libc::c_int, *const *mut libc::c_char) = remember;

#[cfg(target_env = "gnu")]
extern "C" fn remember(count: libc::c_int, arguments: *const *mut libc::c_char) {
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 || arguments.is_null() {
        return;
    }
    // SAFETY: `main`'s arguments are an array of that many pointers to strings, which the kernel
    // has put one behind the other and which stay for as long as the process lives.
    unsafe {
        let (first, last) = (*arguments, *arguments.add(count - 1));
        let length = last.add(libc::strlen(last) + 1).offset_from(first);
        START.store(first.cast(), Ordering::Relaxed);
        LENGTH.store(usize::try_from(length).unwrap_or(0), Ordering::Relaxed);
    }
}

/// Writes a name over the command line, in a process made by
/// [`clone_and_run`](super::clone::clone_and_run): anybody who sees the process can read the
/// options it was started with.
pub(crate) fn hide(name: &[u8]) {
    let start = START.load(Ordering::Relaxed);
    let length = LENGTH.load(Ordering::Relaxed);
    if start.is_null() {
        return;
    }
    let name = name.get(..name.len().min(length.saturating_sub(1))).unwrap_or_default();
    // SAFETY: the strings are this process's to write; it has them for itself, as one thread on
    // a copy of its maker's memory. The name is shorter than they are.
    unsafe {
        std::ptr::write_bytes(start, 0, length);
        std::ptr::copy_nonoverlapping(name.as_ptr(), start, name.len());
    }
}
