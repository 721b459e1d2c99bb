//! What can go wrong, and the exit code that says so.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::plan::Refusal;
use crate::plan::facts::cgroup::{Controller, Missing};
use crate::plan::facts::{Cause, Errno};
use crate::profile::vocabulary::{Layer, Namespace};

/// Exit codes of the launcher itself, as those of `timeout(1)` and `env(1)`.
pub mod exit_code {
    /// The wall-clock limit was reached.
    pub const TIMED_OUT: u8 = 124;
    /// The launcher failed or refused; nothing was run.
    pub const LAUNCHER: u8 = 125;
    /// The command was found but can't be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// The command wasn't found.
    pub const NOT_FOUND: u8 = 127;
    /// Added to the number of the signal that ended the command.
    pub const SIGNAL_BASE: u8 = 128;
}

/// Why a command was not run.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Error, Profile, Sandbox};
/// // All that is wrong with a profile is told at once, each at its place.
/// let profile = Profile::load("default")?.memory("1 lot").set("limits.files", 3);
/// let Err(Error::Profile { problems, .. }) = Sandbox::new(&profile) else { panic!() };
/// assert_eq!(problems.len(), 2);
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let Err(Error::Launch(failure)) = sandbox.command("no-such-program").spawn() else { panic!() };
/// assert_eq!(failure.to_string(), "no-such-program: command not found");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The profile is wrong; the text shows every problem at its place.
    #[error("{rendered}")]
    Profile {
        /// The problems, drawn for a person.
        rendered: String,
        /// The problems, for a program.
        problems: Vec<crate::profile::diagnostic::Located>,
    },
    /// The host can't give what the profile requires.
    #[error("{}", RefusalText(.0))]
    Refused(Refusal),
    /// A step failed.
    #[error(transparent)]
    Launch(Box<LaunchError>),
    /// The command line, or a program, asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file or stream that a command was to get, or to be read from, fails.
    #[error("can't {action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// What was asked makes sense only while the command runs, and it has ended.
    #[error("the command has ended")]
    Ended,
    /// What was asked for could be found out, but not written.
    #[error("can't write the result: {0}")]
    Output(#[source] std::io::Error),
}

/// For programs that have errors of input and output only, as those of [`std::process`]: the kind is
/// what they would see there, `NotFound` for a command that isn't there and `PermissionDenied` for
/// one that may not be executed. What the host can't give is `Unsupported`; what makes no sense,
/// `InvalidInput`. The error itself is found by [`std::io::Error::get_ref`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::{self, ErrorKind};
/// use ringfence::{Profile, Sandbox};
/// fn version(sandbox: &Sandbox, program: &str) -> io::Result<Vec<u8>> {
///     Ok(sandbox.command(program).arg("--version").output()?.stdout)
/// }
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// assert_eq!(version(&sandbox, "no-such-program").unwrap_err().kind(), ErrorKind::NotFound);
/// # Ok(())
/// # }
/// ```
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.io_kind(), error)
    }
}

impl From<LaunchError> for Error {
    fn from(error: LaunchError) -> Self {
        Self::Launch(Box::new(error))
    }
}

impl Error {
    /// The layer that the error is about: of several, the first.
    #[must_use]
    pub fn layer(&self) -> Option<Layer> {
        match self {
            Self::Refused(refusal) => refusal.problems.first().map(|problem| problem.layer),
            Self::Launch(error) => Some(error.layer),
            _ => None,
        }
    }

    /// What would help, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => {
                refusal.problems.first().map(|problem| problem.cause.remedy.as_str())
            }
            Self::Launch(error) => error.remedy.as_deref(),
            _ => None,
        }
    }

    fn io_kind(&self) -> ErrorKind {
        match self {
            Self::Launch(error) => match &error.kind {
                LaunchFailure::NotFound { .. } => ErrorKind::NotFound,
                LaunchFailure::NotExecutable { errno, .. } | LaunchFailure::Setup { errno, .. } => {
                    std::io::Error::from_raw_os_error(errno.0).kind()
                }
                _ => ErrorKind::Other,
            },
            Self::Refused(_) => ErrorKind::Unsupported,
            Self::Io { source, .. } | Self::Output(source) => source.kind(),
            Self::Profile { .. } | Self::Usage(_) | Self::Ended => ErrorKind::InvalidInput,
        }
    }

    /// What the launcher exits with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Launch(error) => error.exit_code(),
            _ => exit_code::LAUNCHER,
        }
    }
}

/// A refusal as text: one paragraph for each layer.
struct RefusalText<'a>(&'a Refusal);

impl fmt::Display for RefusalText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0.profile.name;
        if self.0.is_mistake {
            write!(f, "refused: the profile {name} can't be used as it is")?;
        } else {
            write!(f, "refused: this host can't give what the profile {name} requires")?;
        }
        for (number, problem) in self.0.problems.iter().enumerate() {
            let Cause { found, remedy } = &problem.cause;
            // Several layers often lack for one reason; it is told once.
            let known = self.0.problems[..number].iter().any(|p| p.cause == problem.cause);
            if known {
                write!(f, "\n  {}: for the same reason", problem.layer)?;
            } else {
                write!(f, "\n  {}: {found}\n    remedy: {remedy}", problem.layer)?;
            }
        }
        Ok(())
    }
}

