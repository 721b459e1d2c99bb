//! Limits of the tree and of each process, where a host can hold all, some or none of them.

use super::super::facts::cgroup::CgroupFacts;
use super::super::facts::{Caller, Resource};
use super::super::step::Step;
use super::wishes::{best_effort, policy};
use super::{HostFacts, Layer, Plan, Status, hosts, planned, refused, state, status, steps};
use crate::policy::limits::TreeLimits;
use crate::profile::vocabulary::Level;

const SOME: &str = r#""limits": {"memory": "1GiB", "processes": 10, "cpus": 2}"#;

fn plan(members: &str, host: &HostFacts) -> Plan {
    planned(&best_effort(Level::ResourceLimited, members), host)
}

fn user_with(cgroup: CgroupFacts) -> HostFacts {
    HostFacts { cgroup, ..hosts::user() }
}

fn cgroup(plan: &Plan) -> Option<&TreeLimits> {
    steps(plan, |step| match step {
        Step::CreateCgroup(limits) => Some(limits),
        _ => None,
    })
    .pop()
}

fn rlimit(plan: &Plan, resource: Resource) -> Option<u64> {
    let of = |(what, limit): &(Resource, u64)| (*what == resource).then_some(*limit);
    plan.expected.rlimits.iter().find_map(of)
}

#[test]
fn every_layout_with_controllers_holds_all_limits() {
    for (name, facts) in [
        ("version 2", hosts::cgroup_v2()),
        ("version 1", hosts::cgroup_v1()),
        ("of a host with version 1 and 2", hosts::cgroup_hybrid()),
    ] {
        let asked = policy(Level::ResourceLimited, SOME);
        let plan = planned(&asked, &hosts::with_cgroup(facts));
        assert_eq!(cgroup(&plan), Some(&asked.tree_limits));
        let mechanism = state(&plan, Layer::Cgroup).mechanism.clone().unwrap_or_default();
        assert!(mechanism.ends_with(&format!("({name})")), "{mechanism}");
        assert_eq!(rlimit(&plan, Resource::AddressSpace), None);
    }
}

#[test]
fn without_a_cgroup_each_process_is_limited_and_the_rest_is_told() {
    let plan = plan(SOME, &user_with(hosts::no_cgroup()));
    let state = state(&plan, Layer::Cgroup);
    assert_eq!(state.status, Status::Fallback);
    assert_eq!(cgroup(&plan), None);
    assert_eq!(rlimit(&plan, Resource::AddressSpace), Some(1 << 30));
    assert_eq!(rlimit(&plan, Resource::Processes), Some(11), "and init");
    let told = state.details.join("\n");
    assert!(told.contains("memory 1GiB: RLIMIT_AS stands in"), "{told}");
    assert!(told.contains("cpus 2: nothing stands in"), "{told}");
}

#[test]
fn limits_that_have_a_controller_are_held_though_others_have_none() {
    let plan = plan(SOME, &user_with(hosts::only_pids()));
    assert_eq!(status(&plan, Layer::Cgroup), Status::Fallback);
    let held = TreeLimits { processes: Some(10), ..TreeLimits::default() };
    assert_eq!(cgroup(&plan), Some(&held));
    assert_eq!(rlimit(&plan, Resource::AddressSpace), Some(1 << 30));
    assert_eq!(rlimit(&plan, Resource::Processes), None, "the cgroup holds it");
    let mechanism = state(&plan, Layer::Cgroup).mechanism.clone().unwrap_or_default();
    assert!(mechanism.contains("for some limits, limits of each process for others"));
}

#[test]
fn a_limit_in_whose_place_nothing_stands_is_not_called_replaced() {
    let members = r#""limits": {"cpus": 2, "processes": "unlimited"}"#;
    let plan = plan(members, &user_with(hosts::no_cgroup()));
    assert_eq!(status(&plan, Layer::Cgroup), Status::Unavailable);
    assert!(state(&plan, Layer::Cgroup).details[0].contains("nothing stands in"));
}

#[test]
fn no_limits_still_want_a_cgroup() {
    let members = r#""limits": {"processes": "unlimited"}"#;
    let asked = policy(Level::ResourceLimited, members);
    assert_eq!(cgroup(&planned(&asked, &hosts::user())), Some(&TreeLimits::default()));
    let refusal = refused(&asked, &user_with(hosts::no_cgroup()));
    assert!(refusal.problems[0].cause.found.contains("no place"));
    let plan = plan(members, &user_with(hosts::no_cgroup()));
    assert_eq!(status(&plan, Layer::Cgroup), Status::Unavailable);
}

#[test]
fn the_hosts_root_is_spared_by_the_limit_of_processes_so_that_it_cannot_stand_in() {
    let members = r#""limits": {"processes": 10}, "user": {"uid": 0}"#;
    let plan = plan(members, &hosts::with_cgroup(hosts::no_cgroup()));
    assert_eq!(rlimit(&plan, Resource::Processes), None);
    assert_eq!(status(&plan, Layer::Cgroup), Status::Unavailable);
}

#[test]
fn the_limit_of_processes_counts_what_the_kernel_counts() {
    let members = r#""limits": {"processes": 10}"#;
    let limit = |level, host: &HostFacts| {
        rlimit(&planned(&best_effort(level, members), host), Resource::Processes)
    };
    let new = user_with(hosts::no_cgroup());
    let old = HostFacts { kernel: "5.13.9".into(), ..new.clone() };
    let root = hosts::with_cgroup(hosts::no_cgroup());
    assert_eq!(limit(Level::ResourceLimited, &new), Some(11), "a count of its own");
    assert_eq!(limit(Level::ResourceLimited, &old), Some(51), "all of the user's");
    assert_eq!(limit(Level::Basic, &new), Some(51), "no user namespace");
    assert_eq!(limit(Level::ResourceLimited, &root), Some(11), "nobody's, not root's");
}

