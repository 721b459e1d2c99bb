//! The Landlock domain, at each ABI version.

use std::path::Path;

use super::super::landlock::access;
use super::super::step::{LandlockRules, Step};
use super::wishes::{best_effort, policy};
use super::{HostFacts, Layer, Plan, Status, hosts, planned, refused, state, status, steps};
use crate::profile::vocabulary::Level;

fn rules(plan: &Plan) -> &LandlockRules {
    let rules = steps(plan, |step| match step {
        Step::Landlock(rules) => Some(rules),
        _ => None,
    });
    rules.first().expect("a domain is entered")
}

/// The rights that rules allow at a path.
fn at(rules: &LandlockRules, path: &str) -> u64 {
    let there = rules.paths.iter().filter(|rule| rule.path == Path::new(path));
    there.fold(0, |bits, rule| bits | rule.access)
}

const FILES: &str = r#""landlock": {"read": ["/etc"], "write": ["/tmp"], "execute": ["/usr"]}"#;
const PORTS: &str = r#""landlock": {"connect_tcp": [443]}"#;

#[test]
fn every_version_handles_all_that_it_knows() {
    for (abi, net, scopes) in [(3, 0, 0), (4, 0, 0), (6, 0, 3), (7, 0, 3)] {
        let host = hosts::with_landlock(abi);
        let plan = planned(&policy(Level::Containerized, ""), &host);
        let rules = rules(&plan);
        assert_eq!(rules.handled_fs, host.landlock.access_fs, "ABI {abi}");
        assert_eq!((rules.handled_net, rules.scoped), (net, scopes), "ABI {abi}");
        assert_eq!(status(&plan, Layer::Landlock), Status::Enforced);
    }
}

#[test]
fn what_a_version_does_not_know_is_told() {
    let told = |abi, level, members| {
        let plan = planned(&best_effort(level, members), &hosts::with_landlock(abi));
        state(&plan, Layer::Landlock).details.join("\n")
    };
    let old = told(1, Level::Containerized, "");
    for part in ["renaming across", "truncation; read-only mounts do", "device", "no scopes"] {
        assert!(old.contains(part), "{part}: {old}");
    }
    assert!(told(2, Level::Basic, FILES).contains("only be read can be emptied"));
    assert!(told(7, Level::Containerized, "").is_empty());
}

#[test]
fn without_truncation_files_are_protected_only_in_part() {
    let refusal = refused(&policy(Level::Basic, FILES), &hosts::with_landlock(2));
    assert!(refusal.problems[0].cause.found.contains("truncation"));
    let plan = planned(&best_effort(Level::Basic, FILES), &hosts::with_landlock(2));
    assert_eq!(status(&plan, Layer::Landlock), Status::Fallback);
    assert_eq!(at(rules(&plan), "/etc"), access::READ_FILE | access::READ_DIR);
    // Read-only mounts forbid it where there is a view.
    planned(&policy(Level::Containerized, ""), &hosts::with_landlock(2));
}

#[test]
fn ports_that_the_kernel_does_not_know_are_refused_or_left_out() {
    let network = format!(r#"{PORTS}, "network": "host""#);
    let host = hosts::with_landlock(3);
    let refusal = refused(&policy(Level::Containerized, &network), &host);
    assert!(refusal.problems.iter().any(|problem| problem.cause.found.contains("TCP ports")));
    let plan = planned(&best_effort(Level::Containerized, &network), &host);
    assert_eq!(status(&plan, Layer::Landlock), Status::Fallback);
    assert_eq!(rules(&plan).handled_net, 0);
    assert_ne!(rules(&plan).handled_fs, 0, "files are protected all the same");
}

#[test]
fn ports_in_a_namespace_without_network_ask_nothing_of_an_old_kernel() {
    let plan = planned(&policy(Level::Containerized, PORTS), &hosts::with_landlock(3));
    assert_eq!(rules(&plan).handled_net, 0, "the kernel would refuse the right");
    assert!(rules(&plan).ports.is_empty());
}

#[test]
fn only_the_kind_of_port_that_is_named_is_handled() {
    let plan = planned(&policy(Level::Containerized, PORTS), &hosts::user());
    assert_eq!(rules(&plan).handled_net, access::CONNECT_TCP);
    assert_eq!(rules(&plan).ports, [(443, access::CONNECT_TCP)]);
    let none = r#""landlock": {"bind_tcp": []}"#;
    let plan = planned(&policy(Level::Containerized, none), &hosts::user());
    assert_eq!(rules(&plan).handled_net, access::BIND_TCP, "none at all may be bound");
}

#[test]
fn a_profile_that_names_only_ports_leaves_files_as_they_are() {
    let plan = planned(&policy(Level::Basic, PORTS), &hosts::user());
    assert_eq!(rules(&plan).handled_fs, 0, "no program could be started");
    assert!(state(&plan, Layer::Landlock).details[0].contains("files aren't restricted"));
    let refusal = refused(&policy(Level::Basic, PORTS), &hosts::with_landlock(3));
    assert_eq!(refusal.problems.len(), 1, "truncation doesn't matter: {refusal:?}");
    let plan = planned(&best_effort(Level::Basic, PORTS), &hosts::with_landlock(3));
    assert_eq!(status(&plan, Layer::Landlock), Status::Unavailable, "an empty domain");
}

#[test]
fn scopes_that_are_asked_for_by_name_are_demanded() {
    let members = r#""landlock": {"scopes": ["signal"]}"#;
    let plan = planned(&policy(Level::Basic, members), &hosts::user());
    assert_eq!(rules(&plan).scoped, access::SCOPE_SIGNAL);
    let refusal = refused(&policy(Level::Basic, members), &hosts::with_landlock(4));
    assert!(refusal.problems[0].cause.found.contains("scopes"));
}

#[test]
fn a_domain_that_would_handle_nothing_is_not_entered() {
    let plan = planned(&policy(Level::Basic, r#""landlock": {"scopes": []}"#), &hosts::user());
    assert_eq!(status(&plan, Layer::Landlock), Status::Off);
}

#[test]
fn without_a_view_only_what_is_listed_is_allowed() {
    let members = format!(
        r#"{FILES}, "filesystem": {{"mounts": [
            {{"source": "/home/me/work", "access": "rw"}},
            {{"source": "/opt", "target": "/srv/opt"}},
            {{"type": "tmpfs", "target": "/run"}}, {{"type": "dev"}}]}}"#
    );
    let plan = planned(&policy(Level::Basic, &members), &hosts::user());
    let rules = rules(&plan);
    assert_eq!(at(rules, "/"), 0);
    assert_ne!(at(rules, "/home/me/work") & access::WRITE_FILE, 0);
    assert_ne!(at(rules, "/dev/null") & access::WRITE_FILE, 0);
    // What isn't at its own place, or would be private, can't be had without mounts.
    assert_eq!(at(rules, "/srv/opt") | at(rules, "/opt") | at(rules, "/run"), 0);
}

