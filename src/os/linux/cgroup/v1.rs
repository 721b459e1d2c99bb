//! The control files of version 1 (`Documentation/admin-guide/cgroup-v1/`).

use std::path::Path;

use super::setting::{Accept, MOST_PROCESSES, Setting, bandwidth, format_cpus, parse_cpus};
use crate::plan::facts::cgroup::{Controller, Parent};
use crate::policy::limits::{IoLimits, TreeLimits};

/// What the parent cgroup has, as far as it decides what a child can be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inherited {
    /// Its `cpuset.cpus`.
    cpus: Vec<u32>,
    /// Its `cpuset.mems`, as text.
    mems: String,
    /// The smallest quota of it and its ancestors, in thousandths of a processor.
    quota: Option<u64>,
}

impl Inherited {
    /// Reads what can be read: what is missing is noticed by the kernel when it matters.
    pub(super) fn read(parent: &Parent) -> Self {
        let text =
            |file: &str| std::fs::read_to_string(parent.directory.join(file)).unwrap_or_default();
        let visible = parent
            .directory
            .ancestors()
            .take_while(|directory| directory.starts_with(&parent.mount_point));
        Self {
            cpus: parse_cpus(&text("cpuset.cpus")).unwrap_or_default(),
            mems: text("cpuset.mems").trim().to_owned(),
            quota: visible.filter_map(quota_of).min(),
        }
    }
}

fn quota_of(directory: &Path) -> Option<u64> {
    let number = |file: &str| -> Option<u64> {
        std::fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
    };
    // Without a quota the file says -1, which isn't a u64.
    let (quota, period) = (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?);
    quota.saturating_mul(1000).checked_div(period)
}

/// What to write into the directory whose hierarchy `is_here` describes.
///
/// `processes` is the limit with the launcher's own processes added; `devices` are the numbers of
/// all whole block devices.
pub(super) fn settings(
    limits: &TreeLimits,
    processes: Option<u64>,
    devices: &[String],
    inherited: &Inherited,
    is_here: impl Fn(Controller) -> bool,
) -> Vec<Setting> {
    let mut settings = memory(limits);
    if let Some(count) = processes {
        let count = count.min(MOST_PROCESSES);
        let limit = Setting::number(Controller::Processes, "pids.max", count);
        settings.push(limit.reported("processes", "cgroup v1 pids.max"));
    }
    if let Some(cpus) = limits.cpus {
        settings.extend(quota(cpus, inherited.quota));
    }
    if let Some(weight) = limits.cpu_weight {
        let shares = Setting::words(Controller::Cpu, "cpu.shares", shares(weight).to_string());
        settings.push(shares.reported("cpu_weight", "cgroup v1 cpu.shares"));
    }
    settings.extend(cpuset(&limits.cpuset, inherited));
    settings.extend(io(limits.io, devices));
    settings.retain(|setting| is_here(setting.controller));
    settings
}

fn memory(limits: &TreeLimits) -> Vec<Setting> {
    // Before 5.11 a cgroup's limit covers its children only with this switch.
    let hierarchy = Setting::words(Controller::Memory, "memory.use_hierarchy", "1".into());
    let mut settings = vec![hierarchy.optional()];
    if let Some(bytes) = limits.memory {
        let limit = Setting::number(Controller::Memory, "memory.limit_in_bytes", bytes);
        settings.push(limit.reported("memory", "cgroup v1 memory.limit_in_bytes"));
    }
    // Without a limit of memory this one can't be expressed: the facts say so before.
    if let (Some(memory), Some(swap)) = (limits.memory, limits.swap) {
        // Memory and swap together, so never below the limit of memory, and written after it.
        let sum = memory.saturating_add(swap);
        let limit = Setting::number(Controller::Swap, "memory.memsw.limit_in_bytes", sum);
        let mechanism = "cgroup v1 memory.memsw.limit_in_bytes (memory and swap together)";
        settings.push(limit.reported("swap", mechanism));
    }
    settings
}

/// The kernel refuses a share that is larger than the parent's, where version 2 takes the smaller
/// of the two: with a tighter ancestor there is nothing to write.
fn quota(cpus: u64, ancestors: Option<u64>) -> Vec<Setting> {
    if ancestors.is_some_and(|tighter| tighter <= cpus) {
        let none = Setting::words(Controller::Cpu, "cpu.cfs_quota_us", "-1".into());
        let thousandths = ancestors.unwrap_or(cpus);
        let mechanism = format!(
            "cgroup v1 cpu.cfs_quota_us of an ancestor ({thousandths}/1000 of a processor)"
        );
        return vec![none.reported("cpus", mechanism)];
    }
    let (quota, period) = bandwidth(cpus);
    let mechanism = format!("cgroup v1 cpu.cfs_quota_us of each {period} us");
    // Period first: a quota is judged by the period in force.
    vec![
        Setting::words(Controller::Cpu, "cpu.cfs_period_us", period.to_string()),
        Setting::words(Controller::Cpu, "cpu.cfs_quota_us", quota.to_string())
            .reported("cpus", mechanism),
    ]
}

