//! What a `seccomp` section says of one call, by the rules in the documentation of
//! [the parent](super), read one by one: slow, and sharing nothing with what it is compared with
//! but the tables of groups and calls.

use std::collections::BTreeSet;

use super::groups::{self, Group};
use super::{Condition, Test, Width};
use crate::policy::arch::{Arch, canonical_name};
use crate::profile::model::{ArgumentRule, Seccomp};
use crate::profile::vocabulary::{ArgumentOperator, SeccompAction};

const EPERM: SeccompAction = SeccompAction::Errno(1);
const EACCES: SeccompAction = SeccompAction::Errno(13);
const ENOSYS: SeccompAction = SeccompAction::Errno(38);

/// What happens to a call of an architecture's native interface.
pub(crate) fn decide(
    section: &Seccomp,
    without_network: bool,
    arch: Arch,
    number: u32,
    arguments: &[u64; 6],
) -> SeccompAction {
    // The x32 interface of x86-64 isn't there, and what is newer than the tables isn't either.
    let x32 = arch == Arch::X86_64 && (number & 0x4000_0000 != 0 || (512..=547).contains(&number));
    let Some(call) = arch.call(number).filter(|_| !x32) else { return ENOSYS };
    let low = |index: usize| arguments[index] & 0xffff_ffff;
    // AF_UNIX and AF_NETLINK are no network.
    if without_network && call == "socket" && low(0) != 1 && low(0) != 16 {
        return EACCES;
    }
    // PR_GET_SECCOMP, by which the launcher reads back what it did.
    if call == "prctl" && low(0) == 21 {
        return SeccompAction::Allow;
    }
    by_rules(section, call, arguments).unwrap_or_else(|| by_lists(section, call, arguments))
}

/// 1. The first rule whose conditions hold.
fn by_rules(section: &Seccomp, call: &str, arguments: &[u64; 6]) -> Option<SeccompAction> {
    let names = |rule: &crate::profile::model::SeccompRule| {
        rule.calls.iter().any(|name| canonical_name(name) == Some(call))
    };
    let holds = |rule: &crate::profile::model::SeccompRule| {
        rule.arguments.iter().all(|condition| rule_holds(condition, arguments))
    };
    section.rules.iter().find(|rule| names(rule) && holds(rule)).map(|rule| rule.action)
}

fn by_lists(section: &Seccomp, call: &str, arguments: &[u64; 6]) -> SeccompAction {
    let usual = ["@default".to_owned()];
    let allow: Vec<&String> = if section.allow.is_empty() && section.default.is_none() {
        usual.iter().collect()
    } else {
        section.allow.iter().map(|name| &name.value).collect()
    };
    let deny: Vec<&String> = section.deny.iter().map(|name| &name.value).collect();
    let opaque = groups::OPAQUE_CALLS.contains(&call);
    let refusal = if opaque { ENOSYS } else { EPERM };
    let default = if opaque { refusal } else { section.default.map_or(EPERM, |said| said.value) };
    let named = |list: &[&String]| list.iter().any(|name| canonical_name(name) == Some(call));
    let (allowed, denied) = (groups_of(&allow), groups_of(&deny));
    let whole = |groups: &[&Group]| groups.iter().any(|group| group.calls.contains(&call));
    let part = |groups: &[&Group]| {
        let uses = groups.iter().flat_map(|group| group.parts);
        let mut of_call = uses.filter(|part| part.call == call);
        of_call.any(|part| part.conditions.iter().all(|one| holds(one, arguments)))
    };
    // 2. Refused by name; or by a group, in whole or in part, unless allowed by name.
    if named(&deny) || (!named(&allow) && (whole(&denied) || part(&denied))) {
        return refusal;
    }
    // 3. Guards of groups that aren't allowed, where the call could get through at all.
    let in_part = allowed.iter().flat_map(|group| group.parts).any(|part| part.call == call);
    let could = named(&allow) || whole(&allowed) || in_part || lets_through(default);
    let lifted = |group: &Group| {
        let among = |list: &[&Group]| list.iter().any(|other| other.name == group.name);
        among(&allowed) && !among(&denied)
    };
    let guards = groups::all().filter(|group| !lifted(group)).flat_map(|group| group.guards);
    let mut guards = guards.filter(|guard| guard.what.call == call);
    let guarded =
        guards.find(|guard| guard.what.conditions.iter().all(|one| holds(one, arguments)));
    if let Some(guard) = guarded.filter(|_| could) {
        return SeccompAction::Errno(guard.errno);
    }
    // 4. Allowed, 5. or not mentioned.
    if named(&allow) || whole(&allowed) || part(&allowed) { SeccompAction::Allow } else { default }
}

/// Whether a section has anything of its own to say of a call.
pub(crate) fn speaks_of(section: &Seccomp, call: &str) -> bool {
    let lists = section.allow.iter().chain(&section.deny);
    let rules = section.rules.iter().flat_map(|rule| &rule.calls);
    let guarded = groups::all().flat_map(|group| group.guards);
    lists.chain(rules).any(|name| canonical_name(name) == Some(call))
        || guarded.into_iter().any(|guard| guard.what.call == call)
        || groups::OPAQUE_CALLS.contains(&call)
}

fn lets_through(action: SeccompAction) -> bool {
    matches!(action, SeccompAction::Allow | SeccompAction::Log)
}

/// The groups that a list names, with all that they include.
fn groups_of(names: &[&String]) -> Vec<&'static Group> {
    let mut wanted: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = wanted.pop() {
        if let Some(group) = groups::all().find(|group| group.name == name)
            && seen.insert(group.name)
        {
            wanted.extend(group.includes);
            found.push(group);
        }
    }
    found
}

/// Whether a condition of a profile's rule holds.
fn rule_holds(condition: &ArgumentRule, arguments: &[u64; 6]) -> bool {
    let whole = arguments[usize::from(condition.index)];
    let argument = if condition.wide { whole } else { whole & 0xffff_ffff };
    let value = condition.value;
    match condition.operator {
        ArgumentOperator::Equal => argument == value,
        ArgumentOperator::NotEqual => argument != value,
        ArgumentOperator::Less => argument < value,
        ArgumentOperator::LessOrEqual => argument <= value,
        ArgumentOperator::Greater => argument > value,
        ArgumentOperator::GreaterOrEqual => argument >= value,
        ArgumentOperator::MaskedEqual => argument & condition.mask == value,
    }
}

/// Whether a condition of a group's holds.
fn holds(condition: &Condition, arguments: &[u64; 6]) -> bool {
    let whole = arguments[usize::from(condition.index())];
    let argument = match condition.width() {
        Width::Low => whole & 0xffff_ffff,
        Width::Full => whole,
    };
    match condition.test() {
        Test::Equal(value) => argument == value,
        Test::NotEqual(value) => argument != value,
        Test::Less(value) => argument < value,
        Test::LessOrEqual(value) => argument <= value,
        Test::Greater(value) => argument > value,
        Test::GreaterOrEqual(value) => argument >= value,
        Test::MaskedEqual { mask, value } => argument & mask == value,
        Test::AnyBit(bits) => argument & bits != 0,
    }
}
