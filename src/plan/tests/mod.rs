//! Planning on hosts that are made up: no rights, no kernel and no processes are needed.
//!
//! [`hosts`] makes them, [`wishes`] makes policies of short profiles, [`consistency`] says what
//! must be true of every plan, and [`product`] asks that of thousands.

#![cfg_attr(not(test), allow(dead_code, reason = "the fuzzers use a part of it"))]

mod consistency;
#[cfg(test)]
mod filesystem;
mod hosts;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod landlock;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod product;
mod tree;
mod wishes;

pub(crate) use consistency::judge;

use super::facts::HostFacts;
use super::step::Step;
use super::{LayerState, Plan, Refusal, Status, build};
use crate::policy::Policy;
use crate::profile::vocabulary::Layer;

/// The plan of a policy that a host must be able to enforce; it is consistent.
#[track_caller]
pub(super) fn planned(policy: &Policy, host: &HostFacts) -> Plan {
    match build(policy, host) {
        Ok(plan) => {
            consistency::check(policy, host, &plan).unwrap_or_else(|what| panic!("{what}"));
            plan
        }
        Err(refusal) => panic!("refused: {:#?}", refusal.problems),
    }
}

/// Why a policy can't be enforced on a host.
#[track_caller]
pub(super) fn refused(policy: &Policy, host: &HostFacts) -> Refusal {
    match build(policy, host) {
        Ok(plan) => panic!("planned: {:#?}", plan.layers),
        Err(refusal) => refusal,
    }
}

/// The layers that a refusal names, in the order of layers, each once.
pub(super) fn layers_of(refusal: &Refusal) -> Vec<Layer> {
    let mut layers: Vec<_> = refusal.problems.iter().map(|problem| problem.layer).collect();
    layers.sort();
    layers.dedup();
    layers
}

/// The state of a layer.
#[track_caller]
pub(super) fn state(plan: &Plan, layer: Layer) -> &LayerState {
    plan.layers.iter().find(|state| state.layer == layer).expect("every layer has a state")
}

/// How far a layer holds.
#[track_caller]
pub(super) fn status(plan: &Plan, layer: Layer) -> Status {
    state(plan, layer).status
}

/// Steps that a pattern picks.
pub(super) fn steps<'a, T>(plan: &'a Plan, pick: impl Fn(&'a Step) -> Option<T>) -> Vec<T> {
    plan.steps.iter().filter_map(pick).collect()
}

/// One of the made-up hosts, and what it is in words.
pub(crate) fn host(number: u8) -> (&'static str, HostFacts) {
    let mut hosts = hosts::every();
    let chosen = usize::from(number) % hosts.len();
    hosts.swap_remove(chosen)
}
