//! Waiting without holding on to memory.

use std::time::Duration;

use rustix::event::{PollFd, poll};
use rustix::io::Errno;

use super::tree::timespec;
use crate::sys::pages;

/// How long a process has nothing to do before it lets go of what it doesn't need for waiting. Most
/// commands are over by then, and cost nothing more.
const IDLE: Duration = Duration::from_millis(250);

/// A process that waits. After a while without any news it gives the pages of its program back: of a
/// launcher and an init, they are more than four fifths of the memory.
#[derive(Debug)]
pub(super) struct Rest {
    holds_on: bool,
}

impl Rest {
    /// Whether there is something to give back: not where the program is another's, with more to do.
    pub(super) const fn new(gives_back: bool) -> Self {
        Self { holds_on: gives_back }
    }

    /// `poll(2)`; comes back without news when `timeout` is over, and not much later.
    pub(super) fn poll(
        &mut self,
        events: &mut [PollFd<'_>],
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        let left = match timeout {
            _ if !self.holds_on => timeout,
            Some(short) if short <= IDLE => timeout,
            _ => {
                let news = poll(events, Some(&timespec(IDLE)))?;
                if news > 0 {
                    return Ok(news);
                }
                self.holds_on = false;
                pages::give_back();
                timeout.map(|timeout| timeout.saturating_sub(IDLE))
            }
        };
        poll(events, left.map(timespec).as_ref())
    }
}
