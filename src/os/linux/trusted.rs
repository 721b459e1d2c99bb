//! Opening a file that decides what is run: step by step, so that whoever could put another in its
//! place is seen, and what was looked at is what is read.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// How many links are followed, as the kernel has it (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// How long a path may be, its NUL included.
const PATH_MAX: usize = 4096;

/// Why a file wasn't opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// As `open(2)`.
    Error(std::io::Error),
    /// It is a directory, a pipe, a device.
    NotAFile,
    /// Somebody else could change what is read, or put something in its place.
    Distrusted {
        /// By what: the file, or a directory or a link on the way to it.
        by: PathBuf,
        /// Who can do what: `belongs to user 1000`.
        why: String,
    },
}

impl From<Errno> for Unopened {
    fn from(errno: Errno) -> Self {
        Self::Error(errno.into())
    }
}

/// Opens a regular file for reading; where it really is, links followed.
///
/// With `of_root_alone`, the file, every directory and every link on the way have to belong to
/// root, and nobody else may write them. In a directory with the sticky bit others can make entries
/// but not exchange root's: there, it is enough that the next one is root's.
///
/// # Errors
/// See [`Unopened`].
pub(crate) fn open(path: &Path, of_root_alone: bool) -> Result<(File, PathBuf), Unopened> {
    let path = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir().map_err(Unopened::Error)?.join(path)
    };
    if path.as_os_str().len() >= PATH_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    let mut walk =
        Walk { of_root_alone, place: "/".into(), directory: root()?, left: parts(&path) };
    walk.check(&rustix::fs::fstat(&walk.directory)?, &walk.place)?;
    let mut links = 0;
    while let Some(name) = walk.left.pop_front() {
        match walk.step(&name)? {
            Step::Directory => {}
            Step::File(file) => return Ok((file, walk.place)),
            Step::Link if links < MOST_LINKS => links += 1,
            Step::Link => return Err(Errno::LOOP.into()),
        }
    }
    Err(Unopened::NotAFile)
}

struct Walk {
    of_root_alone: bool,
    /// Where it is now, without links.
    place: PathBuf,
    /// The same, open.
    directory: OwnedFd,
    /// What is left of the way.
    left: VecDeque<OsString>,
}

enum Step {
    Directory,
    Link,
    File(File),
}

impl Walk {
    fn step(&mut self, name: &OsStr) -> Result<Step, Unopened> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entry = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
        let status = rustix::fs::fstat(&entry)?;
        let path = if name == ".." {
            self.place.parent().unwrap_or(&self.place).to_owned()
        } else {
            self.place.join(name)
        };
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Symlink => {
                self.check(&status, &path)?;
                let text = rustix::fs::readlinkat(&entry, c"", Vec::new())?;
                self.follow(&PathBuf::from(OsString::from_vec(text.into_bytes())))?;
                Ok(Step::Link)
            }
            FileType::Directory => {
                self.check(&status, &path)?;
                (self.directory, self.place) = (entry, path);
                Ok(Step::Directory)
            }
            _ if !self.left.is_empty() => Err(Errno::NOTDIR.into()),
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                // Whatever it was exchanged for meanwhile: nothing waits, no terminal is taken.
                let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
                let status = rustix::fs::fstat(&file)?;
                if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                    return Err(Unopened::NotAFile);
                }
                self.check(&status, &path)?;
                self.place = path;
                Ok(Step::File(file.into()))
            }
            _ => Err(Unopened::NotAFile),
        }
    }

    /// Goes on with what a link says.
    fn follow(&mut self, text: &Path) -> Result<(), Unopened> {
        if text.is_absolute() {
            (self.directory, self.place) = (root()?, "/".into());
        }
        for part in parts(text).into_iter().rev() {
            self.left.push_front(part);
        }
        Ok(())
    }

    fn check(&self, status: &Stat, path: &Path) -> Result<(), Unopened> {
        match others(status) {
            Some(why) if self.of_root_alone => {
                Err(Unopened::Distrusted { by: path.to_owned(), why })
            }
            _ => Ok(()),
        }
    }
}

fn root() -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(c"/", flags, Mode::empty())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

/// Who else than root can change something, or what it holds.
fn others(status: &Stat) -> Option<String> {
    const STICKY: u32 = 0o1000;
    let (kind, mode) = (FileType::from_raw_mode(status.st_mode), status.st_mode);
    if status.st_uid != 0 {
        return Some(format!("belongs to user {}", status.st_uid));
    }
    // The mode of a link means nothing; whoever owns it, or can write its directory, exchanges it.
    let shared = kind == FileType::Directory && mode & STICKY != 0;
    if kind == FileType::Symlink || shared {
        return None;
    }
    match (mode & 0o002 != 0, mode & 0o020 != 0) {
        (true, _) => Some("can be written by everybody".to_owned()),
        (_, true) => Some(format!("can be written by group {}", status.st_gid)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_where_the_kernel_says() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("a/b")).unwrap();
        std::fs::write(base.join("a/file"), "text").unwrap();
        symlink("../a/./file", base.join("a/relative")).unwrap();
        symlink(base.join("a/relative"), base.join("a/b/absolute")).unwrap();
        symlink("a/b", base.join("directory")).unwrap();
        for path in ["a/file", "a/b/../file", "a/relative", "a/b/absolute", "directory/../file"] {
            let (file, place) = open(&base.join(path), false).unwrap();
            assert_eq!(place, base.join("a/file"), "{path}");
            assert_eq!(std::io::read_to_string(file).unwrap(), "text");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_as_the_kernel_tells_it() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "text").unwrap();
        symlink("loop", directory.path().join("loop")).unwrap();
        let errno = |path: &str| match open(&directory.path().join(path), false) {
            Err(Unopened::Error(error)) => error.raw_os_error(),
            other => panic!("{other:?}"),
        };
        assert_eq!(errno("loop"), Some(libc::ELOOP));
        assert_eq!(errno("file/below"), Some(libc::ENOTDIR));
        assert_eq!(errno("nothing"), Some(libc::ENOENT));
        assert_eq!(errno(&"x".repeat(256)), Some(libc::ENAMETOOLONG));
        assert_eq!(errno(&"x/".repeat(2048)), Some(libc::ENAMETOOLONG));
        assert!(matches!(open(directory.path(), false), Err(Unopened::NotAFile)));
        assert!(matches!(open(Path::new("/dev/null"), false), Err(Unopened::NotAFile)));
    }
}
