//! The report is true: for every layer at every level, switched on and off, what it says is what a
//! probe finds from inside, on whatever host this is; and where a required layer can't be had,
//! nothing is run. `tests/vm/matrix` runs this on hosts that lack things.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use support::probe::{Found, OPEN_FILES, PROCESSES, mismatch};
use support::{Caller, Finished, LEVELS, Workspace, callers};

const LAYERS: [&str; 23] = [
    "session",
    "descriptors",
    "environment",
    "no-new-privs",
    "rlimits",
    "wall-time",
    "process-tree",
    "user",
    "capabilities",
    "user-namespace",
    "mount-namespace",
    "pid-namespace",
    "ipc-namespace",
    "uts-namespace",
    "network-namespace",
    "cgroup-namespace",
    "time-namespace",
    "filesystem",
    "cgroup",
    "root",
    "masks",
    "landlock",
    "seccomp",
];

/// How many of [`LAYERS`] belong to each level and those below it.
const OF_LEVEL: [usize; 5] = [7, 9, 18, 19, 23];

/// A place with the probe in it.
struct Place {
    workspace: Workspace,
    caller: Caller,
    outside: Found,
}

/// What a run came to.
#[derive(Debug)]
struct Ran {
    run: Finished,
    report: Value,
    marker: bool,
}

impl Place {
    fn new(caller: Caller) -> Self {
        let workspace = Workspace::new(caller);
        workspace.bring("probe");
        // Where owners can't be mapped, root's command is somebody else to root's directory.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(workspace.project(), everybody).unwrap();
        let outside = workspace.call(&workspace.project().join("probe"), [""; 0]).finish();
        let outside = Found::parse(&outside.success());
        let place = Self { workspace, caller, outside };
        assert!(place.marker_there(), "the marker can be left without a sandbox");
        place
    }

    fn marker_there(&self) -> bool {
        std::fs::remove_file(self.workspace.project().join("marker")).is_ok()
    }

    /// Runs the probe with a level, all layers set to what `settings` says.
    fn run(
        &self,
        level: &str,
        settings: &BTreeMap<&str, &str>,
        words: &[&str],
        more: Value,
    ) -> Ran {
        let mut profile = json!({
            "version": 1,
            "level": level,
            "enforcement": settings,
            "filesystem": { "mounts": [{ "source": "${CWD}", "access": "rw" }] },
            "limits": { "processes": PROCESSES, "open_files": OPEN_FILES },
        });
        if let (Some(limits), Some(more)) = (profile["limits"].as_object_mut(), more.as_object()) {
            limits.extend(more.clone());
        }
        let profile = self.workspace.write("home/truth.json", profile.to_string());
        let report = self.workspace.home().join("report.json");
        let mut call = vec!["run", "-q", "-p", profile.to_str().unwrap()];
        call.extend(["--report", report.to_str().unwrap(), "--", "./probe"]);
        call.extend(words);
        let mut call = self.workspace.ringfence(call);
        call.command.env("RINGFENCE_TRUTH_SECRET", "1");
        // Nothing closes it when the launcher is executed: the sandbox has to.
        let inherited = rustix::io::dup(std::io::stderr()).unwrap();
        let run = call.finish();
        drop(inherited);
        let text = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        let report = serde_json::from_slice(&text).unwrap();
        Ran { run, report, marker: self.marker_there() }
    }

    /// The layers of a run that must have taken place, with all that doesn't agree.
    #[track_caller]
    fn confirmed(
        &self,
        ran: &Ran,
        wrong: &mut Vec<String>,
        what: &str,
    ) -> BTreeMap<String, String> {
        let mut statuses = BTreeMap::new();
        if ran.run.code() != 0 || !ran.marker {
            let why = ran.run.stderr();
            wrong.push(format!("{what}: it didn't run: {} {why}", ran.run.code()));
            return statuses;
        }
        let inside = Found::parse(&ran.run.stdout());
        for layer in ran.report["layers"].as_array().unwrap() {
            if let Some(text) = mismatch(layer, self.caller, &inside, &self.outside) {
                wrong.push(format!("{what}: {text}\n{layer}\n{inside:?}"));
            }
            let text = |key: &str| layer[key].as_str().unwrap().to_owned();
            statuses.insert(text("layer"), text("status"));
        }
        statuses
    }
}

