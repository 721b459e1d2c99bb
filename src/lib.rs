//! Runs commands in a sandbox, and says what the sandbox really enforces.
pub mod os;
pub mod policy;
pub mod profile;
