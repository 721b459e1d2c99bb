//! The Linux backend.
pub mod seccomp;
