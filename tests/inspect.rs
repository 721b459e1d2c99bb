//! What can be found out without running anything: `check`, `explain`, `doctor`, `profiles`.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use serde_json::Value;
use support::host::{has_landlock_tcp, landlock_if_any};
use support::{Caller, Finished, Workspace, callers};

fn call(caller: Caller, words: &[&str]) -> Finished {
    Workspace::new(caller).ringfence(words).finish()
}

#[track_caller]
fn json(call: &Finished) -> Value {
    serde_json::from_str(&call.stdout()).unwrap_or_else(|error| panic!("{error}: {call:?}"))
}

const WRONG: &str = r#"{
  "version": 1,
  "level": "containerised",
  "limts": {},
  "filesystem": { "mounts": [ { "source": "${HOME}" }, { "source": "/etc", "target": "/x/../y" } ] },
  "seccomp": { "allow": ["@defult", "readd"] },
  "otherwise": "./other.json"
}"#;

/// Both mounts have the same target once the variable is known.
const OVERLAPPING: &str = r#"{
  "version": 1,
  "level": "containerized",
  "filesystem": { "mounts": [ { "source": "${CWD}" }, { "source": "/etc", "target": "PROJECT" } ] }
}"#;

fn with_wrong_profiles() -> Workspace {
    let workspace = Workspace::new(Caller::User);
    let project = workspace.project();
    workspace.write("project/wrong.json", WRONG);
    workspace
        .write("project/other.json", OVERLAPPING.replace("PROJECT", project.to_str().unwrap()));
    workspace
}

#[test]
fn check_finds_every_problem_of_every_choice_in_one_go() {
    let workspace = with_wrong_profiles();
    let call = workspace.ringfence(["check", "./wrong.json"]).finish();
    assert_eq!(call.code(), 1, "{call:?}");
    let text = call.stderr();
    for problem in [
        "unknown level \"containerised\"",
        "unknown key \"limts\"",
        "contains \"..\"",
        "unknown group of system calls \"@defult\"",
        "unknown system call \"readd\"",
        "two mounts have the target",
    ] {
        assert!(text.contains(problem), "{problem}: {text}");
    }
    assert!(text.contains("wrong.json:3:"), "{text}");
}

#[test]
fn check_tells_programs_where_each_problem_is() {
    let workspace = with_wrong_profiles();
    let call = workspace.ringfence(["check", "--json", "default", "./wrong.json"]).finish();
    assert_eq!(call.code(), 1, "{call:?}");
    let document = json(&call);
    assert_eq!(document["version"], 1);
    assert_eq!(document["profiles"][0]["problems"].as_array().unwrap().len(), 0, "{document}");
    let problems = document["profiles"][1]["problems"].as_array().unwrap();
    let level = problems.iter().find(|one| one["text"] == "\"containerised\"").unwrap();
    assert_eq!((level["line"].as_u64(), level["column"].as_u64()), (Some(3), Some(12)));
    assert_eq!(level["help"], "did you mean \"containerized\"?");
}

#[test]
fn check_warns_of_what_has_no_effect_and_lets_it_pass() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "level": "containerized", "landlock": {"read": ["/srv"]}}"#;
    workspace.write("project/p.json", text);
    let call = workspace.ringfence(["check", "./p.json"]).finish();
    assert_eq!(call.code(), 0, "{call:?}");
    assert!(call.stderr().contains("warning: landlock.read: no mount shows"), "{call:?}");
    let document = json(&workspace.ringfence(["check", "--json", "./p.json"]).finish());
    assert_eq!(document["profiles"][0]["warnings"].as_array().unwrap().len(), 1, "{document}");
}

#[test]
fn check_fails_for_a_profile_that_cannot_be_read() {
    assert_eq!(call(Caller::User, &["check", "default", "./nothing.json"]).code(), 125);
}

