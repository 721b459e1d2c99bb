//! Named groups of system calls.
//!
//! Base groups divide all calls among them: each call is in exactly one, but for `clone3`, which
//! only its own name stands for. Composite groups choose from base groups and calls.
//!
//! Some calls do something harmless or something dangerous depending on their arguments. For
//! these, a dangerous group holds *guards*: uses of a call that are refused unless that group is
//! allowed, whoever allows the call itself. `ioctl` belongs to `@io`, but pushing characters into
//! a terminal with it belongs to `@terminal-injection`. In the other direction, a group can allow
//! a call *in part*: `@startup` has `clone`, but only to make threads.

/// Calls by name, several in a line.
macro_rules! calls {
    ($($call:ident)*) => { &[$(stringify!($call)),*] };
}

mod composite;
mod dangerous;
mod harmless;
mod numbers;

use std::collections::BTreeSet;

use super::condition::Condition;
pub use numbers::{AF_NETLINK, AF_UNIX, EACCES, ENOSYS, EPERM, PR_GET_SECCOMP};

/// A use of a system call: all the conditions hold.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The call's name.
    pub call: &'static str,
    /// What makes it this use.
    pub conditions: &'static [Condition],
}

/// A use of a call that is refused unless its group is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// What is refused.
    pub what: Use,
    /// The error it then fails with: the one programs meet on kernels that lack the feature.
    pub errno: u16,
}

/// A named group of system calls.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name, with the `@`.
    pub name: &'static str,
    /// What its calls do, for people.
    pub description: &'static str,
    /// Other groups that belong to it.
    pub includes: &'static [&'static str],
    /// Calls that belong to it, by name.
    pub calls: &'static [&'static str],
    /// Uses that belong to it of calls that don't.
    pub parts: &'static [Use],
    /// Uses that are refused, although their call is allowed, unless this group is allowed.
    pub guards: &'static [Guard],
}

impl Group {
    /// A group of whole calls.
    const fn of(
        name: &'static str,
        description: &'static str,
        calls: &'static [&'static str],
    ) -> Self {
        Self { name, description, includes: &[], calls, parts: &[], guards: &[] }
    }

    /// A group of uses, and of whole calls.
    const fn guarding(
        name: &'static str,
        description: &'static str,
        calls: &'static [&'static str],
        guards: &'static [Guard],
    ) -> Self {
        Self { name, description, includes: &[], calls, parts: &[], guards }
    }
}

/// Calls whose effect is decided by a structure in memory, which a filter can't see.
///
/// They fail with `ENOSYS`, whatever the profile's default action is, so that programs fall back
/// on the older call, which can be judged: `clone3` on `clone`, whose flags say whether a
/// namespace is made; `openat2` on `openat`, whose mode says whether a setuid file is made.
pub const OPAQUE_CALLS: [&str; 2] = ["clone3", "openat2"];

/// Every group: harmless ones, dangerous ones, composite ones.
pub fn all() -> impl Iterator<Item = &'static Group> {
    harmless::GROUPS.iter().chain(dangerous::GROUPS).chain(composite::GROUPS)
}

/// The group with this name (which starts with `@`).
#[must_use]
pub fn find(name: &str) -> Option<&'static Group> {
    all().find(|group| group.name == name)
}

/// Adds the names of a group and of all that it includes.
pub(super) fn expand(group: &'static Group, names: &mut BTreeSet<&'static str>) {
    if names.insert(group.name) {
        group.includes.iter().filter_map(|name| find(name)).for_each(|group| expand(group, names));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::policy::arch;

    fn base() -> impl Iterator<Item = &'static Group> {
        harmless::GROUPS.iter().chain(dangerous::GROUPS)
    }

    fn expanded(name: &str) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        find(name).into_iter().for_each(|group| expand(group, &mut names));
        names
    }

    #[test]
    fn every_call_that_a_group_names_exists() {
        for group in all() {
            let uses = group.parts.iter().chain(group.guards.iter().map(|guard| &guard.what));
            for call in group.calls.iter().chain(uses.map(|part| &part.call)) {
                assert_eq!(arch::canonical_name(call), Some(*call), "in {}", group.name);
            }
        }
    }

    #[test]
    fn every_group_that_a_group_includes_exists() {
        for group in all() {
            for name in group.includes {
                assert!(find(name).is_some(), "{name} in {}", group.name);
            }
        }
    }

    #[test]
    fn every_call_but_clone3_is_in_one_base_group() {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for group in base() {
            for call in group.calls {
                owners.entry(call).or_default().push(group.name);
            }
        }
        for call in arch::call_names().iter().copied() {
            let expected = usize::from(call != "clone3");
            let owners = owners.get(call).map_or(&[][..], Vec::as_slice);
            assert_eq!(owners.len(), expected, "{call} is in {owners:?}");
        }
    }

    #[test]
    fn names_are_unique_and_begin_with_an_at_sign() {
        let names: BTreeSet<&str> = all().map(|group| group.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.iter().all(|name| name.starts_with('@')));
    }

    #[test]
    fn nothing_dangerous_is_in_a_composite_group() {
        let dangerous: BTreeSet<&str> =
            dangerous::GROUPS.iter().flat_map(|group| group.calls).copied().collect();
        for group in composite::GROUPS {
            for name in expanded(group.name) {
                assert!(dangerous::GROUPS.iter().all(|group| group.name != name), "{name}");
                for call in find(name).map_or(&[][..], |group| group.calls) {
                    assert!(!dangerous.contains(call), "{call} in {}", group.name);
                }
            }
        }
    }

    #[test]
    fn only_dangerous_groups_have_guards() {
        assert!(harmless::GROUPS.iter().chain(composite::GROUPS).all(|g| g.guards.is_empty()));
    }

    #[test]
    fn compute_has_no_sockets_no_forks_and_no_way_to_change_files() {
        let names = expanded("@compute");
        let calls: BTreeSet<&str> = names
            .iter()
            .filter_map(|name| find(name))
            .flat_map(|group| group.calls)
            .copied()
            .collect();
        for call in ["socket", "socketpair", "connect", "fork", "vfork", "clone", "kill"] {
            assert!(!calls.contains(call), "{call}");
        }
        for call in ["unlink", "unlinkat", "renameat2", "mkdirat", "fchmodat", "ptrace", "creat"] {
            assert!(!calls.contains(call), "{call}");
        }
    }
}
