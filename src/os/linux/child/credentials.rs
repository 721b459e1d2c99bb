//! Id maps, emptying the capability sets, and reading back what the kernel says of this process.

use std::ffi::CStr;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Resource;

use super::ops::{Credentials, ExpectedCapabilities, IdMaps};
use super::record::{Call, Failure, In};
use crate::sys::prctl::{self, CapabilitySets};

/// Capability sets have 64 bits; the kernel refuses numbers that it doesn't know.
const CAPABILITIES: u8 = 64;

/// `SECBIT_NOROOT` and `SECBIT_NO_SETUID_FIXUP` with their locks, and the lock of
/// `SECBIT_KEEP_CAPS` (`<linux/securebits.h>`): user id 0 has no meaning any more.
const NO_ROOT: u32 = 0b0010_1111;

/// `SECBIT_NO_CAP_AMBIENT_RAISE` and its lock.
const NO_AMBIENT: u32 = 0b1100_0000;

/// All of them: none can be taken back.
const SECUREBITS: u32 = NO_ROOT | NO_AMBIENT;

/// How many supplementary groups are compared; the kernel allows more, the planner does not.
pub(crate) const MOST_GROUPS: usize = 64;

/// Writes the maps of the user namespace that this process was born in. The kernel lets it map the
/// user and group that made it to one each, once `setgroups(2)` is given up: else an unprivileged
/// process could drop a group that denies it access.
pub(crate) fn map_ids(maps: &IdMaps) -> Result<(), Failure> {
    write(c"/proc/self/setgroups", b"deny", Call::SetgroupsFile)?;
    write(c"/proc/self/uid_map", &maps.users, Call::UidMap)?;
    write(c"/proc/self/gid_map", &maps.groups, Call::GidMap)
}

fn write(path: &CStr, text: &[u8], call: Call) -> Result<(), Failure> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).in_call(call)?;
    rustix::io::write(&file, text).in_call(call).map(drop)
}

pub(super) fn drop_bounding_set(kept: u64) -> Result<(), Failure> {
    for capability in (0..CAPABILITIES).filter(|number| kept >> number & 1 == 0) {
        match prctl::drop_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => return Ok(()), // The kernel knows no higher ones.
            Err(errno) => return Err(Failure { call: Call::Capbset, errno }),
        }
    }
    Ok(())
}

/// Locks the securebits. Capabilities that are kept are raised as ambient ones first: that is
/// only possible before the lock, and needs them inheritable.
pub(super) fn lock_securebits(kept: u64) -> Result<(), Failure> {
    if kept != 0 {
        let mut sets = prctl::capabilities().in_call(Call::Capset)?;
        sets.inheritable = kept;
        prctl::set_capabilities(sets).in_call(Call::Capset)?;
        for capability in (0..CAPABILITIES).filter(|number| kept >> number & 1 == 1) {
            prctl::raise_ambient(capability).in_call(Call::Ambient)?;
        }
    }
    prctl::set_securebits(SECUREBITS).in_call(Call::Securebits)
}

pub(super) fn set_capabilities(kept: u64) -> Result<(), Failure> {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
    // The kernel takes out of the ambient set what is no longer permitted and inheritable.
    prctl::set_capabilities(sets).in_call(Call::Capset)
}

/// Compares ids, groups, capability sets, `no_new_privs` and limits with what was planned. Each
/// read is one cheap call.
pub(super) fn read_back(expected: &Credentials) -> Result<(), Failure> {
    if let Some((uid, gid)) = expected.ids {
        read_ids(uid, gid)?;
    }
    if let Some(groups) = &expected.groups {
        read_groups(groups)?;
    }
    if let Some(capabilities) = expected.capabilities {
        read_capabilities(capabilities)?;
    }
    if !rustix::thread::no_new_privs().in_call(Call::ReadNoNewPrivs)? {
        return Err(mismatch(Call::ReadNoNewPrivs));
    }
    for (resource, limit) in &expected.rlimits {
        let read = rustix::process::getrlimit(*resource);
        let allowed = [Some(*limit), Some(hard_limit(*resource, *limit))];
        if read.current != Some(*limit) || !allowed.contains(&read.maximum) {
            return Err(mismatch(Call::ReadRlimit));
        }
    }
    Ok(())
}

/// The hard limit that goes with a soft one. Of processor time it is a second more: at the soft
/// limit comes `SIGXCPU`, which says why the process ends; at the hard one `SIGKILL`, which could
/// come from anybody. One that ignores the first is ended by the second.
pub(crate) fn hard_limit(resource: Resource, limit: u64) -> u64 {
    limit.saturating_add(u64::from(resource == Resource::Cpu))
}

/// The kernel said something else than it was told to hold.
fn mismatch(call: Call) -> Failure {
    Failure { call, errno: Errno::PERM }
}

fn read_ids(uid: u32, gid: u32) -> Result<(), Failure> {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    let uids = [getuid().as_raw(), geteuid().as_raw()];
    let gids = [getgid().as_raw(), getegid().as_raw()];
    if uids != [uid; 2] || gids != [gid; 2] {
        return Err(mismatch(Call::ReadIds));
    }
    Ok(())
}

fn read_groups(expected: &[u32]) -> Result<(), Failure> {
    let mut buffer = [0; MOST_GROUPS];
    let count = prctl::groups(&mut buffer).in_call(Call::ReadGroups)?;
    // The kernel sorts them.
    let groups = buffer.get(..count).unwrap_or(&[]);
    if groups.len() != expected.len() || !groups.iter().all(|group| expected.contains(group)) {
        return Err(mismatch(Call::ReadGroups));
    }
    Ok(())
}

fn read_capabilities(expected: ExpectedCapabilities) -> Result<(), Failure> {
    let ExpectedCapabilities { kept, bounding } = expected;
    let sets = prctl::capabilities().in_call(Call::ReadCapabilities)?;
    if sets != (CapabilitySets { effective: kept, permitted: kept, inheritable: kept }) {
        return Err(mismatch(Call::ReadCapabilities));
    }
    if bounding && prctl::securebits().in_call(Call::ReadSecurebits)? != SECUREBITS {
        return Err(mismatch(Call::ReadSecurebits));
    }
    // The ambient and the bounding set take a call for each capability to read from in here; the
    // launcher reads them from outside, in one.
    Ok(())
}