#[test]
fn a_view_of_the_hosts_tree_that_cannot_be_had_leaves_it_readable() {
    let members = r#""landlock": {"write": ["/srv/data"]}"#;
    let host = HostFacts { landlock: hosts::landlock(7), ..hosts::ubuntu() };
    let plan = planned(&best_effort(Level::Namespaced, members), &host);
    let rules = rules(&plan);
    assert_eq!(at(rules, "/"), access::READ_FILE | access::READ_DIR | access::EXECUTE);
    assert_ne!(at(rules, "/srv/data") & access::WRITE_FILE, 0);
}

#[test]
fn a_minimal_root_that_cannot_be_had_opens_nothing_more() {
    let members = r#""filesystem": {"mounts": [{"source": "/usr"}]}"#;
    let plan = planned(&best_effort(Level::Containerized, members), &hosts::ubuntu());
    assert_eq!(at(rules(&plan), "/"), 0);
    assert_eq!(at(rules(&plan), "/usr"), access::READ_FILE | access::READ_DIR | access::EXECUTE);
}

#[test]
fn rights_follow_the_mounts_of_a_view() {
    let members = r#""filesystem": {"mounts": [{"source": "/usr"},
        {"source": "/opt", "noexec": true}, {"source": "/home/me/work", "access": "rw"},
        {"type": "tmpfs", "target": "/srv", "noexec": true}]}"#;
    let plan = planned(&policy(Level::Containerized, members), &hosts::user());
    let rules = rules(&plan);
    let can = |path, right| at(rules, path) & right != 0;
    assert_eq!(at(rules, "/"), access::READ_DIR);
    assert!(can("/usr", access::EXECUTE) && !can("/usr", access::WRITE_FILE));
    assert!(!can("/opt", access::EXECUTE));
    assert!(can("/home/me/work", access::WRITE_FILE) && can("/home/me/work", access::EXECUTE));
    assert!(can("/srv", access::WRITE_FILE) && !can("/srv", access::EXECUTE));
    assert!(can("/dev", access::IOCTL_DEV) && !can("/srv", access::IOCTL_DEV));
}

#[test]
fn less_below_more_cannot_be_had_without_a_view() {
    let mounts = r#""filesystem": {"mounts": [{"source": "/home/me", "access": "rw"},
        {"source": "/home/me/work"}]}"#;
    let members = format!(r#"{mounts}, "enforcement": {{"landlock": "required"}}"#);
    let refusal = refused(&policy(Level::Basic, &members), &hosts::user());
    let said = refusal.problems.iter().map(|problem| problem.cause.found.as_str());
    let said: Vec<_> = said.filter(|text| text.contains("can't take away")).collect();
    assert_eq!(said.len(), 1, "{refusal:?}");
    // More below less is what rules are for.
    let mounts = r#""filesystem": {"mounts": [{"source": "/home/me"},
        {"source": "/home/me/work", "access": "rw"}]}"#;
    let members = format!(r#"{mounts}, "enforcement": {{"landlock": "required"}}"#);
    planned(&policy(Level::Basic, &members), &hosts::user());
}

#[test]
fn no_link_in_a_writable_tree_leads_a_rule_elsewhere() {
    let members = r#""filesystem": {"mounts": [{"source": "/home/me", "access": "rw"}]},
        "landlock": {"read": ["/home/me/work", "/etc"]}"#;
    let plan = planned(&policy(Level::Basic, members), &hosts::user());
    let below = |path: &str| {
        let rule = rules(&plan).paths.iter().find(|rule| rule.path == Path::new(path));
        rule.and_then(|rule| rule.no_links_below.clone())
    };
    assert_eq!(below("/home/me/work").as_deref(), Some(Path::new("/home/me")));
    assert_eq!((below("/home/me"), below("/etc")), (None, None));
}
