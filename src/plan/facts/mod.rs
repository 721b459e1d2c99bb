//! What a host offers, as plain data: the planner's view of the world.
//!
//! A backend fills it in; tests make up whole hosts with it.

pub mod cgroup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::policy::arch::Arch;
use crate::profile::vocabulary::Namespace;

/// An error number of the kernel, kept as data so that the planner needs no system library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match u16::try_from(self.0).ok().and_then(crate::profile::names::errno_name) {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}

/// Why a host can't give something, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// What was found: `clone3(CLONE_NEWUSER): EPERM (sysctl kernel.unprivileged_userns_clone is 0)`.
    pub found: String,
    /// The command or setting that would give it.
    pub remedy: String,
}

impl Cause {
    /// A cause with its remedy.
    pub fn new(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { found: found.into(), remedy: remedy.into() }
    }
}

/// Whether a host gives something.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// It was tried, and works.
    Proved,
    /// Nothing speaks against it; trying it is left to the launch, which may prove the opposite.
    Assumed,
    /// It doesn't work.
    Missing(Cause),
}

impl Support {
    /// The cause, where it is missing.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Missing(cause) => Some(cause),
            Self::Proved | Self::Assumed => None,
        }
    }

    /// Whether it can be planned with.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.cause().is_none()
    }
}

/// Everything that planning depends on, besides the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The processor architecture, if system call tables exist for it.
    pub arch: Option<Arch>,
    /// Who starts the sandbox.
    pub caller: Caller,
    /// Each kind of namespace. `User` says whether this caller can make one.
    pub namespaces: BTreeMap<Namespace, Support>,
    /// Mounting by descriptor: `fsopen`, `open_tree`, `move_mount` (Linux 5.2).
    pub mount_descriptors: Support,
    /// `mount_setattr(2)` (Linux 5.12): a whole tree made read-only in one step.
    pub mount_attributes: Support,
    /// Mounts of which the owners of files are mapped (Linux 5.12); each kind of file system has to
    /// know how, which overlayfs and those of networks don't.
    pub owner_mapping: Support,
    /// Host paths on file systems that were seen not to know how.
    pub unmappable: BTreeSet<PathBuf>,
    /// A fresh `/proc` in a new pid namespace.
    pub fresh_proc: Support,
    /// Landlock, bit by bit.
    pub landlock: LandlockFacts,
    /// System call filters.
    pub seccomp: Support,
    /// Control groups.
    pub cgroup: cgroup::CgroupFacts,
    /// Users and groups the policy names, looked up.
    pub accounts: Accounts,
    /// Host paths the policy names.
    pub paths: BTreeMap<PathBuf, PathFact>,
    /// Every mount point of the host; filled in only where `mount_attributes` is missing, and each
    /// mount of a tree has to be made read-only by itself.
    pub mounts: Vec<PathBuf>,
    /// Where those of `paths` lead that go over a symbolic link; filled in together with `mounts`,
    /// in which no link is.
    pub real_paths: BTreeMap<PathBuf, PathBuf>,
    /// Numbers of the processors that this process may use.
    pub processors: Vec<u32>,
}

/// Something about the host that no layer depends on, but that people want to know of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Surrounding {
    /// Its name: `container`, `kernel.yama.ptrace_scope`.
    pub name: &'static str,
    /// What it is; absent: it can't be told.
    pub value: Option<String>,
    /// What follows from it.
    pub meaning: &'static str,
}

impl HostFacts {
    /// Whether the kernel's release is at least `major.minor`; one that can't be read isn't.
    #[must_use]
    pub fn kernel_is_at_least(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.kernel.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(found)), Some(Ok(with))) => (found, with) >= (major, minor),
            _ => false,
        }
    }
}

/// The user and group that own nothing, by Linux convention (`nobody`, overflow ids).
pub const NOBODY: u32 = 65_534;

