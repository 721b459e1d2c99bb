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
