//! The Linux backend.
pub mod cgroup;
mod child;
mod explain;
mod facts;
mod idmap;
mod inspect;
mod prepare;
pub mod seccomp;
mod spawn;
mod supervise;
