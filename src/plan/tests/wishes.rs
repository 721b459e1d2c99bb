//! Policies, from short profiles by the real parser.

use std::path::PathBuf;

use crate::policy::{Context, Policy, ProfileIdentity, validate};
use crate::profile::diagnostic::render;
use crate::profile::expand::Variables;
use crate::profile::parse::parse;
use crate::profile::source::{Source, Sources};
use crate::profile::vocabulary::{Enforcement, Layer, Level};

use super::hosts::USER;

/// A policy of this level and these members of a profile (without braces; may be empty).
#[track_caller]
pub(super) fn policy(level: Level, members: &str) -> Policy {
    let comma = if members.is_empty() { "" } else { "," };
    let text = format!("{{\"version\": 1, \"level\": \"{level}\"{comma} {members}}}");
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "test.json".into(), text, directory: None });
    let context = Context {
        variables: Variables {
            home: Some(PathBuf::from("/home/me")),
            cwd: Some(PathBuf::from("/home/me/work")),
            real_home: None,
            uid: USER,
        },
        environment: vec![("PATH".into(), "/usr/bin".into())],
    };
    parse(&sources, id)
        .and_then(|profile| validate(profile, ProfileIdentity::default(), &sources, &context))
        .unwrap_or_else(|problems| panic!("{}", render(&problems, &sources, false)))
}

/// The same with every layer that is required made best-effort.
#[track_caller]
pub(super) fn best_effort(level: Level, members: &str) -> Policy {
    let mut policy = policy(level, members);
    degrade(&mut policy, Layer::ALL);
    policy
}

/// Makes those of `layers` that are required best-effort.
pub(super) fn degrade(policy: &mut Policy, layers: &[Layer]) {
    for layer in layers.iter().copied() {
        if policy.enforcement.get(layer) == Enforcement::Required {
            policy.enforcement.set(layer, Enforcement::BestEffort);
        }
    }
}

/// Profiles that differ in what they ask for, by name: each fits every level, but that a root needs
/// a view of files.
pub(super) const PROFILES: [(&str, &str); 14] = [
    ("nothing", ""),
    (
        "programs",
        r#""filesystem": {"mounts": [{"source": "/usr"}, {"source": "/bin"},
        {"source": "/lib"}, {"source": "/etc/passwd"}, {"source": "/nowhere", "optional": true},
        {"type": "tmpfs", "target": "/home/me"}, {"source": "/home/me/work", "access": "rw"}],
        "hide": ["/usr/local"]}"#,
    ),
    ("another root", r#""filesystem": {"root": {"directory": "/srv/rootfs"}}"#),
    (
        "host's root",
        r#""filesystem": {"root": "host", "mounts": [
        {"source": "/home/me/work", "access": "rw", "map_owner": true}]}"#,
    ),
    ("no proc", r#""filesystem": {"mounts": [{"type": "none", "target": "/proc"}]}"#),
    ("host's network", r#""network": "host""#),
    ("no network", r#""network": "none", "namespaces": {"time": true}"#),
    ("a user", r#""user": {"uid": 2000, "groups": ["audio"]}"#),
    ("the caller", r#""user": {"uid": 1000}"#),
    ("a capability", r#""capabilities": {"keep": ["CAP_NET_BIND_SERVICE"]}"#),
    (
        "limits",
        r#""limits": {"memory": "1GiB", "swap": "1MiB", "processes": 10, "cpus": 1.5,
        "cpuset": "1,9", "cpu_time": "1.5s", "open_files": 64, "wall_time": "10s", "nice": 5}"#,
    ),
    ("no limits", r#""limits": {"processes": "unlimited", "core": "unlimited"}"#),
    ("ports", r#""landlock": {"connect_tcp": [443], "bind_tcp": [], "scopes": ["signal"]}"#),
    ("user namespace", r#""namespaces": {"user": true}"#),
];
