//! What is visible of the file system: absolute, normalized paths, parents before children.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::Policy;
use crate::profile::vocabulary::{Access, Layer};

/// The view of the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// What the root directory is made of.
    pub root: Root,
    /// What is put into it, in the order of the targets, of which no two are the same: each comes
    /// after those above it.
    pub mounts: Vec<Mount>,
    /// Trees of the host in which somebody who isn't trusted may have made symbolic links: the
    /// working directory, and what a command may write to. In order.
    pub untrusted: Vec<PathBuf>,
    /// Paths inside the sandbox that are masked.
    pub hide: Vec<PathBuf>,
}

/// What the root directory is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The host's root, read-only.
    Host,
    /// An empty root.
    Minimal,
    /// A directory with a root file system, read-only.
    Directory(PathBuf),
}

/// One thing put into the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it appears.
    pub target: PathBuf,
    /// What appears there.
    pub kind: MountKind,
    /// Whether it is passed over when its source doesn't exist.
    pub optional: bool,
}

/// What appears at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A directory or file of the host.
    Bind {
        /// Its path on the host.
        source: PathBuf,
        /// Whether it can be changed.
        access: Access,
        /// Whether programs in it can't be executed.
        noexec: bool,
        /// Whether the caller's files appear as the sandboxed user's own.
        map_owner: bool,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Bytes it can hold at most.
        size: u64,
        /// Permissions of its root directory.
        mode: u32,
        /// Whether programs in it can't be executed.
        noexec: bool,
    },
    /// A fresh `proc(5)`.
    Proc,
    /// A minimal `/dev`.
    Dev,
}

impl Policy {
    /// What the root is really made of: with the layer off, of the host's.
    #[must_use]
    pub fn root(&self) -> &Root {
        if self.enforcement.wants(Layer::Root) { &self.filesystem.root } else { &Root::Host }
    }

    /// What of the host a path inside the sandbox shows; `None`: nothing of it.
    #[must_use]
    pub fn on_host(&self, path: &Path) -> Option<PathBuf> {
        self.filesystem.on_host(path, self.root())
    }

    /// What of the host has to be there for something to be mounted at `target`; `None`: a place is
    /// made.
    #[must_use]
    pub fn place_on_host(&self, target: &Path) -> Option<PathBuf> {
        Some(self.on_host(target.parent()?)?.join(target.file_name()?))
    }
}

/// Whether `path` is `base` or below it.
///
/// Both have to be absolute and normalized. Then bytes tell as much as [`Path::starts_with`] finds out
/// part by part, which a launch would do some hundred times.
#[must_use]
pub(crate) fn is_below(path: &Path, base: &Path) -> bool {
    let (path, base) = (path.as_os_str().as_encoded_bytes(), base.as_os_str().as_encoded_bytes());
    match (path.strip_prefix(base), base) {
        (None, _) => false,
        (Some(_), b"/") => true,
        (Some(rest), _) => rest.is_empty() || rest.starts_with(b"/"),
    }
}

/// How two paths compare, which have to be absolute and normalized: as [`Path`]s do, a directory and
/// all that is below it before what comes after. Bytes tell that too, if the one between two names
/// comes before every other.
#[must_use]
fn compare(one: &Path, other: &Path) -> Ordering {
    ranks(one).cmp(ranks(other))
}

fn ranks(path: &Path) -> impl Iterator<Item = u8> {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.map(|byte| if *byte == b'/' { 0 } else { *byte })
}

/// What is left of `path` below `base`, nothing if they are the same; `None` if it isn't there.
#[must_use]
pub(crate) fn below<'p>(path: &'p Path, base: &Path) -> Option<&'p Path> {
    if is_below(path, base) { path.strip_prefix(base).ok() } else { None }
}

/// A directory of a writable bind that must stay where it is: see [`Filesystem::pins`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// In the sandbox.
    pub target: PathBuf,
    /// On the host.
    pub source: PathBuf,
}

impl Filesystem {
    /// The directories between a writable bind and what is read-only or hidden below it, from
    /// above to below.
    ///
    /// Such a directory could be renamed, and what is mounted below would go with it; another
    /// could then be made by the same path, for who uses it outside of the sandbox. What is a mount
    /// point itself can't be renamed.
    #[must_use]
    pub fn pins(&self, writable: &Mount) -> Vec<Pin> {
        let MountKind::Bind { source, access: Access::ReadWrite, .. } = &writable.kind else {
            return Vec::new();
        };
        let fixed =
            |mount: &&Mount| matches!(mount.kind, MountKind::Bind { access: Access::ReadOnly, .. });
        // In their order, all that is below a target follows it.
        let first = self.mounts.partition_point(|mount| mount.target <= writable.target);
        let inside = self.mounts.get(first..).unwrap_or_default().iter();
        let inside = inside.take_while(|mount| is_below(&mount.target, &writable.target));
        let fixed = inside.filter(fixed).map(|mount| &mount.target);
        let between = fixed.chain(&self.hide).flat_map(|path| path.ancestors().skip(1));
        let mut pins: Vec<_> = between
            .filter(|path| *path != writable.target && is_below(path, &writable.target))
            .filter(|path| self.mount_above(path) == Some(writable))
            .filter_map(|path| {
                let rest = below(path, &writable.target)?;
                Some(Pin { target: path.to_owned(), source: source.join(rest) })
            })
            .collect();
        pins.sort();
        pins.dedup();
        pins
    }

    /// The outermost untrusted tree that a path of the host is in: links below it aren't followed.
    #[must_use]
    pub fn untrusted_above(&self, path: &Path) -> Option<&Path> {
        let tree = |above: &Path| {
            let found = self.untrusted.binary_search_by(|own| compare(own, above)).ok()?;
            self.untrusted.get(found).map(PathBuf::as_path)
        };
        path.ancestors().skip(1).filter_map(tree).last()
    }

    /// What of the host a path inside the sandbox shows, where the root is `root`; `None`: nothing
    /// of it.
    fn on_host(&self, path: &Path, root: &Root) -> Option<PathBuf> {
        match self.mount_above(path) {
            Some(Mount { target, kind: MountKind::Bind { source, .. }, .. }) => {
                let rest = below(path, target)?;
                Some(if rest.as_os_str().is_empty() { source.clone() } else { source.join(rest) })
            }
            Some(_) => None,
            None => match root {
                Root::Host => Some(path.to_owned()),
                Root::Directory(root) => Some(root.join(path.strip_prefix("/").ok()?)),
                Root::Minimal => None,
            },
        }
    }

    /// The mount that holds `path`: the deepest one at or above it.
    #[must_use]
    pub fn mount_above(&self, path: &Path) -> Option<&Mount> {
        path.ancestors().find_map(|target| self.mount_at(target))
    }

    /// The mount that has this target.
    #[must_use]
    pub fn mount_at(&self, target: &Path) -> Option<&Mount> {
        let found = self.mounts.binary_search_by(|mount| compare(&mount.target, target));
        found.ok().and_then(|index| self.mounts.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_what_path_says() {
        let paths =
            ["/", "/a", "/ab", "/a/b", "/a/b/c", "/b", "/a/bc", "/a-b", "/a\x01/b"].map(Path::new);
        for path in paths {
            for base in paths {
                assert_eq!(compare(path, base), path.cmp(base), "{path:?} {base:?}");
                let wanted = path.strip_prefix(base).ok();
                assert_eq!(
                    below(path, base),
                    wanted,
                    "{} below {}",
                    path.display(),
                    base.display()
                );
            }
        }
    }
}
