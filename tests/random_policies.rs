//! Small policies that nobody chose, run for real: what was planned, what is explained, what is
//! reported, and what a command finds inside are the same.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::{Strategy, any};
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::host::maps_owners;
use support::{Caller, Finished, LEVELS, Workspace, callers};

/// How many policies each caller runs; `RINGFENCE_FUZZ` asks for more.
const CASES: u32 = 24;

/// Layers that can be set one by one without making the others senseless.
const LAYERS: [&str; 16] = [
    "session",
    "no-new-privs",
    "rlimits",
    "user",
    "capabilities",
    "pid-namespace",
    "ipc-namespace",
    "uts-namespace",
    "network-namespace",
    "cgroup-namespace",
    "time-namespace",
    "filesystem",
    "cgroup",
    "masks",
    "landlock",
    "seccomp",
];

/// What a profile asks for.
#[derive(Clone, Debug)]
struct Wish {
    level: &'static str,
    enforcement: BTreeMap<&'static str, &'static str>,
    network: Option<&'static str>,
    open_files: Option<u32>,
    file_size: Option<u32>,
    processes: Option<u32>,
    wall_time: bool,
    umask: Option<&'static str>,
    hostname: Option<&'static str>,
    shared: Option<&'static str>,
    hide: bool,
    no_directories: bool,
    landlock: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let settings = select(&["off", "best-effort", "required"][..]);
    let enforcement = btree_map(select(&LAYERS[..]), settings, 0..4);
    let limits =
        (option::of(20..200_u32), option::of(1..500_u32), option::of(50..500_u32), any::<bool>());
    let start = (
        option::of(select(&["022", "077", "007"][..])),
        option::of(select(&["builder", "a-b"][..])),
        option::of(select(&["ro", "rw"][..])),
    );
    let flags = subsequence(vec!["hide", "mkdir", "landlock"], 0..=3);
    let network = option::of(select(&["none", "loopback", "host"][..]));
    (select(&LEVELS[..]), enforcement, network, limits, start, flags).prop_map(
        |(level, enforcement, network, limits, (umask, hostname, shared), flags)| Wish {
            level,
            enforcement,
            network,
            open_files: limits.0,
            file_size: limits.1,
            processes: limits.2,
            wall_time: limits.3,
            umask,
            hostname,
            shared,
            hide: flags.contains(&"hide"),
            no_directories: flags.contains(&"mkdir"),
            landlock: flags.contains(&"landlock"),
        },
    )
}

impl Wish {
    /// The profile, about a workspace.
    fn profile(&self, workspace: &Workspace) -> Value {
        let (project, shared) = (workspace.project(), workspace.path().join("shared"));
        let host = ["/usr", "/bin", "/lib", "/lib64", "/etc"];
        let mut mounts: Vec<Value> =
            host.iter().map(|path| json!({"source": path, "optional": true})).collect();
        mounts.push(json!({"source": project, "access": "rw", "map_owner": true}));
        mounts.extend(self.shared.map(|access| json!({"source": shared, "access": access})));
        let mut profile = json!({
            "version": 1,
            "level": self.level,
            "enforcement": self.enforcement,
            "filesystem": {"mounts": mounts},
            "environment": {"set": {"WISHED": "$5 ok"}},
            "limits": {},
            "process": {},
        });
        let mut put = |section: &str, key: &str, value: Option<Value>| {
            if let Some(value) = value {
                profile[section][key] = value;
            }
        };
        put("limits", "open_files", self.open_files.map(Value::from));
        put("limits", "file_size", self.file_size.map(|blocks| Value::from(blocks * 512)));
        put("limits", "processes", self.processes.map(Value::from));
        put("limits", "wall_time", self.wall_time.then(|| "5m".into()));
        put("process", "umask", self.umask.map(Value::from));
        put("process", "hostname", self.hostname.map(Value::from));
        put("network", "mode", self.network.map(Value::from));
        put("filesystem", "hide", self.hide.then(|| json!([project.join("hidden")])));
        let calls = json!(["mkdir", "mkdirat"]);
        put("seccomp", "deny", self.no_directories.then_some(calls));
        if self.landlock || self.enforcement.get("landlock").is_some_and(|set| *set != "off") {
            // What the probe needs where nothing is mounted.
            put("landlock", "read", Some(json!(["/proc"])));
            put("landlock", "write", Some(json!(["/dev/null"])));
        }
        profile
    }
}

