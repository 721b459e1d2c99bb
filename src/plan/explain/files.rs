//! Which files a command sees.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Subject;
use crate::plan::facts::PathFact;
use crate::plan::landlock::access;
use crate::plan::step::{LandlockPath, NewRoot, Step};
use crate::policy::filesystem::{Mount, MountKind};
use crate::profile::vocabulary::{Access, Layer};

/// Which files a command sees.
#[derive(Clone, Debug, Serialize)]
pub struct Files {
    /// What decides it: a view of its own, Landlock, or nothing but the user's permissions.
    pub decided_by: &'static str,
    /// What it sees, by path.
    pub visible: Vec<Visible>,
    /// Paths that are covered.
    pub hidden: Vec<PathBuf>,
    /// Optional paths that this host doesn't have.
    pub absent: Vec<PathBuf>,
}

/// Something that a command sees.
#[derive(Clone, Debug, Serialize)]
pub struct Visible {
    /// Where.
    pub path: PathBuf,
    /// What is there.
    #[serde(flatten)]
    pub what: What,
    /// Where it is on the host, if that is another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Whether programs in it can be executed.
    pub executable: bool,
}

/// What is at a visible path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// Files of the host, which can't be changed.
    ReadOnly,
    /// Files of the host, which can be changed.
    ReadWrite,
    /// An empty file system in memory.
    Private {
        /// How many bytes it holds.
        bytes: u64,
    },
    /// An empty directory of the host, removed after the run, that stands in for a file system in
    /// memory; `HOME` and `TMPDIR` name it.
    PrivateDirectory,
    /// A fresh `proc(5)`.
    Proc,
    /// A few devices.
    Devices,
    /// A directory of the host that can be listed; what can be read in it is listed by itself.
    Listing,
}

impl What {
    /// Whether it can be changed, and stays after the run.
    #[must_use]
    pub const fn is_writable_host(self) -> bool {
        matches!(self, Self::ReadWrite)
    }
}

pub(super) fn files(subject: &Subject<'_>) -> Files {
    let own_view = subject.holds(Layer::Filesystem);
    let decided_by = match (own_view, subject.landlock()) {
        (true, Some(_)) => "mounts and Landlock",
        (true, None) => "mounts",
        (false, Some(_)) => "Landlock",
        (false, None) => "the permissions of the user",
    };
    let mut files =
        Files { decided_by, visible: Vec::new(), hidden: Vec::new(), absent: Vec::new() };
    if own_view {
        view(subject, &mut files);
    } else if let Some(rules) = subject.landlock() {
        for rule in &rules.paths {
            let known = subject.facts.paths.get(&rule.path).map(PathFact::followed);
            if matches!(known, Some(PathFact::Missing(_))) {
                files.absent.push(rule.path.clone());
            } else {
                files.visible.extend(allowed(rule));
            }
        }
        let private = subject.plan.private.iter().map(|path| Visible {
            path: path.clone(),
            what: What::PrivateDirectory,
            source: None,
            executable: true,
        });
        files.visible.extend(private);
    } else {
        let what = What::ReadWrite;
        files.visible.push(Visible { path: "/".into(), what, source: None, executable: true });
    }
    files
}

/// A view of its own: the root, what is mounted in it, and what is covered.
fn view(subject: &Subject<'_>, files: &mut Files) {
    let root = subject.plan.steps.iter().find_map(|step| match step {
        Step::NewRoot(NewRoot::Tree(path)) => Some(path.clone()),
        _ => None,
    });
    if let Some(root) = root {
        let source = (root != Path::new("/")).then_some(root);
        let what = What::ReadOnly;
        files.visible.push(Visible { path: "/".into(), what, source, executable: true });
    }
    for mount in &subject.policy.filesystem.mounts {
        match &mount.kind {
            MountKind::Bind { source, .. } if is_absent(subject, source) => {
                files.absent.push(source.clone());
            }
            _ => files.visible.push(mounted(mount)),
        }
    }
    files.hidden = subject
        .plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Mask { path, .. } => Some(path.clone()),
            _ => None,
        })
        .collect();
}

fn is_absent(subject: &Subject<'_>, source: &Path) -> bool {
    let fact = subject.facts.paths.get(source).map(PathFact::followed);
    matches!(fact, None | Some(PathFact::Missing(_)))
}

fn mounted(mount: &Mount) -> Visible {
    let path = mount.target.clone();
    match &mount.kind {
        MountKind::Bind { source, access, noexec, .. } => Visible {
            source: (*source != path).then(|| source.clone()),
            path,
            what: match access {
                Access::ReadOnly => What::ReadOnly,
                Access::ReadWrite => What::ReadWrite,
            },
            executable: !noexec,
        },
        MountKind::Tmpfs { size, noexec, .. } => {
            let what = What::Private { bytes: *size };
            Visible { path, what, source: None, executable: !noexec }
        }
        MountKind::Proc => Visible { path, what: What::Proc, source: None, executable: false },
        MountKind::Dev => Visible { path, what: What::Devices, source: None, executable: false },
    }
}

/// What a Landlock rule lets a command do with the host's files.
fn allowed(rule: &LandlockPath) -> Option<Visible> {
    let what = if rule.access & (access::WRITE_FILE | access::IOCTL_DEV) == 0 {
        if rule.access & access::READ_FILE == 0 { What::Listing } else { What::ReadOnly }
    } else if rule.access & access::IOCTL_DEV != 0 {
        What::Devices
    } else {
        What::ReadWrite
    };
    let executable = rule.access & access::EXECUTE != 0;
    (rule.access != 0).then(|| Visible { path: rule.path.clone(), what, source: None, executable })
}
