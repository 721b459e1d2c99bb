//! Level 4: limits of the tree by a cgroup, and what stands in where none can be had. Rows of
//! the hostile cases: 2, 19, 21, 22.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use support::host::{counts_peak_of_memory, counts_peak_of_processes};
use support::tree::{cgroups_of, mark, nothing_is_left};
use support::{Caller, Workspace, callers, patience};

/// Whether a caller gets a cgroup on this host, as the report says; says so if not.
#[track_caller]
fn has_cgroup(workspace: &Workspace, caller: Caller) -> bool {
    let (_, report) = workspace.report(&["-q"], "true");
    let enforced = layer(&report, "cgroup")["status"] == "enforced";
    if !enforced {
        support::skip("cgroup", &format!("{caller:?} has no cgroup to make others in"));
    }
    enforced
}

fn layer<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let layers = report["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["layer"] == name).unwrap()
}

/// What the tree took of memory at most, where the kernel tells.
#[track_caller]
fn peak_memory(report: &serde_json::Value) -> Option<u64> {
    let peak = report["usage"]["peak_memory_bytes"].as_u64();
    assert!(peak.is_some() || !counts_peak_of_memory(), "{report}");
    peak
}

const LEVELS: [&str; 2] = ["resource-limited", "containerized"];

#[test]
fn a_tree_beyond_its_memory_is_killed_and_the_report_says_why() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        for level in LEVELS {
            let options = ["-l", level, "--memory", "48MiB"];
            workspace.bring("tree");
            let (run, report) = workspace.report(&options, "exec ./tree eat memory");
            assert_eq!(run.code(), 137, "{caller:?} {level}: {run:?}");
            assert_eq!(report["outcome"]["kind"], "out-of-memory", "{caller:?} {level}: {report}");
            assert!(report["usage"]["oom_kills"].as_u64() > Some(0), "{caller:?}: {report}");
            if let Some(peak) = peak_memory(&report) {
                assert!((20 << 20..=64 << 20).contains(&peak), "{caller:?} {level}: {peak}");
            }
            assert!(run.stderr().contains("memory limit"), "{caller:?} {level}: {run:?}");
        }
    }
}

#[test]
fn files_in_memory_count_as_memory() {
    // Row 21.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        for place in ["/tmp", "/dev/shm"] {
            let options = ["--memory", "32MiB", "-q"];
            let script = format!("head -c 60000000 /dev/zero > {place}/big && echo written");
            let (run, report) = workspace.report(&options, &script);
            assert_eq!(run.stdout(), "", "{caller:?} {place}: {report}");
            assert!(
                report["usage"]["oom_kills"].as_u64() > Some(0),
                "{caller:?} {place}: {report}"
            );
        }
    }
}

#[test]
fn a_fork_bomb_meets_the_limit_and_ends_with_the_run() {
    // Row 19. Also where RLIMIT_NPROC stands in for a cgroup.
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            workspace.bring("tree");
            let mark = mark();
            let best = "cgroup=best-effort";
            let words = ["run", "-q", "-l", level, "--enforcement", best, "--pids", "20"];
            let words = [&words[..], &["./tree", "bomb", &mark]].concat();
            let run = workspace.ringfence(words).finish();
            assert_eq!(run.code(), 5, "{caller:?} {level}: {run:?}");
            let output = run.stdout();
            let (count, errno) = output.trim().split_once(' ').unwrap();
            assert_eq!(errno, "EAGAIN", "{caller:?} {level}");
            let count: u32 = count.parse().unwrap();
            assert!((10..=20).contains(&count), "{caller:?} {level}: {count}");
            nothing_is_left(&mark);
        }
    }
}

#[test]
fn a_quota_of_processor_time_holds_a_busy_tree_back() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        let options = ["-q", "--cpus", "0.2", "--timeout", "1.5"];
        let (run, report) = workspace.report(&options, "while :; do :; done");
        assert_eq!(run.code(), 124, "{caller:?}: {run:?}");
        let usage = &report["usage"];
        let seconds = |name: &str| usage[name].as_f64().unwrap();
        assert!(seconds("throttled_seconds") > 0.1, "{caller:?}: {usage}");
        let used = seconds("user_seconds") + seconds("system_seconds");
        assert!(used < seconds("wall_seconds") * 0.5, "{caller:?}: {usage}");
    }
}

