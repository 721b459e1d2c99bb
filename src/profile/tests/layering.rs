use super::accepted;
use crate::profile::layering::{finish, merge, normalized, overlay};
use crate::profile::model::{MountKind, Profile, Setting};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{Enforcement, Layer, Level, SeccompAction};

fn merged(base: &str, over: &str) -> Profile {
    merge(accepted(base), accepted(over))
}

fn values<T: Clone>(list: &[Spanned<T>]) -> Vec<T> {
    list.iter().map(|item| item.value.clone()).collect()
}

#[test]
fn the_later_of_two_values_wins_and_others_stay() {
    let profile = merged(
        r#""level": "basic", "limits": {"memory": "1GiB", "nice": 1, "io": {"read_bytes": 5}}, "process": {"cwd": "/a", "umask": "022"}"#,
        r#""limits": {"memory": "2GiB", "io": {"write_bytes": 6}}, "process": {"cwd": "/b"}"#,
    );
    assert_eq!(profile.level.map(|level| level.value), Some(Level::Basic));
    assert_eq!(profile.limits.memory.map(|limit| limit.value), Some(Setting::AtMost(2 << 30)));
    assert_eq!(profile.limits.nice.map(|nice| nice.value), Some(1));
    assert!(profile.limits.io.read_bytes.is_some() && profile.limits.io.write_bytes.is_some());
    assert_eq!(profile.process.cwd.map(|cwd| cwd.value), Some("/b".into()));
    assert!(profile.process.umask.is_some());
}

