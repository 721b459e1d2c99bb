use std::time::Duration;

use super::{accepted, one_source};
use crate::profile::model::{IdOrName, MountKind, RootSource, Setting};
use crate::profile::parse::parse;
use crate::profile::vocabulary::{Level, NetworkMode, SeccompAction, Stdin};

/// A profile that has every key there is.
pub(super) const EVERY_KEY: &str = r##"{
  "$schema": "https://example.org/ringfence.schema.json",
  "$comment": "Every key there is.",
  "version": 1,
  "name": "complete",
  "description": "Has every key – ünïcode included.",
  "extends": ["default", "./base.json"],
  "otherwise": "landlock-only",
  "level": "containerized",
  "enforcement": {"cgroup": "best-effort", "time-namespace": "off", "seccomp": "required"},
  "user": {"uid": 1000, "gid": "users", "groups": [10, "audio"]},
  "capabilities": {"keep": ["CAP_NET_BIND_SERVICE", "chown"]},
  "namespaces": {"user": true, "mount": true, "pid": true, "ipc": true, "uts": true,
                 "network": true, "cgroup": true, "time": false},
  "filesystem": {
    "root": {"directory": "${PROFILE_DIR}/root"},
    "mounts": [
      "/usr",
      {"type": "bind", "source": "${CWD}", "target": "/work", "access": "rw", "optional": true,
       "noexec": true, "map_owner": true, "unless_home": true},
      {"type": "tmpfs", "target": "/tmp", "size": "64MiB", "mode": "1777", "noexec": false},
      {"type": "proc", "target": "/proc"},
      {"type": "dev", "target": "/dev"},
      {"type": "none", "target": "/opt"}
    ],
    "hide": ["${HOME}/.ssh", "/etc/shadow"]
  },
  "network": {"mode": "loopback", "connect_tcp": [443], "bind_tcp": [8080]},
  "limits": {
    "memory": "512MiB", "swap": 0, "processes": 128, "cpus": 1.5, "cpu_weight": 100,
    "cpuset": "0-3,5", "cpu_time": "10s", "wall_time": "1.5m", "open_files": 1024,
    "file_size": "1GiB", "stack": "8MiB", "core": 0, "output": "1MiB", "output_overflow": "kill", "nice": 5,
    "io": {"read_bytes": "10MiB", "write_bytes": "unlimited", "read_operations": 100,
           "write_operations": 50}
  },
  "landlock": {"read": ["/etc"], "write": ["/work"], "execute": ["/usr"], "connect_tcp": [80],
               "bind_tcp": [], "scopes": ["signal", "abstract-unix-socket"]},
  "seccomp": {
    "default": "ENOSYS",
    "allow": ["read", "@io"],
    "deny": ["ptrace"],
    "rules": [
      {"calls": ["ioctl"], "action": "EPERM",
       "arguments": [{"index": 1, "op": "masked-eq", "value": "0x5412", "mask": "0xffffffff", "width": 64}]},
      {"calls": "socket", "action": "allow", "arguments": [{"index": 0, "op": "eq", "value": 1}]}
    ]
  },
  "environment": {"clear": true, "pass": ["TERM", "LC_*"], "set": {"HOME": "/work", "COST": "$5 $${X}"}},
  "process": {"cwd": "/work", "hostname": "box", "umask": "022", "stdin": "null", "session": true,
              "grace": "200ms", "descriptors": [3]}
}"##;

#[test]
fn a_profile_with_every_key_is_read() {
    let (sources, id) = one_source(EVERY_KEY);
    let profile = parse(&sources, id).unwrap_or_else(|problems| {
        panic!("{}", crate::profile::diagnostic::render(&problems, &sources, false))
    });
    assert_eq!(profile.name.as_deref(), Some("complete"));
    assert_eq!(profile.extends.len(), 2);
    assert_eq!(profile.otherwise[0].value, "landlock-only");
    assert_eq!(profile.level.map(|level| level.value), Some(Level::Containerized));
    assert_eq!(profile.enforcement.len(), 3);
    assert_eq!(profile.user.uid.map(|uid| uid.value), Some(IdOrName::Id(1000)));
    assert_eq!(profile.namespaces.len(), 8);
    let root = RootSource::Directory("${PROFILE_DIR}/root".into());
    assert_eq!(profile.filesystem.root.map(|root| root.value), Some(root));
    assert_eq!(profile.filesystem.mounts.len(), 6);
    assert_eq!(profile.filesystem.mounts[5].kind, MountKind::None);
    assert_eq!(profile.network.mode.map(|mode| mode.value), Some(NetworkMode::Loopback));
    let grace = Duration::from_millis(200);
    assert_eq!(profile.process.grace.map(|grace| grace.value), Some(grace));
    assert_eq!(profile.process.stdin.map(|stdin| stdin.value), Some(Stdin::Null));
    let wall_time = Setting::AtMost(Duration::from_secs(90));
    assert_eq!(profile.limits.wall_time.map(|limit| limit.value), Some(wall_time));
    let unlimited = Some(Setting::Unlimited);
    assert_eq!(profile.limits.io.write_bytes.map(|limit| limit.value), unlimited);
    let default = profile.seccomp.default.map(|action| action.value);
    assert_eq!(default, Some(SeccompAction::Errno(38)));
    assert_eq!(profile.seccomp.rules[0].arguments[0].mask, 0xffff_ffff);
    assert_eq!(profile.environment.set["COST"].value, "$5 $${X}");
}

#[test]
fn a_value_knows_where_it_was_written() {
    let (sources, id) = one_source(EVERY_KEY);
    let profile = parse(&sources, id).expect("it is right");
    let memory = profile.limits.memory.expect("it is there").origin;
    let (_, range) = memory.place().expect("it was written");
    assert_eq!(&EVERY_KEY[range], "\"512MiB\"");
}

#[test]
fn a_profile_with_nothing_but_a_version_is_empty() {
    assert_eq!(accepted("\"$comment\": 0"), crate::profile::model::Profile::default());
}
