//! A sandbox whose command runs: its state, its time limit, and its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::time::Timespec;

use super::cgroup::{Cgroup, Statistics};
use super::child::kill_descendants;
use super::child::record::{Recipient, Record, Request};
use super::explain;
use super::guard::Guard;
use super::prepare::{Context, open_proc};
use super::spawn::{Received, receive, send_word};
use crate::error::{LaunchError, LaunchFailure};
use crate::plan::facts;
use crate::plan::step::Step;
use crate::profile::vocabulary::Layer;
use crate::sys::signal::pidfd_kill;
use crate::sys::wait::{Usage, Wait, reap};

/// How much later than init, which keeps the time, the launcher loses patience: init was stopped
/// then, or has no processor.
const LENIENCE: Duration = Duration::from_secs(1);

/// How long a process may take to die of `SIGKILL` before it is given up.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// The processes of a sandbox, and what ends them.
pub(super) struct Tree {
    /// Init's process id, as the launcher sees it.
    pub(super) pid: i32,
    /// Stands for init.
    pub(super) pidfd: OwnedFd,
    /// To and from init.
    pub(super) channel: OwnedFd,
    /// The cgroup, if there is one; removed when dropped.
    pub(super) cgroup: Option<Cgroup>,
    /// Whether the kernel ends the tree with init.
    pub(super) pid_namespace: bool,
    /// Whether orphans of an init that was killed come to the launcher.
    pub(super) adopts: bool,
}

impl Tree {
    /// Ends every process, now.
    pub(super) fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            // Gets those too that left the session or the group; init among them. What it can't
            // get dies with init.
            let _ = cgroup.kill(KILL_PATIENCE);
        }
        if self.pid_namespace {
            // It may have ended; then there is nothing to kill.
            let _ = pidfd_kill(self.pidfd.as_fd(), libc::SIGKILL);
        } else {
            // Without a pid namespace init has to kill its tree itself: it does so when it sees
            // that the launcher has let go.
            let _ = rustix::net::shutdown(&self.channel, rustix::net::Shutdown::Write);
        }
    }

    /// Ends what is left of the tree of an init that was killed.
    fn end_orphans(&self) {
        if let Some(cgroup) = &self.cgroup {
            // Nothing better can be done about what doesn't die.
            let _ = cgroup.kill(KILL_PATIENCE);
        }
        if self.adopts
            && let Ok(proc) = open_proc()
        {
            kill_descendants(&proc, |_, _| {});
        }
    }
}

/// A sandbox whose command runs, or is about to fail at exec. Dropping it kills and reaps the
/// whole tree.
pub(crate) struct Running {
    pub(super) tree: Arc<Tree>,
    /// The command's process id, as the launcher sees it.
    pub(super) target: i32,
    /// From the command: why it couldn't be executed. Ends with a successful exec.
    pub(super) exec_channel: Option<OwnedFd>,
    /// What messages about the run need.
    pub(super) context: Context,
    /// When the command was let go.
    started: Instant,
    /// What init has told so far.
    told: Told,
    /// Whether init can still tell something.
    told_pending: bool,
    /// Why the command could not be executed.
    failure: Option<LaunchError>,
    timed_out: bool,
    killed: bool,
    /// Whether the command was asked to end on the caller's behalf.
    terminated: bool,
    /// When the tree is killed from here, should init not have done it by then.
    last_resort: Option<Instant>,
    guard: Option<Guard>,
    ended: bool,
    /// Whether init was reaped.
    reaped: bool,
}

/// What init tells of the command.
#[derive(Default)]
struct Told {
    /// Its wait status (`wait(2)`).
    status: Option<i32>,
    /// Bytes read and written.
    transferred: Option<(u64, u64)>,
    /// The signal that has stopped it.
    stopped: Option<i32>,
}

/// How a run ended, before anybody says what it means.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The command's wait status (`wait(2)`); `None`: init was killed, and the command with it.
    pub(crate) status: Option<i32>,
    /// Why the command could not be executed.
    pub(crate) failure: Option<LaunchError>,
    /// Whether the wall-clock limit was reached.
    pub(crate) timed_out: bool,
    /// Whether the tree was killed on the caller's behalf.
    pub(crate) killed: bool,
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

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Drop for Running {
    /// On every path that doesn't wait for the end.
    fn drop(&mut self) {
        if !self.reaped {
            self.tree.kill();
            let _ = self.reap();
        }
    }
}

