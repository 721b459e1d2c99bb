//! Waiting for the end of a run: the command's, the time limit's, or the launcher's own.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::cgroup::Statistics;
use super::child::kill_descendants;
use super::child::record::Record;
use super::explain;
use super::guard::Guard;
use super::prepare::Prepared;
use super::spawn::{KILL_PATIENCE, Running, kill_init, receive};
use crate::error::{LaunchError, LaunchFailure};
use crate::profile::vocabulary::Layer;
use crate::sys::signal::{SignalSet, next_signal, pidfd_kill, signal_descriptor};
use crate::sys::wait::{Usage, Wait, reap};

/// Signals that the launcher hands on to the command. Those that a terminal or a person sends;
/// the rest is about the launcher itself.
pub(crate) const FORWARDED: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGALRM,
];

/// The names of [`FORWARDED`].
pub(crate) const FORWARDED_NAMES: [&str; FORWARDED.len()] =
    ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT", "ALRM"];

/// How a run ended, before anybody says what it means.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The command's wait status (`wait(2)`); `None`: init was killed, and the command with it.
    pub(crate) status: Option<i32>,
    /// Why the command could not be executed.
    pub(crate) failure: Option<LaunchError>,
    /// Whether the wall-clock limit was reached.
    pub(crate) timed_out: bool,
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

/// The signals that a supervisor takes by descriptor, blocked in this thread from now on.
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals to be forwarded, and opens the descriptor that tells of them.
    pub(crate) fn take() -> Result<Self, Errno> {
        let set = FORWARDED.iter().fold(SignalSet::NONE, |set, signal| set.with(*signal));
        crate::sys::signal::set_mask(set)?;
        // A caller that ignores SIGCHLD would have the kernel throw the end of init away.
        crate::sys::signal::reset_disposition(libc::SIGCHLD)?;
        signal_descriptor(set).map(Self)
    }
}

/// A timer that steps of the clock don't move.
struct Timer(OwnedFd);

impl Timer {
    fn new() -> Result<Self, Errno> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).map(Self)
    }

    /// Rings once, after a time of at least a nanosecond (zero would mean never).
    fn set(&self, after: Duration) -> Result<(), Errno> {
        let after = after.max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(after.subsec_nanos()),
        };
        let spec = Itimerspec { it_interval: zero, it_value: value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec).map(drop)
    }
}

/// Waits until the run has ended and its whole tree is gone.
pub(crate) fn wait(
    prepared: &Prepared,
    running: &mut Running,
    signals: Option<&Signals>,
) -> Result<Ended, LaunchError> {
    let mut watch = Watch::new(prepared, running)?;
    while !watch.ended {
        watch.turn(prepared, running, signals)?;
    }
    let usage = finish(running)?;
    if watch.status.is_none() {
        end_orphans(prepared, running);
    }
    let wall = running.started.elapsed();
    let statistics = running.cgroup.as_ref().map(|cgroup| cgroup.statistics()).unwrap_or_default();
    Ok(Ended {
        status: watch.status,
        failure: watch.failure,
        timed_out: watch.timed_out,
        appeared: watch.guard.appeared,
        wall,
        usage,
        transferred: watch.transferred,
        statistics,
    })
}

/// What wakes the supervisor up.
#[derive(Clone, Copy)]
enum Source {
    /// The command was executed, or can't be.
    Exec,
    /// Init tells of the command's end.
    Told,
    Signal,
    Timer,
    Guard,
    /// Init has ended.
    Init,
}

/// The state of the waiting.
struct Watch {
    guard: Guard,
    timer: Timer,
    limit: Option<Instant>,
    /// When the tree is killed, once it was asked to end.
    kill_at: Option<Instant>,
    timed_out: bool,
    status: Option<i32>,
    transferred: Option<(u64, u64)>,
    failure: Option<LaunchError>,
    /// Whether the command's channel can still tell something.
    exec_pending: bool,
    /// Whether init's can.
    told_pending: bool,
    ended: bool,
}

impl Watch {
    fn new(prepared: &Prepared, running: &Running) -> Result<Self, LaunchError> {
        let limit = prepared.plan.supervision.wall_time;
        // A limit beyond what the clock can count is none.
        let limit = limit.and_then(|limit| running.started.checked_add(limit));
        let guarded = &prepared.plan.supervision.guarded;
        let guard = Guard::new(guarded).map_err(|errno| failed("inotify_init1(2)", errno))?;
        let mut watch = Self {
            guard,
            timer: Timer::new().map_err(|errno| failed("timerfd_create(2)", errno))?,
            limit,
            kill_at: None,
            timed_out: false,
            status: None,
            transferred: None,
            failure: None,
            exec_pending: true,
            told_pending: true,
            ended: false,
        };
        watch.set_timer()?;
        watch.look_at_guarded(running);
        Ok(watch)
    }

    fn set_timer(&self) -> Result<(), LaunchError> {
        let Some(next) = self.kill_at.or(self.limit) else { return Ok(()) };
        let left = next.saturating_duration_since(Instant::now());
        self.timer.set(left).map_err(|errno| failed("timerfd_settime(2)", errno))
    }

    /// Sleeps until something happens, and deals with it.
    fn turn(
        &mut self,
        prepared: &Prepared,
        running: &mut Running,
        signals: Option<&Signals>,
    ) -> Result<(), LaunchError> {
        for source in self.sleep(running, signals)? {
            match source {
                Source::Exec => self.hear_of_exec(prepared, running),
                Source::Told => self.hear_of_end(running),
                Source::Signal => self.forward(running, signals),
                Source::Timer => self.time_is_up(prepared, running)?,
                Source::Guard => self.look_at_guarded(running),
                Source::Init => self.ended = true,
            }
        }
        Ok(())
    }

