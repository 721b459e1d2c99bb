//! The larger examples, run as a user would, by root and by an unprivileged user.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::host::owns_what_is_the_callers;
use support::{Workspace, callers, example, has_program, patience};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Has the judge look at a solution to "double the number"; what it must say of the first case,
/// whose input is 21, for every caller.
fn judged(source: &str, verdict: &str) {
    if !has_program("cc") {
        return;
    }
    // The compiler's output goes into a directory that the judge has made for itself.
    for caller in callers().into_iter().filter(|caller| owns_what_is_the_callers(*caller)) {
        let workspace = Workspace::new(caller);
        let source = workspace.write("project/solution.c", source);
        workspace.write("project/tests/1.in", "21\n");
        workspace.write("project/tests/1.out", "42\n");
        workspace.write("project/tests/2.in", "4\n");
        workspace.write("project/tests/2.out", "8\n");
        let tests = workspace.project().join("tests");
        let time = (0.3 * f64::from(patience())).to_string();
        let words = [text(&source), text(&tests), "--time", &time];
        let run = workspace.call(&example("judge"), words).finish();
        let said = run.stdout();
        let first = said.lines().next().unwrap_or_default();
        let expected = format!("1: {verdict} (");
        assert!(first.starts_with(&expected), "{caller:?}: {run:?}, not {verdict}");
        assert_eq!(said.lines().count(), 2, "{caller:?}: {run:?}");
        assert_eq!(run.code(), i32::from(verdict != "OK"), "{caller:?}: {run:?}");
    }
}

#[test]
fn the_judge_accepts_what_is_right() {
    judged(
        "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d  \\n\\n\", 2 * n); }",
        "OK",
    );
}

#[test]
fn the_judge_knows_a_wrong_answer() {
    judged("#include <stdio.h>\nint main(void) { puts(\"43\"); }", "wrong answer");
}

#[test]
fn the_judge_ends_what_computes_for_ever() {
    judged("int main(void) { for (volatile int i = 0;; i++) {} }", "time limit");
}

#[test]
fn the_judge_ends_what_sleeps_for_ever() {
    judged("#include <unistd.h>\nint main(void) { for (;;) pause(); }", "time limit");
}

#[test]
fn the_judge_ends_what_takes_all_memory() {
    judged(
        "#include <stdlib.h>\n#include <string.h>\n\
         int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); } }",
        "memory limit",
    );
}

#[test]
fn the_judge_ends_what_writes_without_end() {
    judged("#include <stdio.h>\nint main(void) { for (;;) puts(\"42\"); }", "output limit");
}

#[test]
fn the_judge_sees_a_crash_and_a_failure() {
    judged("int main(void) { return *(volatile int *)8; }", "runtime error");
    judged("#include <stdio.h>\nint main(void) { puts(\"42\"); return 3; }", "runtime error");
}

#[test]
fn the_judge_ends_what_calls_for_more_than_a_computation_needs() {
    for call in ["socket(2, 1, 0)", "fork()", "mkdir(\"/tmp/x\", 0700)", "ptrace(0, 0, 0, 0)"] {
        let source = format!(
            "#include <stdio.h>\n#include <sys/ptrace.h>\n#include <sys/socket.h>\n\
             #include <sys/stat.h>\n#include <unistd.h>\n\
             int main(void) {{ {call}; puts(\"42\"); }}"
        );
        judged(&source, "forbidden call");
    }
}

#[test]
fn a_solution_doesnt_find_the_expected_output() {
    // By the judge's own working directory, below which they are.
    judged(
        "#include <stdio.h>\nint main(void) { char line[9]; FILE *f = fopen(\"tests/1.out\", \"r\");\n\
         if (f) puts(fgets(line, 9, f)); else puts(\"none\"); }",
        "wrong answer",
    );
}

#[test]
fn a_solution_that_doesnt_compile_is_one_that_is_wrong() {
    if !has_program("cc") {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "the secret");
        let include = format!("#include \"{}\"\n", text(&workspace.home().join("secret")));
        workspace.write("project/tests/1.in", "");
        workspace.write("project/tests/1.out", "");
        let tests = workspace.project().join("tests");
        for source in ["int main(void) { return x; }", &include] {
            let source = workspace.write("project/solution.c", source);
            let run = workspace.call(&example("judge"), [text(&source), text(&tests)]).finish();
            assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
            assert!(run.stdout().starts_with("compile error\n"), "{caller:?}: {run:?}");
            // A compiler shows the lines that it can't understand.
            assert!(!run.stdout().contains("the secret"), "{caller:?}: {run:?}");
        }
    }
}

