//! How a launch grows with its profile.

use std::path::PathBuf;

use crate::launches::{Caller, profile};
use crate::ways::{measure, milliseconds};

const COUNTS: [usize; 5] = [1, 10, 100, 300, 1000];

/// Launch time against the number of mounts, rules of Landlock's and rules of the filter.
pub(crate) fn all(caller: Caller<'_>, rounds: usize) {
    let Caller { place, who, .. } = caller;
    println!("\nAs {who}: growth, {rounds} rounds, ms at the minimum and the median");
    for count in 0..COUNTS[COUNTS.len() - 1] {
        place.directory(&format!("many/{count}"));
    }
    let many = place.0.join("many");
    grow(caller, rounds, "mounts", |count| {
        let mounts =
            list(count, |n| format!(r#"{{"source": "{}/{n}", "access": "rw"}}"#, many.display()));
        let text = profile(&place.0, "");
        text.replacen(r#""mounts": ["#, &format!(r#""mounts": [{mounts}, "#), 1)
    });
    grow(caller, rounds, "Landlock rules", |count| {
        let paths = list(count, |n| format!(r#""{}/{n}""#, many.display()));
        profile(&place.0, &format!(r#", "landlock": {{"read": [{paths}]}}"#))
    });
    grow(caller, rounds, "seccomp rules", |count| {
        let rules = list(count, |n| {
            format!(
                r#"{{"calls": "socket", "action": "EACCES",
                    "arguments": [{{"index": 0, "op": "eq", "value": {}}}]}}"#,
                n + 1000
            )
        });
        let text = profile(&place.0, "");
        text.replacen(r#"["@default"]"#, &format!(r#"["@default"], "rules": [{rules}]"#), 1)
    });
}

fn list(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect::<Vec<_>>().join(", ")
}

fn grow(caller: Caller<'_>, rounds: usize, what: &str, text: impl Fn(usize) -> String) {
    let Caller { place, programs, .. } = caller;
    let profiles: Vec<PathBuf> = COUNTS
        .iter()
        .map(|count| {
            place.write(&format!("{}-{count}.json", what.replace(' ', "-")), &text(*count))
        })
        .collect();
    let ways = COUNTS.iter().zip(&profiles).map(|(count, profile)| {
        let words = programs.run(profile, &[], &[&programs.noop]);
        caller.way(&count.to_string(), words)
    });
    let figures = measure(ways.collect(), rounds);
    let points: Vec<_> = figures
        .iter()
        .filter_map(|own| {
            Some((
                own.name.parse::<f64>().ok()?,
                milliseconds(own.minimum),
                milliseconds(own.median),
            ))
        })
        .collect();
    let text: Vec<_> = points
        .iter()
        .map(|(count, minimum, median)| format!("{count}: {minimum:.2} {median:.2}"))
        .collect();
    println!("  {what:<16} {}", text.join("   "));
    // Between neighbours: what grows faster than in proportion has slopes that rise.
    let slopes: Vec<_> = points
        .windows(2)
        .map(|pair| format!("{:.1}", (pair[1].1 - pair[0].1) * 1e3 / (pair[1].0 - pair[0].0)))
        .collect();
    println!("  {:<16} µs for one more, from each to the next: {}", "", slopes.join("  "));
}
