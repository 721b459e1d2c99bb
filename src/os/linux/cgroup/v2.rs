//! The control files of version 2 (`Documentation/admin-guide/cgroup-v2.rst`).

use super::setting::{Accept, MOST_PROCESSES, Setting, bandwidth, format_cpus};
use crate::plan::facts::cgroup::Controller;
use crate::policy::limits::{IoLimits, TreeLimits};

/// What to write for those limits whose controller `is_here`.
///
/// `processes` is the limit with the launcher's own processes added; `devices` are the numbers of
/// all whole block devices.
pub(super) fn settings(
    limits: &TreeLimits,
    processes: Option<u64>,
    devices: &[String],
    is_here: impl Fn(Controller) -> bool,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory {
        let limit = Setting::number(Controller::Memory, "memory.max", bytes);
        settings.push(limit.reported("memory", "cgroup v2 memory.max"));
    }
    // A tree with some of its processes shot by the kernel is worse than a dead one.
    if is_here(Controller::Memory) {
        settings.push(Setting::words(Controller::Memory, "memory.oom.group", "1".into()));
    }
    if let Some(bytes) = limits.swap {
        let limit = Setting::number(Controller::Swap, "memory.swap.max", bytes);
        settings.push(limit.reported("swap", "cgroup v2 memory.swap.max"));
    }
    if let Some(count) = processes {
        let count = count.min(MOST_PROCESSES);
        let limit = Setting::number(Controller::Processes, "pids.max", count);
        settings.push(limit.reported("processes", "cgroup v2 pids.max"));
    }
    if let Some(cpus) = limits.cpus {
        let (quota, period) = bandwidth(cpus);
        let limit = Setting::words(Controller::Cpu, "cpu.max", format!("{quota} {period}"));
        settings.push(limit.reported("cpus", "cgroup v2 cpu.max"));
    }
    if let Some(weight) = limits.cpu_weight {
        let limit = Setting::words(Controller::Cpu, "cpu.weight", weight.to_string());
        settings.push(limit.reported("cpu_weight", "cgroup v2 cpu.weight"));
    }
    settings.extend(cpuset(&limits.cpuset));
    settings.extend(io(limits.io, devices));
    settings.retain(|setting| is_here(setting.controller));
    settings
}

/// The kernel takes any processors, and gives those that the parent has as well; where there are
/// none it gives all of the parent's. So what counts is the effective set.
fn cpuset(cpus: &[u32]) -> Vec<Setting> {
    if cpus.is_empty() {
        return Vec::new();
    }
    let accept = Accept::Cpus(cpus.to_vec());
    let setting = |file, text| Setting {
        controller: Controller::Cpuset,
        file,
        text,
        accept: accept.clone(),
        report: None,
        optional: false,
    };
    vec![
        setting("cpuset.cpus", Some(format_cpus(cpus))),
        setting("cpuset.cpus.effective", None).reported("cpuset", "cgroup v2 cpuset.cpus"),
    ]
}

fn io(io: IoLimits, devices: &[String]) -> Vec<Setting> {
    let limits = [
        ("rbps", io.read_bytes),
        ("wbps", io.write_bytes),
        ("riops", io.read_operations),
        ("wiops", io.write_operations),
    ];
    let words = limits.into_iter().filter_map(|(key, limit)| Some(format!("{key}={}", limit?)));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return Vec::new();
    }
    let line = |device| {
        Setting::device("io.max", format!("{device} {}", words.join(" ")))
            .reported("io", "cgroup v2 io.max of each block device there is at the start")
    };
    devices.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &TreeLimits, processes: Option<u64>) -> Vec<String> {
        let devices = ["8:0".to_owned(), "259:0".to_owned()];
        settings(limits, processes, &devices, |_| true)
            .into_iter()
            .map(|setting| format!("{}={}", setting.file, setting.text.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn every_limit_becomes_its_control_file() {
        let limits = TreeLimits {
            memory: Some(1 << 20),
            swap: Some(0),
            processes: Some(5),
            cpus: Some(1500),
            cpu_weight: Some(50),
            cpuset: vec![0, 1],
            io: IoLimits { read_bytes: Some(9), write_operations: Some(3), ..IoLimits::default() },
        };
        assert_eq!(
            written(&limits, Some(6)),
            [
                "memory.max=1048576",
                "memory.oom.group=1",
                "memory.swap.max=0",
                "pids.max=6",
                "cpu.max=150000 100000",
                "cpu.weight=50",
                "cpuset.cpus=0-1",
                "cpuset.cpus.effective=",
                "io.max=8:0 rbps=9 wiops=3",
                "io.max=259:0 rbps=9 wiops=3",
            ]
        );
    }

    #[test]
    fn a_limit_beyond_what_the_kernel_can_have_is_clamped() {
        let limits = TreeLimits::default();
        assert!(written(&limits, Some(u64::MAX)).contains(&"pids.max=4194304".to_owned()));
    }
}
