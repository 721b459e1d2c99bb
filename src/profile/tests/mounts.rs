use super::{accepted, each_refused, problems_of, refused, with_version};
use crate::profile::model::{Mount, MountKind, RootSource};
use crate::profile::vocabulary::Access;

fn mounts(list: &str) -> Vec<Mount> {
    let profile = accepted(&format!("\"filesystem\": {{\"mounts\": [{list}]}}"));
    profile.filesystem.mounts.into_iter().map(|mount| mount.value).collect()
}

#[track_caller]
fn refused_mount(mount: &str, offending: &str, message: &str, help: &str) {
    refused(&format!("\"filesystem\": {{\"mounts\": [{mount}]}}"), offending, message, help);
}

fn bind(source: &str, access: Access) -> MountKind {
    MountKind::Bind {
        source: source.into(),
        access,
        noexec: false,
        map_owner: false,
        unless_home: false,
    }
}

#[test]
fn a_path_is_a_read_only_bind_at_the_same_place() {
    let mounts = mounts(r#""/usr", {"source": "/lib"}, {"type": "bind", "target": "/bin"}"#);
    let expected = ["/usr", "/lib", "/bin"].map(|path| Mount {
        target: path.into(),
        kind: bind(path, Access::ReadOnly),
        optional: false,
    });
    assert_eq!(mounts, expected);
}

#[test]
fn a_bind_has_all_its_flags() {
    let mounts = mounts(
        r#"{"source": "${CWD}/..", "target": "/work", "access": "rw", "optional": true, "noexec": true,
            "map_owner": true, "unless_home": true}"#,
    );
    let kind = MountKind::Bind {
        source: "${CWD}/..".into(),
        access: Access::ReadWrite,
        noexec: true,
        map_owner: true,
        unless_home: true,
    };
    assert_eq!(mounts, [Mount { target: "/work".into(), kind, optional: true }]);
}

#[test]
fn file_systems_of_the_sandbox_have_default_targets() {
    let mounts = mounts(
        r#"{"type": "proc"}, {"type": "dev"}, {"type": "none", "target": "/x"},
           {"type": "tmpfs", "target": "/tmp", "size": "64MiB", "mode": "1777", "noexec": true}"#,
    );
    let tmpfs = MountKind::Tmpfs { size: Some(64 << 20), mode: Some(0o1777), noexec: true };
    let expected = [
        ("/proc", MountKind::Proc),
        ("/dev", MountKind::Dev),
        ("/x", MountKind::None),
        ("/tmp", tmpfs),
    ];
    let found: Vec<_> =
        mounts.iter().map(|mount| (mount.target.as_str(), mount.kind.clone())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_key_of_another_type_of_mount_is_refused() {
    refused_mount(
        r#"{"type": "tmpfs", "target": "/t", "source": "/s"}"#,
        "\"source\"",
        "\"source\" means nothing in a mount of type \"tmpfs\"",
        "valid keys here: type, target, size, mode, noexec",
    );
    each_refused(
        "\"filesystem\": {\"mounts\": [{",
        &[
            r#""source": "/s", "size": 5"#,
            r#""type": "none", "target": "/t", "optional": true"#,
            r#""type": "proc", "access": "rw""#,
        ],
        "}]}",
        "means nothing in",
    );
}

#[test]
fn an_unknown_key_of_a_mount_is_answered_with_the_nearest() {
    refused_mount(
        r#"{"soruce": "/s", "target": "/t"}"#,
        "\"soruce\"",
        "unknown key \"soruce\"",
        "did you mean \"source\"?",
    );
}

#[test]
fn an_overlay_is_not_supported_yet() {
    refused_mount(
        r#"{"type": "overlay", "lower": "/a"}"#,
        "\"overlay\"",
        "mounts of type \"overlay\" are not supported yet",
        "supported types: bind, tmpfs, proc, dev, none",
    );
}

#[test]
fn a_wrong_type_or_access_is_answered_with_the_nearest() {
    refused_mount(
        r#"{"type": "tmp", "target": "/t"}"#,
        "\"tmp\"",
        "unknown mount type \"tmp\"",
        "did you mean \"tmpfs\"?",
    );
    refused_mount(
        r#"{"source": "/s", "access": "rx"}"#,
        "\"rx\"",
        "unknown access \"rx\"",
        "did you mean \"ro\"?",
    );
}

#[test]
fn a_mount_needs_a_place() {
    let places = [
        (r#"{"type": "tmpfs"}"#, "missing \"target\""),
        (r#"{"type": "none"}"#, "missing \"target\""),
        (r#"{"access": "rw"}"#, "a bind mount has neither source nor target"),
    ];
    for (mount, message) in places {
        each_refused("\"filesystem\": {\"mounts\": [", &[mount], "]}", message);
    }
}

#[test]
fn two_mounts_at_one_target_are_refused() {
    let problems = problems_of(&with_version(
        "\"filesystem\": {\"mounts\": [\n\"/usr\",\n{\"source\": \"/x\", \"target\": \"//usr/\"}]}",
    ));
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].column), (Some(4), Some(1)));
    assert_eq!(problems[0].message, "another mount has the target \"//usr/\"");
}

#[test]
fn the_size_of_a_tmpfs_is_not_zero_and_its_mode_is_octal() {
    each_refused(
        "\"filesystem\": {\"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/t\", ",
        &[
            "\"size\": 0",
            "\"size\": \"unlimited\"",
            "\"mode\": 755",
            "\"mode\": \"999\"",
            "\"mode\": \"17777\"",
            "\"mode\": \"\"",
            "\"mode\": \"+7\"",
        ],
        "}]}",
        "",
    );
}

#[test]
fn the_root_is_the_host_or_minimal_or_a_directory() {
    let root = |text: &str| {
        accepted(&format!("\"filesystem\": {{\"root\": {text}}}"))
            .filesystem
            .root
            .map(|root| root.value)
    };
    assert_eq!(root("\"host\""), Some(RootSource::Host));
    assert_eq!(root("\"minimal\""), Some(RootSource::Minimal));
    assert_eq!(
        root("{\"directory\": \"${PROFILE_DIR}/../root\"}"),
        Some(RootSource::Directory("${PROFILE_DIR}/../root".into()))
    );
    refused(
        r#""filesystem": {"root": "/srv"}"#,
        "\"/srv\"",
        "unknown root \"/srv\"",
        "write {\"directory\": \"/srv\"} for a directory",
    );
    refused(
        r#""filesystem": {"root": "hsot"}"#,
        "\"hsot\"",
        "unknown root \"hsot\"",
        "did you mean \"host\"?",
    );
    each_refused("\"filesystem\": {\"root\": ", &["{}", "5", "{\"directory\": \"srv\"}"], "}", "");
}
