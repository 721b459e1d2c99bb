//! Runs commands in a sandbox, and says what the sandbox really enforces.
pub mod error;
pub mod os;
pub mod plan;
pub mod policy;
pub mod profile;
#[cfg(target_os = "linux")]
mod sys;
