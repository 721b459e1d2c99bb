//! `--events`: a line for everything that happens to a run, in its order, with the time.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use serde_json::Value;
use support::{Finished, Workspace, callers, patience};

/// Runs a script and reads the events.
fn run(workspace: &Workspace, options: &[&str], script: &str) -> (Finished, Vec<Value>) {
    let path = workspace.home().join("events");
    let _ = std::fs::remove_file(&path);
    let options = [options, &["--events", path.to_str().unwrap()]].concat();
    let run = workspace.shell(&options, script);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (run, events)
}

/// The names of the events, those of layers aside.
fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).filter(|n| *n != "layer").collect()
}

#[test]
fn a_run_is_told_from_its_plan_to_its_end() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let (run, events) = run(&workspace, &[], "exit 4");
        assert_eq!(run.code(), 4, "{caller:?}: {run:?}");
        assert_eq!(names(&events), ["planned", "started", "running", "ended"], "{caller:?}");
        let outcome = serde_json::json!({"kind": "exited", "code": 4});
        assert_eq!(events.last().unwrap()["outcome"], outcome);
        let layers = events.iter().filter(|event| event["event"] == "layer");
        assert!(layers.clone().any(|layer| layer["layer"] == "seccomp"), "{events:?}");
        assert!(layers.clone().all(|layer| layer["status"].is_string()), "{events:?}");
        // Both clocks go forward.
        for clock in ["time", "monotonic"] {
            let times: Vec<f64> = events.iter().map(|e| e[clock].as_f64().unwrap()).collect();
            assert!(times.is_sorted() && times[0] > 0.0, "{clock}: {times:?}");
            // The command has started before all this was written.
            let started = events.iter().position(|event| event["event"] == "started").unwrap();
            assert!(times[..started].iter().all(|time| *time == times[started]), "{times:?}");
        }
    }
}

#[test]
fn a_limit_is_told_when_it_is_reached() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let limit = 0.05 * f64::from(patience());
        let (_, events) = run(&workspace, &["--timeout", &format!("{limit}s")], "sleep 20");
        assert_eq!(names(&events), ["planned", "started", "running", "limit", "ended"]);
        let reached = events.iter().find(|event| event["event"] == "limit").unwrap();
        let started = events.iter().find(|event| event["event"] == "started").unwrap();
        let after = reached["monotonic"].as_f64().unwrap() - started["monotonic"].as_f64().unwrap();
        let in_time = after >= 0.9 * limit;
        assert!(reached["limit"] == "wall_time" && in_time, "{caller:?}: {after}");
    }
}

#[test]
fn a_run_that_never_began_has_an_end_all_the_same() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let path = workspace.home().join("events");
        let path = path.to_str().unwrap();
        let run = workspace.ringfence(["run", "--events", path, "--", "no-such-command"]).finish();
        assert_eq!(run.code(), 127, "{run:?}");
        let text = std::fs::read_to_string(path).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"ended".into(), &127.into()));
    }
}

#[test]
fn the_command_doesnt_get_the_descriptor_of_its_events() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let list = "ls /proc/self/fd | tr '\\n' ' '";
        let path = workspace.home().join("events");
        let script = format!(
            "exec 7>{path}; exec {binary} run --events fd:7 -- sh -c \"{list}\"",
            path = path.display(),
            binary = support::binary().display(),
        );
        let mut command = workspace.ringfence(["unused"]).command;
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(script).current_dir(workspace.project());
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        workspace.become_caller(&mut shell);
        let run = Finished(shell.output().unwrap());
        assert_eq!(run.success(), "0 1 2 3", "{caller:?}");
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"ended\""));
        command.env_clear();
    }
}

#[test]
fn events_are_not_written_through_a_link() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let target = workspace.write("home/target", "untouched");
        let link = workspace.home().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let arguments = ["run", "--events", link.to_str().unwrap(), "--", "true"];
        let run = workspace.ringfence(arguments).finish();
        assert_eq!(run.code(), 125, "{run:?}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "untouched");
    }
}

#[test]
fn processor_time_of_the_tree_is_told_once_when_it_is_used_up() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["--set", "limits.cpu_time=1s", "--timeout", "30s"];
        let (run, events) = run(&workspace, &options, "while :; do :; done");
        let limits: Vec<_> = events.iter().filter(|event| event["event"] == "limit").collect();
        assert_eq!(limits.len(), 1, "{caller:?}: {run:?} {events:?}");
        assert_eq!(limits[0]["limit"], "cpu_time", "{caller:?}: {events:?}");
    }
}

#[test]
fn stops_signals_and_the_kill_are_told_in_their_order() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let path = workspace.home().join("events");
        let script = "trap '' TERM; trap 'echo got it' USR1; echo ready; kill -STOP $$; echo on
            while :; do sleep 0.01; done";
        let options = ["--events", path.to_str().unwrap(), "--set", "process.grace=100ms"];
        let mut run = workspace.quietly(&options, &["sh", "-c", script]);
        // A group that isn't an orphan: else nobody could continue it, and it wouldn't stop.
        let mut child = run.command.process_group(0).spawn().unwrap();
        let id = Pid::from_raw(child.id().cast_signed()).unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut expect = |wanted: &str| {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line.trim(), wanted, "{caller:?}");
        };
        expect("ready");
        assert!(waitpid(Some(id), WaitOptions::UNTRACED).unwrap().unwrap().1.stopped());
        kill_process(id, Signal::CONT).unwrap();
        expect("on");
        // The command goes on before init tells that it does.
        let told = || std::fs::read_to_string(&path).unwrap().contains("\"continued\"");
        support::tree::wait_until("it is told that the command goes on", told);
        kill_process(id, Signal::USR1).unwrap();
        expect("got it");
        kill_process(id, Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{caller:?}");
        let text = std::fs::read_to_string(&path).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let told: Vec<_> = events
            .map(|event| (event["event"].as_str().unwrap().to_owned(), event["signal"].as_i64()))
            .filter(|(name, _)| name != "layer")
            .collect();
        let expected = [
            ("planned", None),
            ("started", None),
            ("running", None),
            ("stopped", Some(19)),
            ("signal", Some(18)),
            ("continued", None),
            ("signal", Some(10)),
            ("signal", Some(15)),
            ("killed", None),
            ("ended", None),
        ];
        let expected = expected.map(|(name, signal)| (name.to_owned(), signal));
        assert_eq!(told, expected, "{caller:?}: {text}");
    }
}

#[test]
fn a_kill_for_lack_of_memory_is_told() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        // `tail` keeps what has no end of line.
        let script = "head -c 300M /dev/zero | tail -n 1 > /dev/null";
        let (run, events) = run(&workspace, &["-q", "--memory", "32MiB"], script);
        let cgroup = events.iter().find(|event| event["layer"] == "cgroup").unwrap();
        if cgroup["status"] != "enforced" {
            support::skip("cgroup", &format!("{caller:?}: nobody limits a tree's memory here"));
            continue;
        }
        let kills = events.iter().find(|event| event["event"] == "oom-kill");
        let kills = kills.unwrap_or_else(|| panic!("{caller:?}: {run:?} {events:?}"));
        assert!(kills["count"].as_u64().unwrap() >= 1, "{caller:?}: {events:?}");
        assert_eq!(events.last().unwrap()["outcome"]["kind"], "out-of-memory", "{caller:?}");
    }
}
