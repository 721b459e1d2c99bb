//! What the kernel has counted for a cgroup.

use std::time::Duration;

use super::directory::Directory;
use super::{Cgroup, Version};
use crate::plan::facts::cgroup::Controller;

/// What a run has used; `None`: this kernel doesn't count it, or not in this cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The most bytes of memory at one time, page cache included (version 2: since 5.19).
    pub memory_peak_bytes: Option<u64>,
    /// Processes killed because of the memory limit. On version 2 the whole cgroup is killed, and
    /// the kernel counts the first victim twice.
    pub oom_kills: Option<u64>,
    /// The most processes and threads at one time, the launcher's own init included (since 6.1).
    pub processes_peak: Option<u64>,
    /// How many times a fork was refused.
    pub processes_refused: Option<u64>,
    /// Processor time in user mode.
    pub cpu_user_us: Option<u64>,
    /// Processor time in the kernel.
    pub cpu_system_us: Option<u64>,
    /// Time that processors had to pause because of the quota, summed over them.
    pub throttled_us: Option<u64>,
    /// Bytes read from block devices; one above another counts both.
    pub read_bytes: Option<u64>,
    /// Bytes written to block devices; one above another counts both.
    pub written_bytes: Option<u64>,
}

impl Cgroup {
    /// What has been counted so far; complete once the cgroup is empty.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        for member in &self.members {
            let reader = Reader(&member.directory);
            let has = |controller| member.controllers.contains(&controller);
            if has(Controller::Processes) {
                statistics.processes_peak = reader.number("pids.peak");
                statistics.processes_refused = reader.keyed("pids.events", "max");
            }
            match member.version {
                Version::V1 => reader.v1(&has, &mut statistics),
                Version::V2 => reader.v2(&has, &mut statistics),
            }
        }
        statistics
    }
}

impl Cgroup {
    /// The processor time that the tree has used so far, where it is counted.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        let part = self.part(Controller::CpuAccounting).or_else(|| self.v2())?;
        let reader = Reader(&part.directory);
        match part.version {
            Version::V1 => reader.number("cpuacct.usage").map(Duration::from_nanos),
            Version::V2 => reader.keyed("cpu.stat", "usage_usec").map(Duration::from_micros),
        }
    }
}

struct Reader<'a>(&'a Directory);

impl Reader<'_> {
    fn v1(&self, has: &impl Fn(Controller) -> bool, statistics: &mut Statistics) {
        let us = |ns: u64| ns / 1000;
        if has(Controller::Memory) {
            statistics.memory_peak_bytes = self.number("memory.max_usage_in_bytes");
            statistics.oom_kills = self.keyed("memory.oom_control", "oom_kill");
        }
        if has(Controller::CpuAccounting) {
            statistics.cpu_user_us = self.number("cpuacct.usage_user").map(us);
            statistics.cpu_system_us = self.number("cpuacct.usage_sys").map(us);
        }
        if has(Controller::Cpu) {
            statistics.throttled_us = self.keyed("cpu.stat", "throttled_time").map(us);
        }
        if has(Controller::Io) {
            let text = self.0.read("blkio.throttle.io_service_bytes_recursive").ok();
            let sum = |kind| text.as_deref().map(|text| v1_io(text, kind));
            statistics.read_bytes = sum("Read");
            statistics.written_bytes = sum("Write");
        }
    }

    fn v2(&self, has: &impl Fn(Controller) -> bool, statistics: &mut Statistics) {
        if has(Controller::Memory) {
            statistics.memory_peak_bytes = self.number("memory.peak");
            statistics.oom_kills = self.keyed("memory.events", "oom_kill");
        }
        // Every version 2 cgroup counts processor time; on a hybrid host another part may have.
        if has(Controller::CpuAccounting) || has(Controller::Cpu) {
            statistics.cpu_user_us = self.keyed("cpu.stat", "user_usec");
            statistics.cpu_system_us = self.keyed("cpu.stat", "system_usec");
        }
        if has(Controller::Cpu) {
            statistics.throttled_us = self.keyed("cpu.stat", "throttled_usec");
        }
        if has(Controller::Io) {
            let text = self.0.read("io.stat").ok();
            let sum = |key| text.as_deref().map(|text| v2_io(text, key));
            statistics.read_bytes = sum("rbytes=");
            statistics.written_bytes = sum("wbytes=");
        }
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.0.read(file).ok()?.trim().parse().ok()
    }

    fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        keyed(&self.0.read(file).ok()?, key)
    }
}

/// The number behind `key` in lines of `KEY NUMBER`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

/// The sum over lines of `DEVICE KEY=NUMBER KEY=NUMBER…`.
pub(super) fn v2_io(text: &str, key: &str) -> u64 {
    let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
    words.filter_map(|number| number.parse::<u64>().ok()).fold(0, u64::saturating_add)
}

/// The sum over lines of `DEVICE KIND NUMBER`.
pub(super) fn v1_io(text: &str, kind: &str) -> u64 {
    let numbers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == kind).then(|| words.next()?.parse::<u64>().ok()).flatten()
    });
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_lines_are_found_by_their_whole_key() {
        let text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(keyed(text, "oom_kill"), Some(2));
        assert_eq!(keyed(text, "oom_kil"), None);
    }

    #[test]
    fn traffic_is_summed_over_devices() {
        let v2 = "254:0 rbytes=4096 wbytes=10 rios=1 wios=0 dbytes=0 dios=0\n8:0 \n7:0 rbytes=4 wbytes=1\n";
        assert_eq!((v2_io(v2, "rbytes="), v2_io(v2, "wbytes=")), (4100, 11));
        let v1 = "8:0 Read 5\n8:0 Write 6\n8:0 Sync 7\n8:0 Total 11\n7:0 Read 1\nTotal 12\n";
        assert_eq!((v1_io(v1, "Read"), v1_io(v1, "Write")), (6, 6));
    }
}
