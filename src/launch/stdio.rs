//! Standard streams, and other files that a command gets.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// What a command gets as a standard stream, as [`std::process::Stdio`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Profile, Sandbox, Stdio};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let log = std::fs::File::options().write(true).open("/dev/null")?;
/// let outcome = sandbox.command("true").stdin(Stdio::null()).stdout(log).status()?;
/// assert!(outcome.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdio(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Inherit,
    Null,
    Piped,
    File(OwnedFd),
}

impl Stdio {
    /// The caller's own stream.
    #[must_use]
    pub const fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// `/dev/null`.
    #[must_use]
    pub const fn null() -> Self {
        Self(Kind::Null)
    }

    /// A new pipe (`pipe(7)`), whose other end is found in the [`Child`](crate::Child).
    #[must_use]
    pub const fn piped() -> Self {
        Self(Kind::Piped)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(file: OwnedFd) -> Self {
        Self(Kind::File(file))
    }
}

macro_rules! stdio_from {
    ($( $type:ty ),+) => {
        $( impl From<$type> for Stdio {
            fn from(file: $type) -> Self {
                Self(Kind::File(file.into()))
            }
        } )+
    };
}

stdio_from!(
    File,
    PipeReader,
    PipeWriter,
    std::os::unix::net::UnixStream,
    std::process::ChildStdin,
    std::process::ChildStdout,
    std::process::ChildStderr,
    ChildStdin,
    ChildStdout,
    ChildStderr
);

/// The two sides of a stream.
pub(super) struct Stream {
    /// What the command gets; `None`: what the caller has.
    pub(super) theirs: Option<OwnedFd>,
    /// What stays here.
    pub(super) ours: Option<OwnedFd>,
}

impl Stdio {
    /// Opens what the stream needs. `input`: whether the command reads from it.
    pub(super) fn open(&self, input: bool) -> io::Result<Stream> {
        Ok(match &self.0 {
            Kind::Inherit => Stream { theirs: None, ours: None },
            Kind::Null => {
                let null = File::options().read(input).write(!input).open("/dev/null")?;
                Stream { theirs: Some(null.into()), ours: None }
            }
            Kind::File(file) => Stream { theirs: Some(file.try_clone()?), ours: None },
            Kind::Piped => {
                let (reader, writer) = io::pipe()?;
                let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
                let (theirs, ours) = if input { (reader, writer) } else { (writer, reader) };
                Stream { theirs: Some(theirs), ours: Some(ours) }
            }
        })
    }
}

macro_rules! end_of_pipe {
    ($( $(#[$meta:meta])* $name:ident; )+) => { $(
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name(File);

        impl From<OwnedFd> for $name {
            fn from(file: OwnedFd) -> Self {
                Self(file.into())
            }
        }

        impl From<$name> for OwnedFd {
            fn from(end: $name) -> Self {
                end.0.into()
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }
    )+ };
}

end_of_pipe! {
    /// What is written to it is the command's standard input. Dropping it is the input's end.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::Write;
    /// use ringfence::{Profile, Sandbox, Stdio};
    /// let sandbox = Sandbox::new(&Profile::load("default")?)?;
    /// let mut command = sandbox.command("sort");
    /// let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// if let Some(mut stdin) = child.stdin.take() {
    ///     stdin.write_all(b"b\na\n")?;
    /// }
    /// assert_eq!(child.wait_with_output()?.stdout, b"a\nb\n");
    /// # Ok(())
    /// # }
    /// ```
    ChildStdin;
    /// Reads what the command writes to its standard output.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::{BufRead, BufReader};
    /// use ringfence::{Profile, Sandbox, Stdio};
    /// let sandbox = Sandbox::new(&Profile::load("default")?)?;
    /// let mut command = sandbox.command("sh");
    /// let mut child = command.args(["-c", "echo one"]).stdout(Stdio::piped()).spawn()?;
    /// for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
    ///     assert_eq!(line?, "one");
    /// }
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ChildStdout;
    /// Reads what the command writes to its standard error.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::{BufRead, BufReader};
    /// use ringfence::{Profile, Sandbox, Stdio};
    /// let sandbox = Sandbox::new(&Profile::load("default")?)?;
    /// let mut command = sandbox.command("sh");
    /// let mut child = command.args(["-c", "echo one >&2"]).stderr(Stdio::piped()).spawn()?;
    /// for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
    ///     assert_eq!(line?, "one");
    /// }
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ChildStderr;
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! readable {
    ($( $name:ident ),+) => { $(
        impl Read for $name {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }

            fn read_vectored(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.read_vectored(parts)
            }
        }
    )+ };
}

readable!(ChildStdout, ChildStderr);
