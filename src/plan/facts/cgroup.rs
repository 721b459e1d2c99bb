//! What control groups this host offers to this launcher.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Errno;
use crate::policy::limits::{IoLimits, TreeLimits};

/// Which of the two kinds of hierarchy carry resource controllers here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupLayout {
    /// No cgroup file system is mounted.
    None,
    /// Version 1 only.
    V1,
    /// Version 2 only; what a current systemd sets up.
    V2,
    /// Controllers on version 1, a version 2 hierarchy beside them.
    Hybrid,
}

/// A thing that a cgroup can do for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Limits memory.
    Memory,
    /// Limits swap; a part of the memory controller that can be off on its own.
    Swap,
    /// Limits processes and threads.
    Processes,
    /// Limits processor time, by quota and by weight.
    Cpu,
    /// Counts processor time.
    CpuAccounting,
    /// Limits the set of processors.
    Cpuset,
    /// Limits block device traffic.
    Io,
    /// Kills all processes of the cgroup, with none escaping by forking.
    Kill,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Memory,
        Self::Swap,
        Self::Processes,
        Self::Cpu,
        Self::CpuAccounting,
        Self::Cpuset,
        Self::Io,
        Self::Kill,
    ];

    /// The name of its version 1 controller in `/proc/self/cgroup`.
    #[must_use]
    pub const fn v1_name(self) -> &'static str {
        match self {
            Self::Memory | Self::Swap => "memory",
            Self::Processes => "pids",
            Self::Cpu => "cpu",
            Self::CpuAccounting => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Io => "blkio",
            Self::Kill => "freezer",
        }
    }

    /// The name of its version 2 controller in `cgroup.controllers`; `None` where every version 2
    /// cgroup has it.
    #[must_use]
    pub const fn v2_name(self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::Swap => Some("memory"),
            Self::Processes => Some("pids"),
            Self::Cpu => Some("cpu"),
            Self::Cpuset => Some("cpuset"),
            Self::Io => Some("io"),
            Self::CpuAccounting | Self::Kill => None,
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Processes => "pids",
            Self::Cpu => "cpu",
            Self::CpuAccounting => "cpu accounting",
            Self::Cpuset => "cpuset",
            Self::Io => "io",
            Self::Kill => "kill",
        })
    }
}

/// A cgroup in which others can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its directory.
    pub directory: PathBuf,
    /// Its path as `/proc/PID/cgroup` shows it to this process.
    pub cgroup: String,
    /// Where its hierarchy is mounted.
    pub mount_point: PathBuf,
}

/// Whether, and by what, a [`Controller`] can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// In a version 1 hierarchy.
    V1 {
        /// Where a cgroup can be made.
        parent: Parent,
    },
    /// In the version 2 hierarchy, at [`CgroupFacts::place`].
    V2,
    /// No controller does it, but the host can't do what would be limited.
    HeldByHost {
        /// Why the limit holds.
        why: &'static str,
    },
    /// Not at all.
    Missing(Missing),
}

impl Support {
    /// Whether a limit would hold.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        !matches!(self, Self::Missing(_))
    }
}

/// Why a [`Controller`] can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// No mounted hierarchy carries it.
    NotMounted,
    /// The version 2 cgroup doesn't have it to give.
    NotOffered {
        /// The `cgroup.controllers` or `cgroup.subtree_control` that lacks it.
        path: PathBuf,
    },
    /// Our cgroup can't be seen in any mount of the hierarchy.
    OutOfReach {
        /// Our cgroup, as `/proc/self/cgroup` shows it.
        cgroup: String,
        /// What the mount shows of the hierarchy.
        mount_root: String,
    },
    /// The kernel refuses.
    NotWritable {
        /// What can't be written to.
        path: PathBuf,
        /// The refusal.
        errno: Errno,
    },
    /// Other processes are in our cgroup, so it can't hand out controllers: a version 2 cgroup
    /// has either processes or children with controllers, never both.
    Busy {
        /// Our cgroup.
        path: PathBuf,
        /// How many processes besides us.
        others: usize,
    },
    /// The kernel was built or booted without it.
    NoFile {
        /// The control file that isn't there.
        path: PathBuf,
    },
    /// Version 1 can only limit the sum of memory and swap.
    SwapAlone,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => f.write_str("no mounted cgroup hierarchy has this controller"),
            Self::NotOffered { path } => write!(f, "not listed in {}", path.display()),
            Self::OutOfReach { cgroup, mount_root } => write!(
                f,
                "the launcher's own cgroup {cgroup} is outside of what is mounted ({mount_root})"
            ),
            Self::NotWritable { path, errno } => {
                write!(f, "{} isn't writable: {errno}", path.display())
            }
            Self::Busy { path, others } => {
                write!(f, "{others} other process(es) are in the same cgroup, {}", path.display())
            }
            Self::NoFile { path } => write!(f, "the kernel has no {}", path.display()),
            Self::SwapAlone => f.write_str(
                "cgroup v1 limits swap only together with memory, and memory isn't limited",
            ),
        }
    }
}

