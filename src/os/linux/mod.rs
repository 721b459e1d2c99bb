//! The Linux backend.
pub mod cgroup;
mod child;
mod idmap;
mod prepare;
pub mod seccomp;
