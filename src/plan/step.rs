//! One step of setting a sandbox up.

use std::path::PathBuf;

use super::facts::Resource;
use crate::policy::limits::TreeLimits;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::vocabulary::{Layer, Namespace, Stdin};

/// One step of setting a sandbox up, with all it needs to know. Paths that begin with `/` are
/// the host's in `source` and `Directory` roots, the sandbox's everywhere else.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Makes the cgroup and writes its limits.
    CreateCgroup(TreeLimits),
    /// Starts the sandbox's init in new namespaces (and on cgroup v2 in the cgroup).
    Clone(Vec<Namespace>),
    /// Maps one user and one group of the new user namespace to one of the host.
    MapIds(IdMap),
    /// Has a process beside init make the network namespace, which takes about as long as all the
    /// mounts do.
    BeginNetwork,
    /// Leaves the caller's session.
    NewSession,
    /// Joins the cgroup (version 1: one file per controller).
    JoinCgroup,
    /// Makes the cgroup joined the root of what can be seen of cgroups.
    NewCgroupNamespace,
    /// Takes over the ids that the user namespace maps, where the caller's own isn't mapped.
    AdoptIds(Ids),
    /// Cuts mount propagation to and from the host.
    PrivateMounts,
    /// Makes the tree that becomes the root directory.
    NewRoot(NewRoot),
    /// Makes a directory in the new root.
    Directory {
        /// Where.
        path: PathBuf,
        /// Permissions.
        mode: u32,
    },
    /// Makes an empty file in the new root, for another to be mounted on.
    EmptyFile(PathBuf),
    /// Makes a symbolic link in the new root.
    Symlink {
        /// Where.
        path: PathBuf,
        /// What it says.
        text: PathBuf,
    },
    /// Makes a file or tree of the host appear.
    Bind(Bind),
    /// Sets what a mount allows, on kernels where that can't be done for a whole tree before it
    /// appears.
    Remount(Remount),
    /// Makes an empty file system appear.
    Tmpfs(Tmpfs),
    /// Makes a fresh `proc(5)` appear.
    Proc(PathBuf),
    /// Makes a fresh set of pseudo terminals appear.
    DevPts(PathBuf),
    /// Makes a tree inside the sandbox read-only, if it is there.
    ReadOnly {
        /// Where.
        path: PathBuf,
        /// Which layer asks for it.
        layer: Layer,
    },
    /// Covers a file or directory inside the sandbox, if it is there.
    Mask {
        /// Where.
        path: PathBuf,
        /// Which layer asks for it.
        layer: Layer,
    },
    /// Makes the mount at a path read-only: itself, not what is mounted in it.
    Seal(PathBuf),
    /// Makes the new root the root directory and lets go of the old one.
    EnterRoot,
    /// Sets the hostname.
    SetHostname(String),
    /// Moves into the network namespace that was begun.
    JoinNetwork,
    /// Brings the loopback device up.
    LoopbackUp,
    /// Empties the capability bounding set, but for these (a bit mask).
    DropBoundingSet(u64),
    /// Locks the securebits: no way of gaining capabilities by user id 0 or by exec is left, but
    /// for these (a bit mask), which are made ambient first.
    LockSecurebits(u64),
    /// Sets the supplementary groups.
    SetGroups(Vec<u32>),
    /// Sets real, effective and saved user and group id.
    SetIds(Ids),
    /// Empties the permitted, effective, inheritable and ambient sets, but for these (a bit mask).
    SetCapabilities(u64),
    /// Sets `no_new_privs`.
    NoNewPrivs,
    /// Makes a terminal of the command's own that of init's session: by this `ptmx` of the sandbox,
    /// or else the launcher has made it.
    OpenTerminal(Option<PathBuf>),
    /// Starts the process that becomes the command; init goes on as its supervisor inside.
    StartTarget,
    /// Puts that process into a process group of its own, in init's session. Not into a session of
    /// its own: with its parent in another session, its group would be an orphan, which the kernel
    /// doesn't let a terminal stop.
    TargetGroup,
    /// Puts the command's own terminal at the standard streams that are terminals of the caller's.
    TakeTerminal,
    /// Arranges descriptors 0 to 2.
    Stdio(Stdin),
    /// Sets the scheduling priority.
    SetNice(i8),
    /// Restricts the processors it may use.
    SetAffinity(Vec<u32>),
    /// Sets soft and hard limit.
    SetRlimit {
        /// Which.
        resource: Resource,
        /// The value; soft and hard.
        limit: u64,
        /// Which layer asks for it (`Cgroup` where it stands in for one).
        layer: Layer,
    },
    /// Sets the file mode creation mask.
    SetUmask(u32),
    /// Sets the working directory.
    ChangeDirectory(PathBuf),
    /// Finds the program, so that a missing one is told from a forbidden one.
    FindProgram,
    /// Enters the Landlock domain.
    Landlock(LandlockRules),
    /// Closes every descriptor but 0 to 2 and these.
    CloseDescriptors(Vec<u32>),
    /// Gives all signals their default disposition, and unblocks them.
    ResetSignals,
    /// Reads back what the kernel says of this process and waits until it was checked from outside.
    Verify,
    /// Installs the system call filter.
    Seccomp {
        /// What it lets through.
        policy: SeccompPolicy,
        /// Which layer asks for it (`Session` for the small filter that guards terminals).
        layer: Layer,
    },
    /// Becomes the command.
    Exec,
}

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// One user and one group inside a user namespace, and who they are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// Inside.
    pub inside: Ids,
    /// Outside.
    pub outside: Ids,
    /// Whether `setgroups(2)` stays possible inside; an unprivileged caller has to give it up.
    pub keep_setgroups: bool,
}

