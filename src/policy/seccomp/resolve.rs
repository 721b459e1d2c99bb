//! From the `seccomp` section of a profile to a policy.

use std::collections::{BTreeSet, HashMap};

use super::condition::{Condition, Test, Width};
use super::groups::{self, ENOSYS, EPERM, Group, Guard, Use};
use super::{DEFAULT_GROUP, Rule, SeccompPolicy, Treatment};
use crate::policy::arch::{self, Arch};
use crate::profile::diagnostic::Diagnostic;
use crate::profile::model::{ArgumentRule, Seccomp, SeccompRule};
use crate::profile::source::{Origin, Spanned};
use crate::profile::suggest;
use crate::profile::vocabulary::{ArgumentOperator, SeccompAction};

/// The greatest error number; the kernel takes greater ones down to it.
const MAX_ERRNO: u16 = 4095;

impl SeccompPolicy {
    /// Makes a policy of a profile's section.
    ///
    /// # Errors
    /// Everything that is wrong with the section, each at its place: names that no architecture
    /// knows, conditions that can't be met, numbers out of range.
    pub fn resolve(section: &Seccomp) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let usual = [Spanned::from(DEFAULT_GROUP.to_owned())];
        let nothing_said = section.allow.is_empty() && section.default.is_none();
        let allow = if nothing_said { &usual[..] } else { &section.allow[..] };
        let default = section.default.unwrap_or(SeccompAction::Errno(EPERM).into());
        check_action(default.value, default.origin, &mut problems);
        check_names(allow, &mut problems);
        check_names(&section.deny, &mut problems);
        let rules = section.rules.iter().flat_map(|one| rules(one, &mut problems)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let names =
            |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect();
        let statement = Statement {
            allow: names(allow),
            deny: names(&section.deny),
            rules,
            default: default.value,
        };
        Ok(Self::new(Some(statement), ""))
    }
}

/// What a section says, found to be right. What follows from it for every call is worked out
/// when somebody asks: a launch with the layer off never does.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    allow: Vec<String>,
    deny: Vec<String>,
    rules: Vec<(&'static str, Rule)>,
    default: SeccompAction,
}

impl Statement {
    /// Whether this is what an author says who allows one group and leaves the rest alone.
    pub(super) fn allows_only(&self, group: &str) -> bool {
        self.allow == [group]
            && self.deny.is_empty()
            && self.rules.is_empty()
            && self.default == SeccompAction::Errno(EPERM)
    }

    /// The treatment of every call.
    pub(super) fn calls(&self) -> HashMap<&'static str, Treatment> {
        let wanted = Wanted { said: self.said(), rules: &self.rules, default: self.default };
        let mut calls = HashMap::with_capacity(arch::MOST_CALLS);
        for (_, call) in Arch::ALL.into_iter().flat_map(Arch::calls) {
            calls.entry(call).or_insert_with(|| wanted.treatment(call));
        }
        calls
    }

    /// What the lists say of each call that they, or groups, have to do with.
    fn said(&self) -> HashMap<&'static str, Said> {
        let (allow, deny) = (Selection::of(&self.allow), Selection::of(&self.deny));
        let mut said: HashMap<&'static str, Said> = HashMap::with_capacity(arch::MOST_CALLS);
        for call in &allow.calls {
            said.entry(call).or_default().allowed = true;
        }
        for call in &deny.calls {
            said.entry(call).or_default().denied = true;
        }
        for group in allow.members() {
            for call in group.calls {
                said.entry(call).or_default().allowed_in_group = true;
            }
            for part in group.parts {
                said.entry(part.call).or_default().allowed_parts.push(part);
            }
        }
        for group in deny.members() {
            for call in group.calls {
                said.entry(call).or_default().denied_in_group = true;
            }
            for part in group.parts {
                said.entry(part.call).or_default().denied_parts.push(part);
            }
        }
        let lifted = |name| allow.groups.contains(name) && !deny.groups.contains(name);
        for group in groups::all().filter(|group| !lifted(group.name)) {
            for guard in group.guards {
                said.entry(guard.what.call).or_default().guards.push(guard);
            }
        }
        said
    }
}

