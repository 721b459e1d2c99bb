//! The processes of a sandbox as a whole, and what ends them.

mod below;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::cgroup::Cgroup;
use super::child::kill_descendants_in;
use super::prepare::open_proc;
use crate::sys::signal::pidfd_kill;

/// How long a process may take to die of `SIGKILL` before it is given up.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How long init has to end its tree before that is done without it.
pub(super) const INIT_PATIENCE: Duration = Duration::from_secs(1);

/// The processes of a sandbox, and what ends them.
pub(super) struct Tree {
    /// Init's process id, as the launcher sees it.
    pub(super) pid: i32,
    /// Stands for init.
    pub(super) pidfd: OwnedFd,
    /// From init; to it, only its end.
    pub(super) channel: OwnedFd,
    /// To init. Another one: before Linux 6.2, sending to a socket that is being closed throws away
    /// what its other side has sent and nobody has read.
    pub(super) requests: OwnedFd,
    /// The cgroup, if there is one; removed when dropped.
    pub(super) cgroup: Option<Cgroup>,
    /// Whether the kernel ends the tree with init.
    pub(super) pid_namespace: bool,
    /// Whether orphans of an init that was killed come to the launcher.
    pub(super) adopts: bool,
}

impl Tree {
    /// Has init kill every other process, now, and end. It reaps them all, so that what they have
    /// used is known: were init killed, the kernel would end them without an account.
    pub(super) fn ask_to_end(&self) {
        // Init sees it as the launcher's end.
        let _ = rustix::net::shutdown(&self.channel, rustix::net::Shutdown::Write);
    }

    /// Ends every process, whether init can do its part or not.
    pub(super) fn kill(&self) {
        let deadline = Instant::now() + KILL_PATIENCE;
        if let Some(cgroup) = &self.cgroup {
            // Gets those too that left the session or the group; init among them. What it can't
            // get dies with init.
            let _ = cgroup.kill(KILL_PATIENCE);
        }
        if self.pid_namespace {
            // It may have ended; then there is nothing to kill.
            let _ = pidfd_kill(self.pidfd.as_fd(), libc::SIGKILL);
        } else {
            // One of its processes may stop init again and again.
            below::kill(self.pid, deadline);
            let _ = pidfd_kill(self.pidfd.as_fd(), libc::SIGCONT);
        }
    }

    /// The same; says when what is left then can be given up.
    pub(super) fn kill_and_give_up_at(&self) -> Instant {
        let patience = Instant::now() + KILL_PATIENCE;
        self.kill();
        // Init has to have its time when it is the last.
        patience.max(Instant::now() + INIT_PATIENCE)
    }

    /// Ends every process, and waits until that is done, or can't be: whether it is done.
    pub(super) fn end(&self) -> bool {
        self.ask_to_end();
        if self.has_ended_in(INIT_PATIENCE) {
            return true;
        }
        let at = self.kill_and_give_up_at();
        self.has_ended_in(at.saturating_duration_since(Instant::now()))
    }

    /// Whether init ends in that time.
    pub(super) fn has_ended_in(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut events = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut events, Some(&timespec(left))) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Ends what is left of the tree of an init that was killed: whether it is gone.
    pub(super) fn end_orphans(&self) -> bool {
        let deadline = Instant::now() + KILL_PATIENCE;
        let emptied = self.cgroup.as_ref().is_none_or(|cgroup| cgroup.kill(KILL_PATIENCE).is_ok());
        if !self.adopts {
            return emptied;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        open_proc().is_ok_and(|proc| kill_descendants_in(&proc, left)) && emptied
    }
}

/// A time as the kernel wants it.
pub(super) fn timespec(time: Duration) -> Timespec {
    // What the kernel can't count is as good as endless.
    let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: i64::from(time.subsec_nanos()) }
}
