//! Room 2: from a profile as written to a policy in which nothing is missing and nothing invalid.
pub mod arch;
pub mod limits;
pub mod seccomp;
