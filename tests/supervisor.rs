//! What the supervisor holds, whatever the command does and however little it rests: crowds of
//! processes, time, and its own idleness.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use support::tree::{mark, nothing_is_left, wait_until};
use support::{Caller, LEVELS, Workspace, callers, patience};

/// Runs `test` as every caller at every level, with the program `crowd` and a mark.
fn everywhere(test: impl Fn(&Workspace, Caller, &str, &str)) {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            workspace.bring("crowd");
            test(&workspace, caller, level, &mark());
        }
    }
}

#[test]
fn ten_thousand_short_lived_orphans_are_reaped_as_they_end() {
    for caller in callers() {
        for level in ["basic", "containerized"] {
            let workspace = Workspace::new(caller);
            workspace.bring("crowd");
            let mark = mark();
            // With that few processes at a time, none could be made any more if the dead stayed.
            let options = ["-l", level, "--pids", "300", "--degrade"];
            let run = workspace.quietly(&options, &["./crowd", "orphans", &mark, "10000"]);
            assert_eq!(run.finish().success(), "10000", "{caller:?} {level}");
            nothing_is_left(&mark);
        }
    }
}

#[test]
fn what_orphans_in_sessions_of_their_own_use_is_counted() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!("./crowd burn {mark} 4 100");
        let (run, report) = workspace.report(&["-q", "-l", level], &script);
        run.success();
        let used = report["usage"]["user_seconds"].as_f64().unwrap()
            + report["usage"]["system_seconds"].as_f64().unwrap();
        let most = 2.0 * f64::from(support::patience());
        assert!((0.39..most).contains(&used), "{caller:?} {level}: {used} s: {report}");
        nothing_is_left(mark);
    });
}

#[test]
fn stopped_deaf_and_runaway_children_end_with_the_run() {
    everywhere(|workspace, caller, level, mark| {
        let options = ["-l", level, "--timeout", "300ms", "--set", "process.grace=100ms"];
        let began = Instant::now();
        let run = workspace.quietly(&options, &["./crowd", "stopped", mark]).finish();
        assert_eq!((run.code(), &*run.stdout()), (124, "ready\n"), "{caller:?} {level}: {run:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_short_limit_is_kept_within_as_much_again() {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            // On a machine that others use too, the best of some says what the supervisor does.
            let wall = |_| {
                let options = ["-q", "-l", level, "--timeout", "50ms"];
                let (run, report) = workspace.report(&options, "exec sleep 60");
                assert_eq!(run.code(), 124, "{caller:?} {level}: {run:?}");
                report["usage"]["wall_seconds"].as_f64().unwrap()
            };
            let best = (0..8).map(wall).fold(f64::INFINITY, f64::min);
            let most = 0.05 + 0.05 * f64::from(patience());
            assert!((0.05..most).contains(&best), "{caller:?} {level}: {best} s");
        }
    }
}

/// A run whose command has said that it is ready.
fn start(workspace: &Workspace, options: &[&str]) -> Child {
    let words = ["sh", "-c", "echo ready; exec sleep 60"];
    let mut child = workspace.quietly(options, &words).command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// The launcher's child.
fn init_of(child: &Child) -> String {
    let path = format!("/proc/{0}/task/{0}/children", child.id());
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// The clocks of a process's timers, all of which are relative.
fn clocks(id: &str) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{id}/fdinfo")).unwrap();
    let mut clocks = Vec::new();
    for entry in entries.flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim().to_owned())
        };
        if let Some(clock) = value("clockid:") {
            assert_eq!(value("settime flags:").as_deref(), Some("00"), "not relative: {text}");
            clocks.push(clock);
        }
    }
    clocks
}

#[test]
fn steps_of_the_clock_move_no_time_limit() {
    // Setting the host's clock isn't for a test: the kernel says by which clock the limit goes.
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "nobody else may look into init");
    }
    everywhere(|workspace, caller, level, _| {
        let mut child = start(workspace, &["-l", level, "--timeout", "1h"]);
        let init = init_of(&child);
        // The command may be quicker than init is back from starting it.
        wait_until("init's timer", || !clocks(&init).is_empty());
        let clocks = clocks(&init);
        let monotonic = "1".to_owned(); // CLOCK_MONOTONIC
        assert_eq!(clocks, [monotonic], "{caller:?} {level}");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// How often a process has gone to sleep and was woken up, and the time it has used.
fn activity(id: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let switches = status.lines().filter(|line| line.contains("voluntary_ctxt_switches"));
    let stat = std::fs::read_to_string(format!("/proc/{id}/schedstat")).unwrap_or_default();
    format!("{:?} {stat}", switches.collect::<Vec<_>>())
}

#[test]
fn the_supervisor_uses_no_processor_while_it_waits() {
    everywhere(|workspace, caller, level, _| {
        let mut child = start(workspace, &["-l", level, "--timeout", "1h"]);
        let both = [child.id().to_string(), init_of(&child)];
        // What follows the start is done once nothing changes any more: after a quarter of a second,
        // each of the two lets go of memory.
        let now = || both.clone().map(|id| activity(&id));
        let mut before = now();
        wait_until("idleness", || {
            std::thread::sleep(Duration::from_millis(400));
            std::mem::replace(&mut before, now()) == before
        });
        before = now();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(now(), before, "{caller:?} {level}");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// How much of its program a process holds in memory, in KiB (`proc_pid_status(5)`).
fn program_in_memory(id: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_supervisor_holds_little_of_its_program_while_it_waits() {
    // Around each page that is needed for waiting, the kernel maps 64 KiB, and more where the page
    // cache has it in one piece; in a build without optimization there are some twenty. Before, both
    // have more than this: 8,500 and 5,300 KiB.
    const ENOUGH: u64 = 4608;
    everywhere(|workspace, caller, level, _| {
        let mut child = start(workspace, &["-l", level, "--timeout", "1h"]);
        let both = [child.id().to_string(), init_of(&child)];
        wait_until(&format!("{caller:?} {level}: less memory"), || {
            both.iter().all(|id| program_in_memory(id) <= ENOUGH)
        });
        // It can still end what it waits for.
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(15), "{caller:?} {level}: {status}");
    });
}
