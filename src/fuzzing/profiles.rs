//! Profiles by choices: texts that are right, or nearly, about the paths and accounts that the
//! made-up hosts have.

use serde_json::{Map, Value, json};

use super::Choices;
use crate::policy::arch::call_names;
use crate::policy::seccomp::groups;
use crate::profile::vocabulary::{
    Enforcement, LandlockScope, Layer, Level, Namespace, NetworkMode,
};

const PATHS: [&str; 16] = [
    "/usr",
    "/usr/local",
    "/bin",
    "/lib",
    "/etc/passwd",
    "/home/me",
    "/home/me/work",
    "${CWD}",
    "${HOME}/work/sub",
    "/srv/data",
    "/srv/data/current",
    "/opt",
    "/dev/null",
    "/nowhere",
    "/tmp/a b",
    "/a$${b}",
];

/// Calls with guards, calls that a filter can't look into, and calls that start anything at all.
const CALLS: [&str; 20] = [
    "clone",
    "clone3",
    "openat2",
    "openat",
    "open",
    "ioctl",
    "socket",
    "socketpair",
    "prctl",
    "unshare",
    "execve",
    "exit_group",
    "write",
    "read",
    "chmod",
    "sendto",
    "personality",
    "prlimit64",
    "fstatat",
    "mmap",
];

const ACTIONS: [&str; 7] = ["allow", "log", "kill", "EPERM", "ENOSYS", "EAFNOSUPPORT", "ENOTSUP"];

/// Makes a value by choices.
type Make = fn(&mut Choices<'_>) -> Value;

/// A whole profile, as text.
pub(super) fn profile(choices: &mut Choices<'_>, level: bool) -> String {
    let mut members = Map::new();
    members.insert("version".into(), 1.into());
    if level || choices.flag() {
        members.insert("level".into(), choices.pick(Level::NAMES).into());
    }
    if choices.one_in(4) {
        members.insert("name".into(), choices.text(8).into());
        members.insert("description".into(), choices.text(8).into());
    }
    let sections: [(&str, Make); 11] = [
        ("filesystem", filesystem),
        ("seccomp", seccomp),
        ("limits", limits),
        ("enforcement", enforcement),
        ("network", network),
        ("namespaces", namespaces),
        ("landlock", landlock),
        ("user", user),
        ("environment", environment),
        ("process", process),
        ("capabilities", capabilities),
    ];
    for (name, section) in sections {
        if choices.one_in(3) {
            members.insert(name.into(), section(choices));
        }
    }
    Value::Object(members).to_string()
}

/// An object of those members that are chosen.
fn object(choices: &mut Choices<'_>, members: &[(&str, Make)]) -> Value {
    let mut object = Map::new();
    for (key, value) in members {
        if choices.one_in(3) {
            object.insert((*key).into(), value(choices));
        }
    }
    Value::Object(object)
}

fn words(choices: &mut Choices<'_>, from: &[&str], most: usize) -> Value {
    choices.some(from, most).into()
}

fn paths(choices: &mut Choices<'_>) -> Value {
    words(choices, &PATHS, 3)
}

fn ports(choices: &mut Choices<'_>) -> Value {
    (0..choices.below(4)).map(|_| choices.short()).collect::<Vec<_>>().into()
}

fn filesystem(choices: &mut Choices<'_>) -> Value {
    object(
        choices,
        &[
            ("root", |c| {
                let directory = json!({"directory": c.pick(&["/srv/rootfs", "/nowhere"])});
                match c.below(3) {
                    0 => "host".into(),
                    1 => "minimal".into(),
                    _ => directory,
                }
            }),
            ("mounts", |c| (0..c.below(6)).map(|_| mount(c)).collect::<Vec<_>>().into()),
            ("hide", paths),
        ],
    )
}

fn mount(choices: &mut Choices<'_>) -> Value {
    let target = choices.pick(&PATHS);
    let flag = |c: &mut Choices<'_>| Value::Bool(c.flag());
    let mut mount = match choices.below(6) {
        0 => return target.into(),
        1 => object(choices, &[("noexec", flag), ("size", size), ("mode", |c| mode(c, 0o7777))]),
        2 => json!({"type": choices.pick(&["proc", "dev", "none"])}),
        _ => object(
            choices,
            &[
                ("source", |c| c.pick(&PATHS).into()),
                ("access", |c| c.pick(&["ro", "rw"]).into()),
                ("noexec", flag),
                ("optional", flag),
                ("map_owner", flag),
                ("unless_home", flag),
            ],
        ),
    };
    let tmpfs = mount.get("size").is_some() || mount.get("mode").is_some();
    if tmpfs {
        mount["type"] = "tmpfs".into();
    }
    mount["target"] = target.into();
    mount
}

fn mode(choices: &mut Choices<'_>, max: u16) -> Value {
    format!("{:03o}", choices.short() & max).into()
}

fn size(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => "unlimited".into(),
        1 => (choices.word() >> 1).into(),
        2 => format!("{}MiB", u16::from(choices.byte()) + 1).into(),
        _ => format!("{}.5GB", choices.byte()).into(),
    }
}

