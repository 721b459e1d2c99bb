//! Who calls, and what that user has to be careful of.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;

use crate::sys::signal::{SignalSet, kill, reset_disposition, set_mask};

/// Makes sure of what a program may take for granted: standard streams that are closed become
/// `/dev/null`, so that no file that is opened gets their numbers; writing to a pipe that nobody
/// reads is an error like others, and no reason to die.
///
/// # Errors
/// There is no `/dev/null`.
pub(crate) fn begin() -> std::io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    let (input, output, error) =
        (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    let mut streams = [&input, &output, &error].map(|file| PollFd::new(file, PollFlags::empty()));
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::io::retry_on_intr(|| poll(&mut streams, Some(&now)))?;
    for _ in streams.iter().filter(|stream| stream.revents().contains(PollFlags::NVAL)) {
        // The lowest number that is free is that of the first stream that is closed.
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
        let _ = std::os::fd::IntoRawFd::into_raw_fd(null);
    }
    Ok(crate::sys::signal::ignore(libc::SIGPIPE)?)
}

/// The real user id.
pub(crate) fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Whether the caller is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this program was started setuid, setgid or with file capabilities, so that it has more
/// rights than the user who chose its arguments.
pub(crate) fn is_setuid() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    getuid() != geteuid() || getgid() != getegid() || crate::sys::exec::started_with_more_rights()
}

/// Another descriptor for what a descriptor of the caller's stands for, if it can be written to.
/// The original is kept from the command.
///
/// # Errors
/// It isn't open, or not for writing.
pub(crate) fn duplicate_descriptor(number: u32) -> std::io::Result<OwnedFd> {
    use rustix::fs::OFlags;
    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    let copy = crate::sys::exec::duplicate(number)?;
    let flags = rustix::fs::fcntl_getfl(&copy)?;
    if flags & OFlags::RWMODE == OFlags::RDONLY {
        return Err(Errno::BADF.into());
    }
    Ok(copy)
}

/// Whether an error says that a descriptor isn't open.
pub(crate) fn is_closed(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::BADF.raw_os_error())
}

/// A copy of a descriptor that this program was started with. One of its own isn't taken, be it that
/// it has the number by chance.
///
/// # Errors
/// It isn't open.
pub(crate) fn copy_inherited(number: u32) -> std::io::Result<OwnedFd> {
    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    let copy = crate::sys::exec::duplicate(number)?;
    // What this program opens is closed on exec, and what survived exec isn't.
    match crate::sys::exec::is_closed_on_exec(number)? {
        true => Err(Errno::BADF.into()),
        false => Ok(copy),
    }
}

/// The first of some descriptors that is a directory, or a mere reference to a file (`O_PATH`):
/// with one, a command could reach what it isn't shown.
pub(crate) fn reaches_files(descriptors: &[u32]) -> Option<u32> {
    descriptors.iter().copied().find(|number| {
        let copy = i32::try_from(*number).map(crate::sys::exec::duplicate);
        matches!(copy, Ok(Ok(copy)) if is_reference(copy.as_fd()))
    })
}

/// Whether a descriptor is a directory, or a mere reference to a file.
pub(crate) fn is_reference(file: BorrowedFd<'_>) -> bool {
    use rustix::fs::{FileType, OFlags};
    let path = rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::PATH));
    let kind = rustix::fs::fstat(file).map(|status| FileType::from_raw_mode(status.st_mode));
    path || kind == Ok(FileType::Directory)
}

/// Has reads from a pipe of ours return at once when there is nothing in it.
pub(crate) fn set_nonblocking(pipe: impl AsFd) -> std::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&pipe)? | rustix::fs::OFlags::NONBLOCK;
    Ok(rustix::fs::fcntl_setfl(&pipe, flags)?)
}

/// Lets go of standard input and output, for a process that has no use for them: the neighbours of a
/// pipeline see the command close them, and not the launcher's end.
pub(crate) fn release_streams() {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    if let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

/// Ends this process by a signal, without a core dump. Comes back where it doesn't die of that: a
/// process 1 doesn't.
pub(crate) fn die_of(signal: u8) {
    use rustix::process::{DumpableBehavior, getpid, set_dumpable_behavior};
    let signal = i32::from(signal);
    // A core of the launcher would say nothing of the command.
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok() {
        // SIGKILL has no disposition.
        let _ = reset_disposition(signal);
        let _ = kill(getpid().as_raw_nonzero().get(), signal);
        let _ = set_mask(SignalSet::ALL.without(signal));
    }
}

/// Opens a file to add lines to it, which is made if it isn't there. A link isn't followed: it could
/// lead to what isn't meant.
///
/// # Errors
/// As `open(2)`.
pub(crate) fn append_to(path: &Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?;
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file.into())
}

/// The time since 1970, which somebody may set, and the time that nobody can (`clock_gettime(2)`:
/// `CLOCK_REALTIME`, `CLOCK_MONOTONIC`).
pub(crate) fn clocks() -> (std::time::Duration, std::time::Duration) {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        std::time::Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    (read(ClockId::Realtime), read(ClockId::Monotonic))
}

/// A descriptor that becomes readable after a time (`timerfd_create(2)`, `CLOCK_MONOTONIC`).
///
/// # Errors
/// As the call.
#[cfg(feature = "tokio")]
pub(crate) fn timer(after: std::time::Duration) -> std::io::Result<std::os::fd::OwnedFd> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    let timer =
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    // Zero would mean never.
    let after = after.max(std::time::Duration::from_nanos(1));
    let it_value = Timespec {
        tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(after.subsec_nanos()),
    };
    let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Itimerspec { it_interval, it_value };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &value)?;
    Ok(timer)
}
