//! Trying namespaces and mounts for real, in a process that ends right after.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use super::blockers;
use crate::os::linux::child::ops::IdMaps;
use crate::os::linux::child::record::{Record, SIZE};
use crate::os::linux::child::{map_ids, mounts_trial};
use crate::os::linux::explain::map_file;
use crate::os::linux::idmap;
use crate::plan::facts::{Cause, HostFacts, Support};
use crate::plan::step::{IdMap, Ids};
use crate::profile::vocabulary::Namespace;
use crate::sys::clone::{clone_and_run, flags, unshare_cgroup, unshare_time};
use crate::sys::exec::close_all_but;
use crate::sys::wait::{Wait, reap};

/// The namespaces of a `namespaced` sandbox that are made with the process, besides the user
/// namespace.
const OTHERS: [(Namespace, u64); 5] = [
    (Namespace::Mount, flags::NEWNS),
    (Namespace::Pid, flags::NEWPID),
    (Namespace::Ipc, flags::NEWIPC),
    (Namespace::Uts, flags::NEWUTS),
    (Namespace::Network, flags::NEWNET),
];

/// Replaces what is assumed of namespaces and mounts by what is seen. What could not be tried
/// stays assumed.
pub(super) fn try_namespaces(facts: &mut HostFacts) {
    // CAP_SYS_ADMIN (21) makes namespaces without a user namespace.
    let privileged = facts.caller.has(21);
    if let Some(Support::Missing(_)) = facts.namespaces.get(&Namespace::User)
        && !privileged
    {
        return;
    }
    if privileged {
        // Not needed for the others, but a profile may ask for one.
        let support = match alone(flags::NEWUSER) {
            Ok(()) => Support::Proved,
            Err(errno) => Support::Missing(blockers::user_namespace(errno)),
        };
        learn(facts, Namespace::User, support);
    }
    match run(privileged, Ids { uid: facts.caller.uid, gid: facts.caller.gid }) {
        Outcome::NotTried => {}
        Outcome::NotCloned(errno) => try_each(facts, privileged, errno),
        Outcome::NotMapped(file, errno) => {
            learn(facts, Namespace::User, Support::Missing(blockers::id_map(file, errno)));
        }
        Outcome::Made(results) => {
            for (namespace, _) in OTHERS {
                learn(facts, namespace, Support::Proved);
            }
            if !privileged {
                learn(facts, Namespace::User, Support::Proved);
            }
            let proved = |result: Result<(), Errno>, cause: fn(Errno) -> Cause| match result {
                Ok(()) => Support::Proved,
                Err(errno) => Support::Missing(cause(errno)),
            };
            learn(facts, Namespace::Cgroup, proved(results.cgroup, blockers::namespaces));
            learn(facts, Namespace::Time, proved(results.time, blockers::namespaces));
            learn(facts, Namespace::Uts, proved(results.hostname, blockers::hostname));
            let mounting = |errno| blockers::mounting("fsmount(2)", errno);
            facts.mount_descriptors = proved(results.mounting, mounting);
            facts.fresh_proc = proved(results.proc, blockers::fresh_proc);
        }
    }
}

/// Notes what was seen, unless the kernel doesn't have it at all.
fn learn(facts: &mut HostFacts, namespace: Namespace, support: Support) {
    if facts.namespaces.get(&namespace).is_some_and(Support::is_usable) {
        facts.namespaces.insert(namespace, support);
    }
}

/// All at once failed: finds out which it is. A limit (`user.max_net_namespaces`, say) may be for
/// one kind only.
fn try_each(facts: &mut HostFacts, privileged: bool, together: Errno) {
    let base = if privileged { 0 } else { flags::NEWUSER };
    if !privileged {
        let ids = Ids { uid: facts.caller.uid, gid: facts.caller.gid };
        match own_user_namespace(ids) {
            Ok(()) => learn(facts, Namespace::User, Support::Proved),
            Err(cause) => return learn(facts, Namespace::User, Support::Missing(cause)),
        }
    }
    let mut some_failed = false;
    for (namespace, flag) in OTHERS {
        let support = match alone(base | flag) {
            Ok(()) => Support::Proved,
            Err(errno) => Support::Missing(blockers::namespaces(errno)),
        };
        some_failed |= !support.is_usable();
        learn(facts, namespace, support);
    }
    if !some_failed {
        for (namespace, _) in OTHERS {
            learn(facts, namespace, Support::Missing(blockers::namespaces(together)));
        }
    }
}

