//! Which namespaces are made, and what follows from one that isn't.

use super::super::step::Step;
use super::wishes::{best_effort, policy};
use super::{Layer, Status, hosts, layers_of, planned, refused, status, steps};
use crate::profile::vocabulary::{Enforcement, Level, Namespace};

#[test]
fn root_needs_no_user_namespace_and_a_user_does() {
    let asked = policy(Level::Namespaced, "");
    let made = |host| planned(&asked, &host).expected.namespaces.contains(&Namespace::User);
    assert!(!made(hosts::root()));
    assert!(made(hosts::user()));
    assert!(made(hosts::user()));
}

#[test]
fn a_user_namespace_that_was_switched_off_is_not_made_as_a_means_either() {
    let mut asked = policy(Level::Namespaced, "");
    asked.enforcement.set(Layer::UserNamespace, Enforcement::Off);
    let refusal = refused(&asked, &hosts::user());
    assert!(layers_of(&refusal).contains(&Layer::User));
    assert!(refusal.problems[0].cause.found.contains("switches user namespaces off"));
    planned(&asked, &hosts::root());
}

#[test]
fn a_level_below_namespaces_still_uses_one_to_change_the_user() {
    let plan = planned(&policy(Level::UserBased, ""), &hosts::user());
    assert_eq!(plan.expected.namespaces, [Namespace::User]);
    assert_eq!(status(&plan, Layer::UserNamespace), Status::Enforced);
}

#[test]
fn the_enforcement_of_the_layer_has_the_last_word_on_asking_for_it() {
    let members = r#""namespaces": {"user": true}, "enforcement": {"user-namespace": "off"}"#;
    let plan = planned(&policy(Level::Basic, members), &hosts::root());
    assert!(plan.expected.namespaces.is_empty());
}

#[test]
fn a_best_effort_user_namespace_does_not_waive_what_depends_on_it() {
    let mut asked = policy(Level::Namespaced, "");
    asked.enforcement.set(Layer::UserNamespace, Enforcement::BestEffort);
    let refusal = refused(&asked, &hosts::ubuntu());
    assert!(!layers_of(&refusal).contains(&Layer::UserNamespace));
    assert!(layers_of(&refusal).contains(&Layer::MountNamespace));
    assert!(refusal.problems.iter().any(|problem| problem.cause == hosts::apparmor()));
}

#[test]
fn the_hosts_network_needs_no_namespace_of_any_kind() {
    let mut asked = policy(Level::Basic, r#""network": "host""#);
    asked.enforcement.set(Layer::NetworkNamespace, Enforcement::Required);
    let plan = planned(&asked, &hosts::ubuntu());
    assert!(plan.expected.namespaces.is_empty());
    assert_eq!(status(&plan, Layer::NetworkNamespace), Status::Off);
}

#[test]
fn loopback_comes_up_only_where_it_is_asked_for() {
    let ups = |members| {
        let plan = planned(&policy(Level::Namespaced, members), &hosts::user());
        steps(&plan, |step| (*step == Step::LoopbackUp).then_some(())).len()
    };
    assert_eq!((ups(""), ups(r#""network": "none""#)), (1, 0));
}

#[test]
fn without_a_mount_namespace_there_is_no_view_of_its_own() {
    let asked = policy(Level::Containerized, r#""namespaces": {"mount": false}"#);
    let refusal = refused(&asked, &hosts::root());
    assert_eq!(layers_of(&refusal), [Layer::Filesystem, Layer::Root, Layer::Masks]);
}

#[test]
fn without_a_pid_namespace_a_fresh_proc_is_refused_and_no_proc_is_not() {
    let no_pid = r#""namespaces": {"pid": false}"#;
    let refusal = refused(&policy(Level::Namespaced, no_pid), &hosts::root());
    assert_eq!(layers_of(&refusal), [Layer::Filesystem]);
    let members =
        format!(r#"{no_pid}, "filesystem": {{"mounts": [{{"type": "none", "target": "/proc"}}]}}"#);
    planned(&policy(Level::Namespaced, &members), &hosts::root());
}

#[test]
fn a_session_that_is_not_asked_for_is_not_made_by_init_either() {
    let members = r#""process": {"session": false}"#;
    let plan = planned(&policy(Level::Namespaced, members), &hosts::user());
    assert!(!plan.steps.contains(&Step::NewSession));
    assert!(!plan.steps.contains(&Step::TargetGroup));
}

#[test]
fn a_terminal_is_guarded_by_a_filter_where_the_command_may_keep_privileges() {
    let guards = |host, level| {
        let plan = planned(&best_effort(level, ""), &host);
        steps(&plan, |step| match step {
            Step::Seccomp { layer, .. } => Some(*layer),
            _ => None,
        })
    };
    assert_eq!(guards(hosts::root(), Level::Basic), [Layer::Session]);
    assert_eq!(guards(hosts::root(), Level::Containerized), [Layer::Seccomp]);
    assert!(guards(hosts::user(), Level::Basic).is_empty());
}

#[test]
fn the_limits_of_init_are_guarded_where_there_is_no_other_way_to_end_it() {
    let guards = |members, level| {
        let plan = planned(&best_effort(level, members), &hosts::user());
        steps(&plan, |step| match step {
            Step::Seccomp { layer, .. } => Some(*layer),
            _ => None,
        })
    };
    assert_eq!(guards("", Level::Namespaced), [Layer::ProcessTree]);
    assert_eq!(guards("", Level::ResourceLimited), [Layer::ProcessTree]);
    assert_eq!(guards("", Level::Containerized), [Layer::Seccomp]);
    assert!(guards("", Level::UserBased).is_empty());
}
