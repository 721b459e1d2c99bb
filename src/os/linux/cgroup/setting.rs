//! One value for one control file, and what the kernel may make of it.

use super::directory::Directory;
use super::error::{CgroupError, Problem, Step};
use crate::plan::facts::cgroup::Controller;

/// A limit that the kernel was seen to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitInForce {
    /// The field of [`crate::policy::limits::TreeLimits`].
    pub limit: &'static str,
    /// What holds it, like "cgroup v2 memory.max".
    pub mechanism: String,
    /// The value as read back from the kernel.
    pub value: String,
}

/// One value for one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: Controller,
    pub(super) file: &'static str,
    /// `None`: only look at what the kernel holds.
    pub(super) text: Option<String>,
    pub(super) accept: Accept,
    /// The limit and its mechanism, for the one setting that stands for a limit in the report.
    pub(super) report: Option<(&'static str, String)>,
    /// A switch that not every kernel has.
    pub(super) optional: bool,
}

/// Bytes from which on version 2 says `max`: it counts pages, up to `LONG_MAX` bytes (the kernel's
/// `include/linux/page_counter.h`).
const UNCOUNTABLE: u64 = (i64::MAX as u64) & !0xfff;

/// What the kernel may hold afterwards: what was asked or less, never more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Accept {
    /// A number up to this one; memory limits are rounded down to pages.
    AtMost(u64),
    /// These words.
    Words(String),
    /// Some of these processors.
    Cpus(Vec<u32>),
    /// `DEVICE NUMBER` or `DEVICE KEY=NUMBER…`, each number at most the one given here.
    Device(String),
}

impl Setting {
    pub(super) fn number(controller: Controller, file: &'static str, value: u64) -> Self {
        Self {
            controller,
            file,
            text: Some(value.to_string()),
            accept: Accept::AtMost(value),
            report: None,
            optional: false,
        }
    }

    pub(super) fn words(controller: Controller, file: &'static str, text: String) -> Self {
        let accept = Accept::Words(text.clone());
        Self { controller, file, text: Some(text), accept, report: None, optional: false }
    }

    pub(super) fn device(file: &'static str, text: String) -> Self {
        let accept = Accept::Device(text.clone());
        let text = Some(text);
        Self { controller: Controller::Io, file, text, accept, report: None, optional: false }
    }

    pub(super) fn reported(mut self, limit: &'static str, mechanism: impl Into<String>) -> Self {
        self.report = Some((limit, mechanism.into()));
        self
    }

    pub(super) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// Writes the settings in order and reads each back.
pub(super) fn apply(
    directory: &Directory,
    settings: &[Setting],
) -> Result<Vec<LimitInForce>, CgroupError> {
    let mut in_force: Vec<LimitInForce> = Vec::new();
    for setting in settings {
        if setting.optional && !directory.has(setting.file) {
            continue;
        }
        let value = apply_one(directory, setting)?;
        if let Some((limit, mechanism)) = &setting.report {
            let held = LimitInForce { limit, mechanism: mechanism.clone(), value };
            // One line stands for all block devices.
            if !in_force.contains(&held) {
                in_force.push(held);
            }
        }
    }
    Ok(in_force)
}

fn apply_one(directory: &Directory, setting: &Setting) -> Result<String, CgroupError> {
    let failed = |step, errno| {
        CgroupError::errno(setting.controller, step, directory.file_path(setting.file), errno)
    };
    if let Some(text) = &setting.text {
        directory.write(setting.file, text).map_err(|errno| failed(Step::Write, errno))?;
    }
    let found = directory.read(setting.file).map_err(|errno| failed(Step::ReadBack, errno))?;
    setting.accept.check(&found).ok_or_else(|| CgroupError {
        controller: Some(setting.controller),
        step: Step::ReadBack,
        path: directory.file_path(setting.file),
        problem: Problem::Looser { asked: setting.accept.asked(), found: found.trim().to_owned() },
    })
}

impl Accept {
    /// The value for the report, or nothing where the kernel holds something looser.
    pub(super) fn check(&self, found: &str) -> Option<String> {
        let plain = || words(found).join(" ");
        match self {
            Self::AtMost(limit) if *limit >= UNCOUNTABLE => number(found).map(|_| plain()),
            Self::AtMost(limit) => (number(found)? <= *limit).then(plain),
            Self::Words(asked) => (words(found) == words(asked)).then(plain),
            Self::Cpus(asked) => {
                let held = parse_cpus(found)?;
                (!held.is_empty() && held.iter().all(|cpu| asked.contains(cpu))).then(plain)
            }
            Self::Device(asked) => check_device(asked, found),
        }
    }

