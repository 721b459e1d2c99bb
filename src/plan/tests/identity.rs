//! Who the command runs as.

use super::super::step::{IdMap, Ids, Step};
use super::wishes::{best_effort, policy};
use super::{HostFacts, Layer, Plan, Status, hosts, planned, refused, state, status, steps};
use crate::profile::vocabulary::{Enforcement, Level};

fn map(plan: &Plan) -> Option<IdMap> {
    steps(plan, |step| if let Step::MapIds(map) = step { Some(*map) } else { None }).pop()
}

fn ids(uid: u32, gid: u32) -> Ids {
    Ids { uid, gid }
}

#[test]
fn root_becomes_nobody_and_drops_its_groups_without_a_user_namespace() {
    let plan = planned(&policy(Level::UserBased, ""), &hosts::root());
    assert_eq!(plan.expected.ids, Some(ids(65_534, 65_534)));
    assert_eq!(plan.expected.groups, Some(Vec::new()));
    assert_eq!(map(&plan), None);
}

#[test]
fn a_user_stays_itself_in_a_user_namespace_and_hears_of_groups_that_stay() {
    let plan = planned(&policy(Level::UserBased, ""), &hosts::user());
    let me = ids(hosts::USER, hosts::USER);
    assert_eq!(map(&plan), Some(IdMap { inside: me, outside: me, keep_setgroups: false }));
    assert!(state(&plan, Layer::User).details[0].starts_with("1 supplementary groups"));
}

#[test]
fn a_named_user_brings_its_primary_group() {
    let plan = planned(&policy(Level::UserBased, r#""user": {"uid": "build"}"#), &hosts::root());
    assert_eq!(plan.expected.ids, Some(ids(2000, 2001)));
}

#[test]
fn an_unknown_user_is_refused() {
    let asked = policy(Level::UserBased, r#""user": {"uid": "ghost"}"#);
    let refusal = refused(&asked, &hosts::root());
    assert!(refusal.problems[0].cause.found.contains("no user \"ghost\""));
}

#[test]
fn an_unknown_user_whose_layer_is_best_effort_leaves_the_caller_and_sets_no_ids() {
    let plan =
        planned(&best_effort(Level::Namespaced, r#""user": {"uid": "ghost"}"#), &hosts::user());
    assert_eq!(status(&plan, Layer::User), Status::Unavailable);
    assert_eq!(plan.expected.ids, Some(ids(hosts::USER, hosts::USER)), "the map's");
    assert!(steps(&plan, |step| matches!(step, Step::SetIds(_)).then_some(())).is_empty());
}

#[test]
fn groups_that_a_user_namespace_cannot_map_are_refused_before_setgroups_fails() {
    let members = r#""namespaces": {"user": true}, "user": {"groups": ["audio"]}"#;
    let refusal = refused(&policy(Level::UserBased, members), &hosts::root());
    assert!(refusal.problems[0].cause.found.contains("maps one group"), "{refusal:?}");
    let members = r#""user": {"groups": ["audio"]}"#;
    let plan = planned(&policy(Level::UserBased, members), &hosts::root());
    assert_eq!(plan.expected.groups, Some(vec![29]));
}

#[test]
fn more_groups_than_can_be_read_back_are_refused() {
    let groups: Vec<String> = (1..=65).map(|gid: u32| gid.to_string()).collect();
    let members = format!(r#""user": {{"groups": [{}]}}"#, groups.join(", "));
    let refusal = refused(&policy(Level::UserBased, &members), &hosts::root());
    assert!(refusal.problems[0].cause.remedy.contains("at most 64"));
}

#[test]
fn root_that_asks_for_a_user_namespace_maps_the_other_user_to_itself_and_adopts_it() {
    let asked = policy(Level::UserBased, r#""namespaces": {"user": true}"#);
    let plan = planned(&asked, &hosts::root());
    let nobody = ids(65_534, 65_534);
    assert_eq!(map(&plan), Some(IdMap { inside: nobody, outside: nobody, keep_setgroups: true }));
    assert!(plan.steps.contains(&Step::AdoptIds(nobody)));
}

#[test]
fn a_root_that_cannot_become_nobody_does_as_a_user_does() {
    // As in `unshare -r`, and in build sandboxes that map one user.
    let mut host = hosts::root();
    host.caller.confined = true;
    let plan = planned(&policy(Level::Containerized, ""), &host);
    let me = ids(0, 0);
    assert_eq!(map(&plan), Some(IdMap { inside: me, outside: me, keep_setgroups: false }));
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::SetGroups(_))));
    assert_eq!(status(&plan, Layer::User), Status::Enforced);
    assert_eq!(plan.effective(), Some(Level::Containerized));
}

#[test]
fn asking_for_the_own_user_is_told_as_off() {
    let plan = planned(&policy(Level::UserBased, r#""user": {"uid": 0}"#), &hosts::root());
    assert_eq!(status(&plan, Layer::User), Status::Off);
    assert_eq!(plan.expected.groups, Some(Vec::new()), "groups are settled all the same");
    assert_eq!(plan.effective(), Some(Level::Basic));
}

#[test]
fn without_the_user_layer_namespaces_map_the_caller_to_itself() {
    let mut asked = policy(Level::Namespaced, "");
    asked.enforcement.set(Layer::User, Enforcement::Off);
    let plan = planned(&asked, &hosts::user());
    let me = ids(hosts::USER, hosts::USER);
    assert_eq!(map(&plan), Some(IdMap { inside: me, outside: me, keep_setgroups: false }));
    assert_eq!(status(&plan, Layer::User), Status::Off);
}

#[test]
fn a_capability_that_the_caller_lacks_costs_no_other_layer_of_protection() {
    // CAP_SYS_ADMIN isn't Docker's to give.
    let members = r#""capabilities": {"keep": ["CAP_SYS_ADMIN", "CAP_NET_BIND_SERVICE"]}"#;
    let docker = hosts::docker();
    let plan = planned(&best_effort(Level::UserBased, members), &docker);
    assert_eq!(status(&plan, Layer::Capabilities), Status::Fallback);
    let expected = plan.expected.capabilities.expect("the others are emptied");
    assert_eq!((expected.kept, expected.bounding), (1 << 10, true));
    assert_eq!(refused(&policy(Level::UserBased, members), &docker).problems.len(), 1);
}

#[test]
fn nothing_is_kept_where_securebits_cannot_be_set() {
    let caller = super::super::facts::Caller { capabilities: 1 << 10, ..hosts::ubuntu().caller };
    let host = HostFacts { caller, ..hosts::ubuntu() };
    let members = r#""capabilities": {"keep": ["CAP_NET_BIND_SERVICE"]}"#;
    let plan = planned(&best_effort(Level::UserBased, members), &host);
    assert_eq!(plan.expected.capabilities.map(|sets| sets.kept), Some(0));
}
