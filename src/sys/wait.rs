//! `wait4(2)`: the end of a child together with what it used.

use rustix::io::Errno;

/// What a process and those it waited for have used (`getrusage(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) user_microseconds: u64,
    pub(crate) system_microseconds: u64,
    /// Of the largest single process, in bytes.
    pub(crate) peak_resident: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// Which children to wait for, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Sleeps until the child has ended.
    For(i32),
    /// Any child that has ended already, if there is one.
    AnyNow,
    /// The same, or one that was stopped or has gone on.
    AnyChange,
    /// Sleeps until any child has ended.
    Any,
}

/// Reaps a child, or hears of one: its id, its wait status as in `wait(2)`, and its usage. `None`: none has ended.
/// `ECHILD`: there are no children.
pub(crate) fn reap(wait: Wait) -> Result<Option<(i32, i32, Usage)>, Errno> {
    let (pid, options) = match wait {
        Wait::For(pid) => (pid, 0),
        Wait::AnyNow => (-1, libc::WNOHANG),
        Wait::AnyChange => (-1, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED),
        Wait::Any => (-1, 0),
    };
    let mut status = 0;
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers outlive the call. `__WALL` so that no clone flavour is missed.
    let returned =
        unsafe { libc::wait4(pid, &raw mut status, options | libc::__WALL, &raw mut usage) };
    match super::result_int(returned)? {
        0 => Ok(None),
        pid => Ok(Some((i32::try_from(pid).unwrap_or(i32::MAX), status, convert(&usage)))),
    }
}

/// Sleeps until a child has stopped (`true`), or has ended and was reaped: its exit status then.
pub(crate) fn stopped(pid: i32) -> Result<Result<(), i32>, Errno> {
    let mut status = 0;
    // SAFETY: the pointer to the status outlives the call; no usage is asked for.
    let returned = unsafe {
        libc::wait4(pid, &raw mut status, libc::WUNTRACED | libc::__WALL, std::ptr::null_mut())
    };
    super::result_int(returned)?;
    Ok(if libc::WIFSTOPPED(status) { Ok(()) } else { Err(libc::WEXITSTATUS(status)) })
}

fn convert(usage: &libc::rusage) -> Usage {
    let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
    let micros = |time: libc::timeval| unsigned(time.tv_sec) * 1_000_000 + unsigned(time.tv_usec);
    Usage {
        user_microseconds: micros(usage.ru_utime),
        system_microseconds: micros(usage.ru_stime),
        peak_resident: unsigned(usage.ru_maxrss) * 1024,
        voluntary_switches: unsigned(usage.ru_nvcsw),
        involuntary_switches: unsigned(usage.ru_nivcsw),
    }
}
