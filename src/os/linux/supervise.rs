//! Waiting for the end of a run on behalf of the command line: what happens to the launcher happens
//! to the command, as if nobody stood between it and who started it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::getpid;

use super::child::record::Recipient;
use super::running::{Ended, Happened, Other, Running};
use crate::error::LaunchError;
use crate::sys::signal::{
    SignalSet, Taken, is_ignored, kill, next_signal, set_mask, signal_descriptor, signal_on_input,
};

/// Signals that the launcher hands on to the command. Those that a terminal or a person sends;
/// the rest is about the launcher itself.
pub(crate) const FORWARDED: [i32; 10] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGALRM,
];

/// The names of [`FORWARDED`].
pub(crate) const FORWARDED_NAMES: [&str; FORWARDED.len()] =
    ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT", "TSTP", "ALRM"];

/// Two interrupts that come closer together than this are one: who passes a terminal's Ctrl-C on to
/// its children does so at once, and nobody presses keys that fast.
const SAME_INTERRUPT: Duration = Duration::from_millis(50);

/// The signals that a supervisor takes by descriptor, blocked in this thread from now on.
pub(crate) struct Signals {
    descriptor: OwnedFd,
    /// What is blocked.
    taken: SignalSet,
}

impl Signals {
    /// Blocks the signals to be forwarded, and opens the descriptor that tells of them. What the
    /// caller ignores (`nohup`, a shell's jobs in the background) stays ignored.
    pub(crate) fn take() -> Result<Self, Errno> {
        let taken = FORWARDED
            .iter()
            .filter(|signal| !is_ignored(**signal))
            .fold(SignalSet::NONE, |set, signal| set.with(*signal));
        set_mask(taken)?;
        Ok(Self { descriptor: signal_descriptor(taken)?, taken })
    }
}

/// Waits until the run has ended and its whole tree is gone.
pub(crate) fn wait(
    running: &mut Running,
    signals: Option<&Signals>,
    tell: &mut dyn FnMut(Happened),
) -> Result<Ended, LaunchError> {
    let mut supervisor =
        signals.map(|signals| Supervisor { signals, interrupted: None, stopped: None });
    loop {
        let mut events: Vec<_> = signals
            .iter()
            .map(|signals| Other::new(signals.descriptor.as_fd(), PollFlags::IN))
            .collect();
        let ended = running.turn(&mut events, None)?;
        running.take_happened().into_iter().for_each(&mut *tell);
        if ended {
            return running.finish();
        }
        let Some(supervisor) = &mut supervisor else { continue };
        supervisor.hand_on(running);
        supervisor.follow(running);
    }
}

/// What the launcher knows while it waits.
struct Supervisor<'a> {
    signals: &'a Signals,
    /// When the first interrupt came that a second one may follow.
    interrupted: Option<Instant>,
    /// The state of the command that was acted upon.
    stopped: Option<u8>,
}

impl Supervisor<'_> {
    /// Hands on what the launcher was sent; whether there was a `SIGCONT` among it.
    fn hand_on(&mut self, running: &mut Running) -> bool {
        let mut continued = false;
        while let Ok(Some(signal)) = next_signal(&self.signals.descriptor) {
            continued |= signal.number == libc::SIGCONT;
            self.hand_on_one(running, signal);
        }
        continued
    }

    fn hand_on_one(&mut self, running: &mut Running, signal: Taken) {
        let by_terminal = signal.is_kernels();
        let number = signal.number;
        if signal.sender == own_id().cast_unsigned() || signal.is_of_input() {
            return; // See `stop`.
        }
        if by_terminal && !running.has_own_group() {
            // In the caller's own group, the command gets from the terminal what the launcher gets.
            return;
        }
        // A terminal's go to the whole group, as do those by which a shell stops and continues
        // jobs; what somebody sends to the launcher is for one process.
        let job = by_terminal || [libc::SIGTSTP, libc::SIGCONT].contains(&number);
        let to = if job { Recipient::Group } else { Recipient::Process };
        match number {
            libc::SIGTERM => running.terminate_at(to),
            libc::SIGINT if self.is_second(running.grace()) => running.kill(),
            _ => running.signal_to(number, to),
        }
        running.note(Happened::Signal { signal: u8::try_from(number).unwrap_or(0) });
    }

    /// Whether this interrupt is the second one: the first wasn't enough.
    fn is_second(&mut self, grace: Duration) -> bool {
        let now = Instant::now();
        match self.interrupted.map(|first| now.saturating_duration_since(first)) {
            Some(since) if since < SAME_INTERRUPT => false,
            Some(since) if since < grace => true,
            _ => {
                self.interrupted = Some(now);
                false
            }
        }
    }

    /// Stops with the command, so that who waits for the launcher sees what it would see of the
    /// command; and goes on with it.
    fn follow(&mut self, running: &mut Running) {
        let stopped = running.stopped();
        if stopped == self.stopped {
            return;
        }
        self.stopped = stopped;
        let Some(signal) = stopped else { return };
        if !self.stop(running) {
            return;
        }
        let continued = self.hand_on(running);
        self.stopped = running.stopped();
        // It wasn't stopped, since nobody is there who could continue it: its group is an orphan
        // (`setpgid(2)`). Then the kernel wouldn't have stopped the command either. `SIGSTOP`
        // always works, and whoever has sent it to the command can continue it.
        if !continued && self.stopped == stopped && i32::from(signal) != libc::SIGSTOP {
            running.signal_to(libc::SIGCONT, Recipient::Group);
        }
    }

    /// Stops this process, until it is continued or init has something to tell: that the command
    /// was continued by somebody else, say, or that its time is up. Whether it was tried: not when
    /// the command's state has changed again.
    fn stop(&self, running: &mut Running) -> bool {
        let stop = libc::SIGTSTP;
        if !self.signals.taken.has(stop)
            || signal_on_input(running.channel(), Some(libc::SIGCONT)).is_err()
        {
            return true;
        }
        // In this order nothing init tells is missed: what comes before the stop is asked for is
        // seen here, and what comes after sends SIGCONT, which takes a pending stop away.
        let before = running.stopped();
        let _ = kill(own_id(), stop);
        running.hear_of_init();
        let unchanged = running.stopped() == before;
        if unchanged {
            // This is where it stops.
            let _ = set_mask(self.signals.taken.without(stop));
            let _ = set_mask(self.signals.taken);
        }
        let _ = signal_on_input(running.channel(), None);
        unchanged
    }
}

fn own_id() -> i32 {
    getpid().as_raw_nonzero().get()
}
