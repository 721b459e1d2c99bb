//! Hidden paths that aren't there: watched from outside, as nothing can be mounted on what doesn't
//! exist without leaving a trace of it in somebody's directory.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Watches paths of the host that must not come to exist.
pub(super) struct Guard {
    descriptor: Option<OwnedFd>,
    paths: Vec<PathBuf>,
    /// The first that did.
    pub(super) appeared: Option<PathBuf>,
}

impl Guard {
    /// Starts to watch. What has appeared in the meantime is seen by the first [`Self::look`].
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self, Errno> {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let descriptor = if paths.is_empty() { None } else { Some(inotify::init(flags)?) };
        Ok(Self { descriptor, paths: paths.to_vec(), appeared: None })
    }

    /// What becomes readable when something happens in the directories watched.
    pub(super) fn descriptor(&self) -> Option<&OwnedFd> {
        self.descriptor.as_ref()
    }

    /// Watches what has to be watched now, and looks whether a path is there; whether one came to
    /// exist since the last look.
    pub(super) fn look(&mut self) -> bool {
        let Some(descriptor) = &self.descriptor else { return false };
        drain(descriptor);
        for path in &self.paths {
            watch(descriptor, path);
        }
        // Looked at after the watches were set, so that nothing falls between the two.
        let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        self.appeared = self.paths.iter().find(there).cloned();
        self.appeared.is_some()
    }
}

/// Watches the deepest directory above a path that exists: the path, or the next directory on the
/// way to it, can only appear there. Setting a watch that is set already changes nothing.
fn watch(descriptor: &OwnedFd, path: &Path) {
    let events = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
    for directory in path.ancestors().skip(1) {
        if inotify::add_watch(descriptor, directory, events).is_ok() {
            return;
        }
    }
}

/// Takes all events away; they only say that it is time to look.
fn drain(descriptor: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(descriptor, &mut buffer);
    while events.next().is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_appears_below_a_missing_directory_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/secret");
        let mut guard = Guard::new(std::slice::from_ref(&path)).unwrap();
        assert!(!guard.look());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(!guard.look());
        std::fs::write(&path, "").unwrap();
        assert!(guard.look());
        assert_eq!(guard.appeared, Some(path));
    }

    #[test]
    fn nothing_is_watched_for_nothing() {
        let mut guard = Guard::new(&[]).unwrap();
        assert!(guard.descriptor().is_none() && !guard.look());
    }
}
