//! Opening a path of the new root without ever leaving it.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The longest name of one directory entry, and its NUL.
const NAME_BYTES: usize = 256;

/// Opens `path` (relative to `root`; empty: the root itself) as a mere reference. Symbolic links
/// are resolved as if `root` were the root directory; `..` stays below it, and links of `/proc`
/// that jump elsewhere are refused.
pub(crate) fn inside(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { c"." } else { path };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let stay_inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), stay_inside) {
        // Some sandboxes around this one answer for kernels that lack the call.
        Err(Errno::NOSYS | Errno::PERM) => walk(root, path),
        // A rename or mount elsewhere can disturb the walk; the kernel asks to try again.
        Err(Errno::AGAIN) => rustix::fs::openat2(root, path, flags, Mode::empty(), stay_inside),
        result => result,
    }
}

/// The same, one component after the other, for where `openat2(2)` is missing. No link is
/// followed: a path with one in it fails with `ELOOP`, which is narrower but never wider.
pub(crate) fn walk(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut current = rustix::fs::openat(root, c".", flags, Mode::empty())?;
    for component in path.to_bytes().split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(Errno::INVAL),
            _ => {}
        }
        let mut buffer = [0_u8; NAME_BYTES];
        buffer.get_mut(..component.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(component);
        let name = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::NAMETOOLONG)?;
        let next = rustix::fs::openat(current.as_fd(), name, flags, Mode::empty())?;
        // O_PATH with O_NOFOLLOW opens a link itself instead of failing.
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode);
        if kind == rustix::fs::FileType::Symlink {
            return Err(Errno::LOOP);
        }
        current = next;
    }
    Ok(current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
        symlink("/etc", directory.path().join("out")).unwrap();
        symlink("../../../../a", directory.path().join("up")).unwrap();
        let fd = std::fs::File::open(directory.path()).unwrap().into();
        (directory, fd)
    }

    #[test]
    fn a_plain_path_is_found_both_ways() {
        let (_keep, root) = tree();
        assert!(inside(root.as_fd(), c"a/b").is_ok());
        assert!(walk(root.as_fd(), c"a/b").is_ok());
        assert!(walk(root.as_fd(), c"").is_ok());
    }

    #[test]
    fn a_link_cannot_lead_out() {
        let (_keep, root) = tree();
        assert_eq!(inside(root.as_fd(), c"out/passwd").unwrap_err(), Errno::NOENT);
        assert_eq!(walk(root.as_fd(), c"out/passwd").unwrap_err(), Errno::LOOP);
        assert!(inside(root.as_fd(), c"up/b").is_ok(), "dot-dot stops at the root");
        assert_eq!(walk(root.as_fd(), c"a/../a").unwrap_err(), Errno::INVAL);
    }
}
