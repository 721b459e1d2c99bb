//! The Linux backend.

mod budget;
mod caller;
pub mod cgroup;
mod child;
mod contradiction;
mod explain;
mod facts;
mod fault;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard;
mod idmap;
mod inspect;
mod landlock;
mod memory;
mod mountinfo;
mod prepare;
mod private;
mod rest;
mod running;
pub mod seccomp;
mod spawn;
mod supervise;
mod terminal;
mod tree;
mod trusted;

pub(crate) use caller::{
    append_to, begin, clocks, copy_inherited, die_of, duplicate_descriptor, is_closed,
    is_reference, is_root, is_setuid, reaches_files, release_streams, set_nonblocking, user_id,
};
pub use facts::Effort;
pub(crate) use facts::accounts::home_of;
pub(crate) use facts::gather as facts;
pub(crate) use facts::surroundings::surroundings;
pub(crate) use memory::{of_length as memory_of_length, seal as seal_memory};
pub(crate) use prepare::{CommandLine, prepare};
pub use running::Happened;
pub(crate) use running::{Ended, Other, Running};
pub(crate) use spawn::{Manner, spawn};
pub(crate) use supervise::{FORWARDED_NAMES, Signals, wait};
pub(crate) use terminal::CallersTerminal;
pub(crate) use trusted::{Unopened, open as open_by_steps};

#[cfg(feature = "tokio")]
pub(crate) use crate::sys::reactor::watch;
#[cfg(feature = "tokio")]
pub(crate) use caller::timer;

use crate::report::HeldLimit;

/// The limits of a running sandbox's cgroup, as the kernel holds them.
pub(crate) fn limits_in_force(running: &Running) -> Vec<HeldLimit> {
    let cgroup = running.cgroup();
    let held = cgroup.map(cgroup::Cgroup::in_force).unwrap_or_default().iter();
    held.map(|limit| HeldLimit {
        limit: limit.limit.to_owned(),
        mechanism: limit.mechanism.clone(),
        value: limit.value.clone(),
    })
    .collect()
}

/// Removes what launchers that were killed have left behind. To be called while the command runs:
/// it costs a look at each directory in which cgroups, and private directories if there are some,
/// are made.
pub(crate) fn sweep(facts: &crate::plan::facts::HostFacts, plan: &crate::plan::Plan) {
    cgroup::sweep(facts.cgroup.parents(), &cgroup::Roots::default());
    private::sweep(plan);
}
