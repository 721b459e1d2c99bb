//! What the end of a run means.

use std::time::Duration;

use crate::os::{Ended, Running};
use crate::plan::Plan;
use crate::plan::facts::Resource;
use crate::report::{Ending, Usage};

/// Signal numbers that the kernel sends on its own account; the same on x86_64 and aarch64.
mod signal {
    pub(super) const KILL: u8 = 9;
    pub(super) const XCPU: u8 = 24;
    pub(super) const XFSZ: u8 = 25;
    pub(super) const SYS: u8 = 31;
}

/// Says why a run ended.
pub(super) fn classify(ended: &Ended, plan: &Plan) -> Ending {
    if let Some(error) = &ended.failure {
        return Ending::LauncherError { message: error.to_string() };
    }
    if let Some(path) = &ended.appeared {
        let what = format!("something new came to be at {}, which is hidden", path.display());
        return Ending::Denied { what, signal: signal::KILL };
    }
    if ended.timed_out {
        return Ending::TimedOut;
    }
    if ended.out_of_cpu_time {
        // Whatever the command made of the signal in the second that it had.
        let killed_by = ended.status.map_or(signal::KILL, |status| (status & 0x7f) as u8);
        return limit("cpu_time", if killed_by == 0 { signal::XCPU } else { killed_by });
    }
    let out_of_memory = ended.statistics.oom_kills.is_some_and(|kills| kills > 0);
    let Some(status) = ended.status else {
        if out_of_memory {
            return Ending::OutOfMemory; // The whole cgroup was killed, init with it.
        }
        if ended.killed {
            return Ending::Killed;
        }
        return Ending::LauncherError { message: without_init(ended.init) };
    };
    // The layout of a wait status is part of the kernel's interface: the signal is in the low
    // seven bits, the exit status in the eight above the next.
    let low = (status & 0x7f) as u8;
    match low {
        // A shell hands on that a child of its was killed by SIGKILL.
        0 if out_of_memory && status >> 8 & 0xff == 128 + i32::from(signal::KILL) => {
            Ending::OutOfMemory
        }
        0 => Ending::Exited { code: (status >> 8 & 0xff) as u8 },
        signal::KILL if out_of_memory => Ending::OutOfMemory,
        signal::XCPU => limit("cpu_time", low),
        signal::KILL if out_of_cpu_time(ended, plan) => limit("cpu_time", low),
        signal::XFSZ => limit("file_size", low),
        signal::SYS => Ending::Denied {
            what: "a system call that the seccomp filter kills for".to_owned(),
            signal: low,
        },
        signal::KILL if ended.killed => Ending::Killed,
        signal => Ending::Signaled { signal },
    }
}

/// Says how init ended, which hasn't told of the command.
fn without_init(status: i32) -> String {
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, code) => {
            format!("the sandbox's init gave up with status {code}, and the command was killed")
        }
        (signal, _) => {
            format!("the sandbox's init was killed by signal {signal}, and the command with it")
        }
    }
}

fn limit(name: &str, signal: u8) -> Ending {
    Ending::Limit { limit: name.to_owned(), signal }
}

/// Whether the processor time used explains a kill: soft and hard limit are the same, so that the
/// kernel sends `SIGKILL` without `SIGXCPU` before.
fn out_of_cpu_time(ended: &Ended, plan: &Plan) -> bool {
    let limit = plan
        .expected
        .rlimits
        .iter()
        .find_map(|(resource, limit)| (*resource == Resource::CpuTime).then_some(*limit));
    let used = ended.usage.user_microseconds + ended.usage.system_microseconds;
    // For this limit the kernel counts whole ticks, and says afterwards what was used exactly: on
    // a loaded machine the two differ by a good part.
    limit.is_some_and(|seconds| used >= seconds.saturating_mul(700_000))
}

/// What a run has used so far: as its cgroup counts, or, where there is none, as the kernel says of
/// the command's first process and the children it has waited for. What nobody counts before the
/// end is absent or 0.
pub(super) fn usage_so_far(running: &Running) -> Usage {
    let counted = running.statistics();
    let own = running.own_usage();
    let time = |tree: Option<u64>, own: u64| Duration::from_micros(tree.unwrap_or(own));
    Usage {
        wall_seconds: running.elapsed(),
        user_seconds: time(counted.cpu_user_us, own.user_microseconds),
        system_seconds: time(counted.cpu_system_us, own.system_microseconds),
        peak_memory_bytes: counted.memory_peak_bytes,
        peak_processes: counted.processes_peak.map(|peak| peak.saturating_sub(1)),
        peak_resident_bytes: own.peak_resident,
        oom_kills: counted.oom_kills,
        throttled_seconds: counted.throttled_us.map(Duration::from_micros),
        ..Usage::default()
    }
}

/// Gathers what was used, from whoever counts best.
pub(super) fn usage(ended: &Ended) -> Usage {
    let rusage = &ended.usage;
    let counted = &ended.statistics;
    let micros = Duration::from_micros;
    // What was killed together with init is in the cgroup's account only.
    let most = |reaped: u64, counted: Option<u64>| micros(reaped.max(counted.unwrap_or(0)));
    Usage {
        wall_seconds: ended.wall,
        user_seconds: most(rusage.user_microseconds, counted.cpu_user_us),
        system_seconds: most(rusage.system_microseconds, counted.cpu_system_us),
        peak_memory_bytes: counted.memory_peak_bytes,
        peak_resident_bytes: rusage.peak_resident,
        // Init isn't the command's.
        peak_processes: counted.processes_peak.map(|peak| peak.saturating_sub(1)),
        read_bytes: ended.transferred.map(|(read, _)| read),
        written_bytes: ended.transferred.map(|(_, written)| written),
        voluntary_context_switches: rusage.voluntary_switches,
        involuntary_context_switches: rusage.involuntary_switches,
        oom_kills: counted.oom_kills,
        throttled_seconds: counted.throttled_us.map(micros),
    }
}
