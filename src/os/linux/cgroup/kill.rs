//! Killing everything in a cgroup, and removing it.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::directory::{Directory, read_all};
use super::error::{CgroupError, Problem, Step};
use super::{Cgroup, Member, Version};
use crate::plan::facts::cgroup::Controller;

/// Descriptors held at once while a cgroup's processes are killed one by one.
const BATCH: usize = 64;

impl Cgroup {
    /// Kills every process in it, and waits up to `patience` until there is none.
    pub fn kill(&self, patience: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + patience;
        // Version 2 first: where it has everything, the other parts are found empty.
        let v2 = self.members.iter().filter(|member| member.version == Version::V2);
        let v1 = self.members.iter().filter(|member| member.version == Version::V1);
        for member in v2.chain(v1) {
            empty(member, self.part(Controller::Kill), deadline).map_err(|problem| {
                let path = member.directory.path().to_path_buf();
                CgroupError { controller: Some(Controller::Kill), step: Step::Kill, path, problem }
            })?;
        }
        Ok(())
    }
}

fn empty(member: &Member, killer: Option<&Member>, deadline: Instant) -> Result<(), Problem> {
    let errno = |errno| Problem::Errno(super::directory::fact(errno));
    let directory = &member.directory;
    let mut pause = Pause::default();
    while is_populated(directory).map_err(errno)? {
        let swept = match directory.write("cgroup.kill", "1") {
            Ok(()) => Ok(()),
            // Before 5.14, and in version 1: one by one, held still so that none forks away.
            Err(Errno::NOENT) => {
                let freezer = killer.unwrap_or(member);
                freeze(freezer, deadline);
                let swept = signal_tree(directory);
                // In version 1 a frozen process doesn't even die.
                thaw(freezer);
                swept
            }
            Err(other) => Err(other),
        };
        swept.map_err(errno)?;
        if Instant::now() >= deadline {
            return Err(Problem::StillPopulated);
        }
        wait_for_change(directory, &mut pause, deadline);
    }
    Ok(())
}

/// How long to wait until all is frozen: a process in an uninterruptible sleep may take for ever.
const FREEZING: Duration = Duration::from_millis(100);

/// Freezing is a help, not a need: without it the killing goes on until nothing is left.
fn freeze(member: &Member, deadline: Instant) {
    let directory = &member.directory;
    let (control, on, state, frozen) = match member.version {
        Version::V1 => ("freezer.state", "FROZEN", "freezer.state", "FROZEN"),
        Version::V2 => ("cgroup.freeze", "1", "cgroup.events", "frozen 1"),
    };
    if directory.write(control, on).is_err() {
        return;
    }
    let deadline = deadline.min(Instant::now() + FREEZING);
    let mut pause = Pause::default();
    while directory.read(state).is_ok_and(|text| text.lines().all(|line| line != frozen))
        && Instant::now() < deadline
    {
        std::thread::sleep(pause.next(deadline));
    }
}

fn thaw(member: &Member) {
    let _ = match member.version {
        Version::V1 => member.directory.write("freezer.state", "THAWED"),
        Version::V2 => member.directory.write("cgroup.freeze", "0"),
    };
}

/// Whether a process is in the cgroup or below it.
fn is_populated(directory: &Directory) -> Result<bool, Errno> {
    match directory.read("cgroup.events") {
        Ok(events) => return Ok(events.lines().any(|line| line == "populated 1")),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    if !directory.processes()?.is_empty() {
        return Ok(true);
    }
    for child in children(directory)? {
        if is_populated(&child)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of its children that are still there when they are opened.
fn children(directory: &Directory) -> Result<Vec<Directory>, Errno> {
    Ok(directory.child_names()?.iter().filter_map(|name| directory.child(name).ok()).collect())
}

/// Sends SIGKILL to every process in the cgroup and below it.
fn signal_tree(directory: &Directory) -> Result<(), Errno> {
    for batch in directory.processes()?.chunks(BATCH) {
        signal_batch(directory, batch)?;
    }
    for child in children(directory)? {
        match signal_tree(&child) {
            Ok(()) | Err(Errno::NODEV | Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A number can come to mean a process outside between reading and killing. So descriptors are
/// opened first; what is listed after that is what the descriptors stand for.
fn signal_batch(directory: &Directory, batch: &[i32]) -> Result<(), Errno> {
    let open = |&raw: &i32| {
        let pid = Pid::from_raw(raw)?;
        Some((raw, pidfd_open(pid, PidfdFlags::empty()).ok()?))
    };
    let descriptors: Vec<_> = batch.iter().filter_map(open).collect();
    let still_inside = directory.processes()?;
    for (raw, descriptor) in descriptors {
        if still_inside.contains(&raw) {
            match pidfd_send_signal(&descriptor, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Removes the cgroup `name` and all below it, waiting for dying processes until `deadline`.
pub(super) fn remove_tree(parent: &Directory, name: &str, deadline: Instant) -> Result<(), Errno> {
    let mut pause = Pause::default();
    loop {
        match parent.remove_child(name) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => {}
            Err(errno) => return Err(errno),
        }
        let directory = match parent.child(name) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        // Cgroups that were made inside keep it busy, as processes do.
        let children = directory.child_names()?;
        for child in &children {
            remove_tree(&directory, child, deadline)?;
        }
        if Instant::now() >= deadline {
            return Err(Errno::BUSY);
        }
        if children.is_empty() {
            wait_for_change(&directory, &mut pause, deadline);
        }
    }
}

/// Sleeps between looks, where the kernel has no event to wait for: from 0.5 ms to 16 ms, doubling.
/// Dying takes a process about as long as the first few of them.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_micros(500))
    }
}

impl Pause {
    fn next(&mut self, deadline: Instant) -> Duration {
        let now = self.0.min(deadline.saturating_duration_since(Instant::now()));
        self.0 = (self.0 * 2).min(Duration::from_millis(16));
        now
    }
}

/// Waits until the cgroup may have emptied: for a change of `cgroup.events`, or a short time.
fn wait_for_change(directory: &Directory, pause: &mut Pause, deadline: Instant) {
    let pause = pause.next(deadline);
    let Ok(events) = directory.open_file("cgroup.events", OFlags::RDONLY) else {
        std::thread::sleep(pause);
        return;
    };
    // The kernel reports changes since the last read of this descriptor.
    match read_all(std::os::fd::AsFd::as_fd(&events)) {
        Ok(text) if text.lines().any(|line| line == "populated 1") => {
            // Bounded as well: a process can be put in after the killing.
            let limit = deadline.saturating_duration_since(Instant::now());
            let limit = Timespec::try_from(limit.min(Duration::from_millis(100)));
            let mut polled = [PollFd::new(&events, PollFlags::PRI)];
            let _ = poll(&mut polled, limit.ok().as_ref());
        }
        // Empty, yet busy: the last of it is being cleared away.
        _ => std::thread::sleep(pause),
    }
}