/// What failed while a sandbox was set up, or a command started in it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Error, Layer, Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let mut command = sandbox.command("true");
/// let Err(Error::Launch(failure)) = command.current_dir("/nowhere").spawn() else { panic!() };
/// assert_eq!(failure.layer, Layer::Filesystem);
/// assert!(failure.remedy.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchError {
    /// The layer that the failing step belongs to.
    pub layer: Layer,
    /// What kind of failure it is.
    pub kind: LaunchFailure,
    /// What would help, if that is known.
    pub remedy: Option<String>,
    /// What the failure teaches of the host: planning anew with it may find another way.
    pub(crate) contradiction: Option<Box<Contradiction>>,
}

/// A fact that a launch relied on without proof, and that turned out wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// User namespaces can't be made, or not used.
    UserNamespace(Cause),
    /// Nor can these be made with the caller's own privileges.
    Namespaces(Cause),
    /// One kind can be made, but not be used.
    Namespace(Namespace, Cause),
    /// Nothing can be mounted.
    Mounting(Cause),
    /// A fresh `/proc` can't be mounted.
    FreshProc(Cause),
    /// The owners of files can't be mapped on the file system that this path is on.
    OwnerMapping(PathBuf, Cause),
    /// A cgroup can't be made, or a limit of it not be held.
    Cgroup(Option<Controller>, Missing),
}

/// What kind of failure it is.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Error, LaunchFailure, Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let Err(Error::Launch(failure)) = sandbox.command("/etc/passwd").spawn() else { panic!() };
/// assert!(matches!(failure.kind, LaunchFailure::NotExecutable { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaunchFailure {
    /// Something couldn't be prepared; no process was started.
    Prepare(String),
    /// A system call failed while the sandbox was set up.
    Setup {
        /// What was being done: `bind /opt/x at /opt/x`.
        action: String,
        /// The call: `open_tree(2)`.
        call: &'static str,
        /// The error number.
        errno: Errno,
    },
    /// What the kernel says of the finished sandbox isn't what was planned.
    Mismatch(String),
    /// The command isn't there.
    NotFound {
        /// What was looked for.
        program: String,
        /// Where it is on the host, if it is there.
        on_host: Option<String>,
    },
    /// The command is there, but can't be executed.
    NotExecutable {
        /// Which.
        program: String,
        /// The error number.
        errno: Errno,
        /// Why, if that is known.
        why: Option<String>,
    },
    /// The sandbox's first process ended without a word.
    Lost(String),
}

impl LaunchError {
    pub(crate) fn preparing(layer: Layer, text: impl Into<String>) -> Self {
        Self { layer, kind: LaunchFailure::Prepare(text.into()), remedy: None, contradiction: None }
    }

    /// What the launcher exits with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            LaunchFailure::NotFound { .. } => exit_code::NOT_FOUND,
            LaunchFailure::NotExecutable { .. } => exit_code::NOT_EXECUTABLE,
            _ => exit_code::LAUNCHER,
        }
    }
}

impl std::error::Error for LaunchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            LaunchFailure::Setup { errno, .. } | LaunchFailure::NotExecutable { errno, .. } => {
                Some(errno)
            }
            _ => None,
        }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.layer;
        match &self.kind {
            LaunchFailure::Prepare(text) => write!(f, "{layer}: {text}"),
            LaunchFailure::Setup { action, call, errno } => {
                write!(f, "{layer}: can't {action}: {call}: {}", errno_text(errno.0))
            }
            LaunchFailure::Mismatch(text) => write!(
                f,
                "{layer}: the kernel doesn't confirm what was set up: {text}; nothing was run"
            ),
            LaunchFailure::NotFound { program, on_host: None } => {
                write!(f, "{program}: command not found")
            }
            LaunchFailure::NotFound { program, on_host: Some(path) } => {
                write!(f, "{program}: not found in the sandbox; it exists on the host, at {path}")
            }
            LaunchFailure::NotExecutable { program, errno, why } => {
                write!(f, "{program}: can't be executed: {}", errno_text(errno.0))?;
                why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
            }
            LaunchFailure::Lost(text) => write!(f, "{layer}: {text}"),
        }?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  remedy: {remedy}"))
    }
}

/// An error number as people know it: name and meaning.
#[must_use]
pub fn errno_text(errno: i32) -> String {
    let meaning = std::io::Error::from_raw_os_error(errno).to_string();
    let meaning = meaning.split(" (os error").next().unwrap_or_default().to_owned();
    match u16::try_from(errno).ok().and_then(crate::profile::names::errno_name) {
        Some(name) => format!("{name} ({meaning})"),
        None => format!("error {errno} ({meaning})"),
    }
}
