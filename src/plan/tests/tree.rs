//! Walks through the mounting steps of a plan as the child would: what is made, mounted and
//! covered, and that nothing is ever made in a tree of the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::Plan;
use super::super::facts::{HostFacts, PathFact};
use super::super::step::{NewRoot, Step};

/// What is at a path of the new root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    /// A directory on a file system that the sandbox made.
    Own,
    /// A file on one.
    Leaf,
    /// A link on one: what is below it is elsewhere.
    Link,
    /// A directory that shows a tree which isn't ours: the host's, or the kernel's.
    Foreign,
    /// A file of the host's.
    File,
}

#[derive(Default)]
struct Tree(BTreeMap<PathBuf, Node>);

impl Tree {
    /// The deepest that is known at or above a path.
    fn at(&self, path: &Path) -> Option<(&Path, Node)> {
        path.ancestors().find_map(|at| self.0.get_key_value(at)).map(|(at, node)| (&**at, *node))
    }

    fn create(&mut self, path: &Path, node: Node) -> Result<(), String> {
        let parent = path.parent().ok_or("the root can't be made")?;
        match self.at(path) {
            Some((at, Node::Own)) if at == parent => {}
            Some((at, found)) if at == path => {
                return Err(format!("{} is made twice: {found:?}", path.display()));
            }
            found => return Err(format!("{} is made in {found:?}", path.display())),
        }
        self.0.insert(path.to_owned(), node);
        Ok(())
    }

    fn mount(&mut self, path: &Path, node: Node) -> Result<(), String> {
        match self.at(path) {
            Some((at, Node::Link)) if at != path => {}
            Some((_, Node::Foreign)) => {} // It may be there; else the launch says that it isn't.
            Some((at, found)) if at == path => {
                let directory = matches!(node, Node::Own | Node::Foreign);
                if directory != matches!(found, Node::Own | Node::Foreign) {
                    return Err(format!("{}: {node:?} on {found:?}", path.display()));
                }
            }
            found => return Err(format!("no mount point {}: {found:?}", path.display())),
        }
        // What was there is covered.
        self.0.retain(|at, _| !at.starts_with(path));
        self.0.insert(path.to_owned(), node);
        Ok(())
    }
}

pub(super) fn check(host: &HostFacts, plan: &Plan) -> Result<(), String> {
    let mut tree = Tree::default();
    for step in &plan.steps {
        match step {
            Step::NewRoot(root) => {
                let node = if *root == NewRoot::Empty { Node::Own } else { Node::Foreign };
                tree.0.insert(PathBuf::from("/"), node);
            }
            Step::Directory { path, .. } => tree.create(path, Node::Own)?,
            Step::EmptyFile(path) => tree.create(path, Node::Leaf)?,
            Step::Symlink { path, .. } => tree.create(path, Node::Link)?,
            Step::Tmpfs(tmpfs) => tree.mount(&tmpfs.target, Node::Own)?,
            Step::Proc(path) | Step::DevPts(path) => tree.mount(path, Node::Foreign)?,
            Step::Bind(bind) => {
                let device = bind.device || bind.source.starts_with("/dev");
                let directory =
                    !device && host.paths.get(&bind.source).is_some_and(PathFact::is_directory);
                tree.mount(&bind.target, if directory { Node::Foreign } else { Node::File })?;
            }
            _ => {}
        }
    }
    Ok(())
}
