//! `seccomp(2)`.

use rustix::io::Errno;

/// One instruction of a filter, laid out as `struct sock_filter` (`<linux/filter.h>`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Puts a filter before every system call of this thread and of all it starts, for good.
/// Needs `no_new_privs`. `EINVAL`: the kernel's checker refuses the program.
pub(crate) fn install(filter: &[Instruction]) -> Result<(), Errno> {
    let program = Program {
        length: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        instructions: filter.as_ptr(),
    };
    // SAFETY: the struct is `struct sock_fprog`; the kernel copies and checks the instructions.
    let returned = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    super::result(returned).map(drop)
}

/// Whether the kernel has filters, and knows an action (`SECCOMP_RET_…`).
pub(crate) fn action_available(action: u32) -> Result<(), Errno> {
    // SAFETY: this operation reads one 32-bit number.
    let returned = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    super::result(returned).map(drop)
}
