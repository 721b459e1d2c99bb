//! Room 5: the backends; the only place that asks which system this is.
//!
//! A backend finds facts, prepares a plan and spawns it.

#[cfg(target_os = "linux")]
pub mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    CallersTerminal, CommandLine, Ended, FORWARDED_NAMES, Manner, Other, Running, Signals,
    Unopened, append_to, begin, clocks, copy_inherited, die_of, duplicate_descriptor, facts,
    home_of, is_closed, is_reference, is_root, is_setuid, limits_in_force, memory_of_length,
    open_by_steps, prepare, reaches_files, release_streams, seal_memory, set_nonblocking, spawn,
    surroundings, sweep, user_id, wait,
};

#[cfg(all(target_os = "linux", any(test, fuzzing)))]
pub(crate) use linux::fuzzing;

#[cfg(all(target_os = "linux", feature = "tokio"))]
pub(crate) use linux::{timer, watch};

#[cfg(target_os = "linux")]
pub use linux::{Effort, Happened};