impl Running {
    /// What was cloned, and doesn't run anything yet.
    pub(super) fn new(tree: Tree, exec_channel: OwnedFd, context: Context) -> Self {
        Self {
            tree: Arc::new(tree),
            target: 0,
            exec_channel: Some(exec_channel),
            context,
            started: Instant::now(),
            told: Told::default(),
            told_pending: true,
            failure: None,
            timed_out: false,
            killed: false,
            terminated: false,
            last_resort: None,
            guard: None,
            ended: false,
            reaped: false,
        }
    }

    /// Lets the command go. Time runs from here on; init keeps it, since nobody may be waiting
    /// here.
    pub(super) fn start(&mut self) -> Result<(), LaunchError> {
        let supervision = &self.context.plan.supervision;
        self.started = Instant::now();
        // A limit beyond what the clock can count is none.
        let limit = supervision.wall_time.and_then(|limit| self.started.checked_add(limit));
        self.last_resort = limit.and_then(|limit| limit.checked_add(supervision.grace + LENIENCE));
        self.guard = Guard::start(&supervision.guarded, &self.tree)
            .map_err(|errno| failed("inotify_init1(2)", errno))?;
        match &self.exec_channel {
            Some(channel) => send_word(channel),
            None => Ok(()),
        }
    }

    /// The command's process id, as the launcher sees it.
    pub(crate) fn target(&self) -> u32 {
        self.target.cast_unsigned()
    }