/// Runs a job in a fresh work directory; the call, and what its logs say.
fn job(workspace: &Workspace, steps: &serde_json::Value) -> (support::Finished, Vec<String>) {
    let job = workspace.write("job.json", serde_json::json!({ "steps": steps }).to_string());
    workspace.write("work/source", "1 2 3\n");
    workspace.write("logs/.keep", "");
    let (work, logs) = (workspace.path().join("work"), workspace.path().join("logs"));
    let words = [text(&job), text(&work), text(&logs)];
    let run = workspace.call(&example("ci_step"), words).finish();
    let mut names: Vec<_> = std::fs::read_dir(&logs).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some());
    names.sort();
    let log = |path| {
        let text = std::fs::read_to_string(&path).unwrap();
        format!("{}: {text}", Path::new(&path).file_name().unwrap().to_str().unwrap())
    };
    (run, names.into_iter().map(log).collect())
}

#[test]
fn the_steps_of_a_job_share_their_work_and_nothing_else() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let logs = workspace.path().join("logs");
        let look = format!(
            "ls {} || :; ls /proc | grep -c '^[0-9]'; [ -e /tmp/mine ] || echo fresh",
            text(&logs)
        );
        let steps = serde_json::json!([
            { "name": "build", "run": "wc -w < source > result; sleep 60 & touch /tmp/mine" },
            { "name": "test", "run": "cat result; echo $MODE >&2", "env": { "MODE": "fast" } },
            { "name": "look", "run": look },
        ]);
        let (run, logs) = job(&workspace, &steps);
        assert_eq!(run.code(), 0, "{caller:?}: {run:?} {logs:?}");
        let words: Vec<_> = run.stdout().lines().map(|line| line[..14].to_owned()).collect();
        assert_eq!(words, ["ok       build", "ok       test ", "ok       look "], "{caller:?}");
        assert_eq!(logs[..2], ["01-build.log: ", "02-test.log: 3\nfast\n"], "{caller:?}");
        // The logs can't be seen; of processes there are only init, the shell and those of the
        // pipeline; the first step's file is gone.
        assert!(logs[2].contains("No such file"), "{caller:?}: {logs:?}");
        let mut lines = logs[2].lines().rev();
        assert_eq!(lines.next(), Some("fresh"), "{caller:?}: {logs:?}");
        let count: u32 = lines.next().unwrap().parse().unwrap();
        assert!(count <= 4, "{caller:?}: {logs:?}");
    }
}

#[test]
fn a_job_stops_at_the_first_step_that_fails() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let steps = serde_json::json!([
            { "name": "one", "run": "echo fine" },
            { "name": "two", "run": "false; echo not reached" },
            { "name": "three", "run": "touch reached" },
        ]);
        let (run, logs) = job(&workspace, &steps);
        assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
        assert_eq!(logs, ["01-one.log: fine\n", "02-two.log: "], "{caller:?}");
        assert!(run.stdout().contains("failed   two"), "{caller:?}: {run:?}");
        assert!(run.stdout().contains("the command exited with 1"), "{caller:?}: {run:?}");
        assert!(run.stdout().contains("skipped  three"), "{caller:?}: {run:?}");
        assert!(!workspace.path().join("work/reached").exists(), "{caller:?}");
    }
}

#[test]
fn a_step_without_end_is_ended_in_time() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let before = Instant::now();
        for (script, said) in [
            ("echo begun; sleep 600 & wait", "the wall-clock limit was reached"),
            ("yes", "it wrote more than 16777216 bytes"),
        ] {
            let timeout = if script == "yes" { 60.0 } else { 0.3 };
            let steps = serde_json::json!([{ "name": "a", "run": script, "timeout": timeout }]);
            let (run, _) = job(&workspace, &steps);
            assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
            assert!(run.stdout().contains(said), "{caller:?}: {run:?}");
        }
        assert!(before.elapsed() < Duration::from_secs(50), "{caller:?}");
        let log = std::fs::metadata(workspace.path().join("logs/01-a.log")).unwrap();
        assert!(log.len() < 17 << 20, "{caller:?}: {}", log.len());
    }
}

