//! Room 3, the heart: policy + facts about the host in, a [`Plan`] or a [`Refusal`] out.
//!
//! Planning decides: every layer that is replaced or left out is chosen here and visible in the
//! plan. It is a pure function; it runs nothing, and needs no rights.

mod binds;
mod build;
pub mod explain;
pub mod facts;
mod filesystem;
mod ground;
mod guards;
mod identity;
pub mod landlock;
mod limits;
mod masks;
mod namespaces;
pub mod order;
pub mod step;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::policy::ProfileIdentity;
use crate::profile::vocabulary::{Enforcement, Layer, Level, Namespace};
use facts::Cause;
use step::Step;

pub use build::build;

/// How far a layer holds.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Layer, Profile, Sandbox, Status};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let layers = sandbox.layers();
/// let cgroup = layers.iter().find(|state| state.layer == Layer::Cgroup);
/// if cgroup.is_none_or(|state| state.status != Status::Enforced) {
///     println!("memory is limited for each process by itself only");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The kernel enforces it.
    Enforced,
    /// Something weaker stands in for it.
    Fallback,
    /// The host can't give it, and the profile lets the run go on.
    Unavailable,
    /// Nothing asks for it.
    Off,
}

impl Status {
    /// The one word for it, as in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Fallback => "fallback",
            Self::Unavailable => "unavailable",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One layer of a plan, or of a run.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Profile, Sandbox};
/// for state in Sandbox::new(&Profile::load("default")?)?.layers() {
///     println!("{state}");
///     if let Some(cause) = &state.cause {
///         println!("  what would help: {}", cause.remedy);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LayerState {
    /// Which.
    pub layer: Layer,
    /// How far it holds.
    pub status: Status,
    /// What the profile wants.
    pub enforcement: Enforcement,
    /// What enforces it, or stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
    /// Why it is missing, or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it does and doesn't cover, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Whether it counts for the effective level; `false` where there is nothing to enforce.
    #[serde(skip)]
    pub counts: bool,
}

/// In one line: `cgroup: fallback: limits of each process (why there is no cgroup)`.
impl fmt::Display for LayerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.layer, self.status)?;
        if let Some(mechanism) = &self.mechanism {
            write!(f, ": {mechanism}")?;
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, " ({})", cause.found))
    }
}

/// What will be done: every step, in order, and what will hold then.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The profile that this is a plan of.
    pub profile: ProfileIdentity,
    /// The level asked for.
    pub requested: Level,
    /// Every layer, in order.
    pub layers: Vec<LayerState>,
    /// What the user should be told, one line each.
    pub notes: Vec<String>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// File systems in memory that can't be mounted without a view of its own, by their targets:
    /// a private directory of the host stands in for each.
    pub private: Vec<PathBuf>,
    /// What the kernel must say of the process just before it becomes the command.
    pub expected: Expected,
    /// What the supervisor watches.
    pub supervision: Supervision,
    /// Whether the kernel sets the attributes of a whole tree in one step (`mount_setattr(2)`);
    /// else each mount is remounted by a step of its own.
    pub mount_attributes: bool,
}

impl Plan {
    /// The highest level all of whose layers, and all of those below it, are enforced; `None`:
    /// not even the first.
    #[must_use]
    pub fn effective(&self) -> Option<Level> {
        effective_level(&self.layers)
    }

    /// Whether the command can have a terminal of its own: without a session of its own it can't.
    #[must_use]
    pub fn allows_terminal(&self) -> bool {
        self.steps.contains(&Step::NewSession)
    }

    /// The same plan for a command that gets a terminal of its own.
    #[must_use]
    pub fn with_terminal(&self) -> Self {
        let ptmx = self.steps.iter().rev().find_map(|step| match step {
            Step::DevPts(path) => Some(path.join("ptmx")),
            _ => None,
        });
        let mut plan = self.clone();
        plan.steps.extend([Step::OpenTerminal(ptmx), Step::TakeTerminal]);
        order::arrange(&mut plan.steps);
        plan
    }
}

/// The highest level all of whose layers, and all of those below it, are enforced. Layers that
/// have nothing to enforce (no limit was asked for, say) don't count.
#[must_use]
pub fn effective_level(layers: &[LayerState]) -> Option<Level> {
    let holds = |level: Level| {
        layers
            .iter()
            .filter(|state| state.counts && state.layer.level() == level)
            .all(|state| state.status == Status::Enforced)
    };
    Level::ALL.iter().copied().take_while(|level| holds(*level)).last()
}

/// What the kernel must say of the process just before it becomes the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// User and group, where they change or are known.
    pub ids: Option<step::Ids>,
    /// Supplementary groups, where they are set.
    pub groups: Option<Vec<u32>>,
    /// The capability sets, where they are emptied.
    pub capabilities: Option<ExpectedCapabilities>,
    /// Whether `no_new_privs` is set.
    pub no_new_privs: bool,
    /// Whether a seccomp filter is installed.
    pub seccomp: bool,
    /// Namespaces that must not be the launcher's.
    pub namespaces: Vec<Namespace>,
    /// Soft limits; the hard ones are the same, or a second more of processor time.
    pub rlimits: Vec<(facts::Resource, u64)>,
    /// Whether it is in the cgroup made for it.
    pub cgroup: bool,
}

/// What the capability sets must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedCapabilities {
    /// Capabilities that were kept (a bit mask).
    pub kept: u64,
    /// Whether the bounding set was emptied and the securebits locked too.
    pub bounding: bool,
}

/// What the supervisor watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// The wall-clock limit.
    pub wall_time: Option<Duration>,
    /// The limit of the whole tree's processor time, where its cgroup counts it.
    pub cpu_time: Option<Duration>,
    /// Between `SIGTERM` and `SIGKILL`.
    pub grace: Duration,
    /// Whether the kernel ends the tree with its init (a pid namespace); else init does it.
    pub pid_namespace: bool,
    /// Paths of the host at which nothing new must come to be: hidden ones.
    pub guarded: Vec<std::path::PathBuf>,
}

/// Why nothing is run: every required layer that this host can't give.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Error, Profile, Sandbox};
/// let profile = Profile::load("default")?.read_only("/no/such/directory");
/// let Err(Error::Refused(refusal)) = Sandbox::new(&profile) else { panic!() };
/// // The profile asks for what isn't there: no other takes its place.
/// assert!(refusal.is_mistake);
/// assert!(refusal.problems[0].cause.found.contains("/no/such/directory"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// The profile that can't be enforced.
    pub profile: ProfileIdentity,
    /// What is missing.
    pub problems: Vec<Problem>,
    /// Whether it is the profile, not the host, that is wrong: it names something that isn't
    /// there. Then no other may take its place, or a misspelled path would weaken the sandbox.
    #[serde(skip)]
    pub is_mistake: bool,
}

/// One required layer that this host can't give.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Error, Profile, Sandbox};
/// let profile = Profile::load("default")?.root_directory("/no/such/directory");
/// if let Err(Error::Refused(refusal)) = Sandbox::new(&profile) {
///     for problem in &refusal.problems {
///         println!("{}: {}; {}", problem.layer, problem.cause.found, problem.cause.remedy);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Which.
    pub layer: Layer,
    /// Why.
    pub cause: Cause,
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
