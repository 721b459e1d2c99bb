//! Each layer that a host can lack: refused when required, left out or replaced when best-effort,
//! off when off.

use super::hosts::{self, ALL_CAPABILITIES};
use super::wishes::{degrade, policy};
use super::{HostFacts, Layer, Status, build, layers_of, planned, refused, state, status};
use crate::profile::vocabulary::{Enforcement, Level};

/// A host that lacks something, what is asked of it, and what becomes of the layer.
struct Case {
    layer: Layer,
    host: HostFacts,
    level: Level,
    members: &'static str,
    /// Where it is best-effort.
    otherwise: Status,
    /// A part of the cause, and of the remedy.
    told: [&'static str; 2],
}

fn case(
    layer: Layer,
    host: HostFacts,
    (level, members): (Level, &'static str),
    otherwise: Status,
    told: [&'static str; 2],
) -> Case {
    Case { layer, host, level, members, otherwise, told }
}

const FILES: &str = r#""landlock": {"read": ["/usr"]}"#;
const MEMORY: &str = r#""limits": {"memory": "1GiB"}"#;

fn cases() -> Vec<Case> {
    use Layer::*;
    use Level::{Basic, Containerized, Namespaced, ResourceLimited, UserBased};
    use Status::{Fallback, Unavailable};
    let docker = hosts::docker;
    let apparmor = ["AppArmor", "sysctl"];
    let unprivileged_root = HostFacts {
        caller: super::super::facts::Caller {
            capabilities: ALL_CAPABILITIES & !(1 << 8),
            ..hosts::root().caller
        },
        ..hosts::root()
    };
    let mut cases = vec![
        case(Session, hosts::unknown_arch(), (Basic, ""), Fallback, ["CAP_SYS_ADMIN", "user"]),
        case(User, hosts::ubuntu(), (UserBased, ""), Unavailable, apparmor),
        case(Capabilities, hosts::ubuntu(), (UserBased, ""), Fallback, ["SETPCAP", "root"]),
        case(Capabilities, unprivileged_root, (UserBased, ""), Fallback, ["SETPCAP", "root"]),
        case(Filesystem, docker(), (Namespaced, ""), Unavailable, ["mount namespace", "landlock"]),
        case(Filesystem, hosts::no_mounts(), (Namespaced, ""), Unavailable, ["fsopen", "filter"]),
        case(Cgroup, docker(), (ResourceLimited, MEMORY), Fallback, ["EROFS", "docker"]),
        case(Masks, hosts::no_mounts(), (Containerized, ""), Unavailable, ["fsopen", "filter"]),
        case(Root, hosts::no_mounts(), (Containerized, ""), Unavailable, ["fsopen", "filter"]),
        case(Landlock, hosts::old_kernel(), (Basic, FILES), Unavailable, ["ENOSYS", "5.13"]),
        case(Landlock, hosts::with_landlock(2), (Basic, FILES), Fallback, ["truncation", "6.2"]),
        case(Seccomp, hosts::no_seccomp(), (Containerized, ""), Unavailable, ["EINVAL", "kernel"]),
        case(Seccomp, hosts::unknown_arch(), (Containerized, ""), Unavailable, ["table", "x86"]),
    ];
    for namespace in [
        UserNamespace,
        MountNamespace,
        PidNamespace,
        IpcNamespace,
        UtsNamespace,
        NetworkNamespace,
        CgroupNamespace,
    ] {
        cases.push(case(namespace, hosts::ubuntu(), (Namespaced, ""), Unavailable, apparmor));
        cases.push(case(namespace, docker(), (Namespaced, ""), Unavailable, ["EPERM", "docker"]));
    }
    let time = r#""namespaces": {"time": true}"#;
    cases.push(case(TimeNamespace, hosts::ubuntu(), (Basic, time), Unavailable, apparmor));
    cases
}

#[test]
fn a_required_layer_that_the_host_lacks_is_refused_with_cause_and_remedy() {
    for case in cases() {
        let mut policy = policy(case.level, case.members);
        // All others are waived, so that this one alone is the reason.
        degrade(&mut policy, Layer::ALL);
        policy.enforcement.set(case.layer, Enforcement::Required);
        let refusal = refused(&policy, &case.host);
        assert_eq!(layers_of(&refusal), [case.layer]);
        let cause = &refusal.problems[0].cause;
        let [found, remedy] = case.told;
        assert!(cause.found.contains(found), "{}: {cause:?}", case.layer);
        assert!(cause.remedy.contains(remedy), "{}: {cause:?}", case.layer);
    }
}

#[test]
fn a_best_effort_layer_that_the_host_lacks_is_replaced_or_left_out_and_says_why() {
    for case in cases() {
        let mut policy = policy(case.level, case.members);
        degrade(&mut policy, Layer::ALL);
        let plan = planned(&policy, &case.host);
        let state = state(&plan, case.layer);
        assert_eq!(state.status, case.otherwise, "{state:?}");
        let found = state.cause.as_ref().map(|cause| cause.found.as_str()).unwrap_or_default();
        assert!(found.contains(case.told[0]), "{state:?}");
    }
}

#[test]
fn a_layer_that_is_off_needs_nothing_of_the_host() {
    for case in cases() {
        let mut policy = policy(case.level, case.members);
        degrade(&mut policy, Layer::ALL);
        policy.enforcement.set(case.layer, Enforcement::Off);
        let plan = planned(&policy, &case.host);
        assert_eq!(status(&plan, case.layer), Status::Off);
    }
}

#[test]
fn a_modern_host_enforces_every_level_in_full() {
    for host in [hosts::root(), hosts::user()] {
        for level in Level::ALL.iter().copied() {
            let plan = planned(&policy(level, r#""limits": {"wall_time": "5s"}"#), &host);
            assert_eq!(plan.effective(), Some(level));
            let user = host.caller.uid != 0;
            for state in &plan.layers {
                let enforced = match state.layer {
                    Layer::TimeNamespace => false,
                    // An unprivileged caller changes its user by it.
                    Layer::UserNamespace => user && level >= Level::UserBased,
                    layer => layer.level() <= level,
                };
                let wanted = if enforced { Status::Enforced } else { Status::Off };
                assert_eq!(state.status, wanted, "{level}: {state:?}");
            }
        }
    }
}

#[test]
fn a_refusal_lists_all_problems_at_once() {
    let mut host = hosts::no_seccomp();
    host.landlock = hosts::landlock(0);
    host.cgroup = hosts::no_cgroup();
    host.mount_descriptors = hosts::no_mounts().mount_descriptors;
    let refusal = refused(&policy(Level::Containerized, MEMORY), &host);
    assert_eq!(
        layers_of(&refusal),
        [
            Layer::Filesystem,
            Layer::Cgroup,
            Layer::Root,
            Layer::Masks,
            Layer::Landlock,
            Layer::Seccomp
        ]
    );
}

#[test]
fn a_refusal_lists_every_limit_that_has_no_controller() {
    let host = HostFacts { cgroup: hosts::no_cgroup(), ..hosts::root() };
    let limits = r#""limits": {"memory": "1GiB", "processes": 5, "cpus": 2, "cpu_weight": 50}"#;
    let refusal = refused(&policy(Level::ResourceLimited, limits), &host);
    let found: Vec<_> =
        refusal.problems.iter().map(|p| p.cause.found.split(':').next().unwrap_or("")).collect();
    assert_eq!(found, ["memory", "pids", "cpu"]);
}

#[test]
fn the_effective_level_is_the_highest_without_a_gap_below() {
    for (level, members, host, effective) in [
        (Level::Containerized, "", hosts::ubuntu(), Some(Level::Basic)),
        (Level::Containerized, "", hosts::docker(), Some(Level::UserBased)),
        (Level::Containerized, "", hosts::old_kernel(), Some(Level::ResourceLimited)),
        (Level::Containerized, "", hosts::with_cgroup(hosts::no_cgroup()), Some(Level::Namespaced)),
        (Level::Containerized, "", hosts::no_seccomp(), Some(Level::ResourceLimited)),
        (Level::Containerized, r#""network": "host""#, hosts::root(), Some(Level::UserBased)),
        (
            Level::Containerized,
            r#""filesystem": {"root": "host"}"#,
            hosts::root(),
            Some(Level::ResourceLimited),
        ),
        (Level::Basic, r#""process": {"session": false}"#, hosts::root(), None),
        (Level::Basic, "", hosts::unknown_arch(), None),
    ] {
        let plan = planned(&super::wishes::best_effort(level, members), &host);
        assert_eq!(plan.effective(), effective, "{members}: {:#?}", plan.layers);
    }
}

#[test]
fn the_usual_filter_is_planned_without_looking_at_every_call() {
    for (host, facts) in hosts::every() {
        for level in Level::ALL.iter().copied() {
            let policy = policy(level, r#""seccomp": {"allow": ["@default"]}"#);
            let _ = build(&policy, &facts);
            // Who has CAP_SYS_ADMIN is told what it can't do.
            let privileged = facts.caller.uid == 0 && level < Level::UserBased;
            assert!(privileged || !policy.seccomp.is_worked_out(), "{host} {level}");
        }
    }
}
