//! What this host offers, found out.

pub(super) mod accounts;
pub(super) mod blockers;
pub(super) mod load;
mod paths;
pub(super) mod surroundings;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use super::{cgroup, idmap};
use crate::plan::facts::cgroup::{CgroupFacts, Controller};
use crate::plan::facts::{Caller, Cause, HostFacts, LandlockFacts, NOBODY, Resource, Support};
use crate::plan::landlock::access;
use crate::policy::Policy;
use crate::policy::arch::Arch;
use crate::policy::filesystem::{Mount, MountKind};
use crate::profile::model::IdOrName;
use crate::profile::vocabulary::{Layer, Namespace};
use crate::sys;

/// How much is done to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Nothing that costs more than a few cheap calls: what isn't known is assumed, and the
    /// launch proves it.
    Look,
    /// Everything is tried: namespaces are made, file systems mounted, cgroups made and removed.
    Try,
}

/// Finds out what this host offers, as far as it matters for a policy.
pub(crate) fn gather(policy: &Policy, effort: Effort) -> HostFacts {
    let caller = caller(effort);
    let mut facts = HostFacts {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        arch: Arch::current(),
        namespaces: namespaces(&caller, effort),
        mount_descriptors: Support::Assumed,
        owner_mapping: owner_mapping(policy),
        unmappable: BTreeSet::new(),
        mount_attributes: mount_attributes(),
        fresh_proc: Support::Assumed,
        landlock: landlock(),
        seccomp: seccomp(),
        cgroup: cgroups(policy, effort),
        accounts: accounts::look_up(&policy.identity),
        paths: paths::look_at(policy, effort),
        mounts: Vec::new(),
        real_paths: BTreeMap::new(),
        // Looked up only for a limit to some of them.
        processors: if policy.tree_limits.cpuset.is_empty() { Vec::new() } else { processors() },
        caller,
    };
    if effort == Effort::Try {
        trial::try_namespaces(&mut facts);
    }
    if !facts.mount_attributes.is_usable() {
        facts.mounts = paths::mount_points();
        facts.real_paths = paths::real_paths(&facts.paths);
    }
    if policy.process_limits.nice.is_some() {
        facts.caller.niceness = niceness();
    }
    facts.caller.processes = count_processes(policy, &facts);
    facts
}

/// Counts the processes of the user that the command will be. That is a look at every process: it
/// is taken only where a limit of all the user's processes would stand in for one of the tree.
fn count_processes(policy: &Policy, facts: &HostFacts) -> Option<u64> {
    let limited = policy.enforcement.wants(Layer::Cgroup) && policy.tree_limits.processes.is_some();
    let cgroup = facts.cgroup.support(Controller::Processes).is_available();
    // CAP_SYS_ADMIN (21) makes namespaces without a user namespace, which has a count of its own.
    let namespaces = policy.enforcement.wants(Layer::MountNamespace) && !facts.caller.has(21);
    if !limited || cgroup || namespaces {
        return None;
    }
    let uid = match (&policy.identity.uid, facts.caller.has(7) && !facts.caller.confined) {
        (Some(IdOrName::Id(uid)), _) => *uid,
        (Some(IdOrName::Name(name)), _) => facts.accounts.users.get(name)?.0,
        // CAP_SETUID (7): the planner's choice is nobody.
        (None, true) if policy.enforcement.wants(Layer::User) => NOBODY,
        (None, _) => facts.caller.uid,
    };
    Some(processes_of(uid))
}

fn caller(effort: Effort) -> Caller {
    use rustix::process::{getgid, getgroups, getuid};
    let groups = getgroups().unwrap_or_default().iter().map(|group| group.as_raw()).collect();
    // Where nobody may ask (a filter around this process), all are assumed: what is planned with them
    // fails then, and nothing is left out that protects from them.
    let capabilities = sys::prctl::capabilities().map_or(u64::MAX, |sets| sets.effective);
    let uid = getuid().as_raw();
    Caller {
        uid,
        gid: getgid().as_raw(),
        groups,
        capabilities,
        confined: capabilities >> 7 & 1 == 1 && idmap::confines(),
        bounding: if effort == Effort::Try { bounding_set() } else { 0 },
        processes: None,
        niceness: None,
        hard_limits: hard_limits(),
    }
}

/// `RLIMIT_NICE` counts from 1, which stands for 19, up to 40, which stands for -20.
fn niceness() -> Option<(i32, i32)> {
    use rustix::process::{Resource, getpriority_process, getrlimit};
    let limit = getrlimit(Resource::Nice).current.unwrap_or(40).min(40);
    Some((getpriority_process(None).ok()?, 20 - i32::try_from(limit).ok()?))
}

fn bounding_set() -> u64 {
    (0..64)
        .take_while(|number| sys::prctl::bounding_set_contains(*number) != Err(Errno::INVAL))
        .filter(|number| sys::prctl::bounding_set_contains(*number) == Ok(true))
        .fold(0, |set, number| set | 1 << number)
}

fn processes_of(uid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let count = entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == uid))
        .count();
    count as u64
}

