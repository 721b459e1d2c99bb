//! Calls of `prctl(2)` on capability sets by number: `rustix` has them by name only, which can't
//! say "the next one, until the kernel knows no more".

use rustix::io::Errno;

fn prctl(option: i32, second: u64, third: u64) -> Result<usize, Errno> {
    // SAFETY: the options used in this file take numbers only, and want unused ones to be 0.
    super::result_int(unsafe { libc::prctl(option, second, third, 0_u64, 0_u64) })
}

/// Whether a capability is in the bounding set; `EINVAL`: the kernel doesn't know it.
pub(crate) fn bounding_set_contains(capability: u8) -> Result<bool, Errno> {
    prctl(libc::PR_CAPBSET_READ, u64::from(capability), 0).map(|value| value == 1)
}

/// Takes a capability out of the bounding set, for good.
pub(crate) fn drop_from_bounding_set(capability: u8) -> Result<(), Errno> {
    prctl(libc::PR_CAPBSET_DROP, u64::from(capability), 0).map(drop)
}

/// Adds a permitted and inheritable capability to the ambient set.
pub(crate) fn raise_ambient(capability: u8) -> Result<(), Errno> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, u64::from(capability)).map(drop)
}

/// The securebits flags (`capabilities(7)`).
pub(crate) fn securebits() -> Result<u32, Errno> {
    prctl(libc::PR_GET_SECUREBITS, 0, 0).map(|bits| u32::try_from(bits).unwrap_or(u32::MAX))
}

/// Sets the securebits flags.
pub(crate) fn set_securebits(bits: u32) -> Result<(), Errno> {
    prctl(libc::PR_SET_SECUREBITS, u64::from(bits), 0).map(drop)
}

/// The seccomp mode of this thread: 0 none, 2 filtered.
pub(crate) fn seccomp_mode() -> Result<usize, Errno> {
    prctl(libc::PR_GET_SECCOMP, 0, 0)
}

/// The three sets that `capget(2)` tells, as bit masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// The low or high 32 capabilities of the three sets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two halves.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// `capget(2)` of this thread. The raw call: bits that no library has a name for yet count too.
pub(crate) fn capabilities() -> Result<CapabilitySets, Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: version 3 fills two halves, which outlive the call.
    let returned = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    super::result(returned)?;
    let join = |half: fn(&CapabilityHalf) -> u32| {
        u64::from(half(&halves[0])) | u64::from(half(&halves[1])) << 32
    };
    Ok(CapabilitySets {
        effective: join(|h| h.effective),
        permitted: join(|h| h.permitted),
        inheritable: join(|h| h.inheritable),
    })
}

/// `capset(2)` of this thread.
pub(crate) fn set_capabilities(sets: CapabilitySets) -> Result<(), Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let half = |shift: u32| CapabilityHalf {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let halves = [half(0), half(32)];
    // SAFETY: version 3 reads two halves, which outlive the call.
    let returned = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
    super::result(returned).map(drop)
}

/// The supplementary groups of this thread, into `buffer`: how many there are. `EINVAL`: more
/// than fit. (`rustix` has this only as a vector.)
pub(crate) fn groups(buffer: &mut [u32]) -> Result<usize, Errno> {
    let most = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
    // SAFETY: the kernel writes at most `most` numbers of 32 bits.
    super::result(unsafe { libc::syscall(libc::SYS_getgroups, most, buffer.as_mut_ptr()) })
}
