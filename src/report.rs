//! What was done, layer by layer: the document behind `--report`.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, exit_code};
use crate::plan::{LayerState, Problem};
use crate::policy::ProfileIdentity;
use crate::profile::vocabulary::Level;

/// The version of the document's format. It changes when a field changes its meaning or goes;
/// new fields may come without.
pub const FORMAT_VERSION: u32 = 1;

/// The account of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The profile that was enforced, or that was refused.
    pub profile: ProfileIdentity,
    /// The profile that was asked for, where another took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Replaced>,
    /// The program and its arguments; bytes that aren't UTF-8 are replaced.
    pub command: Vec<String>,
    /// The level asked for.
    pub requested_level: Level,
    /// The highest level all of whose layers were enforced; absent: none, or nothing was run.
    pub effective_level: Option<Level>,
    /// Every layer.
    pub layers: Vec<LayerState>,
    /// The limits of the tree as the kernel held them.
    pub limits: Vec<HeldLimit>,
    /// How the run ended.
    #[serde(rename = "outcome")]
    pub ending: Ending,
    /// What the launcher exited with.
    pub exit_code: u8,
    /// What the run used; absent where nothing was run.
    pub usage: Option<Usage>,
    /// What the user was told, one line each.
    pub notes: Vec<String>,
}

/// A profile whose place another took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// Which.
    pub profile: ProfileIdentity,
    /// What this host couldn't give of it.
    pub problems: Vec<Problem>,
}

/// A limit of the tree, as the kernel held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLimit {
    /// Its name in the profile.
    pub limit: String,
    /// What holds it.
    pub mechanism: String,
    /// The value read back.
    pub value: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// The command ended by itself.
    Exited {
        /// Its exit status.
        code: u8,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: u8,
    },
    /// The wall-clock limit was reached.
    TimedOut,
    /// The memory limit was reached, and the kernel killed the command.
    OutOfMemory,
    /// Another limit ended it.
    Limit {
        /// Its name in the profile.
        limit: String,
        /// The signal that ended it.
        signal: u8,
    },
    /// It did what it may not, and was ended for that.
    Denied {
        /// What it did.
        what: String,
        /// The signal that ended it.
        signal: u8,
    },
    /// Whoever started it has killed it.
    Killed,
    /// The launcher failed or refused, or the command couldn't be executed.
    LauncherError {
        /// What happened.
        message: String,
    },
}

/// In words: `the command exited with 3`.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "the command exited with {code}"),
            Self::Signaled { signal } => write!(f, "signal {signal} ended the command"),
            Self::TimedOut => f.write_str("the wall-clock limit was reached (limits.wall_time)"),
            Self::OutOfMemory => f.write_str("the memory limit was reached (limits.memory)"),
            Self::Limit { limit, .. } => write!(f, "a limit was reached (limits.{limit})"),
            Self::Denied { what, .. } => write!(f, "ended for what is denied: {what}"),
            Self::Killed => f.write_str("the run was killed"),
            Self::LauncherError { message } => f.write_str(message),
        }
    }
}

impl Ending {
    /// The signal that ended the command, which the launcher dies of too: who waits for it sees
    /// what it would see of the command. A shell makes 128 and the number of it.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        match self {
            Self::Signaled { signal }
            | Self::Limit { signal, .. }
            | Self::Denied { signal, .. } => Some(*signal),
            Self::Killed => Some(9),
            _ => None,
        }
    }

    /// What the launcher exits with, a launcher's error aside.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Exited { code } => *code,
            Self::Signaled { signal }
            | Self::Limit { signal, .. }
            | Self::Denied { signal, .. } => exit_code::SIGNAL_BASE.saturating_add(*signal),
            Self::TimedOut => exit_code::TIMED_OUT,
            // The kernel kills with SIGKILL.
            Self::OutOfMemory | Self::Killed => exit_code::SIGNAL_BASE + 9,
            Self::LauncherError { .. } => exit_code::LAUNCHER,
        }
    }
}

/// What a run used. Absent values: the kernel doesn't count them here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Seconds from letting the command go to the end of its tree.
    #[serde(serialize_with = "seconds")]
    pub wall_seconds: Duration,
    /// Seconds of processor time in user mode, of the whole tree.
    #[serde(serialize_with = "seconds")]
    pub user_seconds: Duration,
    /// Seconds of processor time in the kernel, of the whole tree.
    #[serde(serialize_with = "seconds")]
    pub system_seconds: Duration,
    /// Bytes of memory at the peak: of the whole tree, as its cgroup counts.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes resident at the peak, of the largest single process.
    pub peak_resident_bytes: u64,
    /// Processes and threads at the peak, as the cgroup counts, without the launcher's own.
    pub peak_processes: Option<u64>,
    /// Bytes read, by all calls that read.
    pub read_bytes: Option<u64>,
    /// Bytes written, by all calls that write.
    pub written_bytes: Option<u64>,
    /// Context switches that the tree asked for, by waiting.
    pub voluntary_context_switches: u64,
    /// Context switches that were forced on it.
    pub involuntary_context_switches: u64,
    /// Processes killed for the memory limit.
    pub oom_kills: Option<u64>,
    /// Seconds in which the quota of processor time held it back, summed over processors.
    #[serde(serialize_with = "optional_seconds")]
    pub throttled_seconds: Option<Duration>,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn optional_seconds<S: serde::Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

impl Outcome {
    /// Whether the command ended by itself, with exit status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.ending == Ending::Exited { code: 0 }
    }

    /// The command's exit status, if it ended by itself.
    #[must_use]
    pub fn code(&self) -> Option<u8> {
        match self.ending {
            Ending::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended the command, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        match self.ending {
            Ending::Signaled { signal }
            | Ending::Limit { signal, .. }
            | Ending::Denied { signal, .. } => Some(signal),
            // The kernel kills with SIGKILL.
            Ending::OutOfMemory | Ending::Killed => Some(9),
            _ => None,
        }
    }

    /// The account of a run that never began.
    #[must_use]
    pub fn of_error(
        profile: ProfileIdentity,
        requested_level: Level,
        command: Vec<String>,
        error: &Error,
    ) -> Self {
        Self {
            version: FORMAT_VERSION,
            profile,
            instead_of: None,
            command,
            requested_level,
            effective_level: None,
            layers: Vec::new(),
            limits: Vec::new(),
            // Drawn for a terminal, the text may have colors.
            ending: Ending::LauncherError {
                message: anstream::adapter::strip_str(&error.to_string()).to_string(),
            },
            exit_code: error.exit_code(),
            usage: None,
            notes: Vec::new(),
        }
    }
}
