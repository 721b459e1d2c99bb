//! The Linux backend.
pub mod cgroup;
