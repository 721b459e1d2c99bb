//! Which cgroup hierarchies there are, and where in each this process is.

use std::io;
use std::path::{Path, PathBuf};

use super::super::files;
use super::super::mountinfo::unescaped;
use super::Roots;
use crate::plan::facts::cgroup::{CgroupLayout, Controller, Missing, Parent};

/// The hierarchies that carry something, as this process sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The version 2 hierarchy, if it is mounted.
    pub v2: Option<Hierarchy>,
    /// The mounted version 1 hierarchies with controllers that are of use here.
    pub v1: Vec<Hierarchy>,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version 1 controllers; version 2 lists its own in `cgroup.controllers`.
    pub controllers: Vec<String>,
    /// Our own cgroup in it, or why the mount doesn't show it.
    pub own: Result<Parent, Missing>,
}

impl Layout {
    /// Reads what [`Layout::detect`] needs.
    pub fn read(roots: &Roots) -> io::Result<Self> {
        // Paths that aren't UTF-8 become names that don't exist: missing, never another cgroup.
        let text = |name: &str| files::read_text(roots.proc.join("self").join(name));
        Ok(Self::detect(&text("cgroup")?, &text("mountinfo")?))
    }

    /// Puts `/proc/self/cgroup` and `/proc/self/mountinfo` together (cgroups(7),
    /// proc_pid_mountinfo(5)).
    #[must_use]
    pub fn detect(proc_self_cgroup: &str, mountinfo: &str) -> Self {
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
        let mut layout = Self { v2: None, v1: Vec::new() };
        for membership in memberships(proc_self_cgroup) {
            let Some(own) = locate(&membership, &mounts) else { continue };
            let names = membership.controllers.iter().map(|&name| name.to_owned());
            let hierarchy = Hierarchy { controllers: names.collect(), own };
            if membership.is_v2() {
                layout.v2 = Some(hierarchy);
            } else if hierarchy.controllers.iter().any(|name| is_of_use(name)) {
                layout.v1.push(hierarchy);
            }
        }
        layout
    }

    /// Which versions carry controllers.
    #[must_use]
    pub fn kind(&self) -> CgroupLayout {
        match (&self.v2, self.v1.is_empty()) {
            (None, true) => CgroupLayout::None,
            (None, false) => CgroupLayout::V1,
            (Some(_), true) => CgroupLayout::V2,
            (Some(_), false) => CgroupLayout::Hybrid,
        }
    }

    /// The version 1 hierarchy that carries the controller `name`.
    #[must_use]
    pub fn v1_hierarchy(&self, name: &str) -> Option<&Hierarchy> {
        self.v1.iter().find(|hierarchy| hierarchy.controllers.iter().any(|own| own == name))
    }
}

/// systemd's own hierarchy (`name=systemd`), `net_cls` and the like limit nothing, and are mounted
/// on hosts that have their controllers on version 2.
fn is_of_use(name: &str) -> bool {
    Controller::ALL.iter().any(|controller| controller.v1_name() == name)
}

/// One line of `/proc/PID/cgroup`: the cgroup a process is in, in one hierarchy.
pub(super) struct Membership<'a> {
    /// None for version 2.
    pub(super) controllers: Vec<&'a str>,
    pub(super) cgroup: &'a str,
}

impl Membership<'_> {
    pub(super) fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }
}

/// The lines of `/proc/PID/cgroup`: `ID:CONTROLLERS:PATH`, where the path may have colons.
pub(super) fn memberships(proc_cgroup: &str) -> impl Iterator<Item = Membership<'_>> {
    proc_cgroup.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_id, controllers, cgroup) = (fields.next()?, fields.next()?, fields.next()?);
        let controllers = controllers.split(',').filter(|name| !name.is_empty()).collect();
        Some(Membership { controllers, cgroup })
    })
}