/// What `allow` and `deny` say of one call.
#[derive(Default)]
struct Said {
    /// By its own name.
    allowed: bool,
    denied: bool,
    /// By groups that have it as a whole.
    allowed_in_group: bool,
    denied_in_group: bool,
    /// By groups that have it in part.
    allowed_parts: Vec<&'static Use>,
    denied_parts: Vec<&'static Use>,
    /// Of groups that are not allowed.
    guards: Vec<&'static Guard>,
}

/// What a section says, with its names looked up.
struct Wanted<'a> {
    said: HashMap<&'static str, Said>,
    rules: &'a [(&'static str, Rule)],
    default: SeccompAction,
}

impl Wanted<'_> {
    fn treatment(&self, call: &'static str) -> Treatment {
        let mut rules = Vec::new();
        if call == "prctl" {
            rules.push(read_mode_back());
        }
        for (_, rule) in self.rules.iter().filter(|(name, _)| *name == call) {
            if rule.conditions.is_empty() {
                return Treatment { rules, otherwise: rule.action };
            }
            rules.push(rule.clone());
        }
        let mut rest = self.by_lists(call);
        rules.append(&mut rest.rules);
        Treatment { rules, otherwise: rest.otherwise }
    }

    /// What happens to a call that no rule of the profile decides.
    fn by_lists(&self, call: &'static str) -> Treatment {
        let opaque = groups::OPAQUE_CALLS.contains(&call);
        let refusal = SeccompAction::Errno(if opaque { ENOSYS } else { EPERM });
        let otherwise = if opaque { refusal } else { self.default };
        let Some(said) = self.said.get(call) else { return Treatment::always(otherwise) };
        if said.denied || (!said.allowed && said.denied_in_group) {
            return Treatment::always(refusal);
        }
        let guards = said.guards.iter().copied().map(Rule::from);
        if said.allowed {
            return Treatment { rules: guards.collect(), otherwise: SeccompAction::Allow };
        }
        let mut rules: Vec<Rule> = parts(&said.denied_parts, refusal).collect();
        rules.extend(guards);
        if said.allowed_in_group {
            return Treatment { rules, otherwise: SeccompAction::Allow };
        }
        rules.extend(parts(&said.allowed_parts, SeccompAction::Allow));
        if otherwise.passes() || rules.iter().any(|rule| rule.action.passes()) {
            Treatment { rules, otherwise }
        } else {
            Treatment::always(otherwise)
        }
    }
}

/// A rule for each of these uses of a call.
fn parts(parts: &[&'static Use], action: SeccompAction) -> impl Iterator<Item = Rule> {
    parts.iter().map(move |part| Rule { conditions: part.conditions.to_vec(), action })
}

/// Just before exec, the launcher asks the kernel which seccomp mode it is in, with the filter in
/// force. The answer tells a program nothing that its own refused calls don't.
fn read_mode_back() -> Rule {
    let conditions = vec![Condition::low(0, Test::Equal(groups::PR_GET_SECCOMP))];
    Rule { conditions, action: SeccompAction::Allow }
}

/// The calls and groups of `allow` or `deny`.
struct Selection {
    /// Calls by their own name.
    calls: Vec<&'static str>,
    /// Groups by name, and all that they include.
    groups: BTreeSet<&'static str>,
}

impl Selection {
    fn of(names: &[String]) -> Self {
        let mut calls = Vec::new();
        let mut chosen = BTreeSet::new();
        for name in names {
            match groups::find(name) {
                Some(group) => groups::expand(group, &mut chosen),
                None => calls.extend(arch::canonical_name(name)),
            }
        }
        Self { calls, groups: chosen }
    }

    fn members(&self) -> impl Iterator<Item = &'static Group> {
        groups::all().filter(|group| self.groups.contains(group.name))
    }
}

