//! Where hierarchies and our own cgroup are found, on texts of real systems.

use std::path::Path;

use crate::os::linux::cgroup::{Hierarchy, Layout};
use crate::plan::facts::cgroup::{CgroupLayout, Missing};

fn own(hierarchy: Option<&Hierarchy>) -> &Path {
    match hierarchy.map(|hierarchy| &hierarchy.own) {
        Some(Ok(parent)) => &parent.directory,
        other => panic!("{other:?}"),
    }
}

fn v1<'a>(layout: &'a Layout, name: &str) -> &'a Path {
    own(layout.v1_hierarchy(name))
}

const SYSTEMD_V2: &str = "\
25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
29 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

#[test]
fn a_systemd_session_is_found_in_the_unified_hierarchy() {
    let session = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n";
    let layout = Layout::detect(session, SYSTEMD_V2);
    assert_eq!(layout.kind(), CgroupLayout::V2);
    assert_eq!(
        own(layout.v2.as_ref()),
        Path::new(
            "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope"
        )
    );
}

#[test]
fn docker_with_a_cgroup_namespace_is_its_own_root() {
    let mountinfo = "1022 1019 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n";
    let layout = Layout::detect("0::/\n", mountinfo);
    assert_eq!(own(layout.v2.as_ref()), Path::new("/sys/fs/cgroup"));
}

#[test]
fn docker_on_version_1_shows_its_own_part_by_bind_mounts() {
    let cgroup = "\
12:pids:/docker/0a1b
11:cpu,cpuacct:/docker/0a1b
10:memory:/docker/0a1b/inner
1:name=systemd:/docker/0a1b
0::/system.slice/containerd.service
";
    let mountinfo = "\
600 599 0:28 /docker/0a1b /sys/fs/cgroup/systemd ro,nosuid - cgroup cgroup rw,xattr,name=systemd
602 599 0:33 /docker/0a1b /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
603 599 0:34 /docker/0a1b /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
604 599 0:35 /docker/0a1b /sys/fs/cgroup/pids ro,nosuid master:20 - cgroup cgroup rw,pids
";
    let layout = Layout::detect(cgroup, mountinfo);
    assert_eq!(layout.kind(), CgroupLayout::V1);
    assert_eq!(v1(&layout, "memory"), Path::new("/sys/fs/cgroup/memory/inner"));
    assert_eq!(v1(&layout, "cpuacct"), Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    assert!(layout.v1_hierarchy("name=systemd").is_none());
    assert!(layout.v1_hierarchy("blkio").is_none());
}

#[test]
fn a_hybrid_host_has_controllers_on_version_1_and_a_version_2_beside() {
    let cgroup = "\
9:name=systemd:/
8:pids:/
4:memory:/process_api/c235e78799d6
2:cpuacct:/
1:cpu:/
0::/
";
    let mountinfo = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    let layout = Layout::detect(cgroup, mountinfo);
    assert_eq!(layout.kind(), CgroupLayout::Hybrid);
    assert_eq!(v1(&layout, "cpu"), Path::new("/sys/fs/cgroup/cpu"));
    assert_eq!(v1(&layout, "memory"), Path::new("/sys/fs/cgroup/memory/process_api/c235e78799d6"));
    assert_eq!(own(layout.v2.as_ref()), Path::new("/sys/fs/cgroup/unified"));
}

#[test]
fn version_1_hierarchies_that_limit_nothing_do_not_make_a_host_hybrid() {
    let mountinfo = format!(
        "{SYSTEMD_V2}\
         40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
         41 31 0:38 / /run/net_cls rw - cgroup cgroup rw,net_cls\n"
    );
    let layout = Layout::detect("2:net_cls:/\n1:name=systemd:/\n0::/\n", &mountinfo);
    assert_eq!(layout.kind(), CgroupLayout::V2);
}

#[test]
fn a_cgroup_outside_of_the_mount_is_out_of_reach() {
    let mount = |root: &str| format!("36 23 0:30 {root} /cg rw - cgroup2 cgroup2 rw\n");
    for (cgroup, root) in [
        ("/../sibling", "/"),
        ("/", "/.."),
        ("/..", "/../.."),
        ("/docker/b", "/docker/a"),
        ("/docker/ab", "/docker/a"),
        ("/gone (deleted)", "/"),
    ] {
        let layout = Layout::detect(&format!("0::{cgroup}\n"), &mount(root));
        let found = layout.v2.map(|hierarchy| hierarchy.own);
        assert!(
            matches!(found, Some(Err(Missing::OutOfReach { .. }))),
            "{cgroup} {root} {found:?}"
        );
    }
}

#[test]
fn a_cgroup_and_a_mount_that_are_both_outside_of_the_namespace_can_still_meet() {
    let mountinfo = "36 23 0:30 /.. /cg rw - cgroup2 cgroup2 rw\n";
    let layout = Layout::detect("0::/../sibling/x\n", mountinfo);
    assert_eq!(own(layout.v2.as_ref()), Path::new("/cg/sibling/x"));
}

#[test]
fn mount_points_are_unescaped() {
    let mountinfo = "36 23 0:30 /a\\040b /mnt/c\\134d\\011 rw - cgroup2 cgroup2 rw\n";
    let layout = Layout::detect("0::/a b/e:f\n", mountinfo);
    assert_eq!(own(layout.v2.as_ref()), Path::new("/mnt/c\\d\t/e:f"));
}

#[test]
fn of_several_mounts_the_one_that_can_be_written_and_shows_us_is_taken() {
    let mountinfo = "\
30 23 0:30 /other /elsewhere rw - cgroup2 cgroup2 rw
31 23 0:30 / /read-only ro - cgroup2 cgroup2 rw
32 23 0:30 / /covered rw - cgroup2 cgroup2 rw
33 23 0:30 /other /covered rw - cgroup2 cgroup2 rw
34 23 0:30 / /good rw - cgroup2 cgroup2 rw
35 23 0:30 / /as-good rw - cgroup2 cgroup2 rw
";
    let layout = Layout::detect("0::/own\n", mountinfo);
    assert_eq!(own(layout.v2.as_ref()), Path::new("/good/own"));
}

#[test]
fn nothing_mounted_is_no_layout_and_rubbish_is_no_panic() {
    assert_eq!(Layout::detect("0::/\n", "").kind(), CgroupLayout::None);
    let rubbish = "\\\n - \n1 2 3 - cgroup2\n1 2 3 \\9 \\04 rw - cgroup2 x\nx:y\n:::\n::";
    let _ = Layout::detect(rubbish, rubbish);
}
