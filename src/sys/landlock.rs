//! `landlock(7)`: the three calls, with the structs of `<linux/landlock.h>` up to ABI 7.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// `struct landlock_ruleset_attr`: the rights that are denied unless a rule allows them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RulesetAttributes {
    /// Rights on files (ABI 1).
    pub(crate) access_fs: u64,
    /// Rights on TCP ports (ABI 4).
    pub(crate) access_net: u64,
    /// What can't be reached outside the domain (ABI 6).
    pub(crate) scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent: i32,
}

#[repr(C)]
struct NetPort {
    allowed_access: u64,
    port: u64,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: i32 = 1;
const RULE_NET_PORT: i32 = 2;

/// The ABI version. `ENOSYS`: not built in; `EOPNOTSUPP`: not switched on at boot.
pub(crate) fn abi_version() -> Result<u32, Errno> {
    // SAFETY: a null pointer of size 0 is what this flag asks for.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<RulesetAttributes>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    super::result(returned).map(|version| u32::try_from(version).unwrap_or(u32::MAX))
}

/// `landlock_create_ruleset(2)`. `EINVAL`: the kernel doesn't know one of the bits; `E2BIG`: it
/// doesn't know a field that isn't zero.
pub(crate) fn create_ruleset(attributes: &RulesetAttributes) -> Result<OwnedFd, Errno> {
    // Older kernels take a larger struct whose unknown part is zero.
    // SAFETY: pointer and size agree.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::from_ref(attributes),
            size_of::<RulesetAttributes>(),
            0,
        )
    };
    let fd = super::result(returned)?;
    // SAFETY: a new descriptor that nobody else owns; numbers of descriptors fit an int.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// Allows `access` on the file or the tree that `path` (opened with `O_PATH`) stands for.
pub(crate) fn add_path_rule(
    ruleset: BorrowedFd<'_>,
    path: BorrowedFd<'_>,
    access: u64,
) -> Result<(), Errno> {
    let rule = PathBeneath { allowed_access: access, parent: path.as_raw_fd() };
    // SAFETY: the struct is the one that this rule type takes.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    super::result(returned).map(drop)
}

/// Allows `access` on one TCP port.
pub(crate) fn add_port_rule(ruleset: BorrowedFd<'_>, port: u16, access: u64) -> Result<(), Errno> {
    let rule = NetPort { allowed_access: access, port: u64::from(port) };
    // SAFETY: the struct is the one that this rule type takes.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_NET_PORT,
            &raw const rule,
            0,
        )
    };
    super::result(returned).map(drop)
}

/// `landlock_restrict_self(2)`: enforces the ruleset on this thread and all it starts.
pub(crate) fn restrict_self(ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: numbers only.
    let returned =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    super::result(returned).map(drop)
}
