//! Which system calls may be made, and with which arguments.
//!
//! What happens to a call is decided by the first of these that speaks of it:
//!
//! 1. the profile's `rules`, in order, if all conditions hold;
//! 2. `deny`, by the call's own name, or by a group unless `allow` has the call's own name:
//!    `EPERM`;
//! 3. where the call could still get through, the guards of dangerous groups that are not allowed
//!    (see [`groups`]): each has its `errno`. Neither a name in `allow` nor the default action
//!    lifts them; allowing the group does, and so does a rule;
//! 4. `allow`, by name or by group;
//! 5. the default action, `EPERM` unless the profile says otherwise.
//!
//! A group that has a call in part speaks of that part only. `clone3` and `openat2`, whose
//! arguments a filter can't see, get `ENOSYS` in place of 2 and 5 ([`groups::OPAQUE_CALLS`]).
//!
//! Numbers that have no name, because the call is newer than our tables, get `ENOSYS` whatever
//! the default action is: nobody can have judged them. So do the calls of the x32 interface.
//!
//! A section with neither `allow` nor `default` allows [`DEFAULT_GROUP`]: `"deny"` and `"rules"`
//! alone refine the usual set.

mod condition;
pub mod groups;
#[cfg(any(test, fuzzing))]
pub(crate) mod reference;
mod resolve;

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::policy::arch::{self, Arch};
pub use crate::profile::vocabulary::SeccompAction;
pub use condition::{Condition, Test, Width};

/// What a section allows that says neither what to allow nor what the default is.
pub const DEFAULT_GROUP: &str = "@default";

/// What happens to some calls of one name: all conditions hold, then the action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// What must hold, and never nothing.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: SeccompAction,
}

/// What happens to all calls of one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Treatment {
    /// The first rule that holds decides.
    pub rules: Vec<Rule>,
    /// What happens if none does.
    pub otherwise: SeccompAction,
}

impl Treatment {
    /// The same for every call, whatever its arguments.
    #[must_use]
    pub const fn always(action: SeccompAction) -> Self {
        Self { rules: Vec::new(), otherwise: action }
    }

    /// What happens to a call with these arguments.
    #[must_use]
    pub fn decide(&self, arguments: &[u64; 6]) -> SeccompAction {
        let holds = |rule: &&Rule| rule.conditions.iter().all(|one| one.holds(arguments));
        self.rules.iter().find(holds).map_or(self.otherwise, |rule| rule.action)
    }
}

/// Whether a call gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Whatever its arguments.
    Always,
    /// Depending on its arguments.
    Sometimes,
    /// Whatever its arguments, no.
    Never,
}

/// What happens to every system call.
///
/// It is the same on all architectures: calls go by their names. Calls through a foreign
/// architecture's interface have no place in it; filters kill the process for them.
#[derive(Clone, Debug)]
pub struct SeccompPolicy {
    /// What a profile says; absent for the guard.
    statement: Option<resolve::Statement>,
    /// The group that the guard refuses.
    guarded: &'static str,
    /// Whether nothing was changed in what the statement comes to.
    as_stated: bool,
    /// Complete: every name of every architecture. Worked out at the first question, once for all
    /// clones.
    calls: Arc<OnceLock<HashMap<&'static str, Treatment>>>,
    /// What somebody made of it.
    made: Arc<OnceLock<Box<dyn Any + Send + Sync>>>,
}

impl PartialEq for SeccompPolicy {
    /// Whether both treat every call alike, however that was said.
    fn eq(&self, other: &Self) -> bool {
        self.unknown() == other.unknown() && self.calls() == other.calls()
    }
}

impl Eq for SeccompPolicy {}

impl SeccompPolicy {
    /// Lets everything through but what takes over a terminal (`ioctl` `TIOCSTI`, `TIOCLINUX`),
    /// and what would get round that: x32, and (in the filter) foreign architectures.
    ///
    /// It stands in where a command shares a terminal with its caller and the seccomp layer is
    /// off.
    #[must_use]
    pub fn guard() -> Self {
        Self::guarding("@terminal-injection")
    }

    /// Lets everything through but what makes setuid and setgid files, and what would get round
    /// that.
    ///
    /// It stands in where the command makes files that belong to somebody else outside, and the
    /// seccomp layer is off.
    #[must_use]
    pub fn setid_guard() -> Self {
        Self::guarding("@setid-files")
    }

    /// Lets everything through but changes of other processes' limits, and what would get round
    /// that.
    ///
    /// It stands in where the sandbox's init is a process of the command's user, and the seccomp
    /// layer is off: with a limit of its processor time, init would be ended, and the run with it,
    /// as if that were ringfence's failure.
    #[must_use]
    pub fn init_guard() -> Self {
        Self::guarding("@limits-of-others")
    }

    fn guarding(group: &'static str) -> Self {
        Self::new(None, group)
    }

