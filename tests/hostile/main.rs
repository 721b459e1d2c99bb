//! Programs that try to get out, each with the property it attacks, at every level that claims the
//! property, as root and as an unprivileged user.
//!
//! An attack says from inside what it came to; where that can be done without harm, the same attack
//! is made without a sandbox first, and has to succeed there. Attacks that need a race are tried
//! thousands of times. The table of what holds where is printed, and is part of
//! `docs/security.md`: after a change, `RINGFENCE_BLESS=1` writes it there.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

mod callers;
mod document;
mod files;
mod input;
mod kernel;
mod limits;
mod many;
mod network;
mod processes;
mod races;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod themes;
mod waiting;

use table::{Attack, WORKERS};

/// Every attack, in the order of the table.
fn attacks() -> Vec<Attack> {
    [
        files::attacks(),
        processes::attacks(),
        waiting::attacks(),
        kernel::attacks(),
        network::attacks(),
        limits::attacks(),
        many::attacks(),
        callers::attacks(),
        input::attacks(),
        races::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_attack_is_held_where_that_is_claimed() {
    let attacks: Vec<_> =
        attacks().into_iter().filter(|attack| !attack.race && !attack.waits).collect();
    table::run(&attacks, WORKERS);
}

#[test]
fn every_attack_that_takes_its_time_is_held_where_that_is_claimed() {
    let attacks: Vec<_> = attacks().into_iter().filter(|attack| attack.waits).collect();
    table::run(&attacks, 100);
}

#[test]
fn every_attack_that_needs_a_race_is_held_thousands_of_times() {
    let attacks: Vec<_> = attacks().into_iter().filter(|attack| attack.race).collect();
    table::run(&attacks, WORKERS);
}
