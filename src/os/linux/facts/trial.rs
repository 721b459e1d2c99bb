//! Trying namespaces and mounts for real, in a process that ends right after.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use super::blockers;
use crate::os::linux::child::mounts_trial;
use crate::os::linux::idmap;
use crate::plan::facts::{HostFacts, Support};
use crate::plan::step::{IdMap, Ids};
use crate::profile::vocabulary::Namespace;
use crate::sys::clone::{clone_and_run, flags};
use crate::sys::exec::{CloseMode, close_range};
use crate::sys::wait::{Wait, reap};

/// The namespaces of a `namespaced` sandbox, besides the user namespace.
const OTHERS: u64 = flags::NEWNS | flags::NEWPID | flags::NEWIPC | flags::NEWUTS | flags::NEWNET;

/// Replaces what is assumed of namespaces and mounts by what is seen.
pub(super) fn try_namespaces(facts: &mut HostFacts) {
    // CAP_SYS_ADMIN (21) makes namespaces without a user namespace.
    let privileged = facts.caller.has(21);
    if let Some(Support::Missing(_)) = facts.namespaces.get(&Namespace::User)
        && !privileged
    {
        return;
    }
    let outcome = run(privileged, Ids { uid: facts.caller.uid, gid: facts.caller.gid });
    let mut set = |namespaces: &[Namespace], support: &Support| {
        for namespace in namespaces {
            let known = facts.namespaces.get(namespace);
            if known.is_some_and(Support::is_usable) {
                facts.namespaces.insert(*namespace, support.clone());
            }
        }
    };
    let made =
        [Namespace::Mount, Namespace::Pid, Namespace::Ipc, Namespace::Uts, Namespace::Network];
    match outcome {
        Outcome::NotCloned(errno) if privileged => {
            set(&made, &Support::Missing(blockers::namespaces(errno)));
        }
        Outcome::NotCloned(errno) => {
            set(&[Namespace::User], &Support::Missing(blockers::user_namespace(errno)));
        }
        Outcome::NotMapped(file, errno) => {
            set(&[Namespace::User], &Support::Missing(blockers::id_map(file, errno)));
        }
        Outcome::Mounts { mounting, proc } => {
            set(&made, &Support::Proved);
            if !privileged {
                set(&[Namespace::User], &Support::Proved);
            }
            facts.mount_descriptors = match mounting {
                Ok(()) => Support::Proved,
                Err(errno) => Support::Missing(blockers::mounting("fsmount(2)", errno)),
            };
            facts.fresh_proc = match proc {
                Ok(()) => Support::Proved,
                Err(errno) => Support::Missing(blockers::fresh_proc(errno)),
            };
        }
    }
}

enum Outcome {
    NotCloned(Errno),
    NotMapped(&'static str, Errno),
    Mounts { mounting: Result<(), Errno>, proc: Result<(), Errno> },
}

fn run(privileged: bool, ids: Ids) -> Outcome {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (Ok((wait, go)), Ok((results, tell))) = (pipe(), pipe()) else {
        return Outcome::NotCloned(Errno::MFILE);
    };
    let wanted = if privileged { OTHERS } else { OTHERS | flags::NEWUSER };
    let cloned = clone_and_run(wanted, None, || child(&wait, &go, &tell));
    let pid = match cloned {
        Ok(cloned) => cloned.pid,
        Err(errno) => return Outcome::NotCloned(errno),
    };
    drop(tell);
    let map = IdMap { inside: ids, outside: ids, keep_setgroups: false };
    let mapped = if privileged { Ok(()) } else { idmap::write(pid, &map) };
    if mapped.is_ok() {
        let _ = rustix::io::write(&go, b"g");
    }
    drop(go);
    let mut bytes = [0_u8; 8];
    let read = rustix::io::read(&results, &mut bytes);
    let _ = reap(Wait::For(pid));
    if let Err(error) = mapped {
        return Outcome::NotMapped(error.file, Errno::from_raw_os_error(error.errno));
    }
    let result = |at: usize| {
        let number = i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if number == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(number)) }
    };
    match read {
        Ok(8) => Outcome::Mounts { mounting: result(0), proc: result(4) },
        _ => Outcome::Mounts { mounting: Err(Errno::IO), proc: Err(Errno::IO) },
    }
}

/// Runs in the new namespaces: nothing is allocated here.
fn child(wait: &OwnedFd, go: &OwnedFd, tell: &OwnedFd) {
    let number = go.as_raw_fd().cast_unsigned();
    if close_range(number, number, CloseMode::Now).is_err()
        || rustix::io::read(wait, &mut [0_u8; 1]) != Ok(1)
    {
        return;
    }
    let number = |result: Result<(), Errno>| result.err().map_or(0, Errno::raw_os_error);
    let (mounting, proc) = mounts_trial();
    let mut bytes = [0_u8; 8];
    bytes[..4].copy_from_slice(&number(mounting).to_ne_bytes());
    bytes[4..].copy_from_slice(&number(proc).to_ne_bytes());
    let _ = rustix::io::write(tell, &bytes);
}
