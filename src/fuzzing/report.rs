//! A report of anything is JSON that says the same when it is read.

use std::time::Duration;

use serde_json::Value;

use super::Choices;
use crate::plan::facts::Cause;
use crate::plan::{LayerState, Problem, Status};
use crate::policy::ProfileIdentity;
use crate::profile::vocabulary::{Enforcement, Layer, Level};
use crate::report::{Ending, FORMAT_VERSION, HeldLimit, Outcome, Replaced, Usage};

pub(super) fn target(data: &[u8]) {
    let outcome = outcome(&mut Choices::new(data));
    let text = serde_json::to_string_pretty(&outcome).expect("a report can be written");
    let read: Value = serde_json::from_str(&text).expect("a report is JSON");
    let direct = serde_json::to_value(&outcome).expect("a report is a value");
    alike(&read, &direct);
    says(&outcome, &read);
}

/// The same, but for the last digit of seconds, which JSON readers may round.
fn alike(one: &Value, other: &Value) {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() => {
            let difference =
                one.as_f64().zip(other.as_f64()).map(|(a, b)| (a - b).abs() / b.max(1.0));
            assert!(difference.is_some_and(|d| d < 1e-12), "{one} and {other}");
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).for_each(|(one, other)| alike(one, other));
        }
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            one.values().zip(other.values()).for_each(|(one, other)| alike(one, other));
        }
        _ => assert_eq!(one, other, "written and read"),
    }
}

/// What a reader finds is what happened.
fn says(outcome: &Outcome, read: &Value) {
    let command: Vec<&str> = list(&read["command"]).map(text).collect();
    assert_eq!(command, outcome.command);
    assert_eq!(text(&read["requested_level"]), outcome.requested_level.as_str());
    let effective = outcome.effective_level.map(Level::as_str);
    assert_eq!(read["effective_level"].as_str(), effective);
    assert_eq!(read["exit_code"], outcome.exit_code);
    assert_eq!(list(&read["layers"]).count(), outcome.layers.len());
    for (state, read) in outcome.layers.iter().zip(list(&read["layers"])) {
        assert_eq!(text(&read["layer"]), state.layer.as_str());
        assert_eq!(text(&read["enforcement"]), state.enforcement.as_str());
        assert_eq!(read["mechanism"].as_str(), state.mechanism.as_deref());
    }
    let ending = &read["outcome"];
    match &outcome.ending {
        Ending::Exited { code } => {
            assert_eq!((text(&ending["kind"]), &ending["code"]), ("exited", &(*code).into()))
        }
        Ending::LauncherError { message } => assert_eq!(text(&ending["message"]), message),
        Ending::Limit { limit, .. } => assert_eq!(text(&ending["limit"]), limit),
        Ending::Denied { what, .. } => assert_eq!(text(&ending["what"]), what),
        _ => assert!(ending["kind"].is_string()),
    }
    // Nobody gets two meanings of one run: what a shell sees is what the ending says.
    if let Some(signal) = outcome.ending.signal() {
        assert_eq!(outcome.ending.exit_code(), signal.saturating_add(128));
    }
    if let (Some(usage), read) = (outcome.usage, &read["usage"]) {
        let seconds = |key: &str| read[key].as_f64().expect("seconds are a number");
        assert!((seconds("wall_seconds") - usage.wall_seconds.as_secs_f64()).abs() < 1e-9);
        assert_eq!(read["peak_resident_bytes"], usage.peak_resident_bytes);
        assert_eq!(read["peak_memory_bytes"].as_u64(), usage.peak_memory_bytes);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter()
}

fn outcome(choices: &mut Choices<'_>) -> Outcome {
    let ending = ending(choices);
    Outcome {
        version: FORMAT_VERSION,
        profile: identity(choices),
        instead_of: choices.flag().then(|| Replaced {
            profile: identity(choices),
            problems: (0..choices.below(3)).map(|_| problem(choices)).collect(),
        }),
        command: (0..choices.below(4)).map(|_| choices.text(12)).collect(),
        requested_level: choices.pick(Level::ALL),
        effective_level: choices.flag().then(|| choices.pick(Level::ALL)),
        layers: (0..choices.below(4)).map(|_| state(choices)).collect(),
        limits: (0..choices.below(3)).map(|_| held(choices)).collect(),
        exit_code: ending.exit_code(),
        ending,
        usage: choices.flag().then(|| usage(choices)),
        notes: (0..choices.below(3)).map(|_| choices.text(12)).collect(),
    }
}

fn ending(choices: &mut Choices<'_>) -> Ending {
    let signal = choices.byte() % 64 + 1;
    match choices.below(8) {
        0 => Ending::Exited { code: choices.byte() },
        1 => Ending::Signaled { signal },
        2 => Ending::TimedOut,
        3 => Ending::OutOfMemory,
        4 => Ending::Limit { limit: choices.text(8), signal },
        5 => Ending::Denied { what: choices.text(8), signal },
        6 => Ending::Killed,
        _ => Ending::LauncherError { message: choices.text(20) },
    }
}

fn identity(choices: &mut Choices<'_>) -> ProfileIdentity {
    ProfileIdentity { name: choices.text(8), sha256: choices.text(8) }
}

fn problem(choices: &mut Choices<'_>) -> Problem {
    Problem { layer: choices.pick(Layer::ALL), cause: cause(choices) }
}

fn cause(choices: &mut Choices<'_>) -> Cause {
    Cause::new(choices.text(8), choices.text(8))
}

fn state(choices: &mut Choices<'_>) -> LayerState {
    LayerState {
        layer: choices.pick(Layer::ALL),
        enforcement: choices.pick(Enforcement::ALL),
        status: choices.pick(&[
            Status::Enforced,
            Status::Fallback,
            Status::Unavailable,
            Status::Off,
        ]),
        mechanism: choices.flag().then(|| choices.text(8)),
        cause: choices.flag().then(|| cause(choices)),
        details: (0..choices.below(3)).map(|_| choices.text(8)).collect(),
        counts: choices.flag(),
    }
}

fn held(choices: &mut Choices<'_>) -> HeldLimit {
    HeldLimit { limit: choices.text(8), mechanism: choices.text(8), value: choices.text(8) }
}

fn usage(choices: &mut Choices<'_>) -> Usage {
    let time = |choices: &mut Choices<'_>| Duration::from_micros(choices.word() >> 12);
    let maybe = |choices: &mut Choices<'_>| choices.flag().then(|| choices.word());
    Usage {
        wall_seconds: Duration::from_micros(choices.word() >> 24),
        user_seconds: time(choices),
        system_seconds: time(choices),
        peak_memory_bytes: maybe(choices),
        peak_resident_bytes: choices.word(),
        peak_processes: maybe(choices),
        read_bytes: maybe(choices),
        written_bytes: maybe(choices),
        voluntary_context_switches: choices.word(),
        involuntary_context_switches: choices.word(),
        oom_kills: maybe(choices),
        throttled_seconds: choices.flag().then(|| time(choices)),
    }
}
