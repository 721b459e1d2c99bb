//! What is at the host paths that a policy names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::super::{files, mountinfo};
use super::Effort;
use crate::plan::facts::{Errno, PathFact};
use crate::policy::Policy;
use crate::policy::filesystem::{MountKind, Root};
use crate::profile::vocabulary::Layer;

pub(super) fn look_at(policy: &Policy, effort: Effort) -> BTreeMap<PathBuf, PathFact> {
    let filesystem = &policy.filesystem;
    let sources = filesystem.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source),
        _ => None,
    });
    let root = match policy.root() {
        Root::Directory(path) => Some(path),
        Root::Host | Root::Minimal => None,
    };
    // A launch leaves rules for what isn't there out by itself; people are told.
    let rules = &policy.landlock;
    let rules = match effort {
        Effort::Look => [].iter().chain(&[]).chain(&[]),
        Effort::Try => rules.read.iter().chain(&rules.write).chain(&rules.execute),
    };
    let hidden = filesystem.hide.iter().filter_map(|path| policy.on_host(path));
    let pins = filesystem.mounts.iter().flat_map(|mount| filesystem.pins(mount));
    let pins = pins.map(|pin| pin.source);
    let all = sources.chain(root).chain(rules).cloned().chain(hidden).chain(pins);
    let mut facts: BTreeMap<_, _> = all.map(|path| (path.clone(), look(&path))).collect();
    if policy.enforcement.wants(Layer::Filesystem) {
        for place in
            filesystem.mounts.iter().filter_map(|mount| policy.place_on_host(&mount.target))
        {
            look_for_place(place, &mut facts);
        }
    }
    facts
}

/// Looks whether there is something to mount on. Behind a link nothing can be said: inside, it may
/// lead to what is made there.
fn look_for_place(place: PathBuf, facts: &mut BTreeMap<PathBuf, PathFact>) {
    if facts.contains_key(&place) {
        return;
    }
    let fact = look(&place);
    let is_missing = matches!(fact, PathFact::Missing(_));
    let above =
        || place.ancestors().skip(1).find_map(|path| Some((path, path.canonicalize().ok()?)));
    if !is_missing || above().is_some_and(|(path, real)| path == real) {
        facts.insert(place, fact);
    }
}

fn look(path: &Path) -> PathFact {
    let missing =
        |errno: rustix::io::Errno| PathFact::Missing(Errno(errno.raw_os_error()).to_string());
    let status = match rustix::fs::lstat(path) {
        Ok(status) => status,
        Err(errno) => return missing(errno),
    };
    let owner = status.st_uid;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => PathFact::Directory { owner },
        FileType::Symlink => {
            let end = match rustix::fs::stat(path) {
                Ok(end) if FileType::from_raw_mode(end.st_mode) == FileType::Directory => {
                    PathFact::Directory { owner: end.st_uid }
                }
                Ok(end) => PathFact::File { owner: end.st_uid },
                Err(errno) => missing(errno),
            };
            let text = std::fs::read_link(path).unwrap_or_default();
            PathFact::Link { text, end: Box::new(end) }
        }
        _ => PathFact::File { owner },
    }
}

/// Every mount point that this process sees (`proc_pid_mountinfo(5)`).
pub(super) fn mount_points() -> Vec<PathBuf> {
    let text = files::read("/proc/self/mountinfo").unwrap_or_default();
    mountinfo::mounts(&text).map(|mount| mount.point).collect()
}

/// Where paths lead that aren't the shortest to what is there.
pub(super) fn real_paths(facts: &BTreeMap<PathBuf, PathFact>) -> BTreeMap<PathBuf, PathBuf> {
    let real = |path: &PathBuf| Some((path.clone(), path.canonicalize().ok()?));
    facts.keys().filter_map(real).filter(|(path, real)| path != real).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_a_mount_point() {
        assert!(mount_points().contains(&PathBuf::from("/")));
    }
}
