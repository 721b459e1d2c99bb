//! The end of a run, also of one whose processes don't die.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::cgroup::Statistics;
use super::super::guard::Guard;
use super::super::tree::KILL_PATIENCE;
use super::{Patience, Running, SUPERVISE, failed};
use crate::error::{LaunchError, LaunchFailure};
use crate::profile::vocabulary::Layer;
use crate::sys::wait::{Usage, Wait, reap};

/// How a run ended, before anybody says what it means.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The command's wait status (`wait(2)`); `None`: init was killed, and the command with it.
    pub(crate) status: Option<i32>,
    /// Init's own wait status.
    pub(crate) init: i32,
    /// Why the command could not be executed.
    pub(crate) failure: Option<LaunchError>,
    /// Whether the wall-clock limit was reached.
    pub(crate) timed_out: bool,
    /// Whether the tree was killed on the caller's behalf.
    pub(crate) killed: bool,
    /// Whether the tree used up its processor time.
    pub(crate) out_of_cpu_time: bool,
    /// The guarded path that came to exist.
    pub(crate) appeared: Option<PathBuf>,
    /// From letting the command go to the end of its tree.
    pub(crate) wall: Duration,
    /// What the whole tree has used.
    pub(crate) usage: Usage,
    /// Bytes that passed through `read(2)` and `write(2)` and their kind, where the kernel counts.
    pub(crate) transferred: Option<(u64, u64)>,
    /// What the cgroup counted.
    pub(crate) statistics: Statistics,
}

impl Drop for Running {
    /// On every path that doesn't wait for the end.
    fn drop(&mut self) {
        self.give_up_word();
        if self.reaped {
            return;
        }
        if !self.is_given_up() && self.tree.end() {
            let _ = self.reap();
            self.end_orphans();
        } else if let Some(guard) = self.guard.take() {
            guard.abandon();
        }
    }
}

impl Running {
    /// Takes what there is to know of a run that has ended.
    pub(crate) fn finish(&mut self) -> Result<Ended, LaunchError> {
        let (init, usage) = self.reap()?;
        if !self.end_orphans() {
            return Err(self.given_up());
        }
        let statistics = self.statistics();
        Ok(Ended {
            status: self.told.status,
            init,
            failure: self.failure.take(),
            timed_out: self.timed_out,
            killed: self.killed,
            out_of_cpu_time: self.out_of_cpu_time,
            appeared: self.guard.take().and_then(Guard::join),
            wall: self.started.elapsed(),
            usage,
            transferred: self.told.transferred,
            statistics,
        })
    }

    /// Ends what an init that was killed has left: whether that is gone.
    fn end_orphans(&mut self) -> bool {
        self.hear_of_init();
        self.told.status.is_some() || self.tree.end_orphans()
    }

    /// Whether what is left of the tree has had its time to die of `SIGKILL`.
    fn is_given_up(&self) -> bool {
        matches!(self.patience, Patience::GiveUpAt(at) if Instant::now() >= at)
    }

    /// Why nobody waits any longer. What is left dies as soon as the kernel lets it.
    pub(super) fn given_up(&self) -> LaunchError {
        let why = if self.timed_out { "its time was up, but " } else { "" };
        LaunchError {
            layer: Layer::ProcessTree,
            kind: LaunchFailure::Lost(format!(
                "{why}a process of the sandbox doesn't die of SIGKILL: it waits inside the kernel, \
                 or is frozen"
            )),
            remedy: Some("see /proc/PID/stack of the processes that are left".into()),
            contradiction: None,
        }
    }

    /// Waits for init's end and reaps it: then the kernel, or init, has ended all others. A process
    /// that can't be killed (waiting for a device) must not hold the launcher for ever.
    fn reap(&mut self) -> Result<(i32, Usage), LaunchError> {
        if !self.tree.has_ended_in(KILL_PATIENCE) {
            self.patience = Patience::GiveUpAt(Instant::now());
            return Err(self.given_up());
        }
        self.reaped = true;
        match reap(Wait::For(self.tree.pid)) {
            Ok(Some((_, status, usage))) => Ok((status, usage)),
            Ok(None) => Ok((0, Usage::default())),
            Err(errno) => Err(failed(SUPERVISE, "wait4(2)", errno)),
        }
    }

    /// Reaps init, which has ended or is about to, though the command hasn't started; its wait
    /// status.
    pub(in super::super) fn reap_now(&mut self) -> i32 {
        self.give_up_word();
        self.reaped = true;
        let reaped = reap(Wait::For(self.tree.pid)).ok().flatten();
        self.end_orphans();
        reaped.map_or(0, |(_, status, _)| status)
    }
}
