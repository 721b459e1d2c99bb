//! Hidden paths of the host, watched from outside. Nothing can be mounted on one that isn't there
//! without leaving a trace of it in somebody's directory; and the mask of one that is there goes away
//! when the host puts another file in its place, as editors do (`rename(2)`): the kernel takes a mount
//! away with the name that it is on, where that isn't a mount point of who renames.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::fault;
use super::tree::Tree;
use crate::sys::signal::{SignalSet, set_mask};

/// A thread that watches paths of the host for a run, and ends the run should something come to be at
/// one of them. It ends with the run.
///
/// It is a thread of its own, since nobody may be waiting for the run. It is there only where a
/// profile hides a path of the host's.
pub(super) struct Guard(Option<JoinHandle<Option<PathBuf>>>);

impl Guard {
    /// Looks before the command is let go, and watches from then on.
    pub(super) fn start(mut watched: Watched, tree: &Arc<Tree>) -> Result<Self, Unguarded> {
        let tree = Arc::clone(tree);
        let (looked, first_look) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("ringfence-guard".into()).spawn(move || {
            // Signals are for other threads of this process.
            let _ = set_mask(SignalSet::ALL);
            // By the one that goes on to watch, so that nothing falls between.
            let first = watched.look();
            let goes_on = first == Ok(None);
            // Who has started this waits for it.
            let _ = looked.send(first);
            if goes_on { watched.wait(&tree) } else { None }
        });
        let thread = thread.map_err(|_| Unguarded::Failed(Errno::AGAIN))?;
        match first_look.recv().unwrap_or(Err(Errno::AGAIN)) {
            Ok(None) => Ok(Self(Some(thread))),
            Ok(Some(path)) => Err(Unguarded::Appeared(path)),
            Err(errno) => Err(Unguarded::Failed(errno)),
        }
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

/// Why a command isn't let go.
#[derive(Debug)]
pub(super) enum Unguarded {
    /// Something came to be at a path while the sandbox was set up, possibly too late to be masked.
    Appeared(PathBuf),
    /// Nothing would be watched.
    Failed(Errno),
}

/// Paths, and what tells of changes on the way to them.
pub(super) struct Watched {
    descriptor: OwnedFd,
    paths: Vec<PathBuf>,
    /// Those at which nothing was to begin with.
    absent: Vec<PathBuf>,
    /// The directories that are watched.
    directories: BTreeMap<i32, PathBuf>,
}

impl Watched {
    /// Watches from here on, if there is anything to be watched: to be called before anything is
    /// masked, so that what is put in its place later is heard of.
    pub(super) fn new(paths: &[PathBuf]) -> Result<Option<Self>, Errno> {
        if paths.is_empty() {
            return Ok(None);
        }
        fault::point()?;
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // What a link leads to is what is masked.
        let real = paths.iter().filter_map(|path| path.canonicalize().ok());
        let mut paths: Vec<_> = paths.iter().cloned().chain(real).collect();
        paths.sort();
        paths.dedup();
        let directories = BTreeMap::new();
        let mut watched = Self { descriptor, paths, absent: Vec::new(), directories };
        watched.watch()?;
        // Looked at after the watches were set, so that nothing falls between the two.
        watched.absent = watched.paths.iter().filter(|path| !is_there(path)).cloned().collect();
        Ok(Some(watched))
    }

    /// Watches until something has come to be at a path, everything is ended for that before much can
    /// be done with it, or the run has ended.
    fn wait(&mut self, tree: &Tree) -> Option<PathBuf> {
        loop {
            match self.look() {
                Ok(None) => {}
                Ok(appeared) => {
                    tree.end();
                    return appeared;
                }
                // Unwatched, the run must not go on.
                Err(_) => {
                    tree.end();
                }
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
                return self.look().ok().flatten();
            }
        }
    }

    /// Takes what has happened, and says at which path there is something that wasn't there.
    fn look(&mut self) -> Result<Option<PathBuf>, Errno> {
        let changed = self.changed()?;
        let hit = |path: &&PathBuf| changed.iter().any(|changed| path.starts_with(changed));
        let hit: Vec<_> = self.paths.iter().filter(hit).cloned().collect();
        if !hit.is_empty() {
            self.watch()?;
        }
        Ok(hit.into_iter().chain(self.absent.iter().cloned()).find(|path| is_there(path)))
    }

    /// The names that came to stand for something else.
    fn changed(&self) -> Result<Vec<PathBuf>, Errno> {
        let mut changed = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.descriptor, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                // Nobody knows what was missed.
                return Err(Errno::OVERFLOW);
            }
            if let (Some(directory), Some(name)) =
                (self.directories.get(&event.wd()), event.file_name())
            {
                changed.push(directory.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
            }
        }
    }

    /// Watches what has to be watched now: the directories above each path, in which the path, or a
    /// directory on the way to it, can come to be another. Setting a watch that is set already changes
    /// nothing.
    fn watch(&mut self) -> Result<(), Errno> {
        let events = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let mut done = BTreeSet::new();
        for path in &self.paths {
            let mut needed = true;
            for directory in path.ancestors().skip(1) {
                if done.contains(directory) {
                    break;
                }
                match inotify::add_watch(&self.descriptor, directory, events) {
                    Ok(number) => {
                        self.directories.insert(number, directory.to_owned());
                        needed = false;
                        done.insert(directory);
                    }
                    Err(Errno::NOENT | Errno::NOTDIR) => {}
                    // What this user can't enter, the command can't either. One that may be entered
                    // but not read can't be watched; above one that is, it belongs to others.
                    Err(Errno::ACCESS)
                        if !needed || access(directory, Access::EXEC_OK).is_err() => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_appears_below_a_missing_directory_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/secret");
        let mut watched = Watched::new(std::slice::from_ref(&path)).unwrap().unwrap();
        assert_eq!(watched.look(), Ok(None));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(watched.look(), Ok(None));
        std::fs::write(&path, "").unwrap();
        assert_eq!(watched.look(), Ok(Some(path)));
    }

    #[test]
    fn what_is_put_in_the_place_of_a_path_or_of_a_directory_above_it_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let path = at("a/b/secret");
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(&path, "").unwrap();
        let new = || Watched::new(std::slice::from_ref(&path)).unwrap().unwrap();
        let mut watched = new();
        std::fs::write(at("a/b/other"), "").unwrap();
        std::fs::write(&path, "changed in place").unwrap();
        assert_eq!(watched.look(), Ok(None));
        std::fs::rename(at("a/b/other"), &path).unwrap();
        assert_eq!(watched.look(), Ok(Some(path.clone())));
        let mut watched = new();
        std::fs::rename(at("a/b"), at("a/c")).unwrap();
        assert_eq!(watched.look(), Ok(None));
        std::fs::create_dir(at("a/b")).unwrap();
        assert_eq!(watched.look(), Ok(None));
        std::fs::write(&path, "").unwrap();
        assert_eq!(watched.look(), Ok(Some(path.clone())));
    }
}