    fn new(statement: Option<resolve::Statement>, guarded: &'static str) -> Self {
        let (calls, made) = (Arc::default(), Arc::default());
        Self { statement, guarded, as_stated: true, calls, made }
    }

    /// What was made of this policy before, or now: one thing, for it and all clones, so that what
    /// is planned once and run often is worked out once.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn once<T: Any + Send + Sync, E>(
        &self,
        make: impl FnOnce() -> Result<Arc<T>, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(made) = self.made.get().and_then(|made| made.downcast_ref::<Arc<T>>()) {
            return Ok(Arc::clone(made));
        }
        let made = make()?;
        // Another thread may have been quicker; both have made the same.
        let _ = self.made.set(Box::new(Arc::clone(&made)));
        Ok(made)
    }

    /// Whether what happens to every call was worked out, which costs more than all of the planning.
    #[cfg(test)]
    pub(crate) fn is_worked_out(&self) -> bool {
        self.calls.get().is_some()
    }

    fn calls(&self) -> &HashMap<&'static str, Treatment> {
        self.calls.get_or_init(|| match &self.statement {
            Some(statement) => statement.calls(),
            None => guarded_calls(self.guarded),
        })
    }

    /// What happens to numbers without a name.
    const fn unknown(&self) -> SeccompAction {
        match self.statement {
            Some(_) => SeccompAction::Errno(groups::ENOSYS),
            None => SeccompAction::Allow,
        }
    }

    /// The same policy without any network: sockets are UNIX or netlink ones, the others fail with
    /// `EACCES`, whatever the profile says of them.
    ///
    /// It stands in where there is no network namespace.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        let action = SeccompAction::Errno(groups::EACCES);
        let conditions = [groups::AF_UNIX, groups::AF_NETLINK]
            .map(|family| Condition::low(0, Test::NotEqual(family)))
            .to_vec();
        let mut calls = self.calls().clone();
        if let Some(socket) = calls.get_mut("socket") {
            socket.rules.insert(0, Rule { conditions, action });
        }
        self.calls = Arc::new(OnceLock::from(calls));
        self.made = Arc::default();
        self.as_stated = false;
        self
    }

    /// Whether the policy is what a profile gets that allows one group and says nothing else.
    #[must_use]
    pub fn says_only(&self, group: &str) -> bool {
        self.as_stated
            && self.statement.as_ref().is_some_and(|statement| statement.allows_only(group))
    }

    /// What happens to the calls of one name; `None` if no architecture has it.
    #[must_use]
    pub fn treatment(&self, call: &str) -> Option<&Treatment> {
        self.calls().get(call).or_else(|| self.calls().get(arch::canonical_name(call)?))
    }

    /// What happens to a call by number, with its six arguments, made through the native
    /// interface of an architecture.
    #[must_use]
    pub fn decide(&self, arch: Arch, number: u32, arguments: &[u64; 6]) -> SeccompAction {
        match arch.call(number).and_then(|call| self.calls().get(call)) {
            Some(treatment) => treatment.decide(arguments),
            None => self.unnamed(arch, number),
        }
    }

    /// What happens to a number without a name.
    #[must_use]
    pub fn unnamed(&self, arch: Arch, number: u32) -> SeccompAction {
        if arch.x32_calls().iter().any(|range| range.contains(&number)) {
            SeccompAction::Errno(groups::ENOSYS)
        } else {
            self.unknown()
        }
    }

    /// Whether a call gets through; never, if no architecture has it.
    #[must_use]
    pub fn permits(&self, call: &str) -> Verdict {
        let Some(treatment) = self.treatment(call) else { return Verdict::Never };
        let mut rules = treatment.rules.iter();
        let otherwise = treatment.otherwise.passes();
        if rules.any(|rule| rule.action.passes() != otherwise) {
            Verdict::Sometimes
        } else if otherwise {
            Verdict::Always
        } else {
            Verdict::Never
        }
    }
}

/// Every call let through, but for what a group guards, and those of its calls whose arguments a
/// filter can't see.
fn guarded_calls(group: &str) -> HashMap<&'static str, Treatment> {
    let all = arch::call_names().iter();
    let mut calls: HashMap<_, _> =
        all.map(|call| (*call, Treatment::always(SeccompAction::Allow))).collect();
    let group = groups::find(group);
    for call in group.iter().flat_map(|group| group.calls) {
        if groups::OPAQUE_CALLS.contains(call) {
            calls.insert(call, Treatment::always(SeccompAction::Errno(groups::ENOSYS)));
        }
    }
    for guard in group.iter().flat_map(|group| group.guards) {
        if let Some(treatment) = calls.get_mut(guard.what.call) {
            treatment.rules.push(Rule::from(guard));
        }
    }
    calls
}

impl From<&groups::Guard> for Rule {
    fn from(guard: &groups::Guard) -> Self {
        let action = SeccompAction::Errno(guard.errno);
        Self { conditions: guard.what.conditions.to_vec(), action }
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