/// What the command says of itself, a line each.
const PROBE: &str = r#"
exec 2>&-
say() { echo "$1=$2"; }
field() { while read -r name value; do [ "$name" = "$1:" ] && say "$1" "$value"; done < /proc/self/status; }
for name in NoNewPrivs Seccomp CapEff CapBnd Uid Groups; do field $name; done
for name in user mnt pid ipc uts net cgroup time; do say "ns-$name" "$(readlink /proc/self/ns/$name)"; done
say open_files "$(ulimit -n)"; say file_size "$(ulimit -f)"; say umask "$(umask)"
say hostname "$(uname -n)"; say wished "$WISHED"; say leaked "$LEAKED"
say hidden "$(cat hidden)"; say secret "$(cat "$1/outside/secret")"
say shared "$(cat "$1/shared/file")"
if (: > "$1/shared/new"); then say writable yes; else say writable no; fi
if mkdir made; then say mkdir yes; else say mkdir no; fi
if (: > /usr/ringfence-planted); then say planted yes; rm /usr/ringfence-planted; else say planted no; fi
say end "$$"
"#;

struct Found(BTreeMap<String, String>);

impl Found {
    fn of(output: &str) -> Self {
        let lines = output.lines().filter_map(|line| line.split_once('='));
        Self(lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    #[track_caller]
    fn get(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("nothing was said of {key}: {:?}", self.0))
    }
}

/// Layers by name: how far each holds.
fn states(list: &Value) -> BTreeMap<String, (String, Value)> {
    let layers = list.as_array().unwrap_or_else(|| panic!("no layers: {list}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let state =
        |one: &Value| (text(&one["layer"]), (text(&one["status"]), one["mechanism"].clone()));
    layers.iter().map(state).collect()
}

struct Case<'a> {
    wish: &'a Wish,
    caller: Caller,
    /// What the same probe finds without any sandbox.
    outside: &'a Found,
    inside: Found,
    states: BTreeMap<String, (String, Value)>,
}

impl Case<'_> {
    fn status(&self, layer: &str) -> &str {
        &self.states[layer].0
    }

    fn holds(&self, layer: &str) -> bool {
        self.status(layer) == "enforced"
    }

    #[track_caller]
    fn is(&self, key: &str, expected: &str) {
        let found = self.inside.get(key);
        assert_eq!(found, expected, "{key}: {:#?} {:#?}", self.states, self.inside.0);
    }

    /// A layer is as inside looks like: a namespace is another one, or the caller's.
    fn namespaces(&self) {
        for (layer, name) in [
            ("user-namespace", "ns-user"),
            ("mount-namespace", "ns-mnt"),
            ("pid-namespace", "ns-pid"),
            ("ipc-namespace", "ns-ipc"),
            ("uts-namespace", "ns-uts"),
            ("network-namespace", "ns-net"),
            ("cgroup-namespace", "ns-cgroup"),
            ("time-namespace", "ns-time"),
        ] {
            let own = self.inside.get(name) != self.outside.get(name);
            assert_eq!(own, self.holds(layer), "{layer}: {:#?} {:#?}", self.states, self.inside.0);
        }
        if self.holds("uts-namespace") {
            self.is("hostname", self.wish.hostname.unwrap_or("sandbox"));
        } else {
            self.is("hostname", self.outside.get("hostname"));
        }
    }

    fn rights(&self) {
        if self.holds("no-new-privs") {
            self.is("NoNewPrivs", "1");
        }
        if self.holds("capabilities") {
            self.is("CapEff", "0000000000000000");
            self.is("CapBnd", "0000000000000000");
        } else if self.status("capabilities") == "off" && !self.holds("user-namespace") {
            self.is("CapBnd", self.outside.get("CapBnd"));
        }
        let user = self.inside.get("Uid").split_whitespace().next().unwrap_or_default();
        let own = self.outside.get("Uid").split_whitespace().next().unwrap_or_default();
        let switches = self.caller == Caller::Root && self.holds("user");
        assert_eq!(user, if switches { "65534" } else { own }, "{:#?}", self.states);
        if self.holds("seccomp") {
            self.is("Seccomp", "2");
        }
        // The directory is the caller's, and shown as the command's own only by a mount; where none
        // can, it is everybody's.
        let foreign = switches && !self.holds("filesystem") && maps_owners();
        let refused = foreign || self.wish.no_directories && self.holds("seccomp");
        self.is("mkdir", if refused { "no" } else { "yes" });
    }

    fn limits(&self) {
        for (key, wished) in [
            ("open_files", self.wish.open_files.map(|n| n.to_string())),
            ("file_size", self.wish.file_size.map(|n| n.to_string())),
        ] {
            let wished = wished.filter(|_| self.holds("rlimits"));
            self.is(key, wished.as_deref().unwrap_or_else(|| self.outside.get(key)));
        }
        // The process's own, in three digits or four.
        if let Some(umask) = self.wish.umask {
            assert_eq!(
                self.inside.get("umask").trim_start_matches('0'),
                umask.trim_start_matches('0')
            );
        }
    }

    fn files(&self) {
        self.is("wished", "$5 ok");
        if self.holds("environment") {
            self.is("leaked", "");
        }
        let viewed = self.holds("filesystem");
        if viewed && self.wish.hide {
            self.is("hidden", "");
        } else {
            self.is("hidden", "hidden");
        }
        // Only the host's root shows the secret; what mounts show, Landlock allows.
        let own_root = viewed && self.holds("root");
        // The workspace is in a directory for temporary files, of which these levels have their own.
        let private = viewed && !["basic", "user-based"].contains(&self.wish.level);
        let closed = own_root || private || !viewed && self.holds("landlock");
        self.is("secret", if closed { "" } else { "secret" });
        if viewed || self.holds("landlock") {
            self.is("planted", "no");
            let shown = self.wish.shared.is_some() || !closed;
            self.is("shared", if shown { "shared" } else { "" });
            if self.wish.shared != Some("rw") {
                self.is("writable", "no");
            } else if self.caller == Caller::User {
                self.is("writable", "yes");
            }
        }
    }
}

fn outside(workspace: &Workspace) -> Found {
    let shared = workspace.path().to_str().unwrap();
    let call = workspace.call(std::path::Path::new("/bin/sh"), ["-c", PROBE, "sh", shared]);
    let found = Found::of(&call.finish().stdout());
    let _ = std::fs::remove_dir(workspace.project().join("made"));
    found
}

/// Whether a run was refused, and by which words.
fn refusal(finished: &Finished) -> Option<Vec<String>> {
    let text = finished.stderr();
    let lines = text.lines().filter(|line| line.starts_with("  ") && !line.contains("remedy:"));
    (finished.code() == 125).then(|| lines.map(str::to_owned).collect())
}

fn judge(wish: &Wish, caller: Caller) {
    let workspace = Workspace::new(caller);
    workspace.write("project/hidden", "hidden\n");
    workspace.write("outside/secret", "secret\n");
    workspace.write("shared/file", "shared\n");
    let profile = workspace.write("home/wish.json", wish.profile(&workspace).to_string());
    let profile = profile.to_str().unwrap();
    let report = workspace.path().join("home/report.json");
    let outside = outside(&workspace);
    let explained = workspace.ringfence(["explain", "--json", "-p", profile]).finish();
    let words =
        ["run", "-p", profile, "--report", report.to_str().unwrap(), "--", "sh", "-c", PROBE];
    let mut call =
        workspace.ringfence(words.iter().chain(&["sh", workspace.path().to_str().unwrap()]));
    call.command.env("LEAKED", "a token");
    let run = call.finish();
    if let (Some(run), Some(explained)) = (refusal(&run), refusal(&explained)) {
        assert!(!run.is_empty() && run == explained, "{run:?} {explained:?}");
        return;
    }
    assert_eq!((run.code(), explained.code()), (0, 0), "{run:?} {explained:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let explained: Value = serde_json::from_str(&explained.stdout()).unwrap();
    let states = states(&report["layers"]);
    assert_eq!(self::states(&explained["borders"]), states, "explained, and reported");
    assert_eq!(explained["effective_level"], report["effective_level"]);
    assert_eq!(report["requested_level"], wish.level);
    for (layer, setting) in &wish.enforcement {
        let status = states[*layer].0.as_str();
        let fits = match *setting {
            "required" => ["enforced", "off"].contains(&status),
            "off" => status == "off" || *layer == "user-namespace",
            _ => true,
        };
        assert!(fits, "{layer} is {setting}, and {status}");
    }
    let inside = Found::of(&run.stdout());
    inside.get("end");
    let case = Case { wish, caller, outside: &outside, inside, states };
    case.namespaces();
    case.rights();
    case.limits();
    case.files();
}

fn run(caller: Caller) {
    let asked = std::env::var("RINGFENCE_FUZZ").ok().and_then(|cases| cases.parse().ok());
    let cases: u32 = asked.map_or(CASES, |cases: u32| cases.min(1000));
    let config = Config {
        cases,
        failure_persistence: None,
        // Each takes two runs.
        max_shrink_iters: 60,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(&wish(), |wish| {
        judge(&wish, caller);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{caller:?}: {failure}"));
}

#[test]
fn random_policies_are_enforced_as_planned_explained_and_reported() {
    for caller in callers() {
        run(caller);
    }
}

/// The least and the most of each, which random choices may never make.
#[test]
fn the_plainest_policy_of_each_level_is_enforced_as_reported() {
    let plain = |level| Wish {
        level,
        enforcement: BTreeMap::new(),
        network: None,
        open_files: None,
        file_size: None,
        processes: None,
        wall_time: false,
        umask: None,
        hostname: None,
        shared: None,
        hide: false,
        no_directories: false,
        landlock: false,
    };
    for caller in callers() {
        for level in LEVELS {
            judge(&plain(level), caller);
            let full = Wish {
                network: Some("none"),
                open_files: Some(64),
                shared: Some("rw"),
                hide: true,
                no_directories: true,
                ..plain(level)
            };
            judge(&full, caller);
        }
    }
}
