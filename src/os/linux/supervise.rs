//! Waiting for the end of a run on behalf of the command line: what happens to the launcher happens
//! to the command, as if nobody stood between it and who started it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::getpid;

use super::child::record::Recipient;
use super::running::{Ended, Happened, Other, Running};
use super::terminal::{CallersTerminal, Terminal};
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
    terminal: Option<CallersTerminal>,
    tell: &mut dyn FnMut(Happened),
) -> Result<Ended, LaunchError> {
    let terminal = terminal.and_then(|callers| running.connect(callers));
    let mut supervisor = Supervisor { signals, terminal, interrupted: None, stops: 0 };
    supervisor.take_terminal(running);
    loop {
        let signals = supervisor.signals.map(|signals| &signals.descriptor);
        let mut events: Vec<_> = signals.into_iter().map(Other::readable).collect();
        events.extend(supervisor.terminal.iter().flat_map(Terminal::sources));
        let ended = running.turn(&mut events, None);
        drop(events);
        running.take_happened().into_iter().for_each(&mut *tell);
        if let Some(terminal) = &mut supervisor.terminal {
            terminal.copy();
        }
        if ended? {
            supervisor.show_the_rest();
            return running.finish();
        }
        supervisor.hand_on(running);
        supervisor.follow(running);
    }
}

/// What the launcher knows while it waits.
struct Supervisor<'a> {
    signals: Option<&'a Signals>,
    /// The caller's and the command's.
    terminal: Option<Terminal>,
    /// When the first interrupt came that a second one may follow.
    interrupted: Option<Instant>,
    /// How many stops of the command were acted upon.
    stops: u32,
}

impl Supervisor<'_> {
    /// Hands on what the launcher was sent; whether there was a `SIGCONT` among it.
    fn hand_on(&mut self, running: &mut Running) -> bool {
        let mut continued = false;
        let Some(signals) = self.signals else { return false };
        while let Ok(Some(signal)) = next_signal(&signals.descriptor) {
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
        if number == libc::SIGCONT {
            self.take_terminal(running);
        }
        if number == libc::SIGWINCH
            && let Some(terminal) = &self.terminal
        {
            // The kernel tells who uses the command's terminal.
            return terminal.resize();
        }
        if by_terminal && !running.has_own_group() {
            // In the caller's own group, the command gets from the terminal what the launcher gets.
            return;
        }
        // A terminal's go to the whole group, as do those by which a shell stops and continues
        // jobs; what somebody sends to the launcher is for one process.
        let job = by_terminal || [libc::SIGTSTP, libc::SIGCONT].contains(&number);
        let to = if job { Recipient::Group } else { Recipient::Process };
        // A command whose init doesn't listen can still be killed, and its time runs.
        let _ = match number {
            libc::SIGTERM => running.terminate_at(to),
            libc::SIGINT if self.is_second(running.grace()) => {
                running.kill();
                Ok(())
            }
            _ => running.signal_to(number, to),
        };
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

    /// Takes the caller's terminal for the command, if it is the launcher's turn to use it; whether
    /// it is.
    fn take_terminal(&mut self, running: &Running) -> bool {
        let Some(terminal) = &mut self.terminal else { return false };
        let turn = terminal.take();
        running.let_use_terminal(turn);
        turn
    }

    /// Shows what the command has written before its end. A signal ends that: the terminal may be
    /// held up (Ctrl-S).
    fn show_the_rest(&mut self) {
        let Some(terminal) = &mut self.terminal else { return };
        while terminal.has_more() {
            let mut events = terminal.sources();
            let signals = self.signals.map(|signals| &signals.descriptor);
            events.extend(signals.into_iter().map(Other::readable));
            if wait_for(&events).is_err() {
                return;
            }
            drop(events);
            let signal = signals.and_then(|descriptor| next_signal(descriptor).ok().flatten());
            if signal.is_some_and(|signal| signal.number != libc::SIGWINCH) {
                return;
            }
        }
    }

    /// Stops with the command, so that who waits for the launcher sees what it would see of the
    /// command; and goes on with it.
    fn follow(&mut self, running: &mut Running) {
        let stops = std::mem::replace(&mut self.stops, running.stops());
        let Some(signal) = running.stopped().filter(|_| stops != self.stops).map(i32::from) else {
            return;
        };
        let wants_terminal = [libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
        if wants_terminal && self.take_terminal(running) {
            // It was brought to the foreground while it ran, which a shell doesn't tell.
            let _ = running.signal_to(libc::SIGCONT, Recipient::Group);
            return;
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.copy();
            terminal.restore();
        }
        if !self.stop(running) {
            self.take_terminal(running);
            return;
        }
        let continued = self.hand_on(running);
        // It wasn't stopped, since nobody is there who could continue it: its group is an orphan
        // (`setpgid(2)`). Then the kernel wouldn't have stopped the command either. `SIGSTOP`
        // always works, and whoever has sent it to the command can continue it.
        if !continued && running.stops() == self.stops && signal != libc::SIGSTOP {
            self.take_terminal(running);
            let _ = running.signal_to(libc::SIGCONT, Recipient::Group);
        }
    }

    /// Stops this process, until it is continued or init has something to tell: that the command
    /// was continued by somebody else, say, or that its time is up. Whether it was tried: not when
    /// the command's state has changed again.
    fn stop(&self, running: &mut Running) -> bool {
        let stop = libc::SIGTSTP;
        let Some(signals) = self.signals.filter(|signals| signals.taken.has(stop)) else {
            return true;
        };
        if signal_on_input(running.channel(), Some(libc::SIGCONT)).is_err() {
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
            let _ = set_mask(signals.taken.without(stop));
            let _ = set_mask(signals.taken);
        }
        let _ = signal_on_input(running.channel(), None);
        unchanged
    }
}

/// Sleeps until something happens to one of these.
fn wait_for(events: &[Other<'_>]) -> Result<(), Errno> {
    let mut events: Vec<_> = events
        .iter()
        .map(|other| rustix::event::PollFd::from_borrowed_fd(other.file, other.wanted))
        .collect();
    match rustix::event::poll(&mut events, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn own_id() -> i32 {
    getpid().as_raw_nonzero().get()
}
