//! Putting profiles on top of each other.
//!
//! # The rules
//!
//! [`merge`] puts one profile over another:
//!
//! - A single value (`level`, `limits.memory`, `filesystem.root`, `process.cwd` …) of the later
//!   profile wins. `"unlimited"` is such a value: it takes an inherited limit away.
//! - `enforcement`, `namespaces` and `environment.set` are merged key by key; the later value wins.
//! - `filesystem.mounts` are merged by target: a later mount takes the place of an earlier one with
//!   the same target. One of type `none` stays in the list, so that it also removes mounts of what
//!   the result is put over; [`finish`] drops it when everything is merged. Targets are the same
//!   when they are written the same, doubled and trailing slashes aside: what variables stand for
//!   isn't known here. Once it is, the later of two mounts with the same target wins as well
//!   ([`crate::policy`]).
//! - These lists are appended to, without what is already there: `filesystem.hide`,
//!   `landlock.read`, `write`, `execute`, `connect_tcp` and `bind_tcp`, `seccomp.allow`, `deny` and
//!   `rules`, `environment.pass`, `process.descriptors`.
//! - These lists are single values, as each is a statement about the whole: `user.groups`,
//!   `capabilities.keep`, `landlock.scopes`, `limits.cpuset`.
//! - A name in a later `seccomp.allow` leaves the inherited `seccomp.deny`, and the reverse. An
//!   `allow` of which nothing is left then allows nothing.
//! - `name`, `description`, `extends` and `otherwise` are those of the later profile, also when it
//!   has none: they say what one file is, not what it allows.
//!
//! [`overlay`] is the same for what isn't a profile of its own but a change to one, such as the
//! options of the command line: there, the earlier `name`, `description`, `extends` and
//! `otherwise` stay.

mod resolve;

use std::collections::HashSet;

pub use self::resolve::{
    Failure, Layered, LoadError, Loaded, Loader, MAX_DEPTH, resolve, resolve_first,
};
use super::model::{
    ArgumentRule, Capabilities, Environment, Filesystem, Io, Landlock, Limits, Mount, MountKind,
    Network, Process, Profile, Seccomp, SeccompRule, User,
};
use super::source::Spanned;
use super::vocabulary::SeccompAction;

/// What happens to a call that nothing mentions, unless a profile says otherwise.
const EPERM: u16 = 1;

/// Puts `over` on top of `base`.
#[must_use]
pub fn merge(base: Profile, over: Profile) -> Profile {
    Profile {
        name: over.name,
        description: over.description,
        extends: over.extends,
        otherwise: over.otherwise,
        level: over.level.or(base.level),
        enforcement: extended(base.enforcement, over.enforcement),
        user: merge_user(base.user, over.user),
        capabilities: Capabilities { keep: over.capabilities.keep.or(base.capabilities.keep) },
        namespaces: extended(base.namespaces, over.namespaces),
        filesystem: merge_filesystem(base.filesystem, over.filesystem),
        network: Network { mode: over.network.mode.or(base.network.mode) },
        limits: merge_limits(base.limits, over.limits),
        landlock: merge_landlock(base.landlock, over.landlock),
        seccomp: merge_seccomp(base.seccomp, over.seccomp),
        environment: merge_environment(base.environment, over.environment),
        process: merge_process(base.process, over.process),
    }
}

/// Changes a profile, which stays the one it is.
#[must_use]
pub fn overlay(profile: Profile, mut change: Profile) -> Profile {
    change.name = change.name.or_else(|| profile.name.clone());
    change.description = change.description.or_else(|| profile.description.clone());
    change.extends.clone_from(&profile.extends);
    change.otherwise.clone_from(&profile.otherwise);
    merge(profile, change)
}

/// Drops the mounts that only said what to leave out; to be called when nothing more is merged.
#[must_use]
pub fn finish(mut profile: Profile) -> Profile {
    profile.filesystem.mounts.retain(|mount| mount.kind != MountKind::None);
    profile
}

/// The one spelling of a path: no doubled and no trailing slashes.
#[must_use]
pub fn normalized(path: &str) -> String {
    let mut spelling = String::with_capacity(path.len());
    if path.starts_with('/') {
        spelling.push('/');
    }
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if !spelling.is_empty() && !spelling.ends_with('/') {
            spelling.push('/');
        }
        spelling.push_str(name);
    }
    spelling
}

fn merge_user(base: User, over: User) -> User {
    User {
        uid: over.uid.or(base.uid),
        gid: over.gid.or(base.gid),
        groups: over.groups.or(base.groups),
    }
}

fn merge_filesystem(base: Filesystem, over: Filesystem) -> Filesystem {
    Filesystem {
        root: over.root.or(base.root),
        mounts: merge_mounts(base.mounts, over.mounts),
        hide: appended(base.hide, over.hide),
    }
}