/// Whether every name is that of a group or a call.
fn check_names(names: &[Spanned<String>], problems: &mut Vec<Diagnostic>) {
    for name in names {
        if groups::find(name).is_none() && arch::canonical_name(name).is_none() {
            problems.push(unknown_name(name));
        }
    }
}

/// One rule for each call that a rule of a profile names.
fn rules(
    written: &Spanned<SeccompRule>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(&'static str, Rule)> {
    check_action(written.action, written.origin, problems);
    let mut conditions = Vec::new();
    for argument in &written.arguments {
        match condition(argument) {
            Ok(condition) => conditions.push(condition),
            Err(message) => problems.push(Diagnostic::new(message, written.origin)),
        }
    }
    let mut rules = Vec::new();
    for name in &written.calls {
        match arch::canonical_name(name) {
            Some(call) => {
                rules.push((call, Rule { conditions: conditions.clone(), action: written.action }));
            }
            None if groups::find(name).is_some() => problems.push(
                Diagnostic::new(
                    format!("a rule can't be about a group of system calls: \"{}\"", name.value),
                    name.origin,
                )
                .help("name the calls; groups go into \"allow\" and \"deny\""),
            ),
            None => problems.push(unknown_name(name)),
        }
    }
    rules
}

fn condition(written: &ArgumentRule) -> Result<Condition, String> {
    let width = if written.wide { Width::Full } else { Width::Low };
    let value = written.value;
    let masked = written.operator == ArgumentOperator::MaskedEqual;
    let compared = if masked { value | written.mask } else { value };
    if !written.wide && compared > u64::from(u32::MAX) {
        return Err(format!("{compared:#x} is out of range: only 32 bits are compared"));
    }
    if masked && value & !written.mask != 0 {
        return Err("the condition never holds: the value has bits outside the mask".to_owned());
    }
    let test = match written.operator {
        ArgumentOperator::Equal => Test::Equal(value),
        ArgumentOperator::NotEqual => Test::NotEqual(value),
        ArgumentOperator::Less => Test::Less(value),
        ArgumentOperator::LessOrEqual => Test::LessOrEqual(value),
        ArgumentOperator::Greater => Test::Greater(value),
        ArgumentOperator::GreaterOrEqual => Test::GreaterOrEqual(value),
        ArgumentOperator::MaskedEqual => Test::MaskedEqual { mask: written.mask, value },
    };
    Condition::new(written.index, width, test)
        .ok_or_else(|| format!("a system call has arguments 0 to 5, not {}", written.index))
}

fn check_action(action: SeccompAction, origin: Origin, problems: &mut Vec<Diagnostic>) {
    if let SeccompAction::Errno(number) = action
        && !(1..=MAX_ERRNO).contains(&number)
    {
        let message = format!("error number {number} is out of range: 1 to {MAX_ERRNO}");
        problems.push(Diagnostic::new(message, origin));
    }
}

fn unknown_name(name: &Spanned<String>) -> Diagnostic {
    let wrong = name.as_str();
    let bare = wrong.trim_start_matches('@');
    let group_names = groups::all().map(|group| group.name);
    if wrong.starts_with('@') {
        let problem = format!("unknown group of system calls \"{wrong}\"");
        let help = match arch::canonical_name(bare) {
            Some(call) => format!("did you mean the system call \"{call}\"?"),
            None => suggest::help(wrong, group_names),
        };
        return Diagnostic::new(problem, name.origin).help(help);
    }
    let problem = Diagnostic::new(format!("unknown system call \"{wrong}\""), name.origin);
    if let Some(group) = groups::find(&format!("@{bare}")) {
        return problem.help(format!("did you mean the group \"{}\"?", group.name));
    }
    match suggest::nearest(wrong, arch::call_names().iter().copied().chain(group_names)) {
        Some(near) => problem.help(format!("did you mean \"{near}\"?")),
        None => problem.help("names are those of x86_64 and aarch64 in Linux 6.17"),
    }
}
