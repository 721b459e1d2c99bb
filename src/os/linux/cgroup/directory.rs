//! A cgroup's directory and its control files, held by descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::os::linux::fault;
use crate::plan::facts;

/// Larger than any control file that is read here, `cgroup.procs` of a full cgroup included.
const MAX_FILE: usize = 64 << 20;

/// An open cgroup directory; its path is kept for messages only.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        Self::open_at(rustix::fs::CWD, path, path.to_path_buf())
    }

    fn open_at(at: BorrowedFd<'_>, name: &Path, path: PathBuf) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(at, name, flags, Mode::empty())?;
        Ok(Self { fd, path })
    }

    /// Makes the cgroup `name` below this one.
    pub(super) fn make_child(&self, name: &str) -> Result<Self, Errno> {
        fault::point()?;
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o755))?;
        self.child(name).inspect_err(|_| {
            let _ = self.remove_child(name);
        })
    }

    pub(super) fn child(&self, name: &str) -> Result<Self, Errno> {
        Self::open_at(self.fd.as_fd(), Path::new(name), self.path.join(name))
    }

    pub(super) fn remove_child(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file_path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    pub(super) fn has(&self, file: &str) -> bool {
        rustix::fs::statat(&self.fd, file, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    pub(super) fn open_file(&self, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, file, flags, Mode::empty())
    }

    /// A control file's text.
    pub(super) fn read(&self, file: &str) -> Result<String, Errno> {
        read_all(self.open_file(file, OFlags::RDONLY)?.as_fd())
    }

    /// Writes a control file; the kernel takes the whole text of one call as one value.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<(), Errno> {
        fault::point()?;
        let fd = self.open_file(file, OFlags::WRONLY)?;
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, text.as_bytes()))?;
        if written == text.len() { Ok(()) } else { Err(Errno::IO) }
    }

    /// The ids in `cgroup.procs`; 0 stands for a process outside of our PID namespace.
    pub(super) fn processes(&self) -> Result<Vec<i32>, Errno> {
        let text = self.read("cgroup.procs")?;
        Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
    }

    /// The names of the cgroups directly below this one.
    pub(super) fn child_names(&self) -> Result<Vec<String>, Errno> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            // Names made here are plain; one that isn't UTF-8 is nobody we know.
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_directory = match entry.file_type() {
                FileType::Unknown => self.child(name).is_ok(),
                kind => kind == FileType::Directory,
            };
            if is_directory && name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A whole control file from its beginning.
pub(super) fn read_all(fd: BorrowedFd<'_>) -> Result<String, Errno> {
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        let rest = &mut bytes[length..];
        let count = rustix::io::retry_on_intr(|| rustix::io::pread(fd, &mut *rest, length as u64))?;
        length += count;
        if count == 0 {
            bytes.truncate(length);
            return String::from_utf8(bytes).map_err(|_| Errno::ILSEQ);
        }
        if length == bytes.len() {
            if length >= MAX_FILE {
                return Err(Errno::FBIG);
            }
            bytes.resize(length * 2, 0);
        }
    }
}

/// An error number as a fact.
pub(super) fn fact(errno: Errno) -> facts::Errno {
    facts::Errno(errno.raw_os_error())
}
