//! The command line: options, levels, profiles by name, and what is said about mistakes.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::{Caller, Finished, Workspace, callers};

fn call(caller: Caller, words: &[&str]) -> Finished {
    Workspace::new(caller).ringfence(words).finish()
}

/// The report of a run that does nothing, with these options.
fn report(caller: Caller, options: &[&str]) -> Value {
    let workspace = Workspace::new(caller);
    let words = [&["run", "--report", "report.json"], options, &["--", "true"]].concat();
    let run = workspace.ringfence(&words).finish();
    let text = std::fs::read_to_string(workspace.project().join("report.json"));
    let text = text.unwrap_or_else(|error| panic!("{error}: {run:?}"));
    serde_json::from_str(&text).unwrap()
}

fn status<'a>(report: &'a Value, layer: &str) -> &'a str {
    let layers = report["layers"].as_array().unwrap();
    let state = layers.iter().find(|state| state["layer"] == layer);
    state.and_then(|state| state["status"].as_str()).unwrap_or_else(|| panic!("{report:#}"))
}

#[test]
fn a_wrong_command_line_is_the_launchers_failure() {
    for words in [
        &[][..],
        &["run"],
        &["run", "--"],
        &["run", "--nonsense", "true"],
        &["run", "--net", "everything", "true"],
        &["run", "--memory", "12x", "true"],
        &["run", "--enforcement", "landlock", "true"],
        &["run", "--quiet", "--verbose", "true"],
        &["run", "--report", "a", "--report-fd", "2", "true"],
        &["run", "-p", "nonexistent", "true"],
        &["check"],
        &["profiles", "show"],
        &["nonsense"],
    ] {
        let call = call(Caller::User, words);
        assert_eq!(call.code(), 125, "{words:?}: {call:?}");
        assert!(!call.stderr().is_empty(), "{words:?}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for words in [
        &["--help"][..],
        &["--version"],
        &["help", "run"],
        &["run", "--help"],
        &["check", "--help"],
        &["explain", "--help"],
        &["doctor", "--help"],
        &["profiles", "--help"],
    ] {
        assert!(!call(Caller::User, words).success().is_empty(), "{words:?}");
    }
}

#[test]
fn a_misspelled_subcommand_is_answered_with_the_right_one() {
    let text = call(Caller::User, &["exlpain"]).stderr();
    assert!(text.contains("did you mean \"explain\"?"), "{text}");
}

#[test]
fn a_command_in_the_place_of_a_subcommand_is_answered_with_how_to_run_it() {
    let text = call(Caller::User, &["ls", "-l"]).stderr();
    assert!(text.contains("ringfence run -- ls"), "{text}");
}

#[test]
fn a_missing_command_is_said_to_be_missing() {
    for words in [&["run"][..], &["run", "--net", "none"]] {
        let text = call(Caller::User, words).stderr();
        assert!(text.contains("no command to run"), "{text}");
    }
}

#[test]
fn a_wrong_value_is_told_with_its_option() {
    for (option, value) in [
        ("--memory", "12x"),
        ("--timeout", "soon"),
        ("--pids", "-1"),
        ("--cpus", "many"),
        ("--connect", "http"),
        ("--user", "a:b:c"),
        ("--set", "limits.memroy=1"),
        ("--enforcement", "landlok=off"),
        ("--env", "=x"),
        ("--tmpfs", "/x:much"),
        ("--ro", "/x:relative"),
    ] {
        let option_and_value = format!("{option}={value}");
        let call = call(Caller::User, &["run", &option_and_value, "true"]);
        assert_eq!(call.code(), 125, "{option}: {call:?}");
        assert!(call.stderr().contains(option), "{option}: {}", call.stderr());
    }
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let text = call(Caller::User, &["run", "--memory=12x", "--pids=0.5", "true"]).stderr();
    assert!(text.contains("option --memory") && text.contains("option --pids"), "{text}");
}

#[test]
fn options_after_the_command_are_the_commands() {
    for caller in callers() {
        for words in [
            &["run", "echo", "--net", "-p", "--", "x"][..],
            &["run", "--", "echo", "--net", "-p", "--", "x"],
        ] {
            assert_eq!(call(caller, words).success(), "--net -p -- x", "{caller:?}");
        }
    }
}

#[test]
fn a_misspelled_option_is_not_taken_for_the_command() {
    let call = call(Caller::User, &["run", "--memry", "1GiB", "true"]);
    assert_eq!(call.code(), 125, "{call:?}");
    assert!(call.stderr().contains("--memory"), "{}", call.stderr());
}

#[test]
fn a_level_given_as_an_option_switches_off_the_layers_above_it() {
    for caller in callers() {
        let report = report(caller, &["--level", "basic"]);
        assert_eq!(report["requested_level"], "basic", "{caller:?}");
        for layer in ["session", "no-new-privs", "process-tree"] {
            assert_eq!(status(&report, layer), "enforced", "{caller:?} {layer}");
        }
        for layer in ["user", "pid-namespace", "network-namespace", "cgroup", "landlock", "seccomp"]
        {
            assert_eq!(status(&report, layer), "off", "{caller:?} {layer}");
        }
    }
}

#[test]
fn a_layer_named_with_enforcement_stays_above_the_level() {
    for caller in callers() {
        let options = ["-l", "basic", "--enforcement", "seccomp=required"];
        let report = report(caller, &options);
        assert_eq!(status(&report, "seccomp"), "enforced", "{caller:?}");
        assert_eq!(status(&report, "landlock"), "off", "{caller:?}");
    }
}

#[test]
fn an_option_that_closes_something_closes_it_at_any_level() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("project/secret", "secret");
        let run = workspace.shell(&["-l", "basic", "--hide", "secret"], "cat secret");
        assert!(!run.stdout().contains("secret"), "{caller:?} {run:?}");
        let host = std::fs::read_link("/proc/self/ns/net").unwrap();
        let run = workspace.shell(&["-l", "basic", "--net", "none"], "readlink /proc/self/ns/net");
        assert_ne!(run.success(), host.to_str().unwrap(), "{caller:?}");
    }
}