#[test]
fn a_job_that_makes_no_sense_isnt_run() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for (step, said) in [
            (serde_json::json!({ "name": "../x", "run": "touch ran" }), "a name has letters"),
            (serde_json::json!({ "name": "x", "rum": "touch ran" }), "unknown field `rum`"),
        ] {
            let (run, logs) = job(&workspace, &serde_json::json!([step]));
            assert_eq!((run.code(), logs.len()), (2, 0), "{caller:?}: {run:?}");
            assert!(run.stderr().contains(said), "{caller:?}: {run:?}");
            assert!(!workspace.path().join("work/ran").exists(), "{caller:?}");
        }
    }
}

/// A plugin in bad shape: what it does depends on the request.
const PLUGIN: &str = "echo not an answer
    while read -r request <&3; do
        case $request in
            crash) kill -9 $$ ;;
            hang) sleep 600 & wait ;;
            flood) yes | tr -d '\\n' >&3 ;;
            *) served=$((served + 1)); echo \"$request: $served\" >&3 ;;
        esac
    done";

#[test]
fn a_plugin_answers_and_is_started_again_when_it_fails() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        // On a busy machine a second may pass before a plugin has begun.
        let words = ["--patience", "5", "sh", "-c", PLUGIN];
        let call = workspace.call(&example("plugin_host"), words);
        let requests = b"a\nb\ncrash\nc\nhang\nd\nflood\ne\n";
        let before = Instant::now();
        let run = call.finish_with_input(requests);
        let expected = "a: 1\nb: 2\n(no answer)\nc: 1\n(no answer)\nd: 1\n(no answer)\ne: 1\n";
        assert_eq!(run.stdout(), expected, "{caller:?}: {run:?}");
        assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
        // Each bad request costs two, and the next one starts anew.
        assert!(run.stderr().contains("was started 7 times"), "{caller:?}: {run:?}");
        for why in ["it closed its socket", "it didn't answer in time", "its answer is too long"] {
            assert_eq!(run.stderr().matches(why).count(), 2, "{caller:?} {why}: {run:?}");
        }
        assert!(before.elapsed() < Duration::from_secs(60), "{caller:?}");
    }
}

#[test]
fn a_plugin_that_does_well_is_started_once() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["--patience", "20", "sh", "-c", PLUGIN];
        let call = workspace.call(&example("plugin_host"), words);
        let run = call.finish_with_input(b"x\ny\nz\n");
        assert_eq!((run.code(), &*run.stdout()), (0, "x: 1\ny: 2\nz: 3\n"), "{caller:?}: {run:?}");
        assert!(run.stderr().contains("was started 1 times"), "{caller:?}: {run:?}");
    }
}

/// The example of many commands at once needs the feature `tokio`.
#[cfg(feature = "tokio")]
#[test]
fn many_commands_run_at_once_and_each_is_told() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let mut lines: Vec<_> =
            (1..=40).map(|number| format!("sleep 0.2; echo is {number}")).collect();
        lines.extend(["exit 3", "echo planted > here", "cat /etc/shadow"].map(str::to_owned));
        let before = Instant::now();
        let call = workspace.call(&example("async_many"), ["20"]);
        let run = call.finish_with_input(lines.join("\n").as_bytes());
        // One after the other, they would sleep for eight seconds.
        let most = Duration::from_secs(8) * patience();
        assert!(before.elapsed() < most, "{caller:?}: {:?}", before.elapsed());
        assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
        let said = run.stdout();
        assert_eq!(said.lines().count(), lines.len(), "{caller:?}: {run:?}");
        for number in 1..=40 {
            let answer = format!("echo is {number}\tis {number}");
            let line = said.lines().find(|line| line.ends_with(&answer));
            assert!(line.is_some_and(|line| line.starts_with("exit 0\t")), "{number}: {run:?}");
        }
        assert!(said.lines().any(|line| line.starts_with("exit 3\t")), "{caller:?}: {run:?}");
        assert!(!workspace.project().join("here").exists(), "{caller:?}: {run:?}");
    }
}
