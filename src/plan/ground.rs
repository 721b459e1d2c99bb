//! Whose the directories of the new root are: what may be made where.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use crate::policy::filesystem::is_below;

/// Whose something in the new root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The sandbox's: a directory that was made, or an empty file system.
    Sandbox,
    /// The host's, or nobody's who would want it changed: a bound tree, a link, a kernel file
    /// system. Nothing is made in it.
    Host,
}

/// What is known of the new root so far. Keys are the bytes of absolute, normalized paths, which
/// are much cheaper to look up than paths.
pub(super) struct Ground(HashMap<OsString, Owner>);

impl Ground {
    /// An empty root, or one that is a tree of the host.
    pub(super) fn new(tree: bool) -> Self {
        let owner = if tree { Owner::Host } else { Owner::Sandbox };
        Self(HashMap::from([("/".into(), owner)]))
    }

    /// Whether the deepest thing known at or above `path` is the host's.
    pub(super) fn is_the_hosts(&self, path: &Path) -> bool {
        let above = path.ancestors().find_map(|above| self.0.get(above.as_os_str()));
        above == Some(&Owner::Host)
    }

    /// Whether the root shows the path as it is: nothing was put at it or above it.
    pub(super) fn is_untouched(&self, path: &Path) -> bool {
        path.ancestors()
            .all(|above| above.parent().is_none() || !self.0.contains_key(above.as_os_str()))
    }

    /// Notes that a directory has to be there; whether it has to be made.
    pub(super) fn needs(&mut self, path: &Path) -> bool {
        if self.is_the_hosts(path) || self.0.contains_key(path.as_os_str()) {
            return false;
        }
        self.0.insert(path.into(), Owner::Sandbox);
        true
    }

    /// Notes that a tree, file or link of the host's is put at a path.
    pub(super) fn give_to_host(&mut self, path: &Path) {
        self.0.insert(path.into(), Owner::Host);
    }

    /// Notes that an empty file system is put at a path: what was below is covered.
    pub(super) fn clear(&mut self, path: &Path) {
        self.0.retain(|known, _| !is_below(Path::new(known), path));
        self.0.insert(path.into(), Owner::Sandbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_in_a_tree_of_the_hosts_but_in_what_covers_it() {
        let mut ground = Ground::new(true);
        assert!(!ground.needs(Path::new("/srv/data")));
        ground.clear(Path::new("/srv"));
        assert!(ground.needs(Path::new("/srv/data")));
        assert!(!ground.needs(Path::new("/srv/data")), "made once");
        ground.give_to_host(Path::new("/srv/data"));
        assert!(!ground.needs(Path::new("/srv/data/deep")));
        ground.clear(Path::new("/srv"));
        assert!(ground.needs(Path::new("/srv/data")), "covered, and forgotten");
    }

    #[test]
    fn only_the_root_itself_may_be_above_what_is_untouched() {
        let mut ground = Ground::new(true);
        assert!(ground.is_untouched(Path::new("/usr/bin")));
        ground.clear(Path::new("/usr"));
        assert!(!ground.is_untouched(Path::new("/usr/bin")));
        assert!(ground.is_untouched(Path::new("/usrlocal")));
    }
}
