//! Clearing away what launchers that were killed have left.

use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::directory::Directory;
use super::{NAME, Roots, place};

/// Removes the cgroups of dead launchers in `parents`, and gives back which.
///
/// One with processes in it, or with an owner that lives, stays.
pub fn sweep<'a>(parents: impl IntoIterator<Item = &'a Path>, roots: &Roots) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    for parent in parents.into_iter().filter(|parent| may_have_children(parent)) {
        let Ok(parent) = Directory::open(parent) else { continue };
        for name in parent.child_names().unwrap_or_default() {
            let dead = owner(&name).is_some_and(|pid| !is_alive(pid, roots));
            // The kernel refuses to remove a cgroup that has processes or children.
            if dead && is_unlocked(&parent, &name) && parent.remove_child(&name).is_ok() {
                removed.push(parent.file_path(&name));
            }
        }
    }
    removed
}

/// A directory's links are its name, its own `.` and the `..` of each directory in it.
fn may_have_children(directory: &Path) -> bool {
    rustix::fs::stat(directory).is_ok_and(|status| status.st_nlink != 2)
}

/// The launcher in a name of ours: `ringfence-PID-RANDOM` or `ringfence-supervisor-PID`.
fn owner(name: &str) -> Option<u32> {
    let pid = match name.strip_prefix(place::SUPERVISOR) {
        Some(pid) => pid,
        None => {
            let (pid, random) = name.strip_prefix(NAME)?.split_once('-')?;
            let is_random = random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_random {
                return None;
            }
            pid
        }
    };
    pid.parse().ok()
}

fn is_alive(pid: u32, roots: &Roots) -> bool {
    // Without a /proc nothing can be said, so nothing is removed.
    !roots.proc.join("self").exists() || roots.proc.join(pid.to_string()).exists()
}

/// A launcher in another PID namespace is seen by its lock on the directory.
fn is_unlocked(parent: &Directory, name: &str) -> bool {
    parent.child(name).is_ok_and(|directory| {
        rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn only_names_of_ours_have_an_owner() {
        assert_eq!(owner("ringfence-12-00ff00ff00ff00ff"), Some(12));
        assert_eq!(owner("ringfence-supervisor-7"), Some(7));
        for other in ["ringfence-12", "ringfence-12-backup", "ringfence-x-00ff00ff00ff00ff", "a"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
