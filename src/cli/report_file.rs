//! Where the report goes: opened before the run, written after it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::args::RunArguments;
use crate::error::Error;
use crate::report::Outcome;

/// Where the report goes.
pub(super) enum Destination {
    /// Nowhere.
    Nowhere,
    /// To standard error.
    StandardError,
    /// To something that is open: a descriptor, a pipe, a device.
    Open(std::fs::File),
    /// To a regular file, which is replaced as a whole once the run has ended: whatever the
    /// command did to a file of that name before is gone then.
    File {
        /// The directory, opened before the run: renaming it doesn't redirect the report.
        directory: OwnedFd,
        name: PathBuf,
    },
}

impl Destination {
    /// Makes sure that the report can be written, before anything is run.
    pub(super) fn open(arguments: &RunArguments) -> Result<Self, Error> {
        if let Some(path) = &arguments.report {
            return Self::path(path);
        }
        if let Some(number) = arguments.report_fd {
            let fail =
                |error| Error::Usage(format!("--report-fd {number}: can't be written to: {error}"));
            let descriptor =
                crate::os::duplicate_descriptor(number).map_err(|error| fail(error.to_string()))?;
            return Ok(Self::Open(descriptor.into()));
        }
        Ok(if arguments.json { Self::StandardError } else { Self::Nowhere })
    }

    fn path(path: &Path) -> Result<Self, Error> {
        let fail = |what: String| Error::Usage(format!("--report {}: {what}", path.display()));
        let status = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
        let kind = status.map(|status| FileType::from_raw_mode(status.st_mode));
        match kind {
            // Something that isn't replaced but written to. Without a reader, a FIFO would block.
            Ok(FileType::Fifo | FileType::CharacterDevice) => Self::write_through(path),
            Ok(FileType::Symlink) => {
                let end = rustix::fs::stat(path).map(|s| FileType::from_raw_mode(s.st_mode));
                match end {
                    Ok(FileType::Fifo | FileType::CharacterDevice | FileType::Socket) => {
                        Self::write_through(path)
                    }
                    _ => Err(fail("is a symbolic link; name the file itself".into())),
                }
            }
            Ok(FileType::RegularFile) | Err(rustix::io::Errno::NOENT) => Self::regular(path),
            Ok(FileType::Directory) => Err(fail("is a directory".into())),
            Ok(_) => Err(fail("is neither a file, a pipe nor a device".into())),
            Err(errno) => Err(fail(crate::error::errno_text(errno.raw_os_error()))),
        }
    }

    fn write_through(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
            let what = match errno {
                rustix::io::Errno::NXIO => "nobody reads from this pipe".to_owned(),
                errno => crate::error::errno_text(errno.raw_os_error()),
            };
            Error::Usage(format!("--report {}: {what}", path.display()))
        })?;
        let blocking = rustix::fs::fcntl_setfl(&opened, OFlags::empty());
        blocking.map_err(|errno| Error::Usage(format!("--report {}: {errno}", path.display())))?;
        Ok(Self::Open(opened.into()))
    }

    fn regular(path: &Path) -> Result<Self, Error> {
        let fail = |what: String| Error::Usage(format!("--report {}: {what}", path.display()));
        let name = path.file_name().ok_or_else(|| fail("doesn't end with a name".into()))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let errno = |errno: rustix::io::Errno| crate::error::errno_text(errno.raw_os_error());
        let directory =
            rustix::fs::open(parent, flags, Mode::empty()).map_err(|e| fail(errno(e)))?;
        // Proves that a file can be made there, and leaves none.
        let probe = temporary(&directory).map_err(|e| fail(errno(e)))?;
        let _ = rustix::fs::unlinkat(&directory, &probe.1, AtFlags::empty());
        Ok(Self::File { directory, name: name.into() })
    }

    /// Writes the report; nothing of it can be the command's, whose processes are all gone.
    pub(super) fn write(self, report: &Outcome) -> Result<(), String> {
        let text = || -> Result<String, String> {
            let mut text = serde_json::to_string_pretty(report).map_err(|e| e.to_string())?;
            text.push('\n');
            Ok(text)
        };
        match self {
            Self::Nowhere => Ok(()),
            Self::StandardError => {
                std::io::stderr().write_all(text()?.as_bytes()).map_err(|e| e.to_string())
            }
            Self::Open(mut file) => {
                file.write_all(text()?.as_bytes()).map_err(|error| error.to_string())
            }
            Self::File { directory, name } => {
                let errno = |e: rustix::io::Errno| crate::error::errno_text(e.raw_os_error());
                let (mut file, temporary) = temporary(&directory).map_err(errno)?;
                let written = file
                    .write_all(text()?.as_bytes())
                    .and_then(|()| file.sync_data())
                    .map_err(|error| error.to_string())
                    .and_then(|()| {
                        rustix::fs::renameat(&directory, &temporary, &directory, &name)
                            .map_err(errno)
                    });
                if written.is_err() {
                    let _ = rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty());
                }
                written
            }
        }
    }
}

/// A new file in a directory, with a name that nobody has guessed.
fn temporary(directory: &OwnedFd) -> Result<(std::fs::File, PathBuf), rustix::io::Errno> {
    let mut random = [0_u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let name = PathBuf::from(format!(".ringfence-{:016x}.json", u64::from_ne_bytes(random)));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    let file = rustix::fs::openat(directory, &name, flags, mode)?;
    Ok((file.into(), name))
}
