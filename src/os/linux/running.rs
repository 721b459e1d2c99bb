//! A sandbox whose command runs: its state, its time limit, and its end.

mod ending;
mod requests;
mod turn;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::budget::Budget;
use super::cgroup::{Cgroup, Statistics};
use super::explain::unguarded;
use super::guard::{Guard, Watched};
use super::prepare::Context;
use super::rest::Rest;
use super::spawn::send_word;
use super::terminal::{CallersTerminal, Terminal};
use super::tree::{INIT_PATIENCE, Tree};
use crate::error::{LaunchError, LaunchFailure};
use crate::plan::facts;
use crate::plan::step::Step;
use crate::profile::vocabulary::Layer;
use crate::sys::wait::Usage;

pub(crate) use ending::Ended;
pub(crate) use turn::Other;

/// How much later than init, which keeps the time, the launcher loses patience: init was stopped
/// then, or has no processor.
const LENIENCE: Duration = Duration::from_secs(1);

/// Between `SIGXCPU` and `SIGKILL`, as between the soft and the hard limit of each process.
const AFTER_XCPU: Duration = Duration::from_secs(1);

/// A sandbox whose command runs, or is about to fail at exec. Dropping it kills and reaps the
/// whole tree.
pub(crate) struct Running {
    pub(super) tree: Arc<Tree>,
    /// The command's process id, as the launcher sees it.
    pub(super) target: i32,
    /// From the command: why it couldn't be executed. Ends with a successful exec.
    pub(super) exec_channel: Option<OwnedFd>,
    /// The launcher's side of the command's own terminal.
    pub(super) terminal: Option<OwnedFd>,
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
    /// What nobody was told yet.
    happened: Vec<Happened>,
    patience: Patience,
    /// The processor time of the tree.
    budget: Option<Budget>,
    /// How the launcher waits.
    pub(super) rest: Rest,
    /// Whether that was used up.
    out_of_cpu_time: bool,
    /// The hidden paths of the host, until the command is let go.
    pub(super) watched: Option<Watched>,
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
    stopped: Option<u8>,
    /// How often it was stopped so far.
    stops: u32,
}

/// What happens to a run while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The command was executed.
    Executed,
    /// A signal has stopped the command.
    Stopped {
        /// Its number.
        signal: u8,
    },
    /// It goes on.
    Continued,
    /// A signal was handed on to it.
    Signal {
        /// Its number.
        signal: u8,
    },
    /// A limit of time was reached.
    Limit {
        /// Its name in the profile.
        limit: &'static str,
    },
    /// The whole tree is killed.
    Killed,
}

/// What happens next for want of time.
#[derive(Clone, Copy)]
enum Patience {
    /// Nothing.
    Endless,
    /// Init is told to kill the tree, should it not have done so for want of time by then.
    KillAt(Instant),
    /// The tree is killed without init's help.
    KillWithoutInitAt(Instant),
    /// It was killed; what is there by then is given up.
    GiveUpAt(Instant),
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Running {
    /// What was cloned, and doesn't run anything yet.
    pub(super) fn new(tree: Tree, exec_channel: OwnedFd, context: Context) -> Self {
        Self {
            tree: Arc::new(tree),
            target: 0,
            exec_channel: Some(exec_channel),
            terminal: None,
            context,
            started: Instant::now(),
            told: Told::default(),
            told_pending: true,
            failure: None,
            timed_out: false,
            killed: false,
            terminated: false,
            happened: Vec::new(),
            patience: Patience::Endless,
            budget: None,
            rest: Rest::new(false),
            out_of_cpu_time: false,
            watched: None,
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
        let last = limit.and_then(|limit| limit.checked_add(supervision.grace + LENIENCE));
        self.patience = last.map_or(Patience::Endless, Patience::KillAt);
        self.budget = supervision.cpu_time.and_then(|limit| Budget::new(limit, self.started));
        if let Some(watched) = self.watched.take() {
            let guard = Guard::start(watched, &self.tree).map_err(|error| unguarded(&error))?;
            self.guard = Some(guard);
        }
        match &self.exec_channel {
            Some(channel) => send_word(channel),
            None => Ok(()),
        }
    }

    /// The process that waits to become the command ends, if it still waits: init sleeps until it
    /// does, and can end nothing meanwhile.
    fn give_up_word(&mut self) {
        self.exec_channel = None;
    }

    /// Something that others are to be told of has happened.
    pub(super) fn note(&mut self, happened: Happened) {
        self.happened.push(happened);
    }

    /// What has happened since this was asked last.
    pub(crate) fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
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

    /// What the command's first process has used so far, and the children it has waited for.
    pub(crate) fn own_usage(&self) -> Usage {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.target));
        let (stat, status) = (read("stat").unwrap_or_default(), read("status").unwrap_or_default());
        // The name in parentheses may contain anything; the third field follows it.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = |number: usize| -> u64 {
            fields.split_whitespace().nth(number - 3).and_then(|f| f.parse().ok()).unwrap_or(0)
        };
        let micros = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
        Usage {
            user_microseconds: (field(14) + field(16)) * micros,
            system_microseconds: (field(15) + field(17)) * micros,
            peak_resident: kilobytes.unwrap_or(0) * 1024,
            ..Usage::default()
        }
    }

    /// Since the command was let go.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends every process, now.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.happened.push(Happened::Killed);
        self.tree.ask_to_end();
        self.patience = Patience::KillWithoutInitAt(Instant::now() + INIT_PATIENCE);
    }

    /// The signal that has stopped the command, if it is stopped.
    pub(crate) fn stopped(&self) -> Option<u8> {
        self.told.stopped
    }

    /// Whether the kernel says so now, of which init may not have told yet (`proc_pid_stat(5)`).
    pub(crate) fn is_seen_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.target));
        stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    }

    /// How often the command was stopped so far.
    pub(crate) fn stops(&self) -> u32 {
        self.told.stops
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

    /// Connects the caller's terminal with the command's, if it has one.
    pub(super) fn connect(&mut self, callers: CallersTerminal) -> Option<Terminal> {
        // Init has handed it over before the command was let go.
        self.hear_of_init();
        let terminal = self.terminal.take()?;
        Terminal::connect(callers, terminal).ok()
    }

    /// Waits until the command was executed; if it can't be, why.
    pub(crate) fn await_exec(&mut self) -> Result<(), LaunchError> {
        while self.exec_channel.is_some() {
            self.turn(&mut [], Some(INIT_PATIENCE))?;
            if self.exec_channel.is_some() {
                // Init has a copy of the command's side until it goes on after exec. Without a pid
                // namespace, a quick command can stop it before.
                self.wake_init();
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}

const SUPERVISE: &str = "supervise the command";

fn failed(action: &str, call: &'static str, errno: Errno) -> LaunchError {
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Setup {
            action: action.to_owned(),
            call,
            errno: facts::Errno(errno.raw_os_error()),
        },
        remedy: None,
        contradiction: None,
    }
}