#[test]
fn every_built_in_profile_is_without_problems_and_warnings() {
    for caller in callers() {
        let names = json(&call(caller, &["profiles", "--json"]));
        for profile in names["profiles"].as_array().unwrap() {
            let name = profile["name"].as_str().unwrap();
            let document = json(&call(caller, &["check", "--json", name]));
            let found = &document["profiles"][0];
            assert_eq!(found["problems"].as_array().unwrap().len(), 0, "{found:#}");
            assert_eq!(found["warnings"].as_array().unwrap().len(), 0, "{found:#}");
        }
    }
}

#[test]
fn explain_has_its_four_sections() {
    for caller in callers() {
        let text = call(caller, &["explain"]).success();
        for title in ["Permissions", "Borders", "Monitored actions", "Remaining ways out"] {
            assert!(text.lines().any(|line| line == title), "{title}: {text}");
        }
    }
}

#[test]
fn explain_says_of_each_layer_what_a_run_reports() {
    for caller in callers() {
        for options in [&[][..], &["-l", "basic"], &["--memory", "64MiB", "--pids", "50"]] {
            let workspace = Workspace::new(caller);
            let words = [&["explain", "--json"], options].concat();
            let explained = json(&workspace.ringfence(words).finish());
            let words = [&["run", "--report", "r.json"], options, &["true"]].concat();
            workspace.ringfence(words).finish().success();
            let report = std::fs::read(workspace.project().join("r.json")).unwrap();
            let report: Value = serde_json::from_slice(&report).unwrap();
            assert_eq!(explained["borders"], report["layers"], "{caller:?} {options:?}");
            assert_eq!(explained["effective_level"], report["effective_level"], "{caller:?}");
        }
    }
}

#[test]
fn explain_knows_what_is_writable_and_what_is_reachable() {
    let ports = has_landlock_tcp();
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let connect = if ports { &["--connect", "443"][..] } else { &[] };
        let words = [&["explain", "--json", "--env", "MY_TOKEN"], connect].concat();
        let mut call = workspace.ringfence(words);
        call.command.env("MY_TOKEN", "1");
        let document = json(&call.finish());
        let permissions = &document["permissions"];
        let visible = permissions["files"]["visible"].as_array().unwrap();
        let writable: Vec<_> = visible
            .iter()
            .filter(|one| one["kind"] == "read-write")
            .map(|one| &one["path"])
            .collect();
        assert_eq!(writable, [workspace.project().to_str().unwrap()], "{caller:?}");
        let ways_out = document["ways_out"].to_string();
        assert!(ways_out.contains("MY_TOKEN"), "{ways_out}");
        if ports {
            assert_eq!(permissions["network"]["mode"], "host");
            assert_eq!(permissions["network"]["connect_tcp"], serde_json::json!([443]));
            assert!(ways_out.contains("UDP"), "{ways_out}");
        }
    }
}

#[test]
fn explain_tells_of_more_ways_out_at_a_lower_level() {
    for caller in callers() {
        let ways_out = |level: &str| {
            let document = json(&call(caller, &["explain", "--json", "-l", level]));
            document["ways_out"].to_string()
        };
        let (low, high) = (ways_out("basic"), ways_out("containerized"));
        for way in ["the network is the host's", "sent signals", "can be traced", "seccomp"] {
            assert!(low.contains(way), "{way}: {low}");
            assert!(!high.contains(way), "{way}: {high}");
        }
    }
}

#[test]
fn explain_shows_a_refusal_with_its_remedy() {
    let words =
        ["explain", "--json", "--set", "filesystem.mounts=[{\"source\": \"/nonexistent\"}]"];
    let call = call(Caller::User, &words);
    assert_eq!(call.code(), 125, "{call:?}");
    assert!(call.stderr().contains("remedy:"), "{call:?}");
    let error = &json(&call)["error"];
    assert_eq!(error["kind"], "refused");
    assert_eq!(error["problems"][0]["layer"], "filesystem", "{error}");
    assert!(error["problems"][0]["cause"]["remedy"].is_string(), "{error}");
}

