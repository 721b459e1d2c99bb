//! Memory to be shared with a command.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use crate::error::Error;
use crate::os;

/// Memory that this program and a command share, or that a command only reads: a file that is
/// nowhere but in memory (`memfd_create(2)`), for [`Command::fd`](crate::Command::fd).
///
/// Its length is final, so that no side can pull mapped pages away under the other. It can't be
/// executed (Linux 6.3). It is read and written here by [`FileExt`]; to map it, hand its descriptor
/// to a crate for that. Before it is mapped or read, mind that a command may change what isn't
/// sealed at any time, also between two reads of the same byte.
///
/// Copies made by [`Memory::try_clone`] and the command's descriptor stand for the same memory,
/// and have one position for reads and writes among them, which [`FileExt`] leaves alone.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::os::unix::fs::FileExt;
/// use ringfence::{Memory, Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
/// let shared = Memory::new(16)?;
/// let mut command = sandbox.command("sh");
/// let outcome = command.args(["-c", "printf hello >&5"]).fd(5, shared.try_clone()?).status()?;
/// assert!(outcome.success());
/// let mut text = [0; 5];
/// shared.read_exact_at(&mut text, 0)?;
/// assert_eq!(&text, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// New memory of this many bytes, all of them 0.
    ///
    /// # Errors
    /// [`Error::Io`]: no descriptor or no such amount of memory is to be had.
    pub fn new(bytes: u64) -> Result<Self, Error> {
        os::memory_of_length(bytes).map(Self).map_err(|source| failed("make", source))
    }

    /// Memory with this content, which nobody can change any more: neither a command nor this
    /// program. What was checked here is what a command reads, and the reverse.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringfence::{Memory, Profile, Sandbox};
    /// let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
    /// let table = Memory::sealed(b"one two three")?;
    /// let script = "cat <&5; echo more >&5";
    /// let output = sandbox.command("sh").args(["-c", script]).fd(5, table).output()?;
    /// assert_eq!(output.stdout, b"one two three");
    /// assert!(!output.outcome.success(), "it was written to");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn sealed(content: impl AsRef<[u8]>) -> Result<Self, Error> {
        let content = content.as_ref();
        let memory = Self::new(content.len() as u64)?;
        memory.0.write_all_at(content, 0).map_err(|source| failed("fill", source))?;
        memory.seal()?;
        Ok(memory)
    }

    /// From now on nobody can change the content.
    ///
    /// # Errors
    /// [`Error::Io`]: somebody has mapped it for writing (`EBUSY`), or a command has closed the
    /// list of seals (`EPERM`, see `F_ADD_SEALS` in `fcntl(2)`).
    pub fn seal(&self) -> Result<(), Error> {
        os::seal_memory(&self.0).map_err(|source| failed("seal", source))
    }

    /// Another descriptor of the same memory: one to keep, one for a command.
    ///
    /// # Errors
    /// [`Error::Io`]: no descriptor is to be had.
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self).map_err(|source| failed("copy the descriptor of", source))
    }
}

fn failed(action: &str, source: io::Error) -> Error {
    Error::Io { action: format!("{action} memory to be shared"), source }
}

impl FileExt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Memory {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Memory> for OwnedFd {
    fn from(memory: Memory) -> Self {
        memory.0.into()
    }
}
