//! Which system calls a command may make.

use serde::Serialize;

use super::Subject;
use crate::policy::seccomp::groups::{self, Group};
use crate::policy::seccomp::{Rule, SeccompPolicy, Verdict};
use crate::profile::vocabulary::SeccompAction;

/// Which system calls a command may make, by what the filter really does.
#[derive(Clone, Debug, Serialize)]
pub struct Filter {
    /// How many calls of this architecture there are.
    pub known: usize,
    /// How many get through whatever their arguments.
    pub allowed: usize,
    /// How many get through depending on their arguments.
    pub conditional: usize,
    /// How many kill the process.
    pub killing: usize,
    /// The named groups that don't include others.
    pub groups: Vec<GroupState>,
}

/// How much of a group of system calls gets through.
#[derive(Clone, Debug, Serialize)]
pub struct GroupState {
    /// Its name.
    pub group: &'static str,
    /// What its calls do.
    pub description: &'static str,
    /// How many of its calls, or uses of calls, get through.
    pub allowed: usize,
    /// How many there are.
    pub of: usize,
}

pub(super) fn filter(subject: &Subject<'_>) -> Option<Filter> {
    let policy = subject.filter()?;
    let arch = subject.facts.arch?;
    let calls: Vec<&str> = arch.calls().map(|(_, name)| name).collect();
    let count = |verdict| calls.iter().filter(|call| policy.permits(call) == verdict).count();
    let kills = |call: &&&str| {
        let treatment = policy.treatment(call);
        treatment.is_some_and(|treatment| {
            treatment.otherwise == SeccompAction::Kill
                || treatment.rules.iter().any(|rule| rule.action == SeccompAction::Kill)
        })
    };
    let base = groups::all().filter(|group| group.includes.is_empty() && !is_composite(group));
    Some(Filter {
        known: calls.len(),
        allowed: count(Verdict::Always),
        conditional: count(Verdict::Sometimes),
        killing: calls.iter().filter(kills).count(),
        groups: base.map(|group| state(group, policy, &calls)).collect(),
    })
}

/// Composite groups choose from base groups, which divide all calls among them.
fn is_composite(group: &Group) -> bool {
    let owned_elsewhere = |call: &&'static str| {
        let mut owners = groups::all().filter(|other| other.calls.contains(call));
        owners.next().is_some_and(|owner| owner.name != group.name)
    };
    group.calls.iter().any(owned_elsewhere) || (group.calls.is_empty() && group.guards.is_empty())
}

fn state(group: &Group, policy: &SeccompPolicy, calls: &[&str]) -> GroupState {
    let whole = group.calls.iter().filter(|call| calls.contains(call));
    let (mut allowed, mut of) = (0, 0);
    for call in whole {
        of += 1;
        allowed += usize::from(policy.permits(call) != Verdict::Never);
    }
    for guard in group.guards.iter().filter(|guard| calls.contains(&guard.what.call)) {
        of += 1;
        let refusal = Rule::from(guard);
        let refused = policy.treatment(guard.what.call).is_none_or(|treatment| {
            treatment.rules.contains(&refusal) || policy.permits(guard.what.call) == Verdict::Never
        });
        allowed += usize::from(!refused);
    }
    GroupState { group: group.name, description: group.description, allowed, of }
}