impl Missing {
    /// What would help.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotMounted => {
                "boot without cgroup_disable=, or mount the hierarchy below /sys/fs/cgroup"
            }
            Self::NotOffered { .. } => {
                "have the parent cgroup enable it in cgroup.subtree_control; with systemd: \
                 Delegate=yes in a drop-in of user@.service"
            }
            Self::OutOfReach { .. } => {
                "mount the cgroup hierarchy inside the launcher's cgroup namespace"
            }
            Self::NotWritable { errno: Errno(30), .. } => {
                "mount the cgroup file system writable; with docker: --privileged, or podman: \
                 --security-opt unmask=/sys/fs/cgroup"
            }
            Self::NotWritable { .. } | Self::Busy { .. } => DELEGATE,
            Self::SwapAlone => "limit memory too, or leave the limit of swap out",
            Self::NoFile { .. } => "use a kernel with it; for swap, boot with swapaccount=1",
        }
    }
}

/// How to get a cgroup of one's own.
pub const DELEGATE: &str = "start it in a cgroup of its own: systemd-run --user --scope -p Delegate=yes ringfence … \
     (version 2); without systemd, root can make one in each hierarchy, chown it to this user, and \
     start ringfence in it";

/// Where the version 2 cgroup of a run is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cgroup that will be its parent.
    pub parent: Parent,
    /// What it takes.
    pub kind: PlaceKind,
}

/// What it takes to make a version 2 cgroup with controllers at a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// The root of the hierarchy: may have processes and children with controllers.
    Root,
    /// The parent of our own cgroup.
    Sibling,
    /// Our own cgroup: the launcher has to move into a leaf of it for as long as the run takes.
    Delegated,
    /// Our own cgroup, which can't hand out controllers: good for killing and counting only.
    Bare,
}

/// One [`Support`] for each [`Controller`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its Controller")]
pub struct Supports {
    pub memory: Support,
    pub swap: Support,
    pub processes: Support,
    pub cpu: Support,
    pub cpu_accounting: Support,
    pub cpuset: Support,
    pub io: Support,
    pub kill: Support,
}

/// What control groups this host offers to this launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFacts {
    /// Which hierarchies there are.
    pub layout: CgroupLayout,
    /// What can be had.
    pub supports: Supports,
    /// Where the version 2 cgroup is made; `None` where none can be.
    pub place: Option<Place>,
    /// Whether any swap is in use on this host.
    pub host_has_swap: bool,
}

/// Why swap doesn't need a limit.
pub const NO_SWAP: &str = "this host has no swap (/proc/swaps is empty)";

/// The controllers that `limits` ask for.
#[must_use]
pub fn controllers_for(limits: &TreeLimits) -> Vec<Controller> {
    let asked = [
        (Controller::Memory, limits.memory.is_some()),
        (Controller::Swap, limits.swap.is_some()),
        (Controller::Processes, limits.processes.is_some()),
        (Controller::Cpu, limits.cpus.is_some() || limits.cpu_weight.is_some()),
        (Controller::Cpuset, !limits.cpuset.is_empty()),
        (Controller::Io, limits.io != IoLimits::default()),
    ];
    asked.into_iter().filter_map(|(controller, asked)| asked.then_some(controller)).collect()
}

impl CgroupFacts {
    /// Whether, and by what, `controller` can be had.
    #[must_use]
    pub const fn support(&self, controller: Controller) -> &Support {
        match controller {
            Controller::Memory => &self.supports.memory,
            Controller::Swap => &self.supports.swap,
            Controller::Processes => &self.supports.processes,
            Controller::Cpu => &self.supports.cpu,
            Controller::CpuAccounting => &self.supports.cpu_accounting,
            Controller::Cpuset => &self.supports.cpuset,
            Controller::Io => &self.supports.io,
            Controller::Kill => &self.supports.kill,
        }
    }

    /// Whether, and by what, the part of `limits` that falls to `controller` would hold.
    #[must_use]
    pub fn support_for(&self, controller: Controller, limits: &TreeLimits) -> Support {
        let support = self.support(controller);
        let alone = limits.swap.is_some() && limits.memory.is_none();
        match support {
            Support::V1 { .. } if controller == Controller::Swap && alone => {
                if self.host_has_swap {
                    Support::Missing(Missing::SwapAlone)
                } else {
                    Support::HeldByHost { why: NO_SWAP }
                }
            }
            _ => support.clone(),
        }
    }

    /// What stands in the way of `limits`; empty where all of them can be had.
    #[must_use]
    pub fn missing_for(&self, limits: &TreeLimits) -> Vec<(Controller, Missing)> {
        let supports = controllers_for(limits)
            .into_iter()
            .map(|controller| (controller, self.support_for(controller, limits)));
        supports
            .filter_map(|(controller, support)| match support {
                Support::Missing(missing) => Some((controller, missing)),
                _ => None,
            })
            .collect()
    }

    /// The directories in which cgroups of runs are made.
    pub fn parents(&self) -> impl Iterator<Item = &Path> {
        let v1 =
            Controller::ALL.into_iter().filter_map(|controller| match self.support(controller) {
                Support::V1 { parent } => Some(parent.directory.as_path()),
                _ => None,
            });
        self.place.iter().map(|place| place.parent.directory.as_path()).chain(v1)
    }
}