/// A mounted cgroup file system.
struct Mount {
    v2: bool,
    /// Which part of the hierarchy is shown, relative to our cgroup namespace.
    root: String,
    mount_point: String,
    read_only: bool,
    super_options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        // The optional fields before " - " vary in number; the three after it don't. Most lines are
        // of other file systems, and a launch passes by them all.
        const MARK: &str = " - cgroup";
        // The one is quick on lines without, the other finds the place.
        let at = if line.contains(MARK) { line.find(MARK)? } else { return None };
        let (before, after) = (&line[..at], &line[at + " - ".len()..]);
        let mut before = before.split(' ').skip(3);
        let (root, mount_point, options) = (before.next()?, before.next()?, before.next()?);
        let mut after = after.split(' ');
        let v2 = match after.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let super_options = after.nth(1)?;
        let has = |options: &str, name| options.split(',').any(|option| option == name);
        Some(Self {
            v2,
            root: unescape(root),
            mount_point: unescape(mount_point),
            read_only: has(options, "ro") || has(super_options, "ro"),
            super_options: super_options.to_owned(),
        })
    }

    fn carries(&self, membership: &Membership<'_>) -> bool {
        self.v2 == membership.is_v2()
            && membership
                .controllers
                .iter()
                .all(|name| self.super_options.split(',').any(|option| option == *name))
    }

    fn own(&self, cgroup: &str) -> Result<Parent, Missing> {
        match below(&self.root, cgroup) {
            Some(relative) => {
                let mount_point = PathBuf::from(&self.mount_point);
                let directory = if relative.is_empty() {
                    mount_point.clone()
                } else {
                    mount_point.join(relative)
                };
                Ok(Parent { directory, cgroup: cgroup.to_owned(), mount_point })
            }
            None => Err(Missing::OutOfReach {
                cgroup: cgroup.to_owned(),
                mount_root: self.root.clone(),
            }),
        }
    }
}

/// Our own cgroup through the mount that shows it best; `None` where the hierarchy isn't mounted.
fn locate(membership: &Membership<'_>, mounts: &[Mount]) -> Option<Result<Parent, Missing>> {
    mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| mount.carries(membership))
        // Of two mounts on one directory, only the later can be seen.
        .filter(|(index, mount)| {
            mounts[index + 1..].iter().all(|later| later.mount_point != mount.mount_point)
        })
        .map(|(_, mount)| (mount.own(membership.cgroup), mount.read_only))
        // min_by_key keeps the first of equals: the usual place comes before bind mounts of it.
        .min_by_key(|(own, read_only)| (own.is_err(), *read_only))
        .map(|(own, _)| own)
}

/// `cgroup` relative to `root`, if it is at or below it.
///
/// Outside of our cgroup namespace both start with `/..`, which can be compared, but not followed:
/// what is left must go downwards only. A removed cgroup has " (deleted)" behind its name.
fn below<'a>(root: &str, cgroup: &'a str) -> Option<&'a str> {
    if cgroup.ends_with(" (deleted)") {
        return None;
    }
    let rest = cgroup.strip_prefix(root.trim_end_matches('/'))?;
    if !(rest.is_empty() || rest.starts_with('/')) || rest.split('/').any(|part| part == "..") {
        return None;
    }
    Some(rest.trim_matches('/'))
}

fn unescape(field: &str) -> String {
    String::from_utf8_lossy(&unescaped(field.as_bytes())).into_owned()
}

/// The path of `child` of `parent`, as `/proc/PID/cgroup` shows it.
pub(super) fn child_cgroup(parent: &str, child: &str) -> String {
    format!("{}/{child}", parent.trim_end_matches('/'))
}

/// The parent of our own cgroup, unless it is out of the mount's sight.
pub(super) fn parent_of(own: &Parent) -> Option<Parent> {
    if own.directory == own.mount_point {
        return None;
    }
    let directory = own.directory.parent().map(Path::to_path_buf)?;
    let cgroup = match own.cgroup.rsplit_once('/')? {
        ("", _) => "/",
        (parent, _) => parent,
    };
    Some(Parent { directory, cgroup: cgroup.to_owned(), mount_point: own.mount_point.clone() })
}