    /// Becomes readable when the whole tree has ended.
    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.tree.pidfd
    }

    /// The cgroup of the run.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.tree.cgroup.as_ref()
    }

    /// What the cgroup has counted so far.
    pub(crate) fn statistics(&self) -> Statistics {
        self.cgroup().map(Cgroup::statistics).unwrap_or_default()
    }

    /// Since the command was let go.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends every process, now.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.tree.kill();
    }

    /// The signal that has stopped the command, if it is stopped.
    pub(crate) fn stopped(&self) -> Option<u8> {
        self.told.stopped.and_then(|signal| u8::try_from(signal).ok())
    }

    /// Whether the command has a process group of its own.
    pub(super) fn has_own_group(&self) -> bool {
        self.context.plan.steps.contains(&Step::TargetGroup)
    }

    /// From init, and to it.
    pub(super) fn channel(&self) -> BorrowedFd<'_> {
        self.tree.channel.as_fd()
    }

    /// Between asking the command to end and killing it.
    pub(super) fn grace(&self) -> Duration {
        self.context.plan.supervision.grace
    }

    /// Sends the command's first process a signal.
    pub(crate) fn signal(&self, signal: i32) {
        self.signal_to(signal, Recipient::Process);
    }

    pub(super) fn signal_to(&self, number: i32, to: Recipient) {
        self.request(Request::Signal { number, to });
    }

    fn request(&self, request: Request) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // Init may have ended; then there is nobody to tell. One that is stopped, and was told a
        // hundred things already, can't be told more.
        let _ = rustix::net::send(&self.tree.channel, &request.to_bytes(), flags);
    }

    /// Waits until the command was executed; if it can't be, why.
    pub(crate) fn await_exec(&mut self) -> Result<(), LaunchError> {
        while self.exec_channel.is_some() {
            self.turn(&mut [], None)?;
        }
        self.failure.take().map_or(Ok(()), Err)
    }

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
        self.mind_the_time();
        Ok(self.ended)
    }

    fn sleep(
        &self,
        others: &mut [Other<'_>],
        timeout: Option<Duration>,
    ) -> Result<Woken, LaunchError> {
        let now = Instant::now();
        let due = self.last_resort.map(|at| at.saturating_duration_since(now));
        // The timeout is counted by the monotonic clock, which steps of the time don't move.
        let timeout = timeout.into_iter().chain(due).min().map(timespec);
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
        match rustix::event::poll(&mut events, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => {
                others.iter_mut().for_each(|other| other.seen = PollFlags::empty());
                return Ok(Woken::default());
            }
            Err(errno) => return Err(failed("poll(2)", errno)),
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
        if let Some(channel) = self.exec_channel.take()
            && let Received::Record(Record::Failed { step, failure }, _) = receive(&channel)
        {
            self.failure = Some(explain::step(&self.context, 1, step, failure));
        }
    }

    /// Takes what init has told.
    pub(super) fn hear_of_init(&mut self) {
        while self.told_pending {
            match receive(&self.tree.channel) {
                Received::Record(Record::Ended { status, transferred, killed }, _) => {
                    self.told = Told { status: Some(status), transferred, stopped: None };
                    self.killed |= killed;
                }
                Received::Record(Record::Stopped { signal }, _) => {
                    self.told.stopped = Some(signal);
                }
                Received::Record(Record::Continued, _) => self.told.stopped = None,
                Received::Record(Record::TimedOut, _) => self.timed_out = true,
                Received::Record(..) => {}
                Received::Nothing => return,
                // Nothing more comes; the pidfd tells of init's end.
                Received::End => self.told_pending = false,
            }
        }
    }

    fn mind_the_time(&mut self) {
        if self.last_resort.is_none_or(|at| Instant::now() < at) || self.ended {
            return;
        }
        self.last_resort = None;
        self.timed_out |= !self.terminated;
        // Without a pid namespace, only init can kill the tree.
        let _ = pidfd_kill(self.tree.pidfd.as_fd(), libc::SIGCONT);
        self.kill();
    }

    /// Asks the command to end, and kills the tree after the grace.
    pub(crate) fn terminate(&mut self) {
        self.terminate_at(Recipient::Group);
    }

    pub(super) fn terminate_at(&mut self, to: Recipient) {
        self.request(Request::Terminate { to });
        if !self.terminated {
            self.terminated = true;
            let last = Instant::now().checked_add(self.grace() + LENIENCE);
            self.last_resort = self.last_resort.into_iter().chain(last).min();
        }
    }

    /// Takes what there is to know of a run that has ended.
    pub(crate) fn finish(&mut self) -> Result<Ended, LaunchError> {
        let usage = self.reap()?;
        if self.told.status.is_none() {
            self.tree.end_orphans();
        }
        let statistics = self.statistics();
        Ok(Ended {
            status: self.told.status,
            failure: self.failure.take(),
            timed_out: self.timed_out,
            killed: self.killed,
            appeared: self.guard.take().and_then(Guard::join),
            wall: self.started.elapsed(),
            usage,
            transferred: self.told.transferred,
            statistics,
        })
    }

    /// Waits for init's end and reaps it: then the kernel, or init, has ended all others. A process
    /// that can't be killed (waiting for a device) must not hold the launcher for ever.
    fn reap(&mut self) -> Result<Usage, LaunchError> {
        let deadline = Instant::now() + KILL_PATIENCE;
        self.reaped = true;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LaunchError {
                    layer: Layer::ProcessTree,
                    kind: LaunchFailure::Lost(
                        "a process of the sandbox doesn't die; it waits inside the kernel".into(),
                    ),
                    remedy: Some("see /proc/PID/stack of the processes that are left".into()),
                    contradiction: None,
                });
            }
            let mut events = [PollFd::new(&self.tree.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut events, Some(&timespec(left))) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => break,
                Err(errno) => return Err(failed("poll(2)", errno)),
            }
        }
        match reap(Wait::For(self.tree.pid)) {
            Ok(Some((_, _, usage))) => Ok(usage),
            Ok(None) => Ok(Usage::default()),
            Err(errno) => Err(failed("wait4(2)", errno)),
        }
    }

    /// Reaps init, which has ended or is about to; its wait status.
    pub(super) fn reap_now(&mut self) -> i32 {
        self.reaped = true;
        reap(Wait::For(self.tree.pid)).ok().flatten().map_or(0, |(_, status, _)| status)
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

fn timespec(time: Duration) -> Timespec {
    // What the kernel can't count is as good as endless.
    let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn failed(call: &'static str, errno: Errno) -> LaunchError {
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Setup {
            action: "supervise the command".into(),
            call,
            errno: facts::Errno(errno.raw_os_error()),
        },
        remedy: None,
        contradiction: None,
    }
}