    fn asked(&self) -> String {
        match self {
            Self::AtMost(limit) => limit.to_string(),
            Self::Words(text) | Self::Device(text) => text.clone(),
            Self::Cpus(cpus) => format_cpus(cpus),
        }
    }
}

fn check_device(asked: &str, found: &str) -> Option<String> {
    let (device, asked) = asked.split_once(' ')?;
    let line = found.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' '))?;
    for (key, limit) in asked.split_whitespace().map(key_value) {
        let held = line.split_whitespace().map(key_value).find(|(name, _)| *name == key)?;
        if number(held.1)? > number(limit)? {
            return None;
        }
    }
    Some(words(line).join(" "))
}

/// `KEY=VALUE`, or a value without a key.
fn key_value(word: &str) -> (&str, &str) {
    word.split_once('=').unwrap_or(("", word))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// A number, or `max`.
fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        digits => digits.parse().ok(),
    }
}

/// More than any kernel has processors (`NR_CPUS`): a greater number is none, and a range up to one
/// would be a list that no memory holds.
const MOST_CPUS: u32 = 1 << 16;

/// A list like `0-3,8` (cpuset(7), "List format").
pub(in super::super) fn parse_cpus(text: &str) -> Option<Vec<u32>> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|cpu| *cpu < MOST_CPUS);
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(number(first)?..=number(last)?);
    }
    Some(cpus)
}

/// Ascending processors as a list with ranges.
pub(in super::super) fn format_cpus(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let parts = ranges.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Quota and period, in microseconds, for thousandths of a processor.
///
/// The kernel takes quotas from 1 ms and periods up to 1 s. Short periods make for short pauses,
/// so the usual 100 ms is left only where a quota would be too small.
pub(super) fn bandwidth(cpus: u64) -> (u64, u64) {
    if cpus >= 10 { (cpus.saturating_mul(100), 100_000) } else { (cpus * 1000, 1_000_000) }
}

/// The most processes the kernel can have at all (`PID_MAX_LIMIT`); pids.max takes no more.
pub(super) const MOST_PROCESSES: u64 = 4_194_304;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_rounded_down_to_pages_is_accepted_and_a_looser_one_is_not() {
        let accept = Accept::AtMost(10_000);
        assert_eq!(accept.check("8192\n").as_deref(), Some("8192"));
        assert_eq!(accept.check("12288\n"), None);
        assert_eq!(accept.check("max\n"), None);
    }

    #[test]
    fn no_limit_is_held_only_where_the_kernel_counts_no_further() {
        let most = |limit| Accept::AtMost(limit).check("max\n");
        assert_eq!(most(i64::MAX as u64).as_deref(), Some("max"));
        assert_eq!(most(u64::MAX).as_deref(), Some("max"));
        assert_eq!(most(UNCOUNTABLE - 1), None);
        assert_eq!(Accept::AtMost(u64::MAX).check("a word"), None);
    }

    #[test]
    fn cpus_held_must_be_some_of_those_asked() {
        let accept = Accept::Cpus(vec![0, 1, 2]);
        assert_eq!(accept.check("0-1\n").as_deref(), Some("0-1"));
        assert_eq!(accept.check("0-3\n"), None);
        assert_eq!(accept.check("\n"), None);
    }

    #[test]
    fn each_number_of_a_device_line_is_compared() {
        let accept = Accept::Device("8:0 rbps=100 wiops=7".into());
        let held = "7:0 rbps=1 wbps=max riops=max wiops=1\n8:0 rbps=100 wbps=max riops=max wiops=7";
        assert_eq!(accept.check(held).as_deref(), Some("rbps=100 wbps=max riops=max wiops=7"));
        assert_eq!(accept.check("8:0 rbps=100 wbps=max riops=max wiops=max"), None);
        assert_eq!(accept.check("18:0 rbps=1 wiops=1"), None);
        assert_eq!(Accept::Device("8:0 5".into()).check("8:0 5\n").as_deref(), Some("5"));
    }

    #[test]
    fn cpu_lists_are_written_with_ranges_and_read_back() {
        assert_eq!(format_cpus(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(parse_cpus("0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(parse_cpus("0-x"), None);
        assert_eq!(parse_cpus("0-4294967295"), None);
    }

    #[test]
    fn small_cpu_shares_get_a_longer_period_to_keep_the_quota_above_one_millisecond() {
        assert_eq!(bandwidth(500), (50_000, 100_000));
        assert_eq!(bandwidth(10), (1000, 100_000));
        assert_eq!(bandwidth(1), (1000, 1_000_000));
    }
}
