//! `execve(2)`, `_exit(2)` and what leads up to them.

use std::ffi::CStr;

use rustix::io::Errno;

/// Strings for exec, as the kernel wants them: pointers, with a null one at the end.
///
/// Made before the clone; the child only borrows it.
pub(crate) struct StringArray {
    /// Owns what `pointers` point to.
    _strings: Vec<std::ffi::CString>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: the pointers point into the strings that the same value owns and never changes.
unsafe impl Send for StringArray {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for StringArray {}

impl StringArray {
    pub(crate) fn new(strings: Vec<std::ffi::CString>) -> Self {
        let pointers =
            strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect();
        Self { _strings: strings, pointers }
    }

    /// The strings as the kernel finds them: by their pointers, up to the null one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn read_back(&self) -> Vec<Vec<u8>> {
        let strings = self.pointers.iter().take_while(|pointer| !pointer.is_null());
        // SAFETY: all but the null one point to strings with a NUL that `self` owns.
        strings.map(|text| unsafe { CStr::from_ptr(*text) }.to_bytes().to_vec()).collect()
    }
}

/// Replaces this program; returns only if that fails.
pub(crate) fn execve(path: &CStr, arguments: &StringArray, environment: &StringArray) -> Errno {
    // SAFETY: the path ends with a NUL, and both arrays end with a null pointer and point to
    // strings that end with a NUL.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_execve,
            path.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    super::result(returned).err().unwrap_or(Errno::INVAL)
}

/// Ends this process at once: no handlers, no buffers written.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: has no conditions.
    unsafe { libc::_exit(status) }
}

/// What [`close_range`] does with the descriptors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseMode {
    /// Closes them.
    Now,
    /// Has exec close them (Linux 5.11).
    OnExec,
}

/// `close_range(2)` (Linux 5.9): the descriptors from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32, mode: CloseMode) -> Result<(), Errno> {
    let flags = match mode {
        CloseMode::Now => 0,
        CloseMode::OnExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: takes numbers only. In the child before exec no owner of a descriptor is used after.
    super::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}

/// Closes every descriptor but these, which are in ascending order; negative ones are none.
///
/// It is the first thing that a clone of this process does: what other threads have open, ends of
/// pipes among it, is open in the clone too, and would keep others waiting for those to be closed.
pub(crate) fn close_all_but(kept: &[i32]) -> Result<(), Errno> {
    let mut first = 0;
    for descriptor in kept.iter().filter_map(|descriptor| u32::try_from(*descriptor).ok()) {
        if descriptor > first {
            close_range(first, descriptor - 1, CloseMode::Now)?;
        }
        first = descriptor + 1;
    }
    close_range(first, u32::MAX, CloseMode::Now)
}

/// Duplicates `from` onto descriptor number `to`, open
/// across exec (`dup2(2)`; where both are the same number, only the close-on-exec flag goes).
pub(crate) fn duplicate_onto(from: std::os::fd::BorrowedFd<'_>, to: i32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let from = from.as_raw_fd();
    // SAFETY: numbers only; the child has no other owner of `to` that it uses later.
    let returned = unsafe {
        if from == to { libc::fcntl(to, libc::F_SETFD, 0) } else { libc::dup2(from, to) }
    };
    super::result_int(returned).map(drop)
}

/// Lets a descriptor stay open across exec.
pub(crate) fn keep_across_exec(descriptor: i32) -> Result<(), Errno> {
    // SAFETY: numbers only.
    super::result_int(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) }).map(drop)
}

/// Whether the kernel started this program with more rights than its user has: setuid, setgid, or
/// by file capabilities (`AT_SECURE`, `getauxval(3)`).
pub(crate) fn started_with_more_rights() -> bool {
    // SAFETY: has no conditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether a descriptor that is known by its number only would be closed by exec.
pub(crate) fn is_closed_on_exec(descriptor: i32) -> Result<bool, Errno> {
    // SAFETY: numbers only.
    let flags = super::result_int(unsafe { libc::fcntl(descriptor, libc::F_GETFD) })?;
    Ok(flags & usize::try_from(libc::FD_CLOEXEC).unwrap_or(0) != 0)
}

/// A close-on-exec copy of a descriptor that is known by its number only.
pub(crate) fn duplicate(descriptor: i32) -> Result<std::os::fd::OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: numbers only.
    let returned = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    let copy = super::result_int(returned)?;
    // SAFETY: a new descriptor that nobody else owns; numbers of descriptors fit an int.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(i32::try_from(copy).unwrap_or(-1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_by_their_pointers_wherever_the_array_is_moved() {
        let array = StringArray::new(vec![c"one".into(), c"".into(), c"three".into()]);
        let moved = Box::new(array);
        assert_eq!(moved.read_back(), [&b"one"[..], b"", b"three"]);
        assert!(StringArray::new(Vec::new()).read_back().is_empty());
    }
}