/// What becomes the root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewRoot {
    /// An empty tmpfs.
    Empty,
    /// A read-only view of a host tree.
    Tree(PathBuf),
}

/// A file or tree of the host, and where and how it appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// In the sandbox.
    pub target: PathBuf,
    /// Whether it can be changed.
    pub writable: bool,
    /// Whether programs in it can be executed.
    pub executable: bool,
    /// Whether it is a device node that has to work as one.
    pub device: bool,
    /// The tree above the source, below which no symbolic link is followed.
    pub no_links_below: Option<PathBuf>,
    /// Whether the source may turn out to be the root directory, on which the new root is stacked.
    pub may_be_root: bool,
    /// The host's user and group whose files appear as the sandbox's own, if that is wanted.
    pub map_owner: Option<OwnerMap>,
}

/// What a mount inside the sandbox allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remount {
    /// Where it is, in the sandbox.
    pub path: PathBuf,
    /// Whether it can be changed.
    pub writable: bool,
    /// Whether programs in it can be executed.
    pub executable: bool,
    /// Whether device nodes work in it.
    pub device: bool,
}

/// Whose files appear as whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerMap {
    /// On disk.
    pub on_disk: Ids,
    /// In the sandbox.
    pub seen_as: Ids,
}

/// An empty file system in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where it appears.
    pub target: PathBuf,
    /// Bytes it can hold.
    pub size: u64,
    /// Permissions of its root.
    pub mode: u32,
    /// Owner of its root, where it isn't the one who mounts it.
    pub owner: Option<Ids>,
    /// Whether programs in it can be executed.
    pub executable: bool,
    /// Whether it is left out where there is nothing to mount it on.
    pub optional: bool,
}

/// The Landlock domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LandlockRules {
    /// File rights that are denied unless a rule allows them.
    pub handled_fs: u64,
    /// Network rights that are denied unless a rule allows them.
    pub handled_net: u64,
    /// What can't be reached outside the domain.
    pub scoped: u64,
    /// Trees and files, with the rights allowed there.
    pub paths: Vec<LandlockPath>,
    /// TCP ports, with the rights allowed there.
    pub ports: Vec<(u16, u64)>,
}

/// Rights allowed on a tree or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandlockPath {
    /// Inside the sandbox.
    pub path: PathBuf,
    /// The rights (`LANDLOCK_ACCESS_FS_…`).
    pub access: u64,
    /// Whether the rule is left out when there is nothing at the path.
    pub optional: bool,
    /// The tree above the path, below which no symbolic link is followed: one that somebody made
    /// there would allow what it leads to.
    pub no_links_below: Option<PathBuf>,
}

