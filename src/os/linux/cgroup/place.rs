//! Where the version 2 cgroup of a run can be made.

use std::path::Path;

use rustix::fs::Access;
use rustix::io::Errno;

use super::directory::{Directory, fact};
use super::layout::parent_of;
use crate::plan::facts::cgroup::{Missing, Parent, Place, PlaceKind};

/// The names that [`crate::os::linux::cgroup`] gives to leaves for launchers.
pub(super) const SUPERVISOR: &str = "ringfence-supervisor-";

/// The name of this process's leaf in a delegated cgroup.
pub(super) fn supervisor_name() -> String {
    format!("{SUPERVISOR}{}", std::process::id())
}

/// Finds the place, or says why there is none that can hand out controllers.
///
/// With a `Bare` place comes the reason why it isn't better.
pub(super) fn find(own: &Parent) -> (Option<Place>, Option<Missing>) {
    let at = |parent: &Parent, kind| Some(Place { parent: parent.clone(), kind });
    let own_directory = match Directory::open(&own.directory) {
        Ok(directory) => directory,
        Err(errno) => return (None, Some(refused(&own.directory, errno))),
    };
    let own_writable = writable(&own.directory);
    if is_real_root(&own_directory) {
        return match own_writable {
            Ok(()) => (at(own, PlaceKind::Root), None),
            Err(missing) => (None, Some(missing)),
        };
    }
    // An earlier run of this process, still going on, has moved us into our leaf.
    let parent = parent_of(own);
    if let Some(parent) = &parent
        && own.directory.file_name().is_some_and(|name| name == supervisor_name().as_str())
        && writable(&parent.directory).is_ok()
    {
        return (at(parent, PlaceKind::Delegated), None);
    }
    let delegated = own_writable.and_then(|()| hands_out(&own_directory, true));
    // What systemd has marked as delegated is ours to divide; its parent is systemd's.
    if delegated.is_ok() && marked_delegated(&own_directory) {
        return (at(own, PlaceKind::Delegated), None);
    }
    if let Some(parent) = &parent
        && sibling(&parent.directory).is_ok()
    {
        return (at(parent, PlaceKind::Sibling), None);
    }
    match delegated {
        Ok(()) => (at(own, PlaceKind::Delegated), None),
        Err(missing) if writable(&own.directory).is_ok() => {
            (at(own, PlaceKind::Bare), Some(missing))
        }
        Err(missing) => (None, Some(missing)),
    }
}

/// Only the root of the hierarchy has no `cgroup.events`; the root of a cgroup namespace has.
fn is_real_root(directory: &Directory) -> bool {
    directory.has("cgroup.procs") && !directory.has("cgroup.events")
}

/// Whether children can be made in `path` and processes be moved below it.
///
/// The kernel wants write access to the `cgroup.procs` of the common ancestor of a process's old
/// and new cgroup (cgroups(7), "Cgroups delegation").
fn writable(path: &Path) -> Result<(), Missing> {
    may_make_children(path)?;
    may_write(&path.join("cgroup.procs"))
}

pub(super) fn may_make_children(path: &Path) -> Result<(), Missing> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::access(path, access).map_err(|errno| refused(path, errno))
}

pub(super) fn may_write(path: &Path) -> Result<(), Missing> {
    rustix::fs::access(path, Access::WRITE_OK).map_err(|errno| refused(path, errno))
}

fn refused(path: &Path, errno: Errno) -> Missing {
    Missing::NotWritable { path: path.to_path_buf(), errno: fact(errno) }
}

fn sibling(parent: &Path) -> Result<(), Missing> {
    writable(parent)?;
    let directory = Directory::open(parent).map_err(|errno| refused(parent, errno))?;
    // The root may have processes beside children with controllers.
    if is_real_root(&directory) || has_enabled(&directory) {
        return Ok(());
    }
    hands_out(&directory, false)
}

/// Whether controllers can be enabled for children: no process may be in it, once we have left.
fn hands_out(directory: &Directory, we_are_in_it: bool) -> Result<(), Missing> {
    may_write(&directory.file_path("cgroup.subtree_control"))?;
    let processes = directory
        .processes()
        .map_err(|errno| refused(&directory.file_path("cgroup.procs"), errno))?;
    let ours = i32::try_from(std::process::id()).unwrap_or(-1);
    let others = processes.iter().filter(|&&pid| !we_are_in_it || pid != ours).count();
    if others > 0 {
        return Err(Missing::Busy { path: directory.path().to_path_buf(), others });
    }
    Ok(())
}

fn has_enabled(directory: &Directory) -> bool {
    directory.read("cgroup.subtree_control").is_ok_and(|text| !text.trim().is_empty())
}

/// systemd sets these attributes for `Delegate=yes`; only root can read the `trusted` one.
fn marked_delegated(directory: &Directory) -> bool {
    ["user.delegate", "trusted.delegate"].into_iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::fgetxattr(directory, name, &mut value[..])
            .is_ok_and(|length| value.get(..length) == Some(b"1".as_slice()))
    })
}