fn merge_mounts(mut base: Vec<Spanned<Mount>>, over: Vec<Spanned<Mount>>) -> Vec<Spanned<Mount>> {
    let targets: HashSet<String> = over.iter().map(|mount| normalized(&mount.target)).collect();
    base.retain(|mount| !targets.contains(&normalized(&mount.target)));
    base.extend(over);
    base
}

fn merge_limits(base: Limits, over: Limits) -> Limits {
    Limits {
        memory: over.memory.or(base.memory),
        swap: over.swap.or(base.swap),
        processes: over.processes.or(base.processes),
        cpus: over.cpus.or(base.cpus),
        cpu_weight: over.cpu_weight.or(base.cpu_weight),
        cpuset: over.cpuset.or(base.cpuset),
        cpu_time: over.cpu_time.or(base.cpu_time),
        wall_time: over.wall_time.or(base.wall_time),
        open_files: over.open_files.or(base.open_files),
        file_size: over.file_size.or(base.file_size),
        output: over.output.or(base.output),
        output_overflow: over.output_overflow.or(base.output_overflow),
        stack: over.stack.or(base.stack),
        core: over.core.or(base.core),
        io: Io {
            read_bytes: over.io.read_bytes.or(base.io.read_bytes),
            write_bytes: over.io.write_bytes.or(base.io.write_bytes),
            read_operations: over.io.read_operations.or(base.io.read_operations),
            write_operations: over.io.write_operations.or(base.io.write_operations),
        },
        nice: over.nice.or(base.nice),
    }
}

fn merge_landlock(base: Landlock, over: Landlock) -> Landlock {
    Landlock {
        read: appended(base.read, over.read),
        write: appended(base.write, over.write),
        execute: appended(base.execute, over.execute),
        connect_tcp: appended_if_any(base.connect_tcp, over.connect_tcp),
        bind_tcp: appended_if_any(base.bind_tcp, over.bind_tcp),
        scopes: over.scopes.or(base.scopes),
    }
}

fn merge_seccomp(mut base: Seccomp, over: Seccomp) -> Seccomp {
    let allowed: HashSet<&String> = over.allow.iter().map(|call| &call.value).collect();
    let denied: HashSet<&String> = over.deny.iter().map(|call| &call.value).collect();
    let said = !base.allow.is_empty();
    base.allow.retain(|call| !denied.contains(&call.value));
    base.deny.retain(|call| !allowed.contains(&call.value));
    let mut seen = HashSet::new();
    let mut rules = base.rules;
    rules.extend(over.rules.iter().cloned());
    rules.retain(|rule| seen.insert(meaning(rule)));
    // Where an `allow` was written and nothing is left of it, nothing is allowed: without any, it
    // would be the usual set.
    let emptied = said && base.allow.is_empty() && over.allow.is_empty();
    let nothing = || emptied.then(|| Spanned::from(SeccompAction::Errno(EPERM)));
    Seccomp {
        default: over.default.or(base.default).or_else(nothing),
        allow: appended(base.allow, over.allow),
        deny: appended(base.deny, over.deny),
        rules,
    }
}

/// What a rule says, wherever it was written.
fn meaning(rule: &SeccompRule) -> (Vec<String>, Vec<ArgumentRule>, SeccompAction) {
    let calls = rule.calls.iter().map(|call| call.value.clone()).collect();
    (calls, rule.arguments.clone(), rule.action)
}

fn merge_environment(base: Environment, over: Environment) -> Environment {
    Environment {
        clear: over.clear.or(base.clear),
        pass: appended(base.pass, over.pass),
        set: extended(base.set, over.set),
    }
}

fn merge_process(base: Process, over: Process) -> Process {
    Process {
        cwd: over.cwd.or(base.cwd),
        hostname: over.hostname.or(base.hostname),
        umask: over.umask.or(base.umask),
        stdin: over.stdin.or(base.stdin),
        session: over.session.or(base.session),
        grace: over.grace.or(base.grace),
        descriptors: appended(base.descriptors, over.descriptors),
    }
}

/// Both maps in one; the later value wins.
fn extended<M: Extend<(K, V)> + IntoIterator<Item = (K, V)>, K, V>(mut base: M, over: M) -> M {
    base.extend(over);
    base
}

/// Both lists in one, without what is there already.
fn appended<T: Eq + std::hash::Hash + Clone>(
    base: Vec<Spanned<T>>,
    over: Vec<Spanned<T>>,
) -> Vec<Spanned<T>> {
    let mut seen = HashSet::new();
    let both = base.into_iter().chain(over);
    both.filter(|item| seen.insert(item.value.clone())).collect()
}

fn appended_if_any<T: Eq + std::hash::Hash + Clone>(
    base: Option<Vec<Spanned<T>>>,
    over: Option<Vec<Spanned<T>>>,
) -> Option<Vec<Spanned<T>>> {
    // No list isn't an empty one.
    let said = base.is_some() || over.is_some();
    said.then(|| appended(base.unwrap_or_default(), over.unwrap_or_default()))
}
