//! Hidden paths that aren't there: watched from outside, as nothing can be mounted on what doesn't
//! exist without leaving a trace of it in somebody's directory.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::fault;
use super::tree::Tree;
use crate::sys::signal::{SignalSet, set_mask};

/// A thread that watches paths of the host for a run, and ends the run should one of them come to
/// exist. It ends with the run.
///
/// It is a thread of its own, since nobody may be waiting for the run. It is there only where a
/// profile hides a path that doesn't exist.
pub(super) struct Guard(Option<JoinHandle<Option<PathBuf>>>);

impl Guard {
    /// Starts to watch, if there is anything to be watched.
    pub(super) fn start(paths: &[PathBuf], tree: &Arc<Tree>) -> Result<Option<Self>, Errno> {
        if paths.is_empty() {
            return Ok(None);
        }
        fault::point()?;
        let mut watched = Watched::new(paths)?;
        let tree = Arc::clone(tree);
        let thread = std::thread::Builder::new().name("ringfence-guard".into()).spawn(move || {
            // Signals are for other threads of this process.
            let _ = set_mask(SignalSet::ALL);
            watched.wait(&tree)
        });
        thread.map(|thread| Some(Self(Some(thread)))).map_err(|_| Errno::AGAIN)
    }

    /// The path that came to exist, once the run has ended.
    pub(super) fn join(mut self) -> Option<PathBuf> {
        self.0.take().and_then(|thread| thread.join().ok().flatten())
    }

    /// Leaves the thread to itself: the run may never end.
    pub(super) fn abandon(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Paths, and what tells of changes on the way to them.
struct Watched {
    descriptor: OwnedFd,
    paths: Vec<PathBuf>,
}

impl Watched {
    /// What has appeared in the meantime is seen by the first [`Self::look`].
    fn new(paths: &[PathBuf]) -> Result<Self, Errno> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { descriptor, paths: paths.to_vec() })
    }

    /// Watches until a path has come to exist, everything is ended for that before much can be
    /// done with it, or the run has ended.
    fn wait(&mut self, tree: &Tree) -> Option<PathBuf> {
        loop {
            if let Some(appeared) = self.look() {
                tree.end();
                return Some(appeared);
            }
            let mut events = [
                PollFd::new(&self.descriptor, PollFlags::IN),
                PollFd::new(&tree.pidfd, PollFlags::IN),
            ];
            match rustix::event::poll(&mut events, None) {
                Ok(_) | Err(Errno::INTR) => {}
                // Unwatched, the run must not go on.
                Err(_) => {
                    tree.end();
                }
            }
            if !events[1].revents().is_empty() {
                return self.look();
            }
        }
    }

    /// Watches what has to be watched now, and looks whether a path is there; which.
    fn look(&mut self) -> Option<PathBuf> {
        drain(&self.descriptor);
        for path in &self.paths {
            watch(&self.descriptor, path);
        }
        // Looked at after the watches were set, so that nothing falls between the two.
        let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        self.paths.iter().find(there).cloned()
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
        let mut watched = Watched::new(std::slice::from_ref(&path)).unwrap();
        assert!(watched.look().is_none());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(watched.look().is_none());
        std::fs::write(&path, "").unwrap();
        assert_eq!(watched.look(), Some(path));
    }
}
