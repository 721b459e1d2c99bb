//! Single mounts, by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
};

use super::super::record::{Call, Failure, In};
use super::super::resolve;
use crate::sys::mount::attribute;

/// `mount(2)` with `MS_REMOUNT | MS_BIND`: changes one mount. What it doesn't allow yet stays so: a
/// user namespace may not take that away.
pub(super) fn remount_by_descriptor(mount: BorrowedFd<'_>, attributes: u64) -> Result<(), Failure> {
    use rustix::fs::StatVfsMountFlags as Present;
    use rustix::mount::MountFlags as Flags;
    let present = rustix::fs::fstatvfs(mount).in_call(Call::Stat)?.f_flag;
    let mut flags = Flags::BIND;
    for (attribute, present_flag, flag) in [
        (attribute::RDONLY, Present::RDONLY, Flags::RDONLY),
        (attribute::NOSUID, Present::NOSUID, Flags::NOSUID),
        (attribute::NODEV, Present::NODEV, Flags::NODEV),
        (attribute::NOEXEC, Present::NOEXEC, Flags::NOEXEC),
    ] {
        if attributes & attribute != 0 || present.contains(present_flag) {
            flags |= flag;
        }
    }
    let mut buffer = [0_u8; PROC_FD_BYTES];
    let path = proc_path(mount, &mut buffer).in_call(Call::Mount)?;
    rustix::mount::mount_remount(path, flags, c"").in_call(Call::Mount)
}

/// Changes how one mount takes part in what happens to others, and in copies.
pub(super) fn change_propagation(
    mount: BorrowedFd<'_>,
    propagation: MountPropagationFlags,
) -> Result<(), Failure> {
    let mut buffer = [0_u8; PROC_FD_BYTES];
    let path = proc_path(mount, &mut buffer).in_call(Call::Mount)?;
    rustix::mount::mount_change(path, propagation).in_call(Call::Mount)
}

/// Room for `/proc/self/fd/` and a number.
const PROC_FD_BYTES: usize = 32;

/// The path by which `/proc` knows a descriptor, written without allocating.
fn proc_path<'b>(
    descriptor: BorrowedFd<'_>,
    buffer: &'b mut [u8; PROC_FD_BYTES],
) -> Result<&'b CStr, Errno> {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let mut rest: &mut [u8] = buffer;
    write!(rest, "/proc/self/fd/{}", descriptor.as_raw_fd()).map_err(|_| Errno::NAMETOOLONG)?;
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}

pub(super) fn create_file(parent: BorrowedFd<'_>, name: &CStr, mode: Mode) -> Result<(), Failure> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, mode).in_call(Call::Create).map(drop)
}

pub(super) fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: u64,
) -> Result<OwnedFd, Failure> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).in_call(Call::Fsopen)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)
            .in_call(Call::Fsconfig)?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).in_call(Call::Fsconfig)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .in_call(Call::Fsmount)
}

pub(super) fn copy_tree(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(directory, path, flags).in_call(Call::OpenTree)
}

/// The same for a source below a tree in which somebody may have made links: one on the way, or at
/// its end, would make the mount show something else.
pub(super) fn copy_tree_without_links(tree: &CStr, path: &CStr) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let tree = rustix::fs::open(tree, flags, Mode::empty()).in_call(Call::Open)?;
    let source = resolve::walk(tree.as_fd(), path).in_call(Call::OpenTree)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(source, c"", flags).in_call(Call::OpenTree)
}

pub(super) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, c"", flags).in_call(Call::MoveMount)
}

/// Stacks a mount on the root directory. Paths still start at the old root below it, which needs
/// no mount point for the new one anywhere on the host.
pub(super) fn attach_over_root(mount: BorrowedFd<'_>) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", CWD, c"/", flags).in_call(Call::MoveMount)
}
