//! What can go wrong with a cgroup, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use crate::plan::facts::Errno;
use crate::plan::facts::cgroup::{Controller, DELEGATE, Missing};

/// Why a cgroup isn't what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cgroup: {}can't {step} {}: {problem}{}", subject(self.controller), path.display(), remedy(*step, problem))]
pub struct CgroupError {
    /// For the sake of which controller.
    pub controller: Option<Controller>,
    /// What was tried.
    pub step: Step,
    /// On which file or directory.
    pub path: PathBuf,
    /// What came of it.
    pub problem: Problem,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Finding a place for the cgroup.
    Place,
    /// Making the directory.
    Make,
    /// Moving the launcher into a leaf, or back.
    MoveLauncher,
    /// Enabling a controller in `cgroup.subtree_control`.
    Enable,
    /// Writing a limit.
    Write,
    /// Reading a limit back.
    ReadBack,
    /// Opening `cgroup.procs`, or `tasks`, for the child.
    OpenProcs,
    /// Killing everything inside.
    Kill,
    /// Removing the directory.
    Remove,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Place => "find a place at",
            Self::Make => "make",
            Self::MoveLauncher => "move the launcher by",
            Self::Enable => "enable the controller in",
            Self::Write => "write",
            Self::ReadBack => "confirm",
            Self::OpenProcs => "open",
            Self::Kill => "empty",
            Self::Remove => "remove",
        })
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The kernel refused.
    #[error("{0}")]
    Errno(Errno),
    /// The kernel took the limit, but holds a looser one.
    #[error("asked for {asked:?}, the kernel holds {found:?}")]
    Looser {
        /// What was written.
        asked: String,
        /// What was read.
        found: String,
    },
    /// The facts say that it can't be had.
    #[error("{0}")]
    Missing(Missing),
    /// The cgroup is part of a threaded subtree, which can't hold processes with these limits.
    #[error("its type is {0:?}, not \"domain\"")]
    Threaded(String),
    /// Processes were still there when the patience ended.
    #[error("processes are still in it")]
    StillPopulated,
}

impl CgroupError {
    pub(super) fn errno(
        controller: impl Into<Option<Controller>>,
        step: Step,
        path: impl Into<PathBuf>,
        errno: rustix::io::Errno,
    ) -> Self {
        let problem = Problem::Errno(super::directory::fact(errno));
        Self { controller: controller.into(), step, path: path.into(), problem }
    }
}

fn subject(controller: Option<Controller>) -> String {
    controller.map_or_else(String::new, |controller| format!("{controller}: "))
}

/// The likely cause, where the error number alone doesn't say it, and what helps.
fn remedy(step: Step, problem: &Problem) -> String {
    let text = match (step, problem) {
        (_, Problem::Missing(missing)) => missing.remedy(),
        (_, Problem::Errno(Errno(30))) => {
            "the cgroup file system is mounted read-only; mount it writable in the container"
        }
        (Step::Enable | Step::MoveLauncher, Problem::Errno(Errno(16))) => {
            return format!(" (other processes are in this cgroup; {DELEGATE})");
        }
        (Step::Enable, Problem::Errno(Errno(2 | 22))) => {
            "the kernel or the parent cgroup doesn't offer it; see cgroup.controllers there"
        }
        (Step::Make | Step::Enable | Step::MoveLauncher, Problem::Errno(Errno(1 | 13))) => {
            return format!(" (this cgroup isn't delegated to this user; {DELEGATE})");
        }
        (Step::Make, Problem::Errno(Errno(11))) => {
            "cgroup.max.descendants or cgroup.max.depth of an ancestor is reached; raise it"
        }
        (Step::Write, Problem::Errno(Errno(2))) => {
            "this kernel can't limit it; leave the limit out or use another kernel"
        }
        (Step::Write, Problem::Errno(Errno(13 | 22 | 34))) => {
            "the kernel doesn't take this value here: out of range, or beyond what the parent \
             cgroup has; ask for less"
        }
        (Step::ReadBack, Problem::Looser { .. }) => {
            "an ancestor or the kernel overrides the limit; see the same file in the parent cgroup"
        }
        (_, Problem::Threaded(_)) => DELEGATE,
        (Step::Kill | Step::Remove, Problem::StillPopulated | Problem::Errno(Errno(16))) => {
            "a process in it doesn't die, most likely one in uninterruptible sleep: see ps -o \
             stat,wchan"
        }
        _ => return String::new(),
    };
    format!(" ({text})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_controller_step_path_cause_and_remedy() {
        let error = CgroupError::errno(
            Controller::Memory,
            Step::Enable,
            "/sys/fs/cgroup/a/cgroup.subtree_control",
            rustix::io::Errno::BUSY,
        );
        let text = error.to_string();
        assert!(text.starts_with(
            "cgroup: memory: can't enable the controller in \
             /sys/fs/cgroup/a/cgroup.subtree_control: EBUSY (other processes are in this cgroup; "
        ));
        assert!(text.contains("systemd-run --user --scope -p Delegate=yes"), "{text}");
    }
}