#[test]
fn a_read_only_path_is_refused_where_nothing_would_make_it_so() {
    let call = call(Caller::User, &["run", "-l", "basic", "--ro", "/usr", "true"]);
    assert_eq!(call.code(), 125, "{call:?}");
    assert!(call.stderr().contains("--ro /usr"), "{}", call.stderr());
}

#[test]
fn degrade_makes_a_run_of_what_would_be_refused() {
    for caller in callers() {
        // No kernel lets a capability be kept that the caller doesn't have, and a user namespace
        // of its own is ruled out; root has it, and drops it for this.
        let options = ["--set", "namespaces.time=true", "--set", "namespaces.user=false"];
        let workspace = Workspace::new(caller);
        let required = workspace.shell(&options, "echo ran");
        let degraded = workspace.shell(&[&options[..], &["--degrade"]].concat(), "echo ran");
        assert_eq!(degraded.success(), "ran", "{caller:?}");
        if caller == Caller::User {
            assert_eq!(required.code(), 125, "{required:?}");
            assert!(degraded.stderr().contains("unavailable"), "{}", degraded.stderr());
        }
    }
}

#[test]
fn set_reaches_every_part_of_the_profile() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["--set", "limits.open_files=33"], "ulimit -n");
        assert_eq!(run.success(), "33", "{caller:?}");
        let run = workspace.shell(&["--set", "process.umask=0077"], "umask");
        assert_eq!(run.success(), "0077", "{caller:?}");
    }
}

#[test]
fn env_passes_a_variable_or_sets_it() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["run", "--env", "PASSED", "--env", "SET=${x}=1", "--", "env"];
        let mut call = workspace.ringfence(words);
        call.command.env("PASSED", "yes").env("SECRET", "no");
        let text = call.finish().success();
        assert!(text.lines().any(|line| line == "PASSED=yes"), "{text}");
        assert!(text.lines().any(|line| line == "SET=${x}=1"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }
}

#[test]
fn cwd_is_where_the_command_starts() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        assert_eq!(workspace.shell(&["--cwd", "/usr"], "pwd").success(), "/usr", "{caller:?}");
        let run = workspace.shell(&["--cwd", "/nonexistent"], "pwd");
        assert_eq!(run.code(), 125, "{run:?}");
        assert!(run.stderr().contains("/nonexistent"), "{}", run.stderr());
    }
}

