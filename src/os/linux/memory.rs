//! Memory that is shared by its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;

/// Memory of a length that nobody can change any more: else whoever maps it could be killed
/// (`SIGBUS`) by whoever cuts it short.
///
/// # Errors
/// As `memfd_create(2)`, `ftruncate(2)` and `fcntl(2)`.
pub(crate) fn of_length(length: u64) -> io::Result<File> {
    let name = c"ringfence";
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // It carries data: nobody is to execute it. Kernels before 6.3 don't know this flag.
    let memory = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags)?,
        memory => memory?,
    };
    rustix::fs::fchmod(&memory, Mode::from_raw_mode(0o666))?;
    rustix::fs::ftruncate(&memory, length)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(memory.into())
}

/// Makes memory's content final, and the list of its seals too.
///
/// # Errors
/// As `fcntl(2)`: `EBUSY` where somebody has mapped it for writing.
pub(crate) fn seal(memory: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(memory, SealFlags::WRITE | SealFlags::SEAL)?)
}
