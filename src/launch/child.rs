//! A command that runs in its sandbox, up to its end.

mod capture;

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signal::Signal;
use super::stdio::{ChildStderr, ChildStdin, ChildStdout};
use super::{Chosen, outcome, report};
use crate::error::Error;
use crate::os::{self, Other, Running};
use crate::plan::LayerState;
use crate::report::{Ending, HeldLimit, Outcome, Usage};

#[cfg(feature = "tokio")]
pub(super) use capture::Captured;
pub use capture::Output;

/// How long a tree may take to stop or to go on before it is asked once more.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a tree is asked at most: a process that waits inside the kernel doesn't stop.
const ASK_AT_MOST: Duration = Duration::from_secs(10);

/// How long a process that was stopped between `vfork(2)` and exec may go on, so that it gets there.
const TO_EXEC: Duration = Duration::from_millis(10);

/// A command that was started in a [`Sandbox`](crate::Sandbox), shaped as [`std::process::Child`].
///
/// It stands for the whole tree of processes. **Dropping it kills and reaps the tree**; to let it
/// go on unattended, see [`Child::detach`]. Limits hold whether somebody waits or not; but for the
/// processor time of the whole tree, which is looked at by who waits: each process's own is always
/// limited.
///
/// As a descriptor ([`AsFd`]) it is a pidfd (`pidfd_open(2)`) that becomes readable when the whole
/// tree has ended, for any event loop; [`Child::try_wait`] then has the outcome.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ringfence::{Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
/// let mut child = sandbox.command("sleep").arg("60").spawn()?;
/// assert!(child.wait_timeout(Duration::from_millis(10))?.is_none());
/// child.kill();
/// assert_eq!(child.wait()?.ending, ringfence::Ending::Killed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// Where its standard input is written, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Where its standard output is read, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Where its standard error is read, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    running: Running,
    chosen: Arc<Chosen>,
    words: Vec<OsString>,
    limits: Vec<HeldLimit>,
    /// The limit that it was ended for from here.
    exceeded: Option<&'static str>,
    outcome: Option<Outcome>,
}

/// The state of a command.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Ending, Profile, Sandbox, State};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let mut child = sandbox.command("sleep").arg("60").spawn()?;
/// assert_eq!(child.state()?, State::Running);
/// child.kill();
/// child.wait()?;
/// assert_eq!(child.state()?, State::Ended(Ending::Killed));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It runs.
    Running,
    /// A signal has stopped it; it goes on when it is continued.
    Stopped {
        /// The signal's number.
        signal: u8,
    },
    /// It has ended, and all of its tree with it.
    Ended(Ending),
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.running.pidfd().as_fd()
    }
}

impl AsRawFd for Child {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Child {
    pub(super) fn new(
        running: Running,
        chosen: Arc<Chosen>,
        words: Vec<OsString>,
        [stdin, stdout, stderr]: [Option<OwnedFd>; 3],
    ) -> Self {
        let limits = os::limits_in_force(&running);
        Self {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            running,
            chosen,
            words,
            limits,
            exceeded: None,
            outcome: None,
        }
    }

    /// The command's process id, as this process sees it. Once the command has ended, another
    /// process may have it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.target()
    }

    /// How far each layer holds.
    #[must_use]
    pub fn layers(&self) -> &[LayerState] {
        &self.chosen.plan.layers
    }

