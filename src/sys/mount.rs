//! `mount_setattr(2)` (Linux 5.12).

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Attribute bits, from `<linux/mount.h>`.
pub(crate) mod attribute {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    pub(crate) const IDMAP: u64 = 0x0010_0000;
}

/// Whether the mounts below are changed as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This mount only.
    One,
    /// This mount and all below it; all of them change, or none does.
    Tree,
}

/// Sets attributes of the mount that `mount` is the root of, and makes it private.
pub(crate) fn set_attributes(mount: BorrowedFd<'_>, reach: Reach, set: u64) -> Result<(), Errno> {
    call(mount, reach, set, -1)
}

/// Maps the ids of files in this mount by a user namespace (`AT_RECURSIVE` isn't set: every file
/// system below would have to support it).
pub(crate) fn map_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    call(mount, Reach::One, attribute::IDMAP, namespace.as_raw_fd())
}

fn call(mount: BorrowedFd<'_>, reach: Reach, set: u64, namespace: i32) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = set;
    attributes.propagation = libc::MS_PRIVATE;
    if set & attribute::IDMAP != 0 {
        attributes.userns_fd = u64::try_from(namespace).unwrap_or(u64::MAX);
    }
    let recursive = if reach == Reach::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty string, and struct and size agree.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    super::result(returned).map(drop)
}

/// Calls it with arguments that are wrong: `ENOSYS` says that the kernel lacks it.
pub(crate) fn probe() -> Result<(), Errno> {
    // SAFETY: a null pointer of size 0 is refused by the kernel.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            -1,
            c"".as_ptr(),
            0,
            std::ptr::null::<libc::mount_attr>(),
            0_usize,
        )
    };
    super::result(returned).map(drop)
}