/// Version 1 counts in shares of 1024 where version 2 counts in weights of 100; the kernel itself
/// converts so (`sched_weight_from_cgroup`), and takes no less than 2.
fn shares(weight: u64) -> u64 {
    (weight.saturating_mul(1024).saturating_add(50) / 100).max(2)
}

/// Both files start out empty, and no process can join before both have something.
fn cpuset(asked: &[u32], inherited: &Inherited) -> Vec<Setting> {
    if asked.is_empty() {
        return Vec::new();
    }
    // The kernel takes only what the parent has. With nothing in common it refuses, as it should.
    let both = asked.iter().copied().filter(|cpu| inherited.cpus.contains(cpu));
    let both: Vec<u32> = both.collect();
    let text = format_cpus(if both.is_empty() { asked } else { &both });
    let mems = inherited.mems.clone();
    vec![
        Setting::words(Controller::Cpuset, "cpuset.mems", mems),
        Setting {
            controller: Controller::Cpuset,
            file: "cpuset.cpus",
            text: Some(text),
            accept: Accept::Cpus(asked.to_vec()),
            report: Some(("cpuset", "cgroup v1 cpuset.cpus".into())),
            optional: false,
        },
    ]
}

fn io(io: IoLimits, devices: &[String]) -> Vec<Setting> {
    let limits = [
        ("blkio.throttle.read_bps_device", io.read_bytes),
        ("blkio.throttle.write_bps_device", io.write_bytes),
        ("blkio.throttle.read_iops_device", io.read_operations),
        ("blkio.throttle.write_iops_device", io.write_operations),
    ];
    let mut settings = Vec::new();
    for (file, limit) in limits {
        let Some(limit) = limit else { continue };
        // Cached writes go to the device from a kernel thread, outside of the cgroup.
        let caveat = if file.contains("write") {
            "; direct writes only, cached ones aren't limited"
        } else {
            ""
        };
        let mechanism =
            format!("cgroup v1 {file} of each block device there is at the start{caveat}");
        for device in devices {
            let line = Setting::device(file, format!("{device} {limit}"));
            settings.push(line.reported("io", mechanism.clone()));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &TreeLimits, inherited: &Inherited) -> Vec<String> {
        settings(limits, limits.processes, &["8:0".to_owned()], inherited, |_| true)
            .into_iter()
            .map(|setting| format!("{}={}", setting.file, setting.text.unwrap_or_default()))
            .filter(|line| !line.starts_with("memory.use_hierarchy"))
            .collect()
    }

    #[test]
    fn swap_is_limited_together_with_memory_and_after_it() {
        let limits = TreeLimits { memory: Some(4096), swap: Some(1), ..TreeLimits::default() };
        assert_eq!(
            written(&limits, &Inherited::default()),
            ["memory.limit_in_bytes=4096", "memory.memsw.limit_in_bytes=4097"]
        );
    }

    #[test]
    fn a_cpuset_gets_its_memory_nodes_before_its_processors() {
        let limits = TreeLimits { cpuset: vec![1, 2], ..TreeLimits::default() };
        let inherited = Inherited { cpus: vec![0, 1], mems: "0".into(), quota: None };
        assert_eq!(written(&limits, &inherited), ["cpuset.mems=0", "cpuset.cpus=1"]);
    }

    #[test]
    fn a_tighter_ancestor_holds_the_quota() {
        let limits = TreeLimits { cpus: Some(2000), ..TreeLimits::default() };
        let tight = Inherited { quota: Some(500), ..Inherited::default() };
        assert_eq!(written(&limits, &tight), ["cpu.cfs_quota_us=-1"]);
        let loose = Inherited { quota: Some(4000), ..Inherited::default() };
        assert_eq!(
            written(&limits, &loose),
            ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=200000"]
        );
    }

    #[test]
    fn the_usual_weight_is_the_usual_number_of_shares() {
        assert_eq!(shares(100), 1024);
        assert_eq!(shares(1), 10);
        assert_eq!(shares(10_000), 102_400);
    }

    #[test]
    fn io_limits_are_one_line_per_device_and_file() {
        let io = IoLimits { read_bytes: Some(7), write_operations: Some(2), ..IoLimits::default() };
        let limits = TreeLimits { io, ..TreeLimits::default() };
        assert_eq!(
            written(&limits, &Inherited::default()),
            ["blkio.throttle.read_bps_device=8:0 7", "blkio.throttle.write_iops_device=8:0 2"]
        );
    }
}