#[test]
fn unlimited_takes_an_inherited_limit_away() {
    let profile = merged(r#""limits": {"memory": 5}"#, r#""limits": {"memory": "unlimited"}"#);
    assert_eq!(profile.limits.memory.map(|limit| limit.value), Some(Setting::Unlimited));
}

#[test]
fn maps_are_merged_key_by_key() {
    let profile = merged(
        r#""enforcement": {"cgroup": "off", "seccomp": "off"}, "environment": {"set": {"A": "1", "B": "1"}}"#,
        r#""enforcement": {"cgroup": "required"}, "environment": {"set": {"B": "2", "C": "2"}}"#,
    );
    assert_eq!(profile.enforcement[&Layer::Cgroup].value, Enforcement::Required);
    assert_eq!(profile.enforcement[&Layer::Seccomp].value, Enforcement::Off);
    let set: Vec<_> =
        profile.environment.set.iter().map(|(k, v)| (k.as_str(), v.value.as_str())).collect();
    assert_eq!(set, [("A", "1"), ("B", "2"), ("C", "2")]);
}

#[test]
fn a_later_mount_takes_the_place_of_one_with_the_same_target() {
    let profile = merged(
        r#""filesystem": {"mounts": ["/a", "/b", "/c"]}"#,
        r#""filesystem": {"mounts": ["/d", {"type": "tmpfs", "target": "//b/"}]}"#,
    );
    let mounts = profile.filesystem.mounts;
    let targets: Vec<_> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(targets, ["/a", "/c", "/d", "//b/"]);
    assert!(matches!(mounts[3].kind, MountKind::Tmpfs { .. }));
}

#[test]
fn a_mount_of_type_none_stays_until_the_end() {
    let removal = r#""filesystem": {"mounts": [{"type": "none", "target": "/a"}]}"#;
    let profile = merged(r#""filesystem": {"mounts": ["/a", "/b"]}"#, removal);
    assert_eq!(profile.filesystem.mounts.len(), 2);
    let finished = finish(profile);
    let targets: Vec<_> =
        finished.filesystem.mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(targets, ["/b"]);
}

#[test]
fn lists_are_appended_without_what_is_there() {
    let profile = merged(
        r#""filesystem": {"hide": ["/a", "/b"]}, "landlock": {"read": ["/r"]}, "environment": {"pass": ["A"]}, "process": {"descriptors": [3]}"#,
        r#""filesystem": {"hide": ["/b", "/c"]}, "landlock": {"read": ["/r"]}, "environment": {"pass": ["B"]}, "process": {"descriptors": [4, 3]}"#,
    );
    assert_eq!(values(&profile.filesystem.hide), ["/a", "/b", "/c"]);
    assert_eq!(values(&profile.landlock.read), ["/r"]);
    assert_eq!(values(&profile.environment.pass), ["A", "B"]);
    assert_eq!(values(&profile.process.descriptors), [3, 4]);
}

#[test]
fn ports_are_appended_and_no_list_is_not_an_empty_one() {
    let ports =
        |base: &str, over: &str| merged(base, over).landlock.connect_tcp.as_deref().map(values);
    let (eighty, none) = (r#""landlock": {"connect_tcp": [80]}"#, "\"landlock\": {}");
    assert_eq!(ports(eighty, r#""network": {"connect_tcp": [443, 80]}"#), Some(vec![80, 443]));
    assert_eq!(ports(eighty, none), Some(vec![80]));
    assert_eq!(ports(none, eighty), Some(vec![80]));
    assert_eq!(ports(none, none), None);
}

#[test]
fn lists_that_speak_of_the_whole_are_replaced() {
    let profile = merged(
        r#""capabilities": {"keep": ["chown"]}, "user": {"groups": [1]}, "landlock": {"scopes": ["signal"]}, "limits": {"cpuset": "0-3"}"#,
        r#""capabilities": {"keep": []}, "user": {"groups": [2]}, "landlock": {"scopes": []}, "limits": {"cpuset": "1"}"#,
    );
    assert_eq!(profile.capabilities.keep, Some(Vec::new()));
    assert_eq!(profile.user.groups.map(|groups| groups.len()), Some(1));
    assert_eq!(profile.landlock.scopes, Some(Vec::new()));
    assert_eq!(profile.limits.cpuset.map(|cpus| cpus.value), Some(vec![1]));
}

#[test]
fn a_later_allow_lifts_an_inherited_deny_and_the_reverse() {
    let seccomp = merged(
        r#""seccomp": {"allow": ["read", "bpf"], "deny": ["ptrace", "@mount"]}"#,
        r#""seccomp": {"allow": ["ptrace"], "deny": ["bpf"]}"#,
    )
    .seccomp;
    assert_eq!(values(&seccomp.allow), ["read", "ptrace"]);
    assert_eq!(values(&seccomp.deny), ["@mount", "bpf"]);
}

/// Without any `allow`, the usual set is allowed: refusing a call would have opened hundreds.
#[test]
fn an_allow_of_which_nothing_is_left_allows_nothing() {
    let base = r#""seccomp": {"allow": ["read"]}"#;
    let seccomp = merged(base, r#""seccomp": {"deny": ["read"]}"#).seccomp;
    assert!(seccomp.allow.is_empty());
    assert_eq!(seccomp.default.map(|default| default.value), Some(SeccompAction::Errno(1)));
    let default = r#""seccomp": {"deny": ["read"], "default": "log"}"#;
    let seccomp = merged(base, default).seccomp;
    assert_eq!(seccomp.default.map(|default| default.value), Some(SeccompAction::Log));
    let seccomp = merged("\"seccomp\": {}", r#""seccomp": {"deny": ["read"]}"#).seccomp;
    assert!(seccomp.default.is_none());
}

#[test]
fn a_profile_may_allow_and_deny_one_call_itself() {
    let seccomp =
        merged("\"seccomp\": {}", r#""seccomp": {"allow": ["@io"], "deny": ["@io"]}"#).seccomp;
    assert_eq!((seccomp.allow.len(), seccomp.deny.len()), (1, 1));
}

#[test]
fn equal_rules_are_kept_once() {
    let rule = r#""seccomp": {"rules": [{"calls": "a", "action": "kill"}, {"calls": ["a"], "action": "log"}]}"#;
    assert_eq!(merged(rule, rule).seccomp.rules.len(), 2);
}

#[test]
fn what_a_file_says_of_itself_is_not_inherited() {
    let base = r#""name": "base", "description": "b", "otherwise": "x", "extends": "y""#;
    let profile = merged(base, "\"user\": \"me\"");
    assert_eq!((profile.name, profile.description), (None, None));
    assert!(profile.otherwise.is_empty() && profile.extends.is_empty());
}

#[test]
fn an_overlay_leaves_the_profile_its_name() {
    let base = r#""name": "base", "description": "b", "otherwise": "x", "level": "basic""#;
    let profile = overlay(accepted(base), accepted(r#""description": "c", "level": "namespaced""#));
    assert_eq!(profile.name.as_deref(), Some("base"));
    assert_eq!(profile.description.as_deref(), Some("c"));
    assert_eq!(profile.otherwise.len(), 1);
    assert_eq!(profile.level.map(|level| level.value), Some(Level::Namespaced));
}

#[test]
fn merging_with_an_empty_profile_changes_nothing() {
    let (sources, id) = super::one_source(super::complete::EVERY_KEY);
    let profile = crate::profile::parse::parse(&sources, id).expect("it is right");
    assert_eq!(merge(Profile::default(), profile.clone()), profile);
    assert_eq!(overlay(profile.clone(), Profile::default()), profile);
    assert_eq!(merge(profile.clone(), profile.clone()), profile);
}

#[test]
fn a_path_has_one_spelling() {
    for (path, spelling) in [
        ("/", "/"),
        ("//", "/"),
        ("//a///b/", "/a/b"),
        ("${HOME}/", "${HOME}"),
        ("${HOME}//x", "${HOME}/x"),
    ] {
        assert_eq!(normalized(path), spelling);
    }
}