#[test]
fn limits_of_processes_are_named_when_they_end_the_command() {
    for caller in callers() {
        for level in support::LEVELS {
            let workspace = Workspace::new(caller);
            let options = ["-l", level, "--set", "limits.file_size=4KiB"];
            let (run, report) =
                workspace.report(&options, "cd /tmp; exec head -c 9000 /dev/zero > $(mktemp)");
            assert_eq!(run.code(), 128 + 25, "{caller:?} {level}: {run:?}");
            assert_eq!(report["outcome"]["limit"], "file_size", "{caller:?} {level}: {report}");
        }
        let workspace = Workspace::new(caller);
        let options = ["--set", "limits.cpu_time=1s", "--timeout", "60"];
        let (run, report) = workspace.report(&options, "while :; do :; done");
        assert_eq!(report["outcome"]["kind"], "limit", "{caller:?}: {report} {run:?}");
        assert_eq!(report["outcome"]["limit"], "cpu_time", "{caller:?}: {report}");
    }
}

#[test]
fn what_the_run_used_is_plausible() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let cgroup = has_cgroup(&workspace, caller);
        let script =
            "head -c 3000000 /dev/zero | cat > /dev/null; sleep 0.1; (sleep 0.1 & sleep 0.1)";
        let (_, report) = workspace.report(&["-q"], script);
        let usage = &report["usage"];
        let wall = usage["wall_seconds"].as_f64().unwrap();
        assert!((0.2..30.0).contains(&wall), "{caller:?}: {usage}");
        assert!(usage["voluntary_context_switches"].as_u64().unwrap() > 1, "{caller:?}: {usage}");
        assert!(usage["peak_resident_bytes"].as_u64().unwrap() > 100_000, "{caller:?}: {usage}");
        if cgroup {
            let processes = usage["peak_processes"].as_u64();
            assert!(processes.is_some() || !counts_peak_of_processes(), "{caller:?}: {usage}");
            assert!(processes.is_none_or(|it| (2..=6).contains(&it)), "{caller:?}: {usage}");
            let memory = peak_memory(&report);
            assert!(memory.is_none_or(|it| it > 50_000), "{caller:?}: {usage}");
            assert_eq!(usage["oom_kills"], 0, "{caller:?}: {usage}");
        }
    }
}

#[test]
fn bytes_read_and_written_are_counted() {
    for caller in callers() {
        for level in support::LEVELS {
            let workspace = Workspace::new(caller);
            let script = "head -c 3000000 /dev/zero | cat > /dev/null";
            let (_, report) = workspace.report(&["-q", "-l", level], script);
            for name in ["read_bytes", "written_bytes"] {
                let bytes = report["usage"][name].as_u64();
                assert!(bytes >= Some(6_000_000), "{caller:?} {level} {name}: {bytes:?}");
            }
        }
    }
}

#[test]
fn the_limits_in_force_are_in_the_report() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        let (_, report) = workspace.report(&["--memory", "64MiB", "--pids", "33"], "true");
        let held: Vec<_> = report["limits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["limit"].as_str().unwrap())
            .collect();
        assert!(held.contains(&"memory") && held.contains(&"processes"), "{caller:?}: {held:?}");
    }
}

#[test]
fn no_cgroup_is_left_behind() {
    for caller in callers() {
        for (script, options) in [
            ("true", &["-q"][..]),
            ("kill -9 $$", &["-q"]),
            ("sleep 9", &["-q", "--timeout", "0.1"]),
            ("setsid sleep 90 & :", &["-q"]),
        ] {
            let workspace = Workspace::new(caller);
            let words = [&["run"], options, &["--", "sh", "-c", script]].concat();
            let child = workspace.ringfence(words).command.spawn().unwrap();
            let id = child.id();
            child.wait_with_output().unwrap();
            assert!(cgroups_of(id).is_empty(), "{caller:?} {script}: {:?}", cgroups_of(id));
        }
    }
}

#[test]
fn the_command_is_in_its_cgroup_and_sees_it_as_the_root() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        let run = workspace
            .shell(&["--pids", "9"], "grep pids /proc/self/cgroup || cat /proc/self/cgroup");
        let path = run.success();
        assert!(path.ends_with(":/"), "{caller:?}: {path}");
    }
}

#[test]
fn without_a_cgroup_limits_of_each_process_stand_in() {
    let workspace = Workspace::new(Caller::User);
    let (run, report) = workspace.report(&["--memory", "512MiB"], "ulimit -v; ulimit -Hv");
    if layer(&report, "cgroup")["status"] == "enforced" {
        return support::skip("no-cgroup", "this user has a cgroup");
    }
    assert_eq!(run.success(), "524288\n524288");
    assert_eq!(layer(&report, "cgroup")["status"], "fallback", "{report}");
    assert_eq!(report["effective_level"], "namespaced", "{report}");
    assert!(run.stderr().contains("cgroup: fallback"), "{run:?}");
}

