//! Runs commands in a sandbox, and says what the sandbox really enforces.
//!
//! It is shaped as [`std::process`], for commands that nobody vouches for. A [`Profile`] says what a
//! command may see, use and do; a [`Sandbox`] is a profile planned for this host; its [`Command`]s
//! are spawned as [`Child`]ren, and what became of one is its [`Outcome`].
//!
//! ```
//! use std::time::Duration;
//! use ringfence::{Ending, Error, Profile, Sandbox, Stdio};
//!
//! # fn main() -> Result<(), Error> {
//! // By name, from a file or from code; changed by methods, or by the path of any key.
//! let profile = Profile::load("untrusted")?.processes(10).set("limits.file_size", "1MiB");
//!
//! // Problems show here: all of the profile's, or all that this host can't give of it.
//! let sandbox = match Sandbox::new(&profile) {
//!     Ok(sandbox) => sandbox,
//!     Err(Error::Refused(refusal)) => {
//!         for problem in &refusal.problems {
//!             eprintln!("{}: {}, {}", problem.layer, problem.cause.found, problem.cause.remedy);
//!         }
//!         return Ok(());
//!     }
//!     Err(error) => return Err(error),
//! };
//!
//! let mut child = sandbox
//!     .command("sh")
//!     .args(["-c", "sleep 60 & sleep 60"])
//!     .stdout(Stdio::null())
//!     .wall_time(Duration::from_millis(200))
//!     .spawn()?;
//! let outcome = child.wait()?;
//! assert_eq!(outcome.ending, Ending::TimedOut);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **Nothing is weakened in silence.** A layer is required unless the profile says otherwise: then
//!   [`Sandbox::new`] fails, or a profile takes the place that this one names. What isn't enforced is
//!   in [`Sandbox::layers`] before a run, and in [`Outcome::layers`] after it. Before the command
//!   starts, the kernel is asked whether it holds; [`Command::spawn`] returns when that is done and
//!   the command was executed.
//! - **A dropped child is gone.** Dropping a [`Child`] kills and reaps its whole tree, daemons
//!   included, also where a panic or an early return drops it. A command that failed to spawn leaves
//!   nothing either: no process, descriptor, cgroup, mount or file. So does the end of this program,
//!   be it by `SIGKILL`. [`Child::detach`] is the way to let a tree go on.
//! - **Limits only tighten.** Those of a [`Command`] are for its runs; of two, the lower one holds.
//! - **Any thread** may spawn at any time. Nothing of this process is changed: not its working
//!   directory, not its signal handlers, not its umask.
//!
//! # Errors and outcomes
//!
//! An [`Error`] means that the command wasn't run, or couldn't be looked after: [`Error::layer`] and
//! [`Error::remedy`] say what failed and what would help. However a command ended, by itself or by a
//! limit, is no error but an [`Ending`].
//!
//! # Talking with a command
//!
//! Standard streams are those of [`std::process`] ([`Stdio`]); [`Command::output`] collects them up
//! to `limits.output`. [`Command::fd`] gives a pipe, a socket or [`Memory`] at any number; nothing
//! else is inherited. A [`Child`] is a descriptor that tells of the end of the tree, for any event
//! loop; with the feature `tokio`, there are futures.
//!
//! # The rest
//!
//! The modules are the rooms that a profile walks through (see `docs/architecture.md`), open for
//! programs that check, explain or compare profiles. What is named here is what runs commands.
pub mod cli;
pub mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod launch;
pub mod os;
pub mod plan;
pub mod policy;
pub mod profile;
pub mod report;
#[cfg(target_os = "linux")]
mod sys;

pub use error::{Error, LaunchError, LaunchFailure};
#[cfg(feature = "tokio")]
pub use launch::asynchronous as tokio;
pub use launch::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, Memory, Output, Profile, Sandbox, Signal,
    State, Stdio,
};
pub use plan::{LayerState, Problem, Refusal, Status};
pub use profile::vocabulary::{Access, Enforcement, Layer, Level, NetworkMode, Overflow};
pub use report::{Ending, HeldLimit, Outcome, Usage};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