    /// Sleeps until one of the sources has something to tell; which.
    fn sleep(
        &self,
        running: &Running,
        signals: Option<&Signals>,
    ) -> Result<Vec<Source>, LaunchError> {
        // A channel that has ended would wake this up for ever.
        let channel = |open: bool, channel| open.then_some(channel);
        let sources = [
            (Source::Exec, channel(self.exec_pending, &running.target_channel)),
            (Source::Told, channel(self.told_pending, &running.init_channel)),
            (Source::Signal, signals.map(|signals| &signals.0)),
            (Source::Timer, Some(&self.timer.0)),
            (Source::Guard, self.guard.descriptor()),
            (Source::Init, Some(&running.pidfd)),
        ];
        let open: Vec<_> = sources.iter().filter_map(|(s, fd)| Some((*s, (*fd)?))).collect();
        let mut events: Vec<_> =
            open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        match rustix::event::poll(&mut events, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed("poll(2)", errno)),
        }
        let rung = open.iter().zip(&events).filter(|(_, event)| !event.revents().is_empty());
        Ok(rung.map(|((source, _), _)| *source).collect())
    }

    /// A hidden path that wasn't there came to exist: everything ends before much can be done
    /// with it.
    fn look_at_guarded(&mut self, running: &Running) {
        if self.guard.look() {
            kill_tree(running);
        }
    }

    fn hear_of_exec(&mut self, prepared: &Prepared, running: &Running) {
        self.exec_pending = false;
        if let Some((Record::Failed { step, failure }, _)) = receive(&running.target_channel) {
            self.failure = Some(explain::step(prepared, 1, step, failure));
        }
    }

    fn hear_of_end(&mut self, running: &Running) {
        match receive(&running.init_channel) {
            Some((Record::Ended { status, transferred }, _)) => {
                self.status = Some(status);
                self.transferred = transferred;
            }
            // Nothing more comes; the pidfd tells of init's end.
            Some(_) | None => self.told_pending = false,
        }
    }

    fn forward(&self, running: &Running, signals: Option<&Signals>) {
        let Some(signals) = signals else { return };
        while let Ok(Some((signal, _))) = next_signal(&signals.0) {
            // Init may have ended; then there is nobody to tell.
            let _ = pidfd_kill(running.pidfd.as_fd(), signal);
        }
    }

    fn time_is_up(&mut self, prepared: &Prepared, running: &Running) -> Result<(), LaunchError> {
        // Emptied, or it would go on ringing.
        let _ = rustix::io::read(&self.timer.0, &mut [0_u8; 8]);
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill_at = None;
            self.limit = None;
            kill_tree(running);
        } else if self.limit.is_some_and(|at| now >= at) {
            self.timed_out = true;
            self.limit = None;
            self.kill_at = Some(now + prepared.plan.supervision.grace);
            // A stopped command is woken up, so that it can act on the request.
            let _ = pidfd_kill(running.pidfd.as_fd(), libc::SIGTERM);
            let _ = pidfd_kill(running.pidfd.as_fd(), libc::SIGCONT);
        }
        self.set_timer()
    }
}

fn failed(call: &'static str, errno: Errno) -> LaunchError {
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Setup {
            action: "supervise the command".into(),
            call,
            errno: errno.raw_os_error(),
        },
        remedy: None,
        contradiction: None,
    }
}

/// Ends every process of the sandbox, now.
pub(super) fn kill_tree(running: &Running) {
    if let Some(cgroup) = &running.cgroup {
        // Gets those too that left the session or the group; init among them. What it can't get
        // dies with init.
        let _ = cgroup.kill(KILL_PATIENCE);
    }
    if running.pid_namespace {
        return kill_init(running);
    }
    // Without a pid namespace init has to kill its tree itself: it does so when it sees that the
    // launcher has let go.
    let _ = rustix::net::shutdown(&running.init_channel, rustix::net::Shutdown::Write);
}

/// Ends what is left of the tree of an init that was killed.
fn end_orphans(prepared: &Prepared, running: &Running) {
    if let Some(cgroup) = &running.cgroup {
        // Nothing better can be done about what doesn't die.
        let _ = cgroup.kill(KILL_PATIENCE);
    }
    if let Some(proc) = prepared.program.proc.as_ref().filter(|_| running.adopts) {
        kill_descendants(proc);
    }
}

/// Kills the tree and reaps init, on a path that nobody waits on.
pub(super) fn end_tree(running: &mut Running) {
    kill_tree(running);
    let _ = finish(running);
}

/// Waits for init's end and reaps it: then the kernel, or init, has ended all others. A process
/// that can't be killed (waiting for a device) must not hold the launcher for ever.
fn finish(running: &mut Running) -> Result<Usage, LaunchError> {
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            running.reaped = true;
            return Err(LaunchError {
                layer: Layer::ProcessTree,
                kind: LaunchFailure::Lost(
                    "a process of the sandbox doesn't die; it waits inside the kernel".into(),
                ),
                remedy: Some("see /proc/PID/stack of the processes that are left".into()),
                contradiction: None,
            });
        }
        let timeout = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut events = [PollFd::new(&running.pidfd, PollFlags::IN)];
        match rustix::event::poll(&mut events, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(errno) => return Err(failed("poll(2)", errno)),
        }
    }
    running.reaped = true;
    match reap(Wait::For(running.pid)) {
        Ok(Some((_, _, usage))) => Ok(usage),
        Ok(None) => Ok(Usage::default()),
        Err(errno) => Err(failed("wait4(2)", errno)),
    }
}