/// Makes a user namespace and maps it: some security modules allow the one and not the other.
fn own_user_namespace(ids: Ids) -> Result<(), Cause> {
    let (results, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(blockers::user_namespace)?;
    let maps = own_maps(ids);
    let cloned = clone_and_run(flags::NEWUSER, None, || {
        map(&maps, &tell);
    })
    .map_err(blockers::user_namespace)?;
    drop(tell);
    let mut bytes = [0_u8; SIZE];
    let read = rustix::io::read(&results, &mut bytes);
    let _ = reap(Wait::For(cloned.pid));
    match read.ok().and_then(|count| not_mapped(bytes.get(..count)?)) {
        Some((file, errno)) => Err(blockers::id_map(file, errno)),
        None => Ok(()),
    }
}

/// The maps of a user namespace in which the caller is who it is outside.
fn own_maps(ids: Ids) -> IdMaps {
    idmap::texts(&IdMap { inside: ids, outside: ids, keep_setgroups: false })
}

/// Writes the maps, as a launch does it; why it can't goes through `tell`.
fn map(maps: &IdMaps, tell: &OwnedFd) -> bool {
    let Err(failure) = map_ids(maps) else { return true };
    let _ = rustix::io::write(tell, &Record::Failed { step: 0, failure }.to_bytes());
    false
}

/// What [`map`] has told, if it has.
fn not_mapped(bytes: &[u8]) -> Option<(&'static str, Errno)> {
    match Record::from_bytes(bytes)? {
        Record::Failed { failure, .. } => Some((map_file(failure.call)?, failure.errno)),
        _ => None,
    }
}

fn alone(flags: u64) -> Result<(), Errno> {
    let cloned = clone_and_run(flags, None, || ())?;
    let _ = reap(Wait::For(cloned.pid));
    Ok(())
}

enum Outcome {
    /// This process lacks what trying takes.
    NotTried,
    NotCloned(Errno),
    NotMapped(&'static str, Errno),
    Made(Results),
}

/// What was seen from inside.
struct Results {
    mounting: Result<(), Errno>,
    proc: Result<(), Errno>,
    cgroup: Result<(), Errno>,
    time: Result<(), Errno>,
    hostname: Result<(), Errno>,
}

/// The size of [`Results`] on the way: five error numbers.
const RESULT_BYTES: usize = 20;

fn run(privileged: bool, ids: Ids) -> Outcome {
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let Ok((results, tell)) = pipe else { return Outcome::NotTried };
    let others = OTHERS.iter().fold(0, |flags, (_, flag)| flags | flag);
    let wanted = if privileged { others } else { others | flags::NEWUSER };
    let maps = (!privileged).then(|| own_maps(ids));
    let cloned = clone_and_run(wanted, None, || child(maps.as_ref(), &tell));
    let pid = match cloned {
        Ok(cloned) => cloned.pid,
        Err(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => return Outcome::NotTried,
        Err(errno) => return Outcome::NotCloned(errno),
    };
    drop(tell);
    let mut bytes = [0_u8; SIZE];
    let read = rustix::io::read(&results, &mut bytes);
    let _ = reap(Wait::For(pid));
    if let Some((file, errno)) = not_mapped(&bytes[..read.unwrap_or(0)]) {
        return Outcome::NotMapped(file, errno);
    }
    let result = |at: usize| {
        let number = i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if number == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(number)) }
    };
    match read {
        Ok(RESULT_BYTES) => Outcome::Made(Results {
            mounting: result(0),
            proc: result(4),
            cgroup: result(8),
            time: result(12),
            hostname: result(16),
        }),
        _ => Outcome::NotTried,
    }
}

/// Runs in the new namespaces: nothing is allocated here.
fn child(maps: Option<&IdMaps>, tell: &OwnedFd) {
    let own = close_all_but(&[tell.as_raw_fd()]).is_ok();
    if !own || maps.is_some_and(|maps| !map(maps, tell)) {
        return;
    }
    let number = |result: Result<(), Errno>| result.err().map_or(0, Errno::raw_os_error);
    let (mounting, proc) = mounts_trial();
    let mut bytes = [0_u8; RESULT_BYTES];
    bytes[..4].copy_from_slice(&number(mounting).to_ne_bytes());
    bytes[4..8].copy_from_slice(&number(proc).to_ne_bytes());
    bytes[8..12].copy_from_slice(&number(unshare_cgroup()).to_ne_bytes());
    bytes[12..16].copy_from_slice(&number(unshare_time()).to_ne_bytes());
    let hostname = rustix::system::sethostname(b"sandbox");
    bytes[16..].copy_from_slice(&number(hostname).to_ne_bytes());
    let _ = rustix::io::write(tell, &bytes);
}