fn number(choices: &mut Choices<'_>) -> Value {
    if choices.one_in(4) { "unlimited".into() } else { (u32::from(choices.short()) + 1).into() }
}

fn time(choices: &mut Choices<'_>) -> Value {
    let number = u32::from(choices.short()) + 1;
    match choices.below(4) {
        0 => "unlimited".into(),
        1 => format!("{number}ms").into(),
        2 => format!("{number}.25s").into(),
        _ => format!("{number}m").into(),
    }
}

fn limits(choices: &mut Choices<'_>) -> Value {
    object(
        choices,
        &[
            ("memory", size),
            ("swap", size),
            ("processes", number),
            ("cpus", |c| json!(f64::from(u32::from(c.short()) + 1) / 1000.0)),
            ("cpu_weight", |c| (c.below(10_000) + 1).into()),
            ("cpuset", |c| c.pick(&["0", "0-1", "0,2-3", "7"]).into()),
            ("cpu_time", time),
            ("wall_time", time),
            ("open_files", number),
            ("file_size", size),
            ("output", size),
            ("output_overflow", |c| c.pick(&["truncate", "kill"]).into()),
            ("stack", size),
            ("core", size),
            ("nice", |c| (i32::from(c.byte() % 40) - 20).into()),
            ("io", |c| {
                object(
                    c,
                    &[("read_bytes", size), ("write_bytes", size), ("read_operations", number)],
                )
            }),
        ],
    )
}

fn enforcement(choices: &mut Choices<'_>) -> Value {
    let mut object = Map::new();
    for layer in choices.some(Layer::NAMES, 5) {
        object.insert(layer.into(), choices.pick(Enforcement::NAMES).into());
    }
    Value::Object(object)
}

fn namespaces(choices: &mut Choices<'_>) -> Value {
    let mut object = Map::new();
    for namespace in choices.some(Namespace::NAMES, 3) {
        object.insert(namespace.into(), choices.flag().into());
    }
    Value::Object(object)
}

fn network(choices: &mut Choices<'_>) -> Value {
    if choices.flag() {
        return choices.pick(NetworkMode::NAMES).into();
    }
    object(
        choices,
        &[
            ("mode", |c| c.pick(NetworkMode::NAMES).into()),
            ("connect_tcp", ports),
            ("bind_tcp", ports),
        ],
    )
}

fn landlock(choices: &mut Choices<'_>) -> Value {
    object(
        choices,
        &[
            ("read", paths),
            ("write", paths),
            ("execute", paths),
            ("connect_tcp", ports),
            ("bind_tcp", ports),
            ("scopes", |c| words(c, LandlockScope::NAMES, 2)),
        ],
    )
}

fn id(choices: &mut Choices<'_>) -> Value {
    match choices.below(5) {
        0 => 0.into(),
        1 => 1000.into(),
        2 => choices.pick(&["nobody", "build", "audio", "missing"]).into(),
        _ => u32::from(choices.short()).into(),
    }
}

