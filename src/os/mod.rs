//! Room 5: the backends; the only place that asks which system this is.
//!
//! A backend finds facts, prepares a plan and spawns it.

#[cfg(target_os = "linux")]
pub mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    CommandLine, Ended, Signals, facts, home_of, limits_in_force, prepare, spawn, wait,
};

#[cfg(target_os = "linux")]
pub use linux::Effort;
