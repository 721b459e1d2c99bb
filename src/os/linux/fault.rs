//! Faults on request: what becomes of a launch that fails, or is killed, at any of its steps.
//!
//! Only in builds for debugging that have the feature `fault-injection`, which is for the project's
//! own tests: in all others [`ON`] is false, and the compiler leaves nothing of this.
//!
//! `RINGFENCE_TEST_FAULT=ACTOR:NUMBER:WHAT`. The actor is `launcher`, `init` or `command`; its steps
//! are counted from 0, the launcher's as it comes to them. What happens there is an error number,
//! `kill-` and the actor to be killed, or `skip`: nothing, where the child was to do something. A fault
//! that strikes says so on standard error.

use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::child::record::{Call, Failure, Record};
use crate::plan::order::Actor;
use crate::sys::signal::{kill, pidfd_kill};

const ON: bool = cfg!(all(feature = "fault-injection", debug_assertions));

/// Read by the launcher alone, before there is a child.
static FAULT: OnceLock<Option<Fault>> = OnceLock::new();

/// How many steps the launcher has come to.
static STEPS: AtomicU16 = AtomicU16::new(0);

#[derive(Clone, Copy)]
struct Fault {
    actor: Actor,
    number: u16,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Error(Errno),
    Kill(Actor),
    Skip,
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let actor = |name: &str| match name {
            "launcher" => Ok(Actor::Parent),
            "init" => Ok(Actor::Init),
            "command" => Ok(Actor::Target),
            _ => Err(()),
        };
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().ok_or(());
        let (who, number, what) = (actor(next()?)?, next()?.parse().map_err(drop)?, next()?);
        let what = match what.strip_prefix("kill-") {
            Some(whom) => What::Kill(actor(whom)?),
            None if what == "skip" => What::Skip,
            None => What::Error(Errno::from_raw_os_error(what.parse().map_err(drop)?)),
        };
        Ok(Self { actor: who, number, what })
    }
}

impl Fault {
    fn planned() -> Option<Self> {
        FAULT.get().copied().flatten()
    }

    /// No allocation, no lock: this may be the child.
    fn says_so() {
        let _ = rustix::io::write(rustix::stdio::stderr(), b"a fault strikes\n");
    }
}

/// A step of the launcher's that may fail.
#[inline]
pub(super) fn point() -> Result<(), Errno> {
    if ON { strike_launcher() } else { Ok(()) }
}

fn strike_launcher() -> Result<(), Errno> {
    let read = || std::env::var("RINGFENCE_TEST_FAULT").ok()?.parse().ok();
    let Some(fault) = FAULT.get_or_init(read) else { return Ok(()) };
    let number = STEPS.fetch_add(1, Ordering::Relaxed);
    if (fault.actor, fault.number) != (Actor::Parent, number) {
        return Ok(());
    }
    Fault::says_so();
    match fault.what {
        What::Error(errno) => Err(errno),
        What::Kill(_) => die(),
        What::Skip => Ok(()),
    }
}

/// A step of the child's, which may fail in its place; whether it is to be taken.
#[inline]
pub(super) fn in_child(actor: Actor, step: u16, channel: BorrowedFd<'_>) -> Result<bool, Failure> {
    if ON { strike_child(actor, step, channel) } else { Ok(true) }
}

fn strike_child(actor: Actor, step: u16, channel: BorrowedFd<'_>) -> Result<bool, Failure> {
    let Some(fault) = Fault::planned() else { return Ok(true) };
    if (fault.actor, fault.number) != (actor, step) {
        return Ok(true);
    }
    Fault::says_so();
    let failure = |errno| Failure { call: Call::AwaitGo, errno };
    match fault.what {
        What::Error(errno) => Err(failure(errno)),
        What::Kill(Actor::Target) if actor == Actor::Target => die(),
        What::Kill(_) => {
            // Only the launcher can kill itself, and init, which is process 1 in here. When that is
            // done, this goes on as if nothing were: whether it comes to its end is the question.
            super::child::tell(
                channel,
                Record::Failed { step, failure: failure(Errno::CANCELED) },
            )?;
            let mut events = [PollFd::from_borrowed_fd(channel, PollFlags::RDHUP)];
            while rustix::event::poll(&mut events, None) == Err(Errno::INTR) {}
            Ok(true)
        }
        What::Skip => Ok(false),
    }
}

/// Does what the child can't do itself. Whether it was init that was killed.
#[inline]
pub(super) fn on_failure(init: BorrowedFd<'_>) -> bool {
    ON && carry_out(init)
}

fn carry_out(init: BorrowedFd<'_>) -> bool {
    match Fault::planned() {
        Some(Fault { what: What::Kill(Actor::Init), .. }) => {
            let _ = pidfd_kill(init, libc::SIGKILL);
            true
        }
        Some(Fault { what: What::Kill(Actor::Parent), .. }) => die(),
        _ => false,
    }
}

fn die() -> ! {
    let _ = kill(rustix::process::getpid().as_raw_nonzero().get(), libc::SIGKILL);
    crate::sys::exec::exit_now(137)
}