/// Who starts the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities, as a bit mask by number.
    pub capabilities: u64,
    /// Whether its user namespace, which a container or `unshare -r` may have made, keeps it from
    /// becoming nobody whatever its capabilities: it doesn't map that user, or forbids
    /// `setgroups(2)`. Looked up only for a caller that has `CAP_SETUID`.
    pub confined: bool,
    /// Capability bounding set; looked at only when everything is tried.
    pub bounding: u64,
    /// Processes of the user that the command will be; counted only where a limit has to be laid
    /// on top of them.
    pub processes: Option<u64>,
    /// The niceness it runs with, and the lowest that it may set without `CAP_SYS_NICE`
    /// (`RLIMIT_NICE`); looked up only where one is asked for.
    pub niceness: Option<(i32, i32)>,
    /// Hard limits by `setrlimit(2)` that aren't infinite.
    pub hard_limits: BTreeMap<Resource, u64>,
}

impl Caller {
    /// Whether a capability is effective.
    #[must_use]
    pub fn has(&self, capability: u8) -> bool {
        self.capabilities >> capability & 1 == 1
    }
}

/// A limit of `setrlimit(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// `RLIMIT_AS`: bytes of address space.
    AddressSpace,
    /// `RLIMIT_CORE`: bytes of a core dump.
    Core,
    /// `RLIMIT_CPU`: seconds of processor time.
    CpuTime,
    /// `RLIMIT_FSIZE`: bytes of a file written.
    FileSize,
    /// `RLIMIT_NOFILE`: one more than the highest descriptor.
    OpenFiles,
    /// `RLIMIT_NPROC`: processes of the user.
    Processes,
    /// `RLIMIT_STACK`: bytes of stack.
    Stack,
}

impl Resource {
    /// The kernel's name.
    #[must_use]
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::AddressSpace => "RLIMIT_AS",
            Self::Core => "RLIMIT_CORE",
            Self::CpuTime => "RLIMIT_CPU",
            Self::FileSize => "RLIMIT_FSIZE",
            Self::OpenFiles => "RLIMIT_NOFILE",
            Self::Processes => "RLIMIT_NPROC",
            Self::Stack => "RLIMIT_STACK",
        }
    }
}

/// What Landlock offers. The bits are probed; the version number alone can promise too much.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LandlockFacts {
    /// The ABI version the kernel names; 0: none.
    pub abi: u32,
    /// File access rights it can handle.
    pub access_fs: u64,
    /// Network access rights it can handle.
    pub access_net: u64,
    /// Scopes it can handle.
    pub scopes: u64,
    /// Why there is none.
    pub missing: Option<Cause>,
}

/// Users and groups, by the names the policy uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// User name to user id and primary group id.
    pub users: BTreeMap<String, (u32, u32)>,
    /// Group name to group id.
    pub groups: BTreeMap<String, u32>,
    /// Primary group ids of users named by number.
    pub primary_groups: BTreeMap<u32, u32>,
}

/// What is at a host path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFact {
    /// A directory.
    Directory {
        /// The user it belongs to.
        owner: u32,
    },
    /// Anything else that isn't a symbolic link.
    File {
        /// The user it belongs to.
        owner: u32,
    },
    /// A symbolic link, and whether what it leads to is a directory.
    Link {
        /// What the link says.
        text: PathBuf,
        /// What is at its end.
        end: Box<PathFact>,
    },
    /// Nothing, or nothing that can be reached; the `errno` name.
    Missing(String),
}

impl PathFact {
    /// What is there once symbolic links are followed.
    #[must_use]
    pub fn followed(&self) -> &Self {
        match self {
            Self::Link { end, .. } => end.followed(),
            other => other,
        }
    }

    /// Whether a directory is there, links followed.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.followed(), Self::Directory { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn an_errno_is_shown_by_its_name_where_it_has_one() {
        assert_eq!(Errno(13).to_string(), "EACCES");
        assert_eq!(Errno(4000).to_string(), "errno 4000");
    }
}