#[test]
fn processors_that_are_not_there_are_left_out_of_what_stands_in() {
    let affinity = |set: &str| {
        let members = format!(r#""limits": {{"cpuset": "{set}"}}"#);
        let plan = plan(&members, &user_with(hosts::no_cgroup()));
        steps(&plan, |step| match step {
            Step::SetAffinity(set) => Some(set.clone()),
            _ => None,
        })
    };
    assert_eq!(affinity("1-2,9"), [vec![1, 2]]);
    assert!(affinity("9").is_empty(), "the kernel refuses an empty set");
}

#[test]
fn a_layer_that_is_off_says_which_limits_nobody_holds() {
    let members = format!(r#"{SOME}, "enforcement": {{"cgroup": "off"}}"#);
    let plan = planned(&policy(Level::ResourceLimited, &members), &hosts::user());
    assert_eq!(state(&plan, Layer::Cgroup).details.len(), 3);
}

#[test]
fn a_limit_is_lowered_to_what_the_caller_is_held_to() {
    let caller = Caller {
        hard_limits: [(Resource::OpenFiles, 100), (Resource::FileSize, 100)].into(),
        ..hosts::user().caller
    };
    let host = HostFacts { caller, ..hosts::user() };
    let members = r#""limits": {"open_files": 1000, "file_size": 10}"#;
    let plan = planned(&policy(Level::Basic, members), &host);
    assert_eq!(rlimit(&plan, Resource::OpenFiles), Some(100));
    assert_eq!(rlimit(&plan, Resource::FileSize), Some(10));
}

#[test]
fn processor_time_is_rounded_up_to_seconds() {
    let members = r#""limits": {"cpu_time": "1.5s"}"#;
    let plan = planned(&policy(Level::Basic, members), &hosts::user());
    assert_eq!(rlimit(&plan, Resource::CpuTime), Some(2));
}

#[test]
fn limits_that_nobody_asks_for_do_not_count_against_the_level() {
    let plan = planned(&policy(Level::Basic, r#""limits": {"core": "unlimited"}"#), &hosts::user());
    assert_eq!(status(&plan, Layer::Rlimits), Status::Off);
    assert_eq!(plan.effective(), Some(Level::Basic));
}

#[test]
fn a_niceness_below_the_callers_takes_a_privilege_over_the_host() {
    let nice = |nice: i8, more: &str, host: &HostFacts, niceness: (i32, i32)| {
        let caller = Caller { niceness: Some(niceness), ..host.caller.clone() };
        let members = format!(r#""limits": {{"nice": {nice}}}{more}"#);
        let host = HostFacts { caller, ..host.clone() };
        super::build(&policy(Level::UserBased, &members), &host).map_err(|refusal| {
            assert_eq!(super::layers_of(&refusal), [Layer::Rlimits]);
            refusal.problems[0].cause.found.clone()
        })
    };
    let (user, root) = (hosts::user(), hosts::root());
    assert!(nice(5, "", &user, (0, 20)).is_ok());
    assert!(nice(0, "", &user, (0, 20)).is_ok());
    assert!(nice(-1, "", &user, (0, -5)).is_ok());
    assert!(nice(-20, "", &root, (0, 20)).is_ok());
    let found = nice(-1, "", &user, (0, 20)).expect_err("it isn't allowed");
    assert!(found.starts_with("limits.nice: -1 is below the caller's 0"), "{found}");
    let found = nice(5, "", &user, (10, 20)).expect_err("it isn't allowed");
    assert!(found.starts_with("limits.nice: 5 is below the caller's 10"), "{found}");
    let in_namespace = r#", "namespaces": {"user": true}"#;
    assert!(nice(-1, in_namespace, &root, (0, 20)).is_err());
}

#[test]
fn a_niceness_that_cannot_be_set_is_left_out_where_limits_are_best_effort() {
    let caller = Caller { niceness: Some((0, 20)), ..hosts::user().caller };
    let host = HostFacts { caller, ..hosts::user() };
    let plan = planned(&best_effort(Level::Basic, r#""limits": {"nice": -1}"#), &host);
    assert_eq!(status(&plan, Layer::Rlimits), Status::Fallback, "core dumps are still limited");
    assert!(!plan.steps.contains(&Step::SetNice(-1)));
}

#[test]
fn the_processor_time_of_the_tree_is_limited_where_its_cgroup_counts_it() {
    let supervised = |more: &str, level, host: &HostFacts| {
        let members = format!(r#""limits": {{"cpu_time": "1500ms"}}{more}"#);
        let plan = planned(&best_effort(level, &members), host);
        // Each process is held to it by the kernel in any case.
        assert_eq!(rlimit(&plan, Resource::CpuTime), Some(2));
        plan.supervision.cpu_time
    };
    let limit = Some(std::time::Duration::from_millis(1500));
    assert_eq!(supervised("", Level::ResourceLimited, &hosts::root()), limit);
    let off = r#", "enforcement": {"cgroup": "off"}"#;
    assert_eq!(supervised(off, Level::ResourceLimited, &hosts::root()), None);
    assert_eq!(supervised("", Level::Basic, &hosts::root()), None);
    let without = user_with(hosts::no_cgroup());
    assert_eq!(supervised("", Level::ResourceLimited, &without), None);
}
