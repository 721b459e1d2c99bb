//! Everything that happens between clone and exec.
//!
//! From here on nothing is allocated, no lock is taken, nothing is formatted and nothing unwinds:
//! the child is a copy of one thread of a process that may have had many. A test with a counting
//! allocator holds this to its word.

mod account;
mod credentials;
mod init;
mod mounts;
mod network;
pub(crate) mod ops;
pub(crate) mod record;
mod resolve;
mod run;
pub(crate) mod terminal;
mod timer;
mod tree;
mod watch;

pub(crate) use credentials::{hard_limit, map_ids};
pub(crate) use init::{Channels, enter};
pub(crate) use mounts::mounts_trial;
pub(crate) use run::send as tell;
pub(crate) use tree::{has_children, kill_descendants_in};
