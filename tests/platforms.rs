//! What the built-in profiles come to on this host, which `tests/vm/matrix` makes a table of; and
//! that the cause named for what is missing is the one that it has set up.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::{Finished, Workspace, callers};

const PROFILES: [&str; 7] =
    ["default", "ci", "untrusted", "compute", "network-client", "landlock-only", "ci-landlock"];

/// The layers that a refusal names, each once, and namespaces of all kinds in one word.
fn refused(run: &Finished) -> Vec<String> {
    let text = run.stderr();
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter_map(|line| line.split_once(": ")).map(|(layer, _)| layer);
    let mut names: Vec<_> =
        names.filter(|name| !name.starts_with(' ')).map(str::to_owned).collect();
    let kinds = |names: &[String]| names.iter().filter(|name| name.ends_with("-namespace")).count();
    if kinds(&names) > 2 {
        names.retain(|name| !name.ends_with("-namespace"));
        names.insert(0, "namespaces".to_owned());
    }
    names.dedup();
    names
}

/// What a profile came to, for the table.
#[track_caller]
fn came_to(run: &Finished, report: &Value, what: &str) -> String {
    let ran = run.stdout().contains("it ran");
    if run.code() == 125 {
        assert!(!ran && report["effective_level"].is_null(), "{what}: {run:?}");
        let layers = refused(run);
        assert!(!layers.is_empty(), "{what}: {run:?}");
        return format!("refused: {}", layers.join(", "));
    }
    assert!(run.code() == 0 && ran, "{what}: {run:?}");
    let level = report["effective_level"].as_str().unwrap_or("none");
    match report["instead_of"].is_null() {
        true => level.to_owned(),
        false => format!("{level}, by {}", report["profile"]["name"].as_str().unwrap()),
    }
}

#[test]
fn every_built_in_profile_is_enforced_replaced_or_refused() {
    for caller in callers() {
        let mut all = Vec::new();
        for profile in PROFILES {
            let workspace = Workspace::new(caller);
            let what = format!("{caller:?} {profile}");
            let (run, report) = workspace.report(&["-p", profile], "echo it ran");
            let came_to = came_to(&run, &report, &what);
            // Not by println!: the test harness would swallow it. On a line of its own, though the
            // harness may be in the middle of one.
            let _ = write!(std::io::stderr(), "\nPLATFORM|{caller:?}|{profile}|{came_to}\n");
            all.push(came_to);
        }
        let works = |at: usize| !all[at].starts_with("refused");
        assert!(
            works(0) || !works(5),
            "{caller:?}: \"default\" has a stand-in that works: {all:?}"
        );
    }
}

#[test]
fn the_cause_that_is_named_is_the_one_that_is_there() {
    // Such as "User:user-namespace=unprivileged_userns_clone is 0;All:landlock=ENOSYS".
    let Ok(expected) = std::env::var("RINGFENCE_CAUSES") else {
        return support::skip("RINGFENCE_CAUSES", "no cause was set up; see tests/vm");
    };
    for caller in callers() {
        for cause in expected.split(';').filter(|cause| !cause.is_empty()) {
            let (who, rest) = cause.split_once(':').unwrap();
            let (layer, text) = rest.split_once('=').unwrap();
            if who != "All" && who != format!("{caller:?}") {
                continue;
            }
            let workspace = Workspace::new(caller);
            let setting = format!("{layer}=required");
            let level = if layer == "cgroup" { "basic" } else { "user-based" };
            let limits = ["--memory", "1GiB", "--pids", "50", "--enforcement", "cgroup=off"];
            let limits = if layer == "cgroup" { &limits[..4] } else { &limits[4..] };
            let extra =
                if layer == "landlock" { "landlock.scopes=[]" } else { "process.umask=\"022\"" };
            let profile = workspace.write("home/plain.json", r#"{"version": 1, "level": "basic"}"#);
            let mut options = vec!["-p", profile.to_str().unwrap(), "-l", level, "--set", extra];
            options.extend(limits);
            options.extend(["--enforcement", &setting]);
            let (run, report) = workspace.report(&options, "echo it ran");
            let message = report["outcome"]["message"].as_str().unwrap_or_default();
            let named = message
                .lines()
                .any(|line| line.contains(&format!("{layer}: ")) && line.contains(text));
            assert!(run.code() == 125 && named, "{caller:?} {cause}: {run:?} {report}");
            assert_eq!(run.stdout(), "", "{caller:?} {cause}");
            let doctor = workspace.ringfence(["doctor"]).finish();
            assert!(doctor.stdout().contains(text), "{caller:?} {cause}: {doctor:?}");
        }
    }
}

#[test]
fn the_default_profile_holds_by_the_means_that_are_left() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let secret = workspace.write("home/secret", "precious");
        // The caller's alone to write to, whether it can be shown as the command's own or not.
        let project = workspace.project();
        std::fs::set_permissions(&project, PermissionsExt::from_mode(0o755)).unwrap();
        let script = format!("cat {}; echo done > result", secret.display());
        let (run, report) = workspace.report(&[], &script);
        if run.code() == 125 {
            support::skip(
                "default",
                &format!("{caller:?}: neither it nor its stand-in can be had"),
            );
            assert!(!workspace.project().join("result").exists(), "{caller:?}: {run:?}");
            continue;
        }
        assert_eq!(run.stdout(), "", "{caller:?}: {report}");
        if run.stderr().contains("it can only do there what others may") {
            // Told, and true: on this host root's files can't appear as nobody's.
            assert!(!workspace.project().join("result").exists(), "{caller:?}: {run:?}");
            continue;
        }
        let result = std::fs::read_to_string(workspace.project().join("result"));
        assert_eq!(result.unwrap(), "done\n", "{caller:?}: {run:?}");
        if report["profile"]["name"] == "landlock-only" {
            assert!(run.stderr().contains("landlock-only"), "{caller:?}: it is told: {run:?}");
        }
    }
}