#[test]
fn doctor_reaches_the_level_that_a_run_reaches() {
    for caller in callers() {
        let document = json(&call(caller, &["doctor", "--json"]));
        for answer in document["levels"].as_array().unwrap() {
            let level = answer["level"].as_str().unwrap();
            let workspace = Workspace::new(caller);
            let text = format!(r#"{{"version": 1, "level": "{level}"}}"#);
            workspace.write("project/bare.json", text);
            // An empty root has no programs; what counts is whether it comes as far as looking.
            let code = workspace.shell(&["-p", "./bare.json"], "true").code();
            assert_eq!(code != 125, answer["reached"], "{caller:?} {answer}: {code}");
        }
    }
}

#[test]
fn doctor_names_a_remedy_for_all_that_is_missing() {
    for caller in callers() {
        let call = call(caller, &["doctor", "--json"]);
        assert_eq!(call.code(), 0, "{call:?}");
        for finding in json(&call)["findings"].as_array().unwrap() {
            let missing = finding["answer"] == "no";
            let remedy = finding["cause"]["remedy"].as_str().unwrap_or_default();
            assert_eq!(missing, !remedy.is_empty(), "{caller:?} {finding}");
        }
    }
}

#[test]
fn doctor_says_who_it_speaks_of() {
    for caller in callers() {
        let document = json(&call(caller, &["doctor", "--json"]));
        let uid = if caller == Caller::Root { 0 } else { support::UNPRIVILEGED };
        if rustix::process::geteuid().is_root() {
            assert_eq!(document["user"]["uid"], uid);
        }
        assert!(call(caller, &["doctor"]).success().contains("Highest level"));
    }
}

#[test]
fn profiles_are_listed_with_their_place_and_the_nearest_wins() {
    let workspace = Workspace::new(Caller::User);
    let text = r#"{"version": 1, "level": "basic", "description": "Mine."}"#;
    workspace.write("home/.config/ringfence/profiles/default.json", text);
    workspace.write("home/.config/ringfence/profiles/broken.json", "{");
    let document = json(&workspace.ringfence(["profiles", "list", "--json"]).finish());
    let find = |name: &str| {
        let profiles = document["profiles"].as_array().unwrap();
        profiles.iter().find(|profile| profile["name"] == name).unwrap().clone()
    };
    assert_eq!(find("default")["description"], "Mine.");
    assert!(find("default")["path"].as_str().unwrap().ends_with("default.json"));
    assert_eq!(find("landlock-only")["path"], Value::Null);
    assert_eq!(find("broken")["problems"], 1);
    let text = workspace.ringfence(["profiles"]).finish().success();
    assert!(text.contains("Mine.") && text.contains("built-in"), "{text}");
}

#[test]
fn a_profile_is_shown_as_it_is() {
    let text = std::fs::read_to_string("profiles/default.json").unwrap();
    assert_eq!(call(Caller::User, &["profiles", "show", "default"]).stdout(), text);
    let document = json(&call(Caller::User, &["profiles", "show", "default", "--json"]));
    assert_eq!(document["text"], text);
    assert_eq!(document["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(call(Caller::User, &["profiles", "show", "nothing"]).code(), 125);
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let workspace = Workspace::new(Caller::User);
    let mut call = workspace.ringfence(["profiles"]);
    call.command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(call.finish().code(), 125);
}

#[test]
fn explain_knows_what_stands_in_for_a_network_namespace() {
    let options = [&["explain", "--json", "-p", "landlock-only"], landlock_if_any()].concat();
    for caller in callers() {
        let document = json(&call(caller, &options));
        let network = &document["permissions"]["network"];
        assert_eq!((&network["mode"], &network["held_by"]), (&"none".into(), &"seccomp".into()));
        assert!(!document["ways_out"].to_string().contains("UNIX sockets"), "{document:#}");
        let document = json(&call(caller, &["explain", "--json"]));
        assert_eq!(document["permissions"]["network"]["held_by"], "namespace", "{caller:?}");
    }
}
