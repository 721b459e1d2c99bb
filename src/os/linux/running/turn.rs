//! What happens to a run, and what is done about it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::super::budget::Budget;
use super::super::child::record::Record;
use super::super::spawn::{Received, receive};
use super::super::{explain, fault};
use super::{AFTER_XCPU, Happened, Patience, Running, SUPERVISE, Told, failed};
use crate::error::LaunchError;

impl Running {
    /// Sleeps until something happens to the run or to one of `others`, or until the time is up;
    /// then deals with what happened to the run. Returns whether the whole tree has ended.
    pub(crate) fn turn(
        &mut self,
        others: &mut [Other<'_>],
        timeout: Option<Duration>,
    ) -> Result<bool, LaunchError> {
        let woken = self.sleep(others, timeout)?;
        if woken.exec {
            self.hear_of_exec();
        }
        if woken.told || woken.ended {
            self.hear_of_init();
        }
        self.ended |= woken.ended;
        self.mind_the_time()?;
        Ok(self.ended)
    }

    /// When [`Self::turn`] has something to do, whatever else happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        let patience = match self.patience {
            Patience::Endless => None,
            Patience::KillAt(at) | Patience::KillWithoutInitAt(at) | Patience::GiveUpAt(at) => {
                Some(at)
            }
        };
        patience.into_iter().chain(self.budget.as_ref().map(Budget::look_at)).min()
    }

    fn sleep(
        &mut self,
        others: &mut [Other<'_>],
        timeout: Option<Duration>,
    ) -> Result<Woken, LaunchError> {
        let due = self.due().map(|at| at.saturating_duration_since(Instant::now()));
        // The timeout is counted by the monotonic clock, which steps of the time don't move.
        let timeout = timeout.into_iter().chain(due).min();
        // A channel that has ended would wake this up for ever.
        let told = self.told_pending.then_some(&self.tree.channel);
        let own = [Some(&self.tree.pidfd), told, self.exec_channel.as_ref()];
        let mut events: Vec<_> = own
            .into_iter()
            .flatten()
            .map(|descriptor| PollFd::new(descriptor, PollFlags::IN))
            .collect();
        let count = events.len();
        events
            .extend(others.iter().map(|other| PollFd::from_borrowed_fd(other.file, other.wanted)));
        match self.rest.poll(&mut events, timeout) {
            Ok(_) => {}
            Err(Errno::INTR) => {
                others.iter_mut().for_each(|other| other.seen = PollFlags::empty());
                return Ok(Woken::default());
            }
            Err(errno) => return Err(failed(SUPERVISE, "poll(2)", errno)),
        }
        for (other, event) in others.iter_mut().zip(&events[count..]) {
            other.seen = event.revents();
        }
        let mut rang = events.iter().map(|event| !event.revents().is_empty());
        let mut next = |open: bool| open && rang.next().unwrap_or(false);
        Ok(Woken {
            ended: next(true),
            told: next(self.told_pending),
            exec: next(self.exec_channel.is_some()),
        })
    }

    fn hear_of_exec(&mut self) {
        // Ended without a word, as exec closes it: the command runs.
        let Some(channel) = self.exec_channel.take() else { return };
        match receive(&channel) {
            Received::Record(Record::Failed { step, failure }, _)
                if !fault::on_failure(self.tree.pidfd.as_fd()) =>
            {
                self.failure = Some(explain::step(&self.context, 1, step, failure));
            }
            _ => self.happened.push(Happened::Executed),
        }
    }

    /// Takes what init has told.
    pub(in super::super) fn hear_of_init(&mut self) {
        while self.told_pending {
            match receive(&self.tree.channel) {
                Received::Record(Record::Ended { status, transferred, killed }, _) => {
                    let stops = self.told.stops;
                    self.told = Told { status: Some(status), transferred, stopped: None, stops };
                    if killed && !self.killed {
                        self.killed = true;
                        self.happened.push(Happened::Killed);
                    }
                }
                Received::Record(Record::Stopped { signal }, _) => {
                    let signal = u8::try_from(signal).unwrap_or(0);
                    self.told.stopped = Some(signal);
                    self.told.stops = self.told.stops.wrapping_add(1);
                    self.happened.push(Happened::Stopped { signal });
                }
                Received::Record(Record::Continued, _) => {
                    self.told.stopped = None;
                    self.happened.push(Happened::Continued);
                }
                Received::Record(Record::TimedOut, _) => {
                    self.timed_out = true;
                    self.happened.push(Happened::Limit { limit: "wall_time" });
                }
                Received::Record(..) => {}
                Received::Terminal(master) => self.terminal = Some(master),
                Received::Nothing => return,
                // Nothing more comes; the pidfd tells of init's end.
                Received::End => self.told_pending = false,
            }
        }
    }

    fn mind_the_time(&mut self) -> Result<(), LaunchError> {
        let now = Instant::now();
        self.mind_the_budget(now);
        match self.patience {
            _ if self.ended => {}
            Patience::KillAt(at) if now >= at => {
                self.timed_out |= !self.terminated && !self.out_of_cpu_time;
                self.kill();
                // Somebody has stopped it.
                self.wake_init();
            }
            Patience::KillWithoutInitAt(at) if now >= at => {
                self.patience = Patience::GiveUpAt(self.tree.kill_and_give_up_at());
            }
            Patience::GiveUpAt(at) if now >= at => return Err(self.given_up()),
            _ => {}
        }
        Ok(())
    }

    /// At the limit of processor time the tree is treated as the kernel treats a process.
    fn mind_the_budget(&mut self, now: Instant) {
        let Some(mut budget) = self.budget.take() else { return };
        if now < budget.look_at() || !budget.is_used_up(self.cgroup(), now) {
            self.budget = Some(budget);
            return;
        }
        self.out_of_cpu_time = true;
        self.happened.push(Happened::Limit { limit: "cpu_time" });
        // Who is being ended already has no more than that.
        if !self.terminated && !self.timed_out && !self.killed {
            self.patience = Patience::KillAt(now + AFTER_XCPU);
            // One that can't be told is killed a second later all the same.
            let _ = self.signal(libc::SIGXCPU).and_then(|()| self.signal(libc::SIGCONT));
        }
    }
}

/// A descriptor that somebody else wants to know of.
pub(crate) struct Other<'a> {
    /// Which.
    pub(crate) file: BorrowedFd<'a>,
    /// What is waited for.
    pub(crate) wanted: PollFlags,
    /// What has happened.
    pub(crate) seen: PollFlags,
}

impl<'a> Other<'a> {
    pub(crate) fn new(file: BorrowedFd<'a>, wanted: PollFlags) -> Self {
        Self { file, wanted, seen: PollFlags::empty() }
    }

    /// Waits until there is something to be read, or the other side is closed.
    pub(crate) fn readable(file: &'a impl AsFd) -> Self {
        Self::new(file.as_fd(), PollFlags::IN)
    }
}

/// What a sleep was ended by.
#[derive(Default)]
struct Woken {
    /// The tree's end.
    ended: bool,
    /// Init has told something.
    told: bool,
    /// The command was executed, or can't be.
    exec: bool,
}
