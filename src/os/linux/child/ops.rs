//! What the child does, as data: made before the clone, only read after it.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::terminal::OwnTerminal;
use crate::sys::clone::Stack;
use crate::sys::exec::StringArray;
use crate::sys::seccomp::Instruction;

/// One thing the child does. Everything it needs is in it: after the clone nothing is allocated.
///
/// Paths inside the sandbox are relative to its root (no leading `/`) until the root is entered.
pub(crate) enum ChildOp {
    /// Writes the id maps of its user namespace.
    MapIds(IdMaps),
    /// Waits until the launcher has written them.
    AwaitIdMaps,
    /// Starts the process that makes the network namespace.
    BeginNetwork,
    JoinNetwork,
    /// `setsid(2)`.
    NewSession,
    /// `setpgid(2)` to a group of its own.
    NewGroup,
    /// Writes itself into cgroups, by files that were opened before.
    JoinCgroup(Vec<OwnedFd>),
    NewCgroupNamespace,
    PrivateMounts,
    NewEmptyRoot,
    NewTreeRoot(CString),
    Directory {
        place: Place,
        mode: u32,
    },
    EmptyFile(Place),
    Symlink {
        place: Place,
        text: CString,
    },
    Bind {
        source: Source,
        target: CString,
        attributes: u64,
        id_map: Option<OwnedFd>,
    },
    Remount {
        path: CString,
        attributes: u64,
    },
    Tmpfs {
        target: CString,
        options: TmpfsOptions,
        attributes: u64,
        optional: bool,
    },
    Proc(CString),
    DevPts(CString),
    ReadOnly(CString),
    Mask(CString),
    Seal(CString),
    EnterRoot,
    SetHostname(Vec<u8>),
    LoopbackUp,
    SetNice(i32),
    SetAffinity(rustix::thread::CpuSet),
    DropBoundingSet(u64),
    /// Locks the securebits, with these capabilities made ambient first.
    LockSecurebits(u64),
    SetGroups(Vec<rustix::process::Gid>),
    SetIds {
        uid: u32,
        gid: u32,
    },
    SetCapabilities(u64),
    NoNewPrivs,
    /// Makes the program's terminal that of this session, by this `ptmx`, if there is one.
    OpenTerminal(Option<CString>),
    /// Puts it at these of the standard streams.
    TakeTerminal {
        streams: [bool; 3],
        in_foreground: bool,
    },
    /// Puts this file at a descriptor of the command's.
    Place {
        file: OwnedFd,
        number: i32,
    },
    SetUmask(u32),
    ChangeDirectory(CString),
    FindProgram,
    Landlock {
        ruleset: OwnedFd,
        paths: Vec<LandlockPath>,
    },
    /// Closes the descriptors of these ranges at exec (first, last).
    CloseDescriptors(Vec<(u32, u32)>),
    /// Lets a declared descriptor through exec.
    KeepDescriptor(i32),
    SetRlimit {
        resource: rustix::process::Resource,
        limit: u64,
    },
    ResetSignals,
    /// Compares what the kernel says of this process with what it must say.
    ReadBack(Box<Credentials>),
    /// Tells the launcher to look from outside, and waits for its word.
    AwaitInspection,
    Seccomp(Arc<Vec<Instruction>>),
    Exec,
}

impl ChildOp {
    /// Calls `act` with every descriptor that the step needs.
    fn for_each_descriptor(&self, mut act: impl FnMut(i32)) {
        match self {
            Self::JoinCgroup(files) => files.iter().for_each(|file| act(file.as_raw_fd())),
            Self::Bind { id_map: Some(file), .. }
            | Self::Place { file, .. }
            | Self::Landlock { ruleset: file, .. } => act(file.as_raw_fd()),
            Self::KeepDescriptor(number) => act(*number),
            _ => {}
        }
    }
}

/// What is bound, of the host.
pub(crate) struct Source {
    pub(crate) path: CString,
    /// The tree that the path is relative to then, without links on the way.
    pub(crate) no_links_below: Option<CString>,
    /// Whether it may turn out to be the root directory.
    pub(crate) may_be_root: bool,
}

/// The texts of the maps of one user and one group.
pub(crate) struct IdMaps {
    pub(crate) users: Vec<u8>,
    pub(crate) groups: Vec<u8>,
}

/// A name in a directory of the new root.
pub(crate) struct Place {
    /// The directory; empty: the root.
    pub(crate) parent: CString,
    pub(crate) name: CString,
}

/// Options of a tmpfs, as the strings that `fsconfig(2)` takes.
pub(crate) struct TmpfsOptions {
    pub(crate) size: CString,
    pub(crate) mode: CString,
    pub(crate) owner: Option<(CString, CString)>,
}

/// A path inside the sandbox, with the rights allowed on it.
pub(crate) struct LandlockPath {
    pub(crate) path: CString,
    pub(crate) access: u64,
    pub(crate) optional: bool,
    /// The tree in which no link is followed, and the path below it.
    pub(crate) below: Option<(CString, CString)>,
}

/// What the kernel must say of the process.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) ids: Option<(u32, u32)>,
    pub(crate) groups: Option<Vec<u32>>,
    pub(crate) capabilities: Option<ExpectedCapabilities>,
    pub(crate) rlimits: Vec<(rustix::process::Resource, u64)>,
}

#[derive(Clone, Copy)]
pub(crate) struct ExpectedCapabilities {
    pub(crate) kept: u64,
    pub(crate) bounding: bool,
}

/// The whole life of the child up to exec.
pub(crate) struct Program {
    /// What the sandbox's first process does.
    pub(crate) init: Vec<ChildOp>,
    /// What the process that becomes the command does.
    pub(crate) target: Vec<ChildOp>,
    /// Where the command may be, in the order of `PATH`.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: StringArray,
    pub(crate) environment: StringArray,
    /// The command's own terminal.
    pub(crate) terminal: Option<OwnTerminal>,
    /// Whether the command has a process group of its own.
    pub(crate) own_group: bool,
    /// When it is asked to end, from its start.
    pub(crate) wall_time: Option<Duration>,
    /// When it is killed, once it was asked to end.
    pub(crate) grace: Duration,
    /// Whether init is process 1 of a pid namespace, whose end the kernel sees to.
    pub(crate) pid_namespace: bool,
    /// Whether attributes of mounts can be set before they appear (`mount_setattr(2)`).
    pub(crate) mount_attributes: bool,
    /// What the process that becomes the command runs on until exec.
    pub(crate) stack: Stack,
    /// Whether init gives the pages of its program back when it has nothing to do.
    pub(crate) gives_back: bool,
    /// The host's `/proc`, where there is no pid namespace: init finds its descendants by it.
    pub(crate) proc: Option<OwnedFd>,
}

impl Program {
    /// The descriptors that the child needs, in ascending order, the standard ones among them.
    pub(crate) fn descriptors(&self) -> Vec<i32> {
        let mut needed = vec![0, 1, 2];
        for step in self.init.iter().chain(&self.target) {
            step.for_each_descriptor(|number| needed.push(number));
        }
        needed.extend(self.proc.as_ref().map(AsRawFd::as_raw_fd));
        if let Some(terminal) = &self.terminal {
            needed.push(terminal.callers.as_raw_fd());
            needed.extend(terminal.slave.as_ref().map(AsRawFd::as_raw_fd));
        }
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}
