//! What this kernel does with real cgroups.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::support::{Host, LONG, finish_inside, run_inside, skip};
use crate::os::linux::cgroup::{CgroupError, Step, sweep};
use crate::plan::facts::cgroup::{Controller, PlaceKind, Support};
use crate::policy::limits::{IoLimits, TreeLimits};

const MIB: u64 = 1 << 20;

fn held(cgroup: &crate::os::linux::cgroup::Cgroup, limit: &str) -> String {
    let limits = cgroup.in_force();
    let found = limits.iter().find(|held| held.limit == limit);
    found.unwrap_or_else(|| panic!("{limit} isn't in {limits:?}")).value.clone()
}

#[test]
fn a_process_over_the_memory_limit_is_killed_and_counted() {
    let Some(host) = Host::with("memory", &[Controller::Memory, Controller::Swap]) else { return };
    let limits = TreeLimits { memory: Some(24 * MIB), swap: Some(0), ..TreeLimits::default() };
    let cgroup = host.create(&limits).expect("a cgroup");
    eprintln!("{:?}", cgroup.in_force());
    assert_eq!(held(&cgroup, "memory"), (24 * MIB).to_string());
    let status = finish_inside(&cgroup, "exec tail /dev/zero");
    assert_eq!(status.signal(), Some(9));
    let statistics = cgroup.statistics();
    eprintln!("{statistics:?}");
    assert!(statistics.oom_kills >= Some(1));
    assert!(statistics.memory_peak_bytes.is_none_or(|peak| peak <= 24 * MIB && peak > 12 * MIB));
    cgroup.remove(LONG).expect("it can be removed");
    assert_eq!(host.left_behind(), [""; 0]);
}

#[test]
fn a_fork_over_the_process_limit_is_refused_and_counted() {
    let Some(host) = Host::with("processes", &[Controller::Processes]) else { return };
    let limits = TreeLimits { processes: Some(4), ..TreeLimits::default() };
    let cgroup = host.create(&limits).expect("a cgroup");
    assert_eq!(held(&cgroup, "processes"), "4");
    // The shell is one, so the fourth sleep is one too many.
    let fits = finish_inside(&cgroup, "sleep 0.1 & sleep 0.1 & sleep 0.1 & wait");
    assert_eq!(fits.code(), Some(0));
    assert_eq!(cgroup.statistics().processes_refused, Some(0));
    let refused = finish_inside(&cgroup, "sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait");
    assert_ne!(refused.code(), Some(0));
    let statistics = cgroup.statistics();
    assert!(statistics.processes_refused >= Some(1), "{statistics:?}");
    assert!(statistics.processes_peak.is_none_or(|peak| peak == 4), "{statistics:?}");
    cgroup.kill(LONG).expect("it can be emptied");
}

#[test]
fn a_busy_process_is_throttled_by_its_quota() {
    let Some(host) = Host::with("cpus", &[Controller::Cpu]) else { return };
    let limits = TreeLimits { cpus: Some(100), cpu_weight: Some(50), ..TreeLimits::default() };
    let cgroup = host.create(&limits).expect("a cgroup");
    assert!(held(&cgroup, "cpus").starts_with("10000"), "{:?}", cgroup.in_force());
    let mut child = run_inside(&cgroup, "while :; do :; done");
    std::thread::sleep(std::time::Duration::from_millis(600));
    cgroup.kill(LONG).expect("it can be emptied");
    assert_eq!(child.wait().expect("an end").signal(), Some(9));
    let statistics = cgroup.statistics();
    assert!(statistics.throttled_us > Some(0), "{statistics:?}");
    assert!(statistics.cpu_user_us > Some(0), "{statistics:?}");
}

#[test]
fn a_process_runs_on_the_processors_of_its_cpuset_only() {
    let Some(host) = Host::with("cpuset", &[Controller::Cpuset]) else { return };
    let limits = TreeLimits { cpuset: vec![0], ..TreeLimits::default() };
    let cgroup = host.create(&limits).expect("a cgroup");
    assert_eq!(held(&cgroup, "cpuset"), "0");
    let script = "grep -q '^Cpus_allowed_list:[[:space:]]*0$' /proc/self/status";
    assert_eq!(finish_inside(&cgroup, script).code(), Some(0));
}

#[test]
fn io_limits_are_held_for_each_device() {
    let Some(host) = Host::with("io", &[Controller::Io]) else { return };
    let io = IoLimits {
        read_bytes: Some(MIB),
        write_bytes: Some(2 * MIB),
        read_operations: Some(100),
        write_operations: None,
    };
    let cgroup = host.create(&TreeLimits { io, ..TreeLimits::default() }).expect("a cgroup");
    eprintln!("{:?}", cgroup.in_force());
    let value = held(&cgroup, "io");
    assert!(value.contains("1048576") || value == "none", "{value}");
}

