//! A timer that steps of the clock don't move.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// A timer as a descriptor that becomes readable (`timerfd_create(2)`), by the monotonic clock.
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// A timer that rings after a time; `None`: never, until it is set.
    pub(crate) fn start(after: Option<Duration>) -> Result<Self, Errno> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = Self(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?);
        after.map_or(Ok(()), |after| timer.set(after))?;
        Ok(timer)
    }

    /// Rings once, after a time of at least a nanosecond (zero would mean never); longer than the
    /// clock can count is never.
    pub(crate) fn set(&self, after: Duration) -> Result<(), Errno> {
        let after = after.max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(after.subsec_nanos()),
        };
        let spec = Itimerspec { it_interval: zero, it_value: value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec).map(drop)
    }

    /// Whether it has rung since this was asked last.
    pub(crate) fn has_rung(&self) -> bool {
        rustix::io::read(&self.0, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