    /// What the user should know of the run, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.chosen.plan.notes
    }

    /// What it does now.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn state(&mut self) -> Result<State, Error> {
        Ok(match (self.try_wait()?, self.running.stopped()) {
            (Some(outcome), _) => State::Ended(outcome.ending),
            (None, Some(signal)) => State::Stopped { signal },
            (None, None) => State::Running,
        })
    }

    /// The outcome, if the tree has ended.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> Result<Option<Outcome>, Error> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Waits for the end of the whole tree. Standard input, if it is a pipe, is closed first, or
    /// the command might wait for ever.
    ///
    /// # Errors
    /// [`Error::Launch`]: a process of the tree can't be killed, or the system lacks memory. The
    /// command's own failure isn't an error, but an outcome.
    pub fn wait(&mut self) -> Result<Outcome, Error> {
        drop(self.stdin.take());
        loop {
            if let Some(outcome) = self.turn(&mut [], None)? {
                return Ok(outcome);
            }
        }
    }

    /// Waits for the end of the whole tree, but not longer than that; `None`: it hasn't ended.
    /// What [`limits.wall_time`](crate::Command::wall_time) is to the command, this is to the
    /// caller: the command goes on.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait_timeout(&mut self, time: Duration) -> Result<Option<Outcome>, Error> {
        let deadline = Instant::now().checked_add(time);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if let Some(outcome) = self.turn(&mut [], left)? {
                return Ok(Some(outcome));
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
        }
    }

    /// Deals with what has happened; sleeps for it at most as long as `timeout`.
    fn turn(
        &mut self,
        others: &mut [Other<'_>],
        timeout: Option<Duration>,
    ) -> Result<Option<Outcome>, Error> {
        if self.outcome.is_none() && self.running.turn(others, timeout)? {
            let ended = self.running.finish()?;
            let ending = match self.exceeded {
                Some(limit) => Ending::Limit { limit: limit.to_owned(), signal: 9 },
                None => outcome::classify(&ended, &self.chosen.plan),
            };
            let limits = std::mem::take(&mut self.limits);
            self.outcome = Some(report(&self.chosen, &self.words, limits, &ended, ending));
        }
        Ok(self.outcome.clone())
    }

    /// Sends the command a signal, as `kill(2)` would: only the command's first process gets it.
    ///
    /// Returns when the request is on its way: where hundreds are (`unix(7)`), when there is room.
    ///
    /// # Errors
    /// [`Error::Ended`]: nobody is left to be told. [`Error::Launch`]: the sandbox's init takes no
    /// requests for a second, as it was stopped, or has no processor.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        self.while_it_runs()?;
        Ok(self.running.signal(signal.number())?)
    }

    /// Stops every process of the tree (`SIGSTOP`), until [`Child::resume`]. The time limit goes on.
    /// Returns when the command has stopped; one that was just starting a program may get a `SIGCONT`
    /// before. Without a pid namespace, processes that have left the command's process group aren't
    /// stopped.
    ///
    /// # Errors
    /// [`Error::Ended`]: it has ended already, or meanwhile. [`Error::Launch`]: as of
    /// [`Child::signal`]; or it didn't stop for ten seconds, as it waits inside the kernel: then it is
    /// let go on.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.change(true)
    }

    /// Has a tree go on that was stopped (`SIGCONT`). Returns when the command goes on.
    ///
    /// # Errors
    /// As [`Child::stop`].
    pub fn resume(&mut self) -> Result<(), Error> {
        self.change(false)
    }

    /// When something has to be done for it, whatever else happens.
    #[cfg(feature = "tokio")]
    pub(super) fn due(&self) -> Option<Instant> {
        self.running.due()
    }

    fn change(&mut self, stop: bool) -> Result<(), Error> {
        self.while_it_runs()?;
        if self.running.stopped().is_some() == stop {
            return Ok(());
        }
        let give_up = Instant::now() + ASK_AT_MOST;
        loop {
            if Instant::now() >= give_up {
                // It isn't to happen when nobody expects it any more.
                self.running.stop(!stop)?;
                return Err(self.running.unmoved(stop).into());
            }
            let stops = self.running.stops();
            self.running.stop(stop)?;
            let deadline = Instant::now() + ASK_AGAIN;
            while Instant::now() < deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if self.turn(&mut [], Some(left))?.is_some() {
                    return Err(Error::Ended);
                }
                // One that was stopped again at once has gone on as well.
                if self.running.stopped().is_some() == stop || self.running.stops() != stops {
                    return Ok(());
                }
            }
            // Without a pid namespace, a command can stop its own init.
            self.running.wake_init();
            // Where it has stopped, only the news of it is late.
            if stop && !self.running.is_seen_stopped() {
                // A process can't stop while it waits for a child that was stopped between vfork(2)
                // and exec.
                self.running.stop(false)?;
                if self.turn(&mut [], Some(TO_EXEC))?.is_some() {
                    return Err(Error::Ended);
                }
            }
        }
    }

    /// Asks the command to end (`SIGTERM`); after the profile's `process.grace`, the whole tree is
    /// killed.
    ///
    /// # Errors
    /// [`Error::Ended`]: it has ended already. [`Error::Launch`]: as of [`Child::signal`]; the grace
    /// begins all the same.
    pub fn terminate(&mut self) -> Result<(), Error> {
        self.while_it_runs()?;
        Ok(self.running.terminate()?)
    }

    /// Kills the whole tree, at once. Does nothing to one that has ended.
    pub fn kill(&mut self) {
        if self.outcome.is_none() {
            self.running.kill();
        }
    }

    fn while_it_runs(&mut self) -> Result<(), Error> {
        match self.try_wait()? {
            None => Ok(()),
            Some(_) => Err(Error::Ended),
        }
    }

    /// What the run has used so far; of a run that has ended, what it used in all.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match &self.outcome {
            Some(outcome) => outcome.usage.unwrap_or_default(),
            None => outcome::usage_so_far(&self.running),
        }
    }

    /// Lets the command go on unattended: a thread waits for its end and cleans up after it. All
    /// limits hold, and it still ends with this process.
    pub fn detach(mut self) {
        let name = "ringfence-detached".to_owned();
        // Without a thread, the child is dropped with the closure, and the tree ends: nothing may
        // run that nobody reaps.
        let _ = std::thread::Builder::new().name(name).spawn(move || {
            let _ = self.wait();
        });
    }
}
