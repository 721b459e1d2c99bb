//! Every host × level × profile × enforcement of each layer: thousands of plans.

use std::collections::BTreeMap;

use super::wishes::{PROFILES, degrade, policy};
use super::{HostFacts, build, hosts, judge};
use crate::policy::Policy;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::vocabulary::{Enforcement, Layer, Level};

/// A policy, and what it is in words.
fn policies() -> Vec<(String, Policy)> {
    let mut policies = Vec::new();
    for level in Level::ALL.iter().copied() {
        for (name, members) in PROFILES {
            if name == "another root" && level < Level::Namespaced {
                continue; // Nothing could show it: that is no policy.
            }
            let mut policy = policy(level, members);
            // A filter of two rules in the place of one of hundreds: planning only hands it on.
            policy.seccomp = SeccompPolicy::guard();
            policies.push((format!("{level}, {name}"), policy));
        }
    }
    policies
}

/// What is wrong, and the first plan in which it was seen.
#[derive(Default)]
struct Findings(BTreeMap<String, String>);

impl Findings {
    /// Plans a policy for a host: either the plan is consistent, or the refusal names every layer
    /// that stands in the way, so that taking those back is enough.
    fn judge(&mut self, policy: &Policy, host: &HostFacts, name: impl FnOnce() -> String) {
        if let Err(what) = judge(policy, host) {
            self.0.entry(what).or_insert_with(name);
        }
    }
}

impl Drop for Findings {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{:#?}", self.0);
        }
    }
}

#[test]
fn every_plan_is_consistent_whatever_one_layer_is_set_to() {
    // Each policy and setting meets every seventh host, and the next one the others.
    const SHARE: usize = 7;
    let hosts = hosts::every();
    let mut findings = Findings::default();
    let mut turn = 0;
    for (name, policy) in policies() {
        for (host_name, host) in &hosts {
            findings.judge(&policy, host, || format!("{host_name}: {name}"));
        }
        for layer in Layer::ALL.iter().copied() {
            for enforcement in Enforcement::ALL.iter().copied() {
                let mut changed = policy.clone();
                changed.enforcement.set(layer, enforcement);
                turn += 1;
                for (host_name, host) in hosts.iter().skip(turn % SHARE).step_by(SHARE) {
                    findings.judge(&changed, host, || {
                        format!("{host_name}: {name}, {layer}={enforcement}")
                    });
                }
            }
        }
    }
}

#[test]
fn a_best_effort_policy_is_never_refused() {
    for (name, mut policy) in policies() {
        degrade(&mut policy, Layer::ALL);
        for (host_name, host) in hosts::every() {
            if let Err(refusal) = build(&policy, &host) {
                panic!("{host_name}: {name}: {:#?}", refusal.problems);
            }
        }
    }
}

#[test]
fn every_plan_is_consistent_whatever_all_layers_are_set_to() {
    // A small generator of pseudo-random numbers, always the same.
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap_or(0)
    };
    let (policies, hosts) = (policies(), hosts::every());
    let mut findings = Findings::default();
    for number in 0..6_000 {
        let (name, policy) = &policies[below(policies.len())];
        let (host_name, host) = &hosts[below(hosts.len())];
        let mut policy = policy.clone();
        for layer in Layer::ALL.iter().copied() {
            policy.enforcement.set(layer, Enforcement::ALL[below(Enforcement::ALL.len())]);
        }
        if below(2) == 0 {
            policy.user_namespace = [None, Some(false), Some(true)][below(3)];
        }
        findings.judge(&policy, host, || format!("number {number}: {host_name}: {name}"));
    }
}
