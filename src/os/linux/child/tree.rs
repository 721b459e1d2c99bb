//! Ending a process tree where no pid namespace does it: init kills all that descends from it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::sys;
use crate::sys::wait::{Wait, reap};

/// Kills every child, and their children as they become init's, until none is left. Each round
/// stops all of them first, so that a process that forks faster than it can be killed can't win.
/// `reaped` is told of each: its id and wait status.
pub(super) fn kill_descendants(proc: &OwnedFd, mut reaped: impl FnMut(i32, i32)) {
    loop {
        stop_and_kill_children(proc);
        // Sleeps until one has ended: its children are init's own now.
        match reap(Wait::Any) {
            Ok(Some((pid, status, _))) => reaped(pid, status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => return, // ECHILD: none is left.
        }
        while let Ok(Some((pid, status, _))) = reap(Wait::AnyNow) {
            reaped(pid, status);
        }
    }
}

/// The same for the launcher, which doesn't wait for ever: whether none is left.
pub(crate) fn kill_descendants_in(proc: &OwnedFd, patience: Duration) -> bool {
    /// Between looks: nothing tells of the end of a child that can also be waited for so long only.
    const PAUSE: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + patience;
    loop {
        stop_and_kill_children(proc);
        loop {
            match reap(Wait::AnyNow) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return true, // ECHILD: none is left.
            }
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

fn stop_and_kill_children(proc: &OwnedFd) {
    for signal in [libc::SIGSTOP, libc::SIGKILL] {
        for_each_child(proc, |pid| {
            let _ = sys::signal::kill(pid, signal);
        });
    }
}

/// Kills every other process of this pid namespace, whose first process this is, and reaps them
/// all. `reaped` is told of each.
pub(super) fn kill_namespace(mut reaped: impl FnMut(i32, i32)) {
    // ESRCH: there is none.
    while sys::signal::kill(-1, libc::SIGKILL).is_ok() {
        loop {
            match reap(Wait::Any) {
                Ok(Some((pid, status, _))) => reaped(pid, status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => break, // ECHILD: none is left.
            }
        }
    }
}

/// Whether this process has children.
pub(crate) fn has_children(proc: &OwnedFd) -> bool {
    let mut found = false;
    for_each_child(proc, |_| found = true);
    found
}

/// Calls `act` with every child of this process. The list comes from `/proc`; where the kernel
/// doesn't keep one for each process, every process's parent is looked at.
fn for_each_child(proc: &OwnedFd, mut act: impl FnMut(i32)) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let children = rustix::fs::openat(proc, c"thread-self/children", flags, Mode::empty());
    if let Ok(list) = children {
        return read_numbers(&list, &mut act);
    }
    // A reading position of its own: the list is read from its start in every round.
    let Ok(proc) = rustix::fs::openat(proc, c".", flags | OFlags::DIRECTORY, Mode::empty()) else {
        return;
    };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&proc, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let pid = parse(entry.file_name().to_bytes());
        if let Some(pid) = pid
            && parent_of(&proc, entry.file_name()) == Some(own)
        {
            act(pid);
        }
    }
}

/// Reads decimal numbers that are apart by spaces.
fn read_numbers(file: &OwnedFd, act: &mut impl FnMut(i32)) {
    let mut buffer = [0_u8; 1024];
    let mut number = None;
    loop {
        let count = match rustix::io::read(file, &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        for byte in buffer.iter().take(count) {
            match byte {
                b'0'..=b'9' => {
                    let digit = i32::from(byte - b'0');
                    number = Some(number.unwrap_or(0_i32).wrapping_mul(10).wrapping_add(digit));
                }
                _ => {
                    if let Some(number) = number.take() {
                        act(number);
                    }
                }
            }
        }
    }
    if let Some(number) = number {
        act(number);
    }
}

fn parse(name: &[u8]) -> Option<i32> {
    if name.is_empty() {
        return None;
    }
    name.iter().try_fold(0_i32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The parent's id from `/proc/PID/stat`: the second field after the closing parenthesis of the
/// program's name, which may contain anything.
fn parent_of(proc: &OwnedFd, pid: &std::ffi::CStr) -> Option<i32> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let process = rustix::fs::openat(proc, pid, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let stat = rustix::fs::openat(process.ok()?, c"stat", flags, Mode::empty()).ok()?;
    let mut buffer = [0_u8; 512];
    let count = rustix::io::read(&stat, &mut buffer).ok()?;
    let text = buffer.get(..count)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = text.get(end + 2..)?.split(|byte| *byte == b' ');
    parse(fields.nth(1)?)
}
