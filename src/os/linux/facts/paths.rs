//! What is at the host paths that a policy names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::Effort;

use crate::plan::facts::{Errno, PathFact};
use crate::policy::Policy;
use crate::policy::filesystem::{MountKind, Root};

pub(super) fn look_at(policy: &Policy, effort: Effort) -> BTreeMap<PathBuf, PathFact> {
    let filesystem = &policy.filesystem;
    let sources = filesystem.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source),
        _ => None,
    });
    let root = match &filesystem.root {
        Root::Directory(path) => Some(path),
        Root::Host | Root::Minimal => None,
    };
    // A launch leaves rules for what isn't there out by itself; people are told.
    let rules = &policy.landlock;
    let rules = match effort {
        Effort::Look => [].iter().chain(&[]).chain(&[]),
        Effort::Try => rules.read.iter().chain(&rules.write).chain(&rules.execute),
    };
    sources.chain(root).chain(rules).map(|path| (path.clone(), look(path))).collect()
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
