//! What `programs/probe.c` finds from inside, and which layers that speaks of as being in force.

use std::collections::BTreeMap;

use super::Caller;

/// What a run of the probe printed: names and values.
#[derive(Debug)]
pub struct Found(BTreeMap<String, String>);

impl Found {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let pair =
            |line: &str| line.split_once(' ').map(|(name, value)| (name.into(), value.into()));
        Self(text.lines().filter_map(pair).collect())
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("the probe didn't say {name}: {self:?}"))
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == value
    }

    /// Whether a namespace is another than outside.
    fn own(&self, outside: &Self, name: &str) -> bool {
        let name = format!("ns-{name}");
        self.text(&name) != outside.text(&name)
    }

    /// Whether a layer is in force, by what is found inside beside what is found outside; `None`:
    /// nothing that could be found would tell.
    #[track_caller]
    pub fn in_force(&self, layer: &str, caller: Caller, outside: &Self) -> Option<bool> {
        Some(match layer {
            // In a pid namespace, a session from outside of it has the number 0.
            "session" => {
                let another = self.own(outside, "pid") || !self.is("sid", outside.text("sid"));
                self.number("sid") != 0 && another
            }
            "descriptors" => self.is("inherited", "0"),
            "environment" => self.is("secret", "kept"),
            "no-new-privs" => self.is("no_new_privs", "1"),
            "rlimits" => {
                self.is("rlimit-nofile", &OPEN_FILES.to_string())
                    && self.number("descriptors") == OPEN_FILES
            }
            "user" => match caller {
                Caller::Root => {
                    let other = |ids: &str| ids.split(',').all(|id| id != "0");
                    other(self.text("uids")) && other(self.text("gids")) && self.is("groups", "0")
                }
                // Without a view of its own, Landlock keeps the file with the map closed.
                Caller::User => {
                    let map = ["1", "EACCES"].contains(&self.text("users-mapped"));
                    self.own(outside, "user") && map
                }
            },
            "capabilities" => ["held", "bounding", "ambient"].iter().all(|set| self.is(set, "0")),
            "user-namespace" => self.own(outside, "user"),
            "mount-namespace" => self.own(outside, "mnt"),
            "pid-namespace" => self.own(outside, "pid"),
            "ipc-namespace" => self.own(outside, "ipc"),
            "uts-namespace" => self.own(outside, "uts") && self.is("hostname", "sandbox"),
            "network-namespace" => self.own(outside, "net"),
            "cgroup-namespace" => self.own(outside, "cgroup"),
            "time-namespace" => self.own(outside, "time"),
            "filesystem" => self.is("usr-writable", "0"),
            "root" => self.is("usr", "ENOENT") && self.is("above-root", "ENOENT"),
            // What a container around the sandbox has masked already isn't the sandbox's doing.
            "masks" => self.is("keys-masked", "1") && outside.is("keys-masked", "0"),
            "cgroup" => {
                let same_limit = self.is("rlimit-nproc", outside.text("rlimit-nproc"));
                self.number("threads") < PROCESSES && same_limit
            }
            "landlock" => self.number("domains-left") == outside.number("domains-left") - 1,
            "seccomp" => self.is("ptrace", "EPERM") && self.is("seccomp", "2"),
            "wall-time" | "process-tree" => return None,
            other => panic!("a layer that this test doesn't know: {other}"),
        })
    }
}

/// What the profiles of the test limit the tree to.
pub const PROCESSES: i64 = 30;

/// What they limit open descriptors to.
pub const OPEN_FILES: i64 = 64;

/// Layers whose mechanism works whether the layer is claimed or not: where the report says `off`,
/// nothing is claimed, and more may hold.
const ALWAYS: [&str; 4] = ["descriptors", "environment", "no-new-privs", "process-tree"];

/// Whether what is found agrees with what the report says of a layer.
#[track_caller]
pub fn mismatch(
    layer: &serde_json::Value,
    caller: Caller,
    inside: &Found,
    outside: &Found,
) -> Option<String> {
    let (name, status) = (layer["layer"].as_str().unwrap(), layer["status"].as_str().unwrap());
    let in_force = inside.in_force(name, caller, outside)?;
    let agrees = match status {
        "enforced" => in_force,
        // Another layer's namespace is what the identity of an unprivileged caller's command is.
        "off" if name == "user" && caller == Caller::User => true,
        "off" if ALWAYS.contains(&name) => true,
        // Where a landlock domain or a limit of each process is what was left, that is in the
        // mechanism, and the layer isn't said to be in force.
        "fallback" if name == "landlock" => true,
        "off" | "unavailable" | "fallback" => !in_force,
        other => panic!("{other}"),
    };
    (!agrees).then(|| format!("{name}: the report says {status}, the probe finds {in_force}"))
}
