//! Runs commands in a sandbox, and says what the sandbox really enforces.
pub mod cli;
pub mod error;
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
    Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Profile, Sandbox, Signal, State,
    Stdio,
};
pub use plan::{LayerState, Problem, Refusal, Status};
pub use profile::vocabulary::{Enforcement, Layer, Level, NetworkMode, Overflow};
pub use report::{Ending, HeldLimit, Outcome, Usage};
