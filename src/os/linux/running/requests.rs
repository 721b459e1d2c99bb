//! What init is asked for on behalf of the caller.

use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::super::child::record::{Recipient, Request};
use super::super::tree::{INIT_PATIENCE, timespec};
use super::{LENIENCE, Patience, Running, SUPERVISE, failed};
use crate::error::{LaunchError, LaunchFailure};
use crate::profile::vocabulary::Layer;
use crate::sys::signal::pidfd_kill;
use std::os::fd::AsFd;

impl Running {
    /// Sends the command's first process a signal.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), LaunchError> {
        self.signal_to(signal, Recipient::Process)
    }

    /// Stops every process, or has it go on; without a pid namespace, those of the command's group.
    pub(crate) fn stop(&self, stopped: bool) -> Result<(), LaunchError> {
        let number = if stopped { libc::SIGSTOP } else { libc::SIGCONT };
        self.signal_to(number, Recipient::Tree)
    }

    pub(in super::super) fn signal_to(
        &self,
        number: i32,
        to: Recipient,
    ) -> Result<(), LaunchError> {
        self.request(Request::Signal { number, to })
    }

    /// Lets the command use its terminal, or not.
    pub(in super::super) fn let_use_terminal(&self, it: bool) {
        // Without init there is nobody who could use it.
        let _ = self.request(Request::Foreground(it));
    }

    /// Asks the command to end, and kills the tree after the grace.
    pub(crate) fn terminate(&mut self) -> Result<(), LaunchError> {
        self.terminate_at(Recipient::Group)
    }

    pub(in super::super) fn terminate_at(&mut self, to: Recipient) -> Result<(), LaunchError> {
        if !self.terminated {
            self.terminated = true;
            let last = Instant::now().checked_add(self.grace() + LENIENCE);
            match (self.patience, last) {
                (Patience::Endless, Some(last)) => self.patience = Patience::KillAt(last),
                (Patience::KillAt(at), Some(last)) if last < at => {
                    self.patience = Patience::KillAt(last);
                }
                _ => {}
            }
        }
        self.request(Request::Terminate { to })
    }

    /// Wakes init up, should somebody have stopped it.
    pub(crate) fn wake_init(&self) {
        let _ = pidfd_kill(self.tree.pidfd.as_fd(), libc::SIGCONT);
    }

    /// Asks init for something. A channel that is full of requests is waited for: one that was lost
    /// would have been told as done.
    fn request(&self, request: Request) -> Result<(), LaunchError> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let mut deadline = None;
        loop {
            match rustix::net::send(&self.tree.requests, &request.to_bytes(), flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {}
                // Init has ended; then there is nobody to tell.
                Err(_) => return Ok(()),
            }
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + INIT_PATIENCE);
            if now >= deadline {
                self.wake_init();
                return Err(not_heard());
            }
            let mut events = [PollFd::new(&self.tree.requests, PollFlags::OUT)];
            match rustix::event::poll(&mut events, Some(&timespec(deadline - now))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(SUPERVISE, "poll(2)", errno)),
            }
        }
    }

    /// Why a command that was asked to stop or to go on, again and again, is given up.
    pub(crate) fn unmoved(&self, stop: bool) -> LaunchError {
        let what = if stop {
            "the command doesn't stop: it waits inside the kernel, possibly for a child that was to \
             execute a program (vfork(2))"
        } else {
            "the command doesn't go on: it waits inside the kernel, or is frozen"
        };
        LaunchError {
            layer: Layer::ProcessTree,
            kind: LaunchFailure::Lost(what.to_owned()),
            remedy: None,
            contradiction: None,
        }
    }
}

fn not_heard() -> LaunchError {
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Lost(
            "the sandbox's init takes no requests: somebody has stopped it, or it has no processor"
                .to_owned(),
        ),
        remedy: None,
        contradiction: None,
    }
}
