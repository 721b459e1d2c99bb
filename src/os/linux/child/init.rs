//! The sandbox's first process: sets the sandbox up and starts the command. What it does from then
//! on is in `watch`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::DumpableBehavior;

use super::account;
use super::ops::Program;
use super::record::{Call, Failure, Record};
use super::run::{Runner, send};
use super::watch::watch;
use crate::plan::order::Actor;
use crate::sys;
use crate::sys::exec::close_all_but;

/// Exit status of init and of the unborn command when a step failed. Nobody but the launcher sees
/// it, and it goes by the record.
pub(super) const FAILED: i32 = 125;

/// The number of a failure outside of the plan's steps.
pub(crate) const NO_STEP: u16 = u16::MAX;

/// The same when the launcher is gone.
pub(crate) const LAUNCHER_GONE: i32 = 124;

/// The child's ends of the channels to the launcher.
pub(crate) struct Channels {
    /// Init's, to the launcher.
    pub(crate) init: OwnedFd,
    /// Init's, from the launcher.
    pub(crate) requests: OwnedFd,
    /// The command's, until exec closes it.
    pub(crate) target: OwnedFd,
    /// Every descriptor that the child needs, these among them, in ascending order.
    pub(crate) needed: Vec<RawFd>,
}

impl Channels {
    pub(crate) fn new(
        init: OwnedFd,
        requests: OwnedFd,
        target: OwnedFd,
        program: &Program,
    ) -> Self {
        let mut needed = program.descriptors();
        needed.extend([&init, &requests, &target].map(AsRawFd::as_raw_fd));
        needed.sort_unstable();
        Self { init, requests, target, needed }
    }
}

/// Runs the child, and never returns: this is where it is born, with every signal blocked.
pub(crate) fn enter(program: &Program, channels: &Channels) -> ! {
    let status = match start(program, channels) {
        Ok(born) => watch(program, channels, &born),
        Err(()) => FAILED,
    };
    sys::exec::exit_now(status)
}

/// What there is once the command was started.
pub(super) struct Born {
    /// The command's process id, and that of its group where it has one of its own.
    pub(super) target: i32,
    /// Where the kernel counts what the tree reads and writes.
    pub(super) account: Option<OwnedFd>,
    /// The command's side of its terminal.
    pub(super) terminal: Option<OwnedFd>,
}

/// Sets up and starts the command.
fn start(program: &Program, channels: &Channels) -> Result<Born, ()> {
    // Permissions of what is made in the skeleton are given in full; the command gets back what
    // the caller had.
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    // The launcher's ends of the channels, of this run and of others that are starting: with one of
    // those open, a child would never see the launcher's end. So nothing may sleep before this.
    close_all_but(&channels.needed).map_err(|errno| fail(channels, Call::CloseRange, errno))?;
    // The caller may ignore SIGCHLD, and then nobody could be waited for; the command inherits
    // this clean state.
    sys::signal::reset_dispositions().map_err(|errno| fail(channels, Call::Sigaction, errno))?;
    // Options name the host's files, and may hold what the command isn't to know.
    sys::arguments::hide(b"ringfence-init");
    let account = account::open();
    let mut runner = Runner::new(program, channels.init.as_fd(), channels.requests.as_fd());
    runner.run(Actor::Init, &program.init)?;
    if !program.pid_namespace {
        // Orphans come to init instead of the host's.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| fail(channels, Call::Subreaper, errno))?;
    }
    let terminal = runner.into_terminal();
    let target = sys::clone::share_and_run(&program.stack, &|| {
        rustix::process::umask(umask);
        // A failure was told; nobody looks at what comes after.
        // A descriptor of this number is this process's own too.
        let copy = terminal.as_ref().map(|file| rustix::io::fcntl_dupfd_cloexec(file, 3));
        let terminal = copy.and_then(Result::ok);
        // Its word comes where it reports: it waits for that one only when it has nothing to report.
        let channel = channels.target.as_fd();
        let mut runner = Runner::new(program, channel, channel).with_terminal(terminal);
        let _ = runner.run(Actor::Target, &program.target);
    })
    .map_err(|errno| fail(channels, Call::Fork, errno))?;
    // Nobody may trace init or read its memory. The command's process has seen to that just before
    // exec; this is for one that failed before.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| fail(channels, Call::Dumpable, errno))?;
    Ok(Born { target, account, terminal })
}

/// Reports the failure of something that isn't a step of the plan.
pub(super) fn fail(channels: &Channels, call: Call, errno: Errno) {
    let failure = Failure { call, errno };
    let _ = send(channels.init.as_fd(), Record::Failed { step: NO_STEP, failure });
}
