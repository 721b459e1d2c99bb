//! What is asked of the parsers here with made-up input.

use super::layout::memberships;
use super::setting::{Accept, format_cpus, parse_cpus};
use super::statistics::{keyed, v1_io, v2_io};

/// Any text gets an answer.
pub(in super::super) fn any(text: &str) {
    memberships(text).for_each(drop);
    let _ = parse_cpus(text);
    let _ = (keyed(text, "oom_kill"), v1_io(text, "Read"), v2_io(text, "rbytes="));
    // What the kernel holds is never taken for less than it says.
    if let Some(held) = Accept::AtMost(1000).check(text) {
        let held: u64 = held.trim_start_matches('+').parse().expect("a number was held");
        assert!(held <= 1000);
    }
    let _ = Accept::Device("8:0 rbps=100".to_owned()).check(text);
}

/// What is written of processors is read as the same.
pub(in super::super) fn processors(list: &[u32]) {
    let text = format_cpus(list);
    assert_eq!(parse_cpus(&text).as_deref(), Some(list), "{text}");
    assert_eq!(parse_cpus(&format!("{text}\n")).as_deref(), Some(list), "{text}");
}