/// The layers of a level set to `best-effort`, and those above it off.
fn best_effort(level: &str) -> BTreeMap<&'static str, &'static str> {
    let at = LEVELS.iter().position(|name| *name == level).unwrap();
    let setting = |i| if i < OF_LEVEL[at] { "best-effort" } else { "off" };
    let all = LAYERS.into_iter().enumerate().map(|(i, layer)| (layer, setting(i)));
    // That one is made only on request.
    all.filter(|(layer, _)| *layer != "time-namespace").collect()
}

/// Refused: with the exit status for that, the reason in the report, and nothing run.
fn is_refusal(ran: &Ran, layer: &str) -> bool {
    let message = ran.report["outcome"]["message"].as_str().unwrap_or_default();
    ran.run.code() == 125
        && !ran.marker
        && ran.report["effective_level"].is_null()
        && message.contains(layer)
}

fn chosen_levels() -> Vec<&'static str> {
    let short = std::env::var("RINGFENCE_TRUTH").is_ok_and(|value| value == "short");
    let few = ["user-based", "containerized"];
    LEVELS.into_iter().filter(|level| !short || few.contains(level)).collect()
}

#[test]
fn what_the_report_says_of_each_layer_is_what_a_probe_finds() {
    let mut wrong = Vec::new();
    let mut runs = 0;
    for caller in callers() {
        let place = Place::new(caller);
        for level in chosen_levels() {
            let best = best_effort(level);
            let ran = place.run(level, &best, &[], Value::Null);
            let as_it_is = place.confirmed(&ran, &mut wrong, &format!("{caller:?} {level}"));
            for layer in LAYERS {
                let what = |setting: &str| format!("{caller:?} {level} {layer}={setting}");
                let mut with = |setting, wrong: &mut Vec<String>| {
                    let settings = best.clone().into_iter().chain([(layer, setting)]).collect();
                    if settings == best {
                        return (0, String::new(), as_it_is.clone());
                    }
                    runs += 1;
                    let ran = place.run(level, &settings, &[], Value::Null);
                    let (code, refusal) = (ran.run.code(), ran.run.stderr());
                    if setting == "required" && code == 125 {
                        if !is_refusal(&ran, layer) {
                            wrong.push(format!("{}: {ran:?}", what(setting)));
                        }
                        return (code, refusal, BTreeMap::new());
                    }
                    (code, refusal, place.confirmed(&ran, wrong, &what(setting)))
                };
                let (_, _, off) = with("off", &mut wrong);
                // Below its level a user namespace is a means, to the user or another namespace.
                let means = layer == "user-namespace" && level == "user-based";
                if off.get(layer).is_some_and(|status| status != "off") && !means {
                    wrong.push(format!("{}: the report says {}", what("off"), off[layer]));
                }
                let (_, _, statuses) = with("best-effort", &mut wrong);
                let Some(status) = statuses.get(layer) else { continue };
                let (code, refusal, _) = with("required", &mut wrong);
                let can = ["enforced", "off"].contains(&status.as_str());
                if can != (code == 0) {
                    wrong.push(format!("{}: best-effort {status}: {refusal}", what("required")));
                }
            }
        }
    }
    eprintln!("{runs} runs of the probe, {} mismatches", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_level_is_given_whole_or_nothing_is_run() {
    for caller in callers() {
        let place = Place::new(caller);
        for level in LEVELS {
            let best = best_effort(level);
            let weaker = place.run(level, &best, &[], Value::Null);
            let effective = &weaker.report["effective_level"];
            // What is off stays off: the limit of processes would ask for a cgroup.
            let settings = best.into_iter().filter(|(_, setting)| *setting == "off").collect();
            let whole = place.run(level, &settings, &[], Value::Null);
            if effective == level {
                let mut wrong = Vec::new();
                place.confirmed(&whole, &mut wrong, level);
                assert!(wrong.is_empty(), "{caller:?} {level}: {wrong:#?}");
                assert_eq!(whole.report["effective_level"], level, "{caller:?}: {whole:?}");
            } else {
                // Not all of them: what only a launch shows isn't known yet.
                let missing = weaker.report["layers"].as_array().unwrap().iter();
                let missing = missing.filter(|layer| layer["status"] != "enforced");
                let named = missing.filter(|l| is_refusal(&whole, l["layer"].as_str().unwrap()));
                assert!(named.count() > 0, "{caller:?} {level}: {weaker:?} {whole:?}");
                assert!(is_refusal(&whole, ""), "{caller:?} {level}: {effective}: {whole:?}");
            }
        }
    }
}

#[test]
fn memory_is_held_by_what_the_report_says() {
    for caller in callers() {
        let place = Place::new(caller);
        for setting in ["best-effort", "off", "required"] {
            let settings = BTreeMap::from([("cgroup", setting)]);
            let limit = json!({ "memory": "24MiB", "swap": 0 });
            let what = format!("{caller:?} cgroup={setting}");
            let ran = place.run("basic", &settings, &["eat", "50000000"], limit);
            let layers = ran.report["layers"].as_array().unwrap();
            let Some(layer) = layers.iter().find(|layer| layer["layer"] == "cgroup") else {
                assert!(is_refusal(&ran, "cgroup"), "{what}: {ran:?}");
                continue;
            };
            let details = layer["details"].to_string();
            match layer["status"].as_str().unwrap() {
                "off" => assert_eq!(ran.run.success(), "eaten", "{what}"),
                "enforced" => {
                    assert_eq!(ran.report["outcome"]["kind"], "out-of-memory", "{what}: {ran:?}");
                    assert_eq!(ran.run.code(), 137, "{what}");
                }
                "fallback" if details.contains("memory") => {
                    assert_eq!(ran.run.stdout().trim(), "no memory", "{what}: {ran:?}");
                }
                _ => assert_eq!(ran.run.code(), 137, "{what}: {ran:?}"),
            }
        }
    }
}

#[test]
fn landlock_keeps_files_closed_where_the_report_says_so() {
    for caller in callers() {
        let place = Place::new(caller);
        let secret = place.workspace.write("home/secret", "x");
        for setting in ["off", "best-effort", "required"] {
            let settings = BTreeMap::from([("landlock", setting), ("cgroup", "off")]);
            let words = ["open", secret.to_str().unwrap()];
            let ran = place.run("basic", &settings, &words, Value::Null);
            let what = format!("{caller:?} landlock={setting}: {ran:?}");
            let layers = ran.report["layers"].as_array().unwrap();
            match layers.iter().find(|layer| layer["layer"] == "landlock") {
                None => assert!(is_refusal(&ran, "landlock"), "{what}"),
                Some(layer) => {
                    let closed =
                        ["enforced", "fallback"].map(Value::from).contains(&layer["status"]);
                    assert_eq!(ran.run.success(), if closed { "EACCES" } else { "0" }, "{what}");
                }
            }
        }
    }
}

#[test]
fn time_ends_and_so_does_the_tree_at_every_level() {
    for caller in callers() {
        let place = Place::new(caller);
        for level in LEVELS {
            let best = best_effort(level);
            let mark = support::tree::mark();
            let ran = place.run(level, &best, &["leave", &mark], Value::Null);
            assert_eq!(ran.run.code(), 0, "{caller:?} {level}: {ran:?}");
            support::tree::nothing_is_left(&mark);
            let limit = json!({ "wall_time": "400ms" });
            let ran = place.run(level, &best, &["stay", &mark], limit);
            assert_eq!(ran.report["outcome"]["kind"], "timed-out", "{caller:?} {level}: {ran:?}");
            assert_eq!(ran.run.code(), 124, "{caller:?} {level}");
            support::tree::nothing_is_left(&mark);
        }
    }
}