const NAMED: &str = r#"{"version": 1, "level": "basic", "environment": {"set": {"FROM": "name"}}}"#;

#[test]
fn a_profile_is_found_by_name_in_the_callers_configuration() {
    // Root wants the directories above to be root's alone, and those of a test may not be.
    let workspace = Workspace::new(Caller::User);
    workspace.write("config/ringfence/profiles/mine.json", NAMED);
    let mut call = workspace.ringfence(["run", "-p", "mine", "--", "sh", "-c", "echo $FROM"]);
    call.command.env("XDG_CONFIG_HOME", workspace.path().join("config"));
    assert_eq!(call.finish().success(), "name");
    workspace.write("home/.config/ringfence/profiles/mine.json", NAMED);
    assert_eq!(workspace.shell(&["-p", "mine"], "echo $FROM").success(), "name");
}

#[test]
fn a_profile_is_never_found_by_its_bare_name_in_the_working_directory() {
    let workspace = Workspace::new(Caller::User);
    workspace.write("project/mine.json", NAMED);
    let run = workspace.shell(&["-p", "mine"], "echo $FROM");
    assert_eq!(run.code(), 125, "{run:?}");
    assert!(run.stderr().contains("./mine"), "{}", run.stderr());
    assert_eq!(workspace.shell(&["-p", "./mine.json"], "echo $FROM").success(), "name");
}

#[test]
fn root_refuses_a_profile_that_others_can_write() {
    if !callers().contains(&Caller::Root) {
        return support::skip("root", "only root refuses them");
    }
    let workspace = Workspace::new(Caller::Root);
    let path = workspace.write("project/mine.json", NAMED);
    assert_eq!(workspace.shell(&["-p", "./mine.json"], "echo $FROM").success(), "name");
    for (mode, owner, who) in [(0o646, 0, "everybody"), (0o644, support::UNPRIVILEGED, "user")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
        let run = workspace.shell(&["-p", "./mine.json"], "echo $FROM");
        assert_eq!(run.code(), 125, "{run:?}");
        assert!(run.stderr().contains(who), "{}", run.stderr());
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
    std::os::unix::fs::chown(&path, Some(0), Some(support::UNPRIVILEGED)).unwrap();
    let run = workspace.shell(&["-p", "./mine.json"], "echo $FROM");
    assert!(run.code() == 125 && run.stderr().contains("group"), "{run:?}");
}

#[test]
fn nothing_that_a_terminal_obeys_comes_through_from_names() {
    let workspace = Workspace::new(Caller::User);
    let evil = "\u{1b}]0;title\u{7}\u{9b}31m";
    for words in [
        &["run", "-p", evil, "true"][..],
        &["run", "--", evil],
        &["run", "--ro", evil, "true"],
        &["run", "--set", evil, "true"],
        &["check", evil],
        &["explain", "-p", evil, "--json"],
        &[evil],
    ] {
        let call = workspace.ringfence(words).finish();
        let text = call.stdout() + &call.stderr();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{words:?}: {text:?}");
    }
}

#[test]
fn the_report_of_a_wrong_profile_has_no_colors() {
    let workspace = Workspace::new(Caller::User);
    let mut call = workspace.ringfence(["run", "--report", "r.json", "--memory=x", "true"]);
    call.command.env("CLICOLOR_FORCE", "1");
    let call = call.finish();
    assert!(call.stderr().contains('\u{1b}'), "{call:?}");
    let text = std::fs::read_to_string(workspace.project().join("r.json")).unwrap();
    assert!(!text.contains("\\u001b"), "{text}");
}

#[test]
fn a_path_that_is_not_there_is_an_error_and_no_reason_for_a_weaker_profile() {
    for caller in callers() {
        let run = call(caller, &["run", "--ro", "/nonexistent", "true"]);
        assert_eq!(run.code(), 125, "{caller:?} {run:?}");
        assert!(run.stderr().contains("/nonexistent"), "{}", run.stderr());
    }
}