#[test]
fn killing_leaves_nothing_alive_however_many_there_are_and_wherever_they_hid() {
    let Some(host) = Host::with("kill", &[Controller::Processes]) else { return };
    let cgroup = host.create(&TreeLimits::default()).expect("a cgroup");
    let mut child = run_inside(
        &cgroup,
        "for i in 1 2 3 4 5 6 7 8; do (trap '' TERM HUP; setsid sleep 1000) & done; \
         kill -STOP $! ; while :; do sleep 0.01 & wait $!; done",
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    cgroup.kill(LONG).expect("it can be emptied");
    for directory in cgroup.directories() {
        let procs = std::fs::read_to_string(directory.join("cgroup.procs")).expect("readable");
        assert_eq!(procs, "", "{}", directory.display());
    }
    assert_eq!(child.wait().expect("an end").signal(), Some(9));
    cgroup.remove(LONG).expect("it can be removed");
    assert_eq!(host.left_behind(), [""; 0]);
}

fn kill_a_fork_bomb(host: &Host) {
    let limits = TreeLimits { processes: Some(50), ..TreeLimits::default() };
    let cgroup = host.create(&limits).expect("a cgroup");
    let mut child = run_inside(&cgroup, "bomb() { bomb | bomb & }; while :; do bomb; done");
    std::thread::sleep(std::time::Duration::from_millis(500));
    cgroup.kill(LONG).expect("it can be emptied");
    child.wait().expect("an end");
    cgroup.remove(LONG).expect("it can be removed");
    assert_eq!(host.left_behind(), [""; 0]);
}

#[test]
fn a_fork_bomb_can_be_killed() {
    let Some(host) = Host::with("fork bomb", &[Controller::Processes]) else { return };
    kill_a_fork_bomb(&host);
}

#[test]
fn a_fork_bomb_can_be_killed_by_version_1_alone() {
    let test = "fork bomb on v1";
    let Some(host) = Host::with(test, &[]) else { return };
    let host = host.without_v2();
    if !matches!(host.facts.supports.kill, Support::V1 { .. }) {
        return skip(test, "cgroup-v1", &format!("freezer: {:?}", host.facts.supports.kill));
    }
    kill_a_fork_bomb(&host);
}

#[test]
fn a_tighter_ancestor_on_version_1_holds_the_quota() {
    let test = "ancestor";
    let Some(mut host) = Host::with(test, &[]) else { return };
    let Support::V1 { parent } = &host.facts.supports.cpu else {
        return skip(test, "cgroup-v1", &format!("cpu: {:?}", host.facts.supports.cpu));
    };
    let mut inner = parent.clone();
    let tight = TreeLimits { cpus: Some(250), ..TreeLimits::default() };
    let outer = host.create(&tight).expect("a cgroup");
    let directory = outer.directories().find(|path| path.starts_with(&inner.mount_point));
    inner.directory = directory.expect("a part for cpu").to_path_buf();
    host.facts.supports.cpu = Support::V1 { parent: inner };
    let loose = TreeLimits { cpus: Some(1000), ..TreeLimits::default() };
    let cgroup = host.create(&loose).expect("not an error");
    let mechanism = &cgroup.in_force()[0].mechanism;
    assert!(mechanism.contains("an ancestor (250/1000"), "{mechanism}");
    drop(cgroup);
    outer.remove(LONG).expect("it can be removed");
}

#[test]
fn cgroups_made_inside_are_emptied_and_removed_too() {
    let Some(host) = Host::with("nested", &[Controller::Processes]) else { return };
    let cgroup = host.create(&TreeLimits::default()).expect("a cgroup");
    let directory = cgroup.directories().last().expect("a part").to_path_buf();
    std::fs::create_dir_all(directory.join("a/b")).expect("children");
    let mut child = run_inside(&cgroup, "sleep 1000");
    std::fs::write(directory.join("a/b/cgroup.procs"), child.id().to_string()).expect("a move");
    assert!(cgroup.contains(child.id()).expect("/proc"), "below counts as inside");
    cgroup.kill(LONG).expect("it can be emptied");
    child.wait().expect("an end");
    cgroup.remove(LONG).expect("it can be removed");
    assert_eq!(host.left_behind(), [""; 0]);
}

#[test]
fn a_child_joins_by_writing_0_to_the_open_files() {
    let Some(host) = Host::with("join", &[Controller::Processes]) else { return };
    let limits = TreeLimits { processes: Some(10), ..TreeLimits::default() };
    let request = crate::os::linux::cgroup::Request {
        limits: &limits,
        extra_processes: 2,
        accounting: false,
        cpu_time: false,
        kill: true,
    };
    let cgroup = crate::os::linux::cgroup::Cgroup::create(&host.facts, &request, &host.roots)
        .expect("a cgroup");
    assert_eq!(held(&cgroup, "processes"), "12");
    let clone = |fd: &std::os::fd::OwnedFd| fd.try_clone().expect("a descriptor");
    let mut files: Vec<_> = cgroup.join_files().iter().map(clone).collect();
    files.extend(cgroup.open_v2_join_file().expect("a file"));
    assert!(matches!(files.len(), 1 | 2), "{files:?}");
    let mut files = files.into_iter();
    let mut next = || files.next().map_or_else(Stdio::null, Stdio::from);
    let mut child = Command::new("sh")
        .args(["-c", "echo 0; echo 0 >&2; read never"])
        .stdin(Stdio::piped())
        .stdout(next())
        .stderr(next())
        .spawn()
        .expect("sh starts");
    let deadline = std::time::Instant::now() + LONG;
    while !cgroup.contains(child.id()).expect("/proc") && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(cgroup.contains(child.id()).expect("/proc"));
    assert!(!cgroup.contains(std::process::id()).expect("/proc"));
    drop(child.stdin.take());
    child.wait().expect("an end");
}

#[test]
fn a_limit_that_cannot_be_held_leaves_nothing_behind() {
    let Some(host) = Host::with("undo", &[Controller::Cpuset, Controller::Memory]) else { return };
    let before = own_cgroups();
    let limits = TreeLimits { memory: Some(64 * MIB), cpuset: vec![1023], ..TreeLimits::default() };
    let error: CgroupError = host.create(&limits).expect_err("there is no such processor");
    eprintln!("{error}");
    assert_eq!(error.controller, Some(Controller::Cpuset));
    assert!(matches!(error.step, Step::Write | Step::ReadBack), "{error}");
    assert_eq!(host.left_behind(), [""; 0]);
    assert_eq!(own_cgroups(), before);
}

fn own_cgroups() -> String {
    std::fs::read_to_string("/proc/self/cgroup").expect("/proc")
}

#[test]
fn the_launcher_steps_aside_in_a_delegated_cgroup_and_comes_back_after_the_last_run() {
    let test = "delegated";
    let Some(mut host) = Host::with(test, &[]) else { return };
    let layout = crate::os::linux::cgroup::Layout::read(&host.roots).expect("/proc");
    let (Some(Ok(own)), Some(place)) = (layout.v2.map(|v2| v2.own), &mut host.facts.place) else {
        return skip(test, "cgroup-v2", "no place on version 2");
    };
    let control = own.directory.join("cgroup.subtree_control");
    let procs = std::fs::read_to_string(own.directory.join("cgroup.procs")).unwrap_or_default();
    let alone = procs.trim() == std::process::id().to_string();
    if place.kind == PlaceKind::Root || !alone || host.facts.supports.processes != Support::V2 {
        return skip(
            test,
            "cgroup-delegated",
            "not alone in a cgroup of version 2 with controllers",
        );
    }
    // As root, a sibling of our own cgroup would be taken.
    place.parent = own;
    place.kind = PlaceKind::Delegated;
    let before = own_cgroups();
    let limits = TreeLimits { processes: Some(3), ..TreeLimits::default() };
    let first = host.create(&limits).expect("a cgroup");
    assert!(
        own_cgroups().trim().ends_with(&format!("/ringfence-supervisor-{}", std::process::id()))
    );
    let second = host.create(&limits).expect("another");
    assert_eq!(finish_inside(&first, "exit 7").code(), Some(7));
    drop(first);
    assert_ne!(finish_inside(&second, "sleep 1 & sleep 1 & sleep 1 & wait").code(), Some(0));
    assert_ne!(own_cgroups(), before, "the second run still needs it");
    second.kill(LONG).expect("it can be emptied");
    second.remove(LONG).expect("all is undone");
    assert_eq!(own_cgroups(), before);
    assert_eq!(std::fs::read_to_string(control).expect("readable").trim(), "");
    assert_eq!(host.left_behind(), [""; 0]);
}

#[test]
fn what_dead_launchers_left_is_swept_and_what_is_in_use_stays() {
    let Some(host) = Host::with("sweep", &[Controller::Processes]) else { return };
    // A place of its own: beside other cgroups, another launcher could sweep first, or there could
    // be more to sweep than what this test left.
    let place = host.create(&TreeLimits::default()).expect("a cgroup");
    let parent = place.directories().next().expect("a part").to_path_buf();
    let mut dead = Command::new("true").spawn().expect("true starts");
    let left = parent.join(format!("ringfence-{}-0123456789abcdef", dead.id()));
    dead.wait().expect("an end");
    let in_use = parent.join(format!("ringfence-{}-0123456789abcdef", std::process::id()));
    let strange = parent.join("somebody-elses");
    for directory in [&left, &in_use, &strange] {
        std::fs::create_dir(directory).expect("a directory");
    }
    assert_eq!(sweep([&*parent], &host.roots), std::slice::from_ref(&left));
    assert!(!left.exists() && in_use.is_dir() && strange.is_dir());
    place.remove(LONG).expect("it can be removed");
    assert_eq!(host.left_behind(), [""; 0]);
}