impl Step {
    /// What the step does, for people: `bind /usr at /usr, read-only`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::CreateCgroup(_) => "make a cgroup and write its limits".into(),
            Self::Clone(namespaces) if namespaces.is_empty() => "start a process".into(),
            Self::Clone(namespaces) => {
                let names: Vec<_> = namespaces.iter().map(|ns| ns.as_str()).collect();
                format!("start a process in new namespaces ({})", names.join(", "))
            }
            Self::MapIds(map) => format!(
                "map user {} and group {} of a user namespace",
                map.inside.uid, map.inside.gid
            ),
            Self::NewSession => "start a session".into(),
            Self::TargetGroup => "start a process group".into(),
            Self::OpenTerminal(_) => "open the command's terminal".into(),
            Self::TakeTerminal => "take the command's terminal".into(),
            Self::JoinCgroup => "join the cgroup".into(),
            Self::NewCgroupNamespace => "make a cgroup namespace".into(),
            Self::AdoptIds(ids) | Self::SetIds(ids) => {
                format!("become user {} and group {}", ids.uid, ids.gid)
            }
            Self::SetHostname(name) => format!("set the hostname {name}"),
            Self::BeginNetwork => "make a network namespace".into(),
            Self::JoinNetwork => "move into the new network namespace".into(),
            Self::LoopbackUp => "bring the loopback device up".into(),
            Self::DropBoundingSet(_) => "empty the capability bounding set".into(),
            Self::LockSecurebits(_) => "lock the securebits".into(),
            Self::SetGroups(groups) => format!("set supplementary groups {groups:?}"),
            Self::SetCapabilities(_) => "empty the capability sets".into(),
            Self::NoNewPrivs => "set no_new_privs".into(),
            Self::StartTarget => "start the command's process".into(),
            Self::Stdio(_) => "arrange standard input".into(),
            Self::SetNice(nice) => format!("set the niceness {nice}"),
            Self::SetAffinity(set) => format!("restrict it to processors {set:?}"),
            Self::SetRlimit { resource, limit, .. } => {
                format!("set {} to {limit}", resource.kernel_name())
            }
            Self::SetUmask(mask) => format!("set the umask {mask:03o}"),
            Self::ChangeDirectory(path) => format!("change to directory {}", path.display()),
            Self::FindProgram => "find the program".into(),
            Self::Landlock(_) => "enter the Landlock domain".into(),
            Self::CloseDescriptors(kept) if kept.is_empty() => "close descriptors".into(),
            Self::CloseDescriptors(kept) => format!("close all descriptors but {kept:?}"),
            Self::ResetSignals => "reset signals".into(),
            Self::Verify => "confirm what was set up".into(),
            Self::Seccomp { .. } => "install the seccomp filter".into(),
            Self::Exec => "execute the command".into(),
            _ => self.describe_mount(),
        }
    }

    fn describe_mount(&self) -> String {
        match self {
            Self::PrivateMounts => "make mounts private".into(),
            Self::NewRoot(NewRoot::Empty) => "make an empty root".into(),
            Self::NewRoot(NewRoot::Tree(path)) => format!("take {} as root", path.display()),
            Self::Directory { path, .. } => format!("make the directory {}", path.display()),
            Self::EmptyFile(path) => format!("make the mount point {}", path.display()),
            Self::Symlink { path, text } => {
                format!("make the link {} to {}", path.display(), text.display())
            }
            Self::Bind(bind) => {
                let access = if bind.writable { "writable" } else { "read-only" };
                format!("bind {} at {}, {access}", bind.source.display(), bind.target.display())
            }
            Self::Remount(remount) => format!("remount {}", remount.path.display()),
            Self::Tmpfs(tmpfs) => format!("mount a tmpfs at {}", tmpfs.target.display()),
            Self::Proc(path) => format!("mount a fresh proc at {}", path.display()),
            Self::DevPts(path) => format!("mount devpts at {}", path.display()),
            Self::ReadOnly { path, .. } => format!("make {} read-only", path.display()),
            Self::Mask { path, .. } => format!("mask {}", path.display()),
            Self::Seal(path) => format!("seal {}", path.display()),
            Self::EnterRoot => "enter the new root".into(),
            other => format!("{other:?}"),
        }
    }

    /// The layer that the step belongs to: the one that a failure is blamed on.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::CreateCgroup(_) | Self::JoinCgroup | Self::SetAffinity(_) => Layer::Cgroup,
            Self::Clone(_) | Self::StartTarget | Self::Exec | Self::FindProgram => {
                Layer::ProcessTree
            }
            Self::MapIds(_) => Layer::UserNamespace,
            Self::NewSession | Self::TargetGroup | Self::OpenTerminal(_) | Self::TakeTerminal => {
                Layer::Session
            }
            Self::NewCgroupNamespace => Layer::CgroupNamespace,
            Self::PrivateMounts => Layer::MountNamespace,
            Self::NewRoot(_)
            | Self::Directory { .. }
            | Self::EmptyFile(_)
            | Self::Symlink { .. }
            | Self::Bind(_)
            | Self::Remount(_)
            | Self::Tmpfs(_)
            | Self::Proc(_)
            | Self::DevPts(_)
            | Self::Seal(_)
            | Self::EnterRoot
            | Self::ChangeDirectory(_)
            | Self::SetUmask(_) => Layer::Filesystem,
            Self::ReadOnly { layer, .. }
            | Self::Mask { layer, .. }
            | Self::SetRlimit { layer, .. }
            | Self::Seccomp { layer, .. } => *layer,
            Self::SetHostname(_) => Layer::UtsNamespace,
            Self::BeginNetwork | Self::JoinNetwork | Self::LoopbackUp => Layer::NetworkNamespace,
            Self::DropBoundingSet(_) | Self::LockSecurebits(_) | Self::SetCapabilities(_) => {
                Layer::Capabilities
            }
            Self::AdoptIds(_) | Self::SetGroups(_) | Self::SetIds(_) => Layer::User,
            Self::NoNewPrivs | Self::Verify => Layer::NoNewPrivs,
            Self::Stdio(_) | Self::CloseDescriptors(_) => Layer::Descriptors,
            Self::SetNice(_) => Layer::Rlimits,
            Self::Landlock(_) => Layer::Landlock,
            Self::ResetSignals => Layer::Session,
        }
    }
}
