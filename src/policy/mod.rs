//! Room 2: from a profile as written to a policy in which nothing is missing and nothing invalid.

pub mod arch;
mod asks;
mod enforcement;
pub mod filesystem;
pub mod level;
pub mod limits;
mod lint;
pub mod seccomp;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::profile::model::IdOrName;
use crate::profile::vocabulary::{
    Enforcement, LandlockScope, Layer, Level, NetworkMode, Overflow, Stdin,
};

pub use asks::{overridden, switches_off};
pub use level::complete;
pub use lint::lint;
pub use validate::{Context, validate};

/// What was asked for, complete and free of contradictions; no host was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What the profile is called.
    pub profile: ProfileIdentity,
    /// The level asked for.
    pub level: Level,
    /// What happens when the host can't give a layer; `Off` where it isn't wanted.
    pub enforcement: Enforcements,
    /// Whether a user namespace is asked for or ruled out; `None`: the planner decides.
    pub user_namespace: Option<bool>,
    /// Who the command runs as.
    pub identity: Identity,
    /// Capabilities that stay, as a bit mask by number.
    pub capabilities: u64,
    /// What is visible of the file system.
    pub filesystem: filesystem::Filesystem,
    /// What is reachable of the network.
    pub network: NetworkMode,
    /// Limits of the whole tree.
    pub tree_limits: limits::TreeLimits,
    /// Limits of each process.
    pub process_limits: limits::ProcessLimits,
    /// Limit of the run's wall-clock time.
    pub wall_time: Option<Duration>,
    /// Bytes of each output stream that a program which collects them keeps.
    pub output: Option<u64>,
    /// What happens when there is more.
    pub output_overflow: Overflow,
    /// Landlock rules.
    pub landlock: Landlock,
    /// System call filter.
    pub seccomp: seccomp::SeccompPolicy,
    /// Every variable the command gets.
    pub environment: Vec<(OsString, OsString)>,
    /// How the command is started.
    pub process: Process,
    /// What the user should be told before the run, one line each.
    pub notes: Vec<String>,
}

/// Which profile a policy came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProfileIdentity {
    /// Its name.
    pub name: String,
    /// SHA-256 of the texts it was made of, in hexadecimal.
    pub sha256: String,
}

/// One [`Enforcement`] for every layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcements([Enforcement; Layer::ALL.len()]);

impl Default for Enforcements {
    fn default() -> Self {
        Self([Enforcement::Off; Layer::ALL.len()])
    }
}

impl Enforcements {
    /// What happens when the host can't give `layer`.
    #[must_use]
    pub fn get(&self, layer: Layer) -> Enforcement {
        self.0[layer as usize]
    }

    /// Changes it.
    pub fn set(&mut self, layer: Layer, enforcement: Enforcement) {
        self.0[layer as usize] = enforcement;
    }

    /// Whether the layer is wanted at all.
    #[must_use]
    pub fn wants(&self, layer: Layer) -> bool {
        self.get(layer) != Enforcement::Off
    }
}

/// Who the command runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user; absent: the planner's choice, which depends on who starts the sandbox.
    pub uid: Option<IdOrName>,
    /// The group; absent: the user's primary group.
    pub gid: Option<IdOrName>,
    /// Supplementary groups.
    pub groups: Vec<IdOrName>,
}

/// Landlock rules beyond those that follow from the file system's view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landlock {
    /// Trees that may be read.
    pub read: Vec<PathBuf>,
    /// Trees that may be read and changed.
    pub write: Vec<PathBuf>,
    /// Trees that may be read and executed.
    pub execute: Vec<PathBuf>,
    /// TCP ports that may be connected to; `None`: all.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that may be bound; `None`: all.
    pub bind_tcp: Option<Vec<u16>>,
    /// What can't be reached outside the sandbox; `None`: all that the kernel knows.
    pub scopes: Option<Vec<LandlockScope>>,
}

/// How the command is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its working directory inside the sandbox.
    pub cwd: PathBuf,
    /// The hostname it sees, where it has a UTS namespace.
    pub hostname: String,
    /// Its file mode creation mask; `None`: the caller's.
    pub umask: Option<u32>,
    /// Where its standard input comes from.
    pub stdin: Stdin,
    /// How long it has between `SIGTERM` and `SIGKILL`.
    pub grace: Duration,
    /// Descriptors above 2 that it inherits.
    pub descriptors: Vec<u32>,
}