#[test]
fn a_required_cgroup_that_cannot_be_had_is_refused_and_nothing_is_run() {
    // Row 2: the message has the layer, the cause and the remedy.
    let workspace = Workspace::new(Caller::User);
    let (_, report) = workspace.report(&["-q"], "true");
    if layer(&report, "cgroup")["status"] == "enforced" {
        return support::skip("no-cgroup", "this user has a cgroup");
    }
    let run = workspace.shell(&["--enforcement", "cgroup=required"], "echo ran; true > ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(!workspace.project().join("ran").exists(), "the command was run");
    let message = run.stderr();
    for part in ["refused", "cgroup: ", "remedy: "] {
        assert!(message.contains(part), "{message}");
    }
    let (run, report) = workspace.report(&["--enforcement", "cgroup=required"], "true");
    assert_eq!(report["outcome"]["kind"], "launcher-error", "{report}");
    assert_eq!((report["exit_code"].as_i64(), run.code()), (Some(125), 125), "{report}");
    assert!(report["usage"].is_null(), "{report}");
}

#[test]
fn best_effort_is_only_given_where_it_is_asked_for() {
    let workspace = Workspace::new(Caller::User);
    let profile = workspace.write("limited.json", r#"{"version": 1, "level": "resource-limited"}"#);
    let profile = ["-p", profile.to_str().unwrap()];
    let (run, report) = workspace.report(&[&profile[..], &["--degrade"]].concat(), "echo ran");
    if layer(&report, "cgroup")["status"] == "enforced" {
        return support::skip("no-cgroup", "this user has a cgroup");
    }
    assert_eq!(run.success(), "ran");
    let run = workspace.shell(&profile, "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
}

/// One short process after the other: none comes near the limit by itself, all together do.
const MANY_SHORT: &str =
    "while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done";

#[test]
fn a_limit_of_processor_time_holds_for_all_processes_together() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        for level in LEVELS {
            let set = ["--set", "limits.cpu_time=500ms", "--timeout", "30s"];
            let options = [&["-l", level], &set[..]].concat();
            let (run, report) = workspace.report(&options, MANY_SHORT);
            assert_eq!(report["outcome"]["kind"], "limit", "{caller:?} {level}: {report:#}");
            assert_eq!(report["outcome"]["limit"], "cpu_time", "{caller:?} {level}: {report:#}");
            // SIGXCPU, as from the kernel.
            assert_eq!(run.code(), 128 + 24, "{caller:?} {level}: {run:?}");
            assert!(run.stderr().contains("limits.cpu_time"), "{caller:?} {level}: {run:?}");
            let used = |what: &str| report["usage"][what].as_f64().unwrap();
            let used = used("user_seconds") + used("system_seconds");
            let most = 2.0 * f64::from(support::patience());
            assert!((0.4..most).contains(&used), "{caller:?} {level}: {used}");
        }
    }
}

#[test]
fn a_tree_that_ignores_its_limit_of_processor_time_is_killed_a_second_later() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        if !has_cgroup(&workspace, caller) {
            continue;
        }
        let script = format!("trap '' XCPU; {MANY_SHORT}");
        // The shell has to come to its trap before.
        let limit = format!("limits.cpu_time={}ms", 300 * patience());
        let set = ["-q", "--set", &limit, "--timeout", "60s"];
        let mark = mark();
        let (run, report) = workspace.report(&set, &format!("{script} # {mark}"));
        assert_eq!(report["outcome"]["limit"], "cpu_time", "{caller:?}: {report:#}");
        assert_eq!(run.code(), 128 + 9, "{caller:?}: {run:?}");
        assert!(report["usage"]["wall_seconds"].as_f64() > Some(1.2), "{caller:?}: {report:#}");
        nothing_is_left(&mark);
    }
}

#[test]
fn a_tree_that_stays_below_its_limit_of_processor_time_is_left_alone() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let set = ["--set", "limits.cpu_time=20s", "--timeout", "30s"];
        let (run, report) = workspace.report(&set, "sleep 0.3; exit 7");
        assert_eq!(run.code(), 7, "{caller:?}: {run:?}");
        // Which of the two it is, is told.
        let details = layer(&report, "rlimits")["details"].to_string();
        let told = ["of the whole tree too", "of each process; nothing counts"];
        assert!(told.iter().any(|text| details.contains(text)), "{caller:?}: {details}");
    }
}
