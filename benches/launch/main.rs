//! What a launch costs, and what it costs to be inside.
//!
//! `cargo bench --bench launch [-- [ROUNDS] [SECTION...]]`, best as root: then both as root and as
//! an unprivileged user. What is compared takes turns in one run, as what else the machine does
//! changes with time. The sections are `others`, `levels`, `library`, `calls`, `compiling`, `idle`,
//! `rate` and `growth`; without one, all of them.

mod growth;
mod inside;
mod launches;
mod live;
mod peers;
mod place;
mod ways;

use std::time::Duration;

use launches::{Caller, Programs};
use place::Place;

const UNPRIVILEGED: u32 = 54_321;

fn main() {
    // `cargo bench` hands on a `--bench` of its own.
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let rounds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(200);
    let sections: Vec<_> = words.iter().filter(|word| word.parse::<usize>().is_err()).collect();
    let wants = |name: &str| sections.is_empty() || sections.iter().any(|own| *own == name);
    let Some(place) = Place::new() else { return };
    let Some(programs) = Programs::new(&place) else { return };
    let is_root = rustix::process::geteuid().is_root();
    let who = if is_root { "root" } else { "this user" };
    let mut callers = vec![(None, who)];
    if is_root {
        callers.push((Some(UNPRIVILEGED), "an unprivileged user"));
    }
    for (user, who) in callers {
        let caller = Caller { place: &place, programs: &programs, user, who };
        if wants("others") {
            launches::beside_others(caller, rounds);
        }
        if wants("levels") {
            launches::levels(caller, rounds);
        }
        if wants("calls") {
            inside::calls(caller, rounds.div_ceil(10));
        }
        if wants("compiling") {
            inside::compiling(caller, rounds.div_ceil(10));
        }
        if wants("idle") {
            live::idle(caller);
        }
        if wants("growth") {
            growth::all(caller, rounds.div_ceil(10));
        }
    }
    let caller = Caller { place: &place, programs: &programs, user: None, who };
    if wants("library") {
        launches::library(caller, rounds);
    }
    if wants("rate") {
        live::rate(caller, Duration::from_secs(2));
    }
    if is_root {
        let own: Vec<_> = ["library", "rate"]
            .iter()
            .filter(|name| wants(name))
            .map(ToString::to_string)
            .collect();
        if !own.is_empty() {
            let words: Vec<_> = std::iter::once(rounds.to_string()).chain(own).collect();
            launches::again_as(UNPRIVILEGED, &place, &words);
        }
    }
}
