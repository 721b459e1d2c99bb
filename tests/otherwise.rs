//! Profiles that others take the place of, on hosts that forbid user namespaces. Rows of the
//! hostile cases: 4, 5.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use support::host::has_landlock;
use support::{Caller, Finished, Workspace, binary, callers};

/// `ringfence run` inside a sandbox whose filter forbids namespaces, as in a container.
fn nested(workspace: &Workspace, options: &[&str], script: &str) -> Finished {
    let tools = binary().parent().unwrap().to_str().unwrap();
    let inner =
        [&[binary().to_str().unwrap(), "run"], options, &["--", "sh", "-c", script]].concat();
    let words = [&["run", "-q", "--ro", tools, "--"], &inner[..]].concat();
    workspace.ringfence(words).finish()
}

/// `ringfence run` by a user whose host allows no user namespace: one in which the limit is 0.
fn without_user_namespaces(workspace: &Workspace, options: &[&str], script: &str) -> Finished {
    let setup = "echo 0 > /proc/sys/user/max_user_namespaces || exit 99
        exec setpriv --ambient-caps=-all --inh-caps=-all \"$@\"";
    let mut run = workspace.ringfence([""; 0]);
    let binary = run.command.get_program().to_owned();
    let mut command = std::process::Command::new("unshare");
    command.args(["-U", "--map-current-user", "--keep-caps", "sh", "-c", setup, "sh"]);
    command.arg(binary).arg("run").args(options).args(["--", "sh", "-c", script]);
    command.current_dir(workspace.project()).env_clear();
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", workspace.home());
    workspace.become_caller(&mut command);
    run.command = command;
    run.finish()
}

/// Reads a file of the caller's home, and writes to the project.
const SCRIPT: &str = "cat ~/secret; echo x > made && echo works; grep Seccomp: /proc/self/status";

fn takes_its_place(run: &Finished, caller: Caller) {
    assert_eq!(run.code(), 0, "{caller:?}: {run:?}");
    assert_eq!(run.stdout(), "works\nSeccomp:\t2\n", "{caller:?}: {run:?}");
    let stderr = run.stderr();
    let line: Vec<_> = stderr.lines().filter(|line| line.contains("takes its place")).collect();
    assert_eq!(line.len(), 1, "{caller:?}: {stderr}");
    for part in ["default", "landlock-only", "namespace"] {
        assert!(line[0].contains(part), "{caller:?}: {}", line[0]);
    }
}

#[test]
fn in_a_container_landlock_takes_the_place_of_namespaces() {
    // Row 5.
    if !has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "secret");
        takes_its_place(&nested(&workspace, &[], SCRIPT), caller);
    }
}

#[test]
fn without_user_namespaces_landlock_takes_their_place() {
    // Row 4: max_user_namespaces=0.
    if !has_landlock() {
        return;
    }
    let workspace = Workspace::new(Caller::User);
    workspace.write("home/secret", "secret");
    takes_its_place(&without_user_namespaces(&workspace, &[], SCRIPT), Caller::User);
}

#[test]
fn the_report_says_what_took_whose_place() {
    if !has_landlock() {
        return;
    }
    let workspace = Workspace::new(Caller::User);
    let options = ["-q", "--report", "report.json"];
    let run = without_user_namespaces(&workspace, &options, "true");
    assert_eq!(run.code(), 0, "{run:?}");
    let text = std::fs::read(workspace.project().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(report["profile"]["name"], "landlock-only", "{report}");
    assert_eq!(report["instead_of"]["profile"]["name"], "default", "{report}");
    assert!(!report["instead_of"]["problems"].as_array().unwrap().is_empty(), "{report}");
    assert!(report["notes"][0].as_str().unwrap().contains("takes its place"), "{report}");
}

#[test]
fn a_profile_without_a_substitute_is_refused_with_cause_and_remedy() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "name": "alone", "level": "namespaced"}"#;
    let profile = workspace.write("alone.json", text);
    let options = ["-p", profile.to_str().unwrap()];
    let run = without_user_namespaces(&workspace, &options, "echo ran; true > ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(!workspace.project().join("ran").exists());
    for part in ["refused", "alone", "user-namespace", "max_user_namespaces", "remedy"] {
        assert!(run.stderr().contains(part), "{part}: {}", run.stderr());
    }
}

#[test]
fn the_cause_in_a_container_is_its_filter() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "name": "alone", "level": "namespaced"}"#;
    workspace.write("project/alone.json", text);
    let run = nested(&workspace, &["-p", "./alone.json"], "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(run.stderr().contains("seccomp"), "{}", run.stderr());
}

#[test]
fn when_no_profile_of_the_chain_can_be_had_nothing_is_run() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "level": "namespaced", "otherwise": "./second.json"}"#;
    let first = workspace.write("first.json", text);
    workspace.write("second.json", r#"{"version": 1, "level": "user-based"}"#);
    let options = ["-p", first.to_str().unwrap()];
    let run = without_user_namespaces(&workspace, &options, "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(run.stderr().contains("first"), "{}", run.stderr());
}

#[test]
fn the_first_profile_of_the_chain_that_can_be_had_is_taken() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "level": "namespaced", "otherwise": ["./no.json", "./yes.json"]}"#;
    let first = workspace.write("first.json", text);
    workspace.write("no.json", r#"{"version": 1, "level": "user-based"}"#);
    workspace.write("yes.json", r#"{"version": 1, "name": "yes", "level": "basic"}"#);
    let options = ["-p", first.to_str().unwrap()];
    let run = without_user_namespaces(&workspace, &options, "echo ran");
    assert_eq!((run.code(), run.stdout()), (0, "ran\n".into()), "{run:?}");
    assert!(run.stderr().contains("yes takes its place"), "{}", run.stderr());
}

#[test]
fn a_cycle_of_substitutes_is_an_error() {
    // What may take a profile's place is read when it has to, and by `check`.
    let workspace = Workspace::new(Caller::User);
    let text = |other| {
        format!(r#"{{"version": 1, "level": "namespaced", "otherwise": "./{other}.json"}}"#)
    };
    let one = workspace.write("one.json", text("two"));
    workspace.write("two.json", text("one"));
    let one = one.to_str().unwrap();
    let run = without_user_namespaces(&workspace, &["-p", one], "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(run.stderr().contains("leads back to itself"), "{}", run.stderr());
    let check = workspace.ringfence(["check", one]).finish();
    assert_ne!(check.code(), 0, "{check:?}");
}
