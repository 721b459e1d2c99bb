use super::*;
use crate::plan::step::{Bind, Tmpfs};
use crate::plan::{Expected, Supervision};
use crate::policy::ProfileIdentity;
use crate::profile::vocabulary::Level;

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        profile: ProfileIdentity::default(),
        requested: Level::Namespaced,
        layers: Vec::new(),
        notes: Vec::new(),
        steps,
        expected: Expected::default(),
        supervision: Supervision {
            cpu_time: None,
            wall_time: None,
            grace: std::time::Duration::ZERO,
            pid_namespace: true,
            guarded: Vec::new(),
        },
        mount_attributes: false,
        private: Vec::new(),
    }
}

fn host_root_with_writable(target: &str) -> Plan {
    plan(vec![
        Step::NewRoot(NewRoot::Tree("/".into())),
        Step::Bind(Bind {
            source: target.into(),
            target: target.into(),
            writable: true,
            executable: true,
            device: false,
            map_owner: None,
            no_links_below: None,
            may_be_root: false,
        }),
        Step::Tmpfs(Tmpfs {
            target: "/tmp".into(),
            size: 1,
            mode: 0o755,
            owner: None,
            executable: true,
            optional: false,
        }),
    ])
}

#[test]
fn a_submount_that_stayed_writable_is_found() {
    let plan = host_root_with_writable("/srv/work");
    let good = "1 0 8:1 / / ro,nosuid - ext4 x rw\n\
                2 1 8:2 / /srv ro - ext4 y rw\n\
                3 1 8:2 / /srv/work rw,nosuid - ext4 y rw\n\
                4 1 0:9 / /tmp rw - tmpfs t rw\n";
    assert!(read_only_mounts(&plan, good.as_bytes()).is_ok());
    let bad = good.replace("/srv ro", "/srv rw");
    let error = read_only_mounts(&plan, bad.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("/srv isn't read-only"), "{error}");
}

/// The kernel writes a blank as `\040`: compared with that, the mount would have been none of the
/// plan's, and judged by what is around it.
#[test]
fn a_mount_with_a_blank_in_its_name_is_judged_by_its_own_entry() {
    let plan = host_root_with_writable("/srv/my work");
    let good = b"1 0 8:1 / / ro - ext4 x rw\n2 1 8:2 / /srv/my\\040work rw - ext4 y rw\n";
    assert!(read_only_mounts(&plan, good).is_ok());
    let mut plan = host_root_with_writable("/srv");
    plan.steps.push(Step::ReadOnly { path: "/srv/my keys".into(), layer: Layer::Filesystem });
    let bad = b"1 0 8:1 / / ro - ext4 x rw\n2 1 8:2 / /srv/my\\040keys rw - ext4 y rw\n";
    assert!(read_only_mounts(&plan, bad).is_err());
}

#[test]
fn what_a_read_only_mount_covers_may_be_writable() {
    let plan = plan(vec![Step::Mask { path: "/dev/shm".into(), layer: Layer::Filesystem }]);
    let covered = "1 0 0:8 / /dev/shm rw - tmpfs t rw\n2 1 0:9 / /dev/shm ro - tmpfs m ro\n";
    assert!(read_only_mounts(&plan, covered.as_bytes()).is_ok());
    let on_top =
        covered.replace("rw -", "ro -").replace("/dev/shm ro - tmpfs m", "/dev/shm rw - tmpfs m");
    assert!(read_only_mounts(&plan, on_top.as_bytes()).is_err());
}

#[test]
fn options_of_the_file_system_do_not_count() {
    let plan = host_root_with_writable("/srv/work");
    assert!(read_only_mounts(&plan, b"1 0 8:1 / / rw,relatime - ext4 x ro\n").is_err());
}

#[test]
fn a_saved_id_or_a_group_that_was_kept_is_found() {
    let mut plan = plan(Vec::new());
    plan.expected.ids = Some(crate::plan::step::Ids { uid: 65_534, gid: 65_534 });
    plan.expected.groups = Some(vec![7, 100]);
    let good = "Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\n\
                Groups:\t7 100 \n";
    assert!(identity(&plan, &Status::parse(good)).is_ok());
    let saved = good.replacen("65534\t65534\nGid", "0\t65534\nGid", 1);
    let kept = good.replace("7 100", "0 7 100");
    for bad in [saved.as_str(), kept.as_str(), ""] {
        assert!(identity(&plan, &Status::parse(bad)).is_err(), "{bad}");
    }
}
