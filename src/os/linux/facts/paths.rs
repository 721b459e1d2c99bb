//! What is at the host paths that a policy names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

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
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescaped).collect()
}

/// A field of `mountinfo`, in which white space and backslashes are octal escapes.
fn unescaped(field: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_mountinfo_are_resolved() {
        assert_eq!(unescaped(br"/mnt/a\040b\134c"), Path::new(r"/mnt/a b\c"));
        assert_eq!(unescaped(br"/plain\9"), Path::new(r"/plain\9"));
    }

    #[test]
    fn the_root_is_a_mount_point() {
        assert!(mount_points().contains(&PathBuf::from("/")));
    }
}
