//! Directories that stand in for file systems in memory, where nothing can be mounted.
//!
//! They are made below the caller's directory for temporary files, in one that nobody else can
//! list, and removed when the run is over. The command finds them by its environment.
//!
//! A launcher that is killed can't remove its own. While it lives, it holds a lock on them
//! (`flock(2)`): the next run removes those that nobody holds.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, stat};
use rustix::io::Errno;

use super::fault;
use super::prepare::CommandLine;
use crate::error::{LaunchError, errno_text};
use crate::plan::Plan;
use crate::plan::landlock::access;
use crate::plan::step::{LandlockPath, Step};
use crate::profile::vocabulary::Layer;

/// How often another name is tried when one is taken.
const ATTEMPTS: usize = 16;

/// How the names of the directories begin; 16 hexadecimal digits follow.
const NAME: &str = "ringfence-";

/// Every right but requests to devices.
const RIGHTS: u64 = access::ALL_FS & !access::IOCTL_DEV;

/// The directories of one run; they are removed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct PrivateDirectories {
    /// What holds them, and the lock on it.
    parent: Option<(PathBuf, OwnedFd)>,
    /// What each stands for, and where it is.
    directories: Vec<(PathBuf, PathBuf)>,
}

impl PrivateDirectories {
    /// Makes the directories that a plan needs.
    pub(super) fn make(plan: &Plan) -> Result<Self, LaunchError> {
        let mut made = Self::default();
        if plan.private.is_empty() {
            return Ok(made);
        }
        let base = std::env::temp_dir();
        let fail = |error: std::io::Error| {
            let why = error.raw_os_error().map_or_else(|| error.to_string(), errno_text);
            let text = format!("can't make a private directory in {}: {why}", base.display());
            LaunchError::preparing(Layer::Landlock, text)
        };
        let (parent, lock) = new_directory(&base).map_err(fail)?;
        made.parent = Some((parent.clone(), lock));
        let owner = owner(plan);
        if owner.is_some() {
            // It stays the launcher's, who finds it by that: the command only passes through it.
            std::fs::set_permissions(&parent, PermissionsExt::from_mode(0o711)).map_err(fail)?;
        }
        for (number, target) in plan.private.iter().enumerate() {
            let name = target.file_name().map_or_else(OsString::new, OsString::from);
            let path = parent.join(format!("{number}-{}", name.display()));
            fault::point().map_err(|errno| fail(errno.into()))?;
            std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(fail)?;
            own(&path, owner).map_err(fail)?;
            made.directories.push((target.clone(), path));
        }
        Ok(made)
    }

    /// The plan, with the directories allowed, and the working directory where it is now.
    pub(super) fn in_plan(&self, plan: &Arc<Plan>) -> Arc<Plan> {
        let mut plan = Arc::clone(plan);
        if self.directories.is_empty() {
            return plan;
        }
        for step in &mut Arc::make_mut(&mut plan).steps {
            match step {
                Step::ChangeDirectory(path) => {
                    if let Some(place) = self.place(path) {
                        *path = place.to_owned();
                    }
                }
                Step::Landlock(rules) => {
                    let access = RIGHTS & rules.handled_fs;
                    rules.paths.extend(self.directories.iter().map(|(_, place)| LandlockPath {
                        path: place.clone(),
                        access,
                        optional: false,
                        no_links_below: None,
                    }));
                }
                _ => {}
            }
        }
        plan
    }

    /// The command, whose environment names the directories in the place of what they stand for.
    pub(super) fn in_command<'a>(&self, mut command: CommandLine<'a>) -> CommandLine<'a> {
        for (_, value) in &mut command.environment {
            if let Some(place) = self.place(Path::new(value)) {
                *value = place.into();
            }
        }
        let named = command.environment.iter().any(|(name, _)| name == "TMPDIR");
        if let (false, Some(place)) = (named, self.place(Path::new("/tmp"))) {
            command.environment.push(("TMPDIR".into(), place.into()));
        }
        command
    }

    /// The directory that stands in for a target.
    fn place(&self, target: &Path) -> Option<&Path> {
        let found = self.directories.iter().find(|(stands_for, _)| stands_for == target);
        found.map(|(_, place)| place.as_path())
    }
}

/// Removes directories that launchers which were killed have left where a plan has its own made.
pub(super) fn sweep(plan: &Plan) {
    if plan.private.is_empty() {
        return;
    }
    let Ok(entries) = std::env::temp_dir().read_dir() else { return };
    for entry in entries.flatten().filter(|entry| is_name(&entry.file_name())) {
        let path = entry.path();
        // Held until it is gone: a launcher that is about to lock what it has just made sees that.
        if let Ok(lock) = lock(&path)
            && is_ours(&lock)
        {
            // No link is followed, at any depth.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

impl Drop for PrivateDirectories {
    fn drop(&mut self) {
        // The whole process tree is gone: nobody exchanges directories for links meanwhile.
        if let Some((parent, _)) = &self.parent {
            let _ = std::fs::remove_dir_all(parent);
        }
    }
}

/// A directory with a name that nobody can foresee, which only this user can enter, locked.
fn new_directory(base: &Path) -> std::io::Result<(PathBuf, OwnedFd)> {
    fault::point()?;
    let mut attempts = ATTEMPTS;
    loop {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let path = base.join(format!("{NAME}{:016x}", u64::from_ne_bytes(random)));
        let made = match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            // Before it was locked, another run may have taken it for one that nobody holds.
            Ok(()) => lock(&path).and_then(|lock| is_at(&lock, &path).map(|()| lock)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Errno::EXIST),
            Err(error) => return Err(error),
        };
        match made {
            Ok(lock) => return Ok((path, lock)),
            Err(Errno::EXIST | Errno::NOENT | Errno::AGAIN) if attempts > 0 => attempts -= 1,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Locks a directory, unless somebody holds it.
fn lock(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory)
}

/// Makes sure that a directory is the one at a path.
fn is_at(directory: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let (held, there) = (fstat(directory)?, stat(path)?);
    let same = (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino);
    if same { Ok(()) } else { Err(Errno::NOENT) }
}

fn is_ours(directory: &OwnedFd) -> bool {
    fstat(directory).is_ok_and(|status| status.st_uid == rustix::process::geteuid().as_raw())
}

fn is_name(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(NAME));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Who the command is to the host, where that isn't the caller. A user namespace that root makes
/// maps the command's user to itself, one that a user makes to the caller.
fn owner(plan: &Plan) -> Option<(u32, u32)> {
    let mapped = plan.steps.iter().find_map(|step| match step {
        Step::MapIds(map) => Some(map.outside),
        _ => None,
    });
    let ids = mapped.or(plan.expected.ids)?;
    let caller = rustix::process::geteuid().as_raw();
    (ids.uid != caller).then_some((ids.uid, ids.gid))
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> std::io::Result<()> {
    owner.map_or(Ok(()), |(uid, gid)| std::os::unix::fs::lchown(path, Some(uid), Some(gid)))
}
