//! Waiting for the end of a run on behalf of the command line, and handing signals on.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::running::{Ended, Happened, Other, Running};
use crate::error::LaunchError;
use crate::sys::signal::{SignalSet, next_signal, signal_descriptor};

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

/// The signals that a supervisor takes by descriptor, blocked in this thread from now on.
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals to be forwarded, and opens the descriptor that tells of them.
    pub(crate) fn take() -> Result<Self, Errno> {
        let set = FORWARDED.iter().fold(SignalSet::NONE, |set, signal| set.with(*signal));
        crate::sys::signal::set_mask(set)?;
        signal_descriptor(set).map(Self)
    }
}

/// Waits until the run has ended and its whole tree is gone.
pub(crate) fn wait(
    running: &mut Running,
    signals: Option<&Signals>,
    tell: &mut dyn FnMut(Happened),
) -> Result<Ended, LaunchError> {
    loop {
        let mut events: Vec<_> =
            signals.iter().map(|signals| Other::new(signals.0.as_fd(), PollFlags::IN)).collect();
        let ended = running.turn(&mut events, None)?;
        running.take_happened().into_iter().for_each(&mut *tell);
        if ended {
            return running.finish();
        }
        if let Some(signals) = signals {
            while let Ok(Some((signal, _))) = next_signal(&signals.0) {
                running.signal(signal);
                tell(Happened::Signal { signal: u8::try_from(signal).unwrap_or(0) });
            }
        }
    }
}