fn user(choices: &mut Choices<'_>) -> Value {
    object(
        choices,
        &[
            ("uid", id),
            ("gid", id),
            ("groups", |c| (0..c.below(3)).map(|_| id(c)).collect::<Vec<_>>().into()),
        ],
    )
}

fn capabilities(choices: &mut Choices<'_>) -> Value {
    let keep = choices.some(&["CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_SYS_ADMIN"], 2);
    json!({ "keep": keep })
}

fn environment(choices: &mut Choices<'_>) -> Value {
    let mut set = Map::new();
    for name in choices.some(&["PATH", "HOME", "A", "a.b"], 2) {
        set.insert(name.into(), choices.text(6).replace("${", "$${").into());
    }
    json!({ "clear": choices.flag(), "pass": choices.some(&["A", "LC_*", "*"], 2), "set": set })
}

fn process(choices: &mut Choices<'_>) -> Value {
    object(
        choices,
        &[
            ("cwd", |c| c.pick(&PATHS).into()),
            ("hostname", |c| c.pick(&["a", "build-1", "x.y"]).into()),
            ("umask", |c| mode(c, 0o777)),
            ("stdin", |c| c.pick(&["inherit", "null"]).into()),
            ("session", |c| c.flag().into()),
            ("grace", |c| format!("{}ms", c.short()).into()),
            ("descriptors", |c| {
                (0..c.below(4)).map(|_| u32::from(c.byte()) + 3).collect::<Vec<_>>().into()
            }),
        ],
    )
}

/// Groups that have calls in part, guards, or others in them: few, so that they meet.
const GROUPS: [&str; 7] = [
    "@default",
    "@network-unix",
    "@startup",
    "@compute",
    "@network-other",
    "@namespace",
    "@process",
];

/// The name of a call or a group.
fn name(choices: &mut Choices<'_>) -> &'static str {
    match choices.below(6) {
        0 | 1 => choices.pick(&CALLS),
        2 | 3 => choices.pick(&GROUPS),
        4 => {
            let all: Vec<&str> = groups::all().map(|group| group.name).collect();
            choices.pick(&all)
        }
        _ => choices.pick(call_names()),
    }
}

fn call(choices: &mut Choices<'_>) -> &'static str {
    if choices.flag() { choices.pick(&CALLS) } else { choices.pick(call_names()) }
}

/// A `seccomp` section.
pub(super) fn seccomp(choices: &mut Choices<'_>) -> Value {
    let names = |c: &mut Choices<'_>| (0..c.below(5)).map(|_| name(c)).collect::<Vec<_>>().into();
    object(
        choices,
        &[
            ("default", |c| c.pick(&ACTIONS).into()),
            ("allow", names),
            ("deny", names),
            ("rules", |c| (0..c.below(6)).map(|_| rule(c)).collect::<Vec<_>>().into()),
        ],
    )
}

fn rule(choices: &mut Choices<'_>) -> Value {
    let calls: Vec<&str> = (0..=choices.below(2)).map(|_| call(choices)).collect();
    let arguments: Vec<Value> = (0..choices.below(4)).map(|_| condition(choices)).collect();
    json!({ "calls": calls, "arguments": arguments, "action": choices.pick(&ACTIONS) })
}

fn condition(choices: &mut Choices<'_>) -> Value {
    const OPERATORS: [&str; 7] = ["eq", "ne", "lt", "le", "gt", "ge", "masked-eq"];
    let wide = choices.flag();
    let bits = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let op = choices.pick(&OPERATORS);
    let mask = choices.word() & bits;
    let value = choices.word() & bits & if op == "masked-eq" { mask } else { bits };
    let mut condition = json!({
        "index": choices.below(6), "op": op, "value": format!("{value:#x}"),
        "width": if wide { 64 } else { 32 },
    });
    if op == "masked-eq" {
        condition["mask"] = format!("{mask:#x}").into();
    }
    condition
}
