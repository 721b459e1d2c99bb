//! The processes below init, killed by the launcher: where there is no pid namespace, and init is kept
//! from doing it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Between looks at a tree that is dying.
const PAUSE: Duration = Duration::from_millis(2);

/// Kills everything below a process until nothing of it lives, or the time is up. Each round stops
/// all of them first, so that one that forks faster than it can be killed can't win. Orphans come to
/// init, which is stopped, and so stay below it.
pub(super) fn kill(init: i32, deadline: Instant) {
    loop {
        let below = Below::look(init);
        if below.living.is_empty() {
            return;
        }
        for signal in [Signal::STOP, Signal::KILL] {
            below.living.iter().for_each(|process| below.send(*process, signal));
        }
        if Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// What `/proc` says of a tree.
struct Below {
    /// The tree's processes, each with its parent; the dead ones too, which nobody has waited for.
    parents: BTreeMap<i32, i32>,
    living: Vec<i32>,
    init: i32,
}

impl Below {
    fn look(init: i32) -> Self {
        let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let all: Vec<_> = numbers.filter_map(|process| Some((process, stat(process)?))).collect();
        let mut below = Self { parents: BTreeMap::new(), living: Vec::new(), init };
        // A child may have a lower number than its parent: until nothing is added.
        let mut known = usize::MAX;
        while known != below.parents.len() {
            known = below.parents.len();
            for (process, (_, parent)) in &all {
                if below.is_in(*parent) && *process != init {
                    below.parents.insert(*process, *parent);
                }
            }
        }
        let living = |(process, (state, _)): &(i32, (char, i32))| {
            (below.parents.contains_key(process) && !matches!(state, 'Z' | 'X')).then_some(*process)
        };
        below.living = all.iter().filter_map(living).collect();
        below
    }

    fn is_in(&self, process: i32) -> bool {
        process == self.init || self.parents.contains_key(&process)
    }

    /// A number can come to mean another process. So a descriptor is opened first; what is read of
    /// the number after that is of what the descriptor stands for, or of nothing that is sent to.
    fn send(&self, process: i32, signal: Signal) {
        let Some(pid) = Pid::from_raw(process) else { return };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if stat(process).is_some_and(|(_, parent)| self.is_in(parent)) {
            // It may be gone.
            let _ = pidfd_send_signal(&descriptor, signal);
        }
    }
}

/// State and parent of a process (`proc_pid_stat(5)`): behind its name, which may contain anything.
fn stat(process: i32) -> Option<(char, i32)> {
    let text = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let text = String::from_utf8_lossy(text.get(end + 1..)?).into_owned();
    let mut fields = text.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