fn hard_limits() -> BTreeMap<Resource, u64> {
    [
        Resource::AddressSpace,
        Resource::Core,
        Resource::CpuTime,
        Resource::FileSize,
        Resource::OpenFiles,
        Resource::Processes,
        Resource::Stack,
    ]
    .into_iter()
    .filter_map(|resource| {
        let limit = rustix::process::getrlimit(super::prepare::rlimit(resource)).maximum?;
        Some((resource, limit))
    })
    .collect()
}

/// What is known of namespaces before any was made. A launch that fails for one of them finds out
/// why, and the plan is made anew: looking at each before every launch would cost more.
fn namespaces(caller: &Caller, effort: Effort) -> BTreeMap<Namespace, Support> {
    if effort == Effort::Look {
        return Namespace::ALL.iter().map(|ns| (*ns, Support::Assumed)).collect();
    }
    let present = |namespace: &Namespace| {
        let path = format!("/proc/self/ns/{}", namespace.proc_name());
        if rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok() {
            Support::Assumed
        } else {
            Support::Missing(Cause::new(
                format!("the kernel has no {namespace} namespaces"),
                "use a kernel that is built with them",
            ))
        }
    };
    let mut all: BTreeMap<_, _> = Namespace::ALL.iter().map(|ns| (*ns, present(ns))).collect();
    // CAP_SYS_ADMIN (21) makes namespaces without a user namespace.
    let forbidden = if caller.has(21) { None } else { blockers::user_namespaces_by_sysctl() };
    if let Some(cause) = forbidden {
        all.insert(Namespace::User, Support::Missing(cause));
    }
    all
}

/// Mapping owners came with `mount_setattr(2)`; whether a file system can is up to the launch.
fn owner_mapping(policy: &Policy) -> Support {
    let maps = |mount: &Mount| matches!(mount.kind, MountKind::Bind { map_owner: true, .. });
    match mount_attributes() {
        // The map is that of a user namespace, which even root can't make then.
        Support::Proved if policy.filesystem.mounts.iter().any(maps) => {
            blockers::no_user_namespaces().map_or(Support::Assumed, Support::Missing)
        }
        Support::Proved => Support::Assumed,
        other => other,
    }
}

fn mount_attributes() -> Support {
    match sys::mount::probe() {
        Err(Errno::NOSYS) => {
            Support::Missing(Cause::new("mount_setattr(2): ENOSYS", "use Linux 5.12 or later"))
        }
        // Anything else means that the kernel looked at the (wrong) arguments.
        _ => Support::Proved,
    }
}

fn seccomp() -> Support {
    /// `SECCOMP_RET_ERRNO`.
    const ERRNO: u32 = 0x0005_0000;
    match sys::seccomp::action_available(ERRNO) {
        Ok(()) => Support::Proved,
        Err(errno) => Support::Missing(Cause::new(
            format!("seccomp(2): {}", crate::error::errno_text(errno.raw_os_error())),
            "use a kernel with CONFIG_SECCOMP_FILTER",
        )),
    }
}

fn landlock() -> LandlockFacts {
    let mut facts = LandlockFacts { abi: 0, access_fs: 0, access_net: 0, scopes: 0, missing: None };
    match sys::landlock::abi_version() {
        Err(errno) => {
            facts.missing = Some(blockers::landlock(errno));
            return facts;
        }
        Ok(abi) => facts.abi = abi,
    }
    use sys::landlock::RulesetAttributes as Attributes;
    let known = |attributes: Attributes| sys::landlock::create_ruleset(&attributes).is_ok();
    let all = Attributes {
        access_fs: access::ALL_FS,
        access_net: access::ALL_NET,
        scoped: access::ALL_SCOPES,
    };
    if known(all) {
        // One call says that every bit is there.
        facts.access_fs = all.access_fs;
        facts.access_net = all.access_net;
        facts.scopes = all.scoped;
        return facts;
    }
    let bits = |all: u64, with: fn(u64) -> Attributes| {
        (0..64).map(|n| 1 << n).filter(|bit| all & bit != 0 && known(with(*bit))).sum()
    };
    facts.access_fs =
        bits(access::ALL_FS, |bit| Attributes { access_fs: bit, ..Attributes::default() });
    facts.access_net =
        bits(access::ALL_NET, |bit| Attributes { access_net: bit, ..Attributes::default() });
    facts.scopes =
        bits(access::ALL_SCOPES, |bit| Attributes { scoped: bit, ..Attributes::default() });
    if facts.access_fs == 0 {
        facts.missing = Some(Cause::new(
            format!(
                "landlock_create_ruleset(2) refuses every right, though it says ABI {}",
                facts.abi
            ),
            "use a kernel with a working Landlock",
        ));
    }
    facts
}

fn cgroups(policy: &Policy, effort: Effort) -> CgroupFacts {
    let roots = cgroup::Roots::default();
    if effort == Effort::Look && !policy.enforcement.wants(Layer::Cgroup) {
        return cgroup::probe(&cgroup::Layout::detect("", ""), &roots, cgroup::Effort::Look);
    }
    let layout = cgroup::Layout::read(&roots).unwrap_or_else(|_| cgroup::Layout::detect("", ""));
    let effort = match effort {
        Effort::Look => cgroup::Effort::Look,
        Effort::Try => cgroup::Effort::Try,
    };
    cgroup::probe(&layout, &roots, effort)
}

fn processors() -> Vec<u32> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|number| set.is_set(*number))
        .filter_map(|number| u32::try_from(number).ok())
        .collect()
}
