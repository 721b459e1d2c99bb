//! What a plan allows and denies, in words: derived from the plan, not from the wish.

mod files;
mod filter;
mod limits;
mod monitored;
mod network;
mod ways_out;

use std::ffi::OsString;

use serde::Serialize;

pub use files::{Files, Visible, What};
pub use filter::{Filter, GroupState};
pub use limits::{Holder, Limit};
pub use monitored::Monitored;
pub use network::{Network, NetworkHolder};

use super::facts::HostFacts;
use super::step::Step;
use super::{LayerState, Plan, Status};
use crate::policy::Policy;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::names::capability_name;
use crate::profile::vocabulary::{Layer, Namespace};

/// What is explained, and what that depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What was asked for.
    pub policy: &'a Policy,
    /// What will be done.
    pub plan: &'a Plan,
    /// The host it will be done on.
    pub facts: &'a HostFacts,
    /// The caller's own environment.
    pub environment: &'a [(OsString, OsString)],
    /// The names of the signals that the launcher hands on.
    pub forwarded: &'a [&'static str],
}

/// What a command may do, what watches it, and what is left open.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What the command may do.
    pub permissions: Permissions,
    /// Every layer, and how far it holds.
    pub borders: Vec<LayerState>,
    /// What is watched, and what happens then.
    pub monitored: Vec<Monitored>,
    /// What the command can still reach or do, that somebody might think it can't.
    pub ways_out: Vec<String>,
}

/// What the command may do.
#[derive(Clone, Debug, Serialize)]
pub struct Permissions {
    /// Which files it sees, and may change.
    pub files: Files,
    /// What it reaches of the network.
    pub network: Network,
    /// Who it is.
    pub user: User,
    /// Capabilities it keeps, by name.
    pub capabilities: Vec<&'static str>,
    /// Variables it gets, by name.
    pub environment: Environment,
    /// How much it may use.
    pub limits: Vec<Limit>,
    /// Which system calls it may make; absent: all of them.
    pub system_calls: Option<Filter>,
}

/// Who the command is.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// The user id it sees.
    pub uid: u32,
    /// The group id it sees.
    pub gid: u32,
    /// The user id that counts outside of the sandbox.
    pub outside_uid: u32,
    /// Its supplementary groups that count outside of the sandbox.
    pub groups: Vec<u32>,
}

/// Variables that the command gets.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// Those with the caller's value.
    pub passed: Vec<String>,
    /// Those with a value of the profile's.
    pub set: Vec<String>,
}

/// Explains a plan.
#[must_use]
pub fn explain(subject: &Subject<'_>) -> Explanation {
    let permissions = Permissions {
        files: files::files(subject),
        network: network::network(subject),
        user: subject.user(),
        capabilities: subject.capabilities(),
        environment: subject.variables(),
        limits: limits::limits(subject),
        system_calls: filter::filter(subject),
    };
    Explanation {
        monitored: monitored::monitored(subject, &permissions),
        ways_out: ways_out::ways_out(subject, &permissions),
        borders: subject.plan.layers.clone(),
        permissions,
    }
}

impl Subject<'_> {
    /// Whether a layer is enforced.
    fn holds(&self, layer: Layer) -> bool {
        let mut layers = self.plan.layers.iter();
        layers.any(|state| state.layer == layer && state.status == Status::Enforced)
    }

    fn makes(&self, namespace: Namespace) -> bool {
        self.plan.expected.namespaces.contains(&namespace)
    }

    /// The Landlock rules, where there are any.
    fn landlock(&self) -> Option<&super::step::LandlockRules> {
        self.plan.steps.iter().find_map(|step| match step {
            Step::Landlock(rules) => Some(rules),
            _ => None,
        })
    }

    /// Whether a system call with these arguments gets through.
    fn permits(&self, call: &str, arguments: &[u64; 6]) -> bool {
        self.filter().is_none_or(|filter| {
            filter.treatment(call).is_some_and(|treatment| treatment.decide(arguments).passes())
        })
    }

    /// The filter of the seccomp layer, as it will be.
    fn filter(&self) -> Option<&SeccompPolicy> {
        self.plan.steps.iter().find_map(|step| match step {
            Step::Seccomp { policy, layer: Layer::Seccomp } => Some(policy),
            _ => None,
        })
    }

    fn user(&self) -> User {
        let caller = &self.facts.caller;
        let find =
            |wanted: fn(&Step) -> Option<(u32, u32)>| self.plan.steps.iter().find_map(wanted);
        let ids = find(|step| match step {
            Step::SetIds(ids) => Some((ids.uid, ids.gid)),
            _ => None,
        });
        let outside = find(|step| match step {
            Step::MapIds(map) => Some((map.outside.uid, map.outside.gid)),
            _ => None,
        });
        let groups = self.plan.steps.iter().find_map(|step| match step {
            Step::SetGroups(groups) => Some(groups.clone()),
            _ => None,
        });
        let (uid, gid) = ids.unwrap_or((caller.uid, caller.gid));
        let (outside_uid, _) = outside.unwrap_or((uid, gid));
        User { uid, gid, outside_uid, groups: groups.unwrap_or_else(|| caller.groups.clone()) }
    }

    /// The capabilities that stay: the kept ones, or the caller's own where none are taken. Those
    /// in a user namespace of the sandbox's own are none outside of it.
    fn capabilities(&self) -> Vec<&'static str> {
        let kept = match self.plan.expected.capabilities {
            Some(expected) => expected.kept,
            None => self.facts.caller.capabilities,
        };
        (0..64).filter(|number| kept >> number & 1 == 1).filter_map(capability_name).collect()
    }

    fn variables(&self) -> Environment {
        let (mut passed, mut set) = (Vec::new(), Vec::new());
        for (name, value) in &self.policy.environment {
            let own = self.environment.iter().find(|(known, _)| known == name);
            let list =
                if own.is_some_and(|(_, own)| own == value) { &mut passed } else { &mut set };
            list.push(name.to_string_lossy().into_owned());
        }
        Environment { passed, set }
    }
}
