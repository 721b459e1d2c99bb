//! Text for people.

use std::io::Write;

use crate::error::Error;
use crate::plan::{LayerState, Status};
use crate::profile::diagnostic::escaped_lines;
use crate::report::Ending;

/// A message on standard error. A closed standard error is no reason to fail.
///
/// Paths and names in it are other people's: nothing in them reaches the terminal as it is.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "ringfence: {}", escaped_lines(text));
}

/// An error on standard error.
pub(super) fn error(error: &Error) {
    match error {
        // Already drawn, with its own heading.
        Error::Profile { rendered, .. } => {
            let _ = writeln!(std::io::stderr(), "{}", rendered.trim_end());
        }
        other => line(&other.to_string()),
    }
}

/// The word for a status.
pub(super) const fn status(status: Status) -> &'static str {
    match status {
        Status::Enforced => "enforced",
        Status::Fallback => "fallback",
        Status::Unavailable => "unavailable",
        Status::Off => "off",
    }
}

/// A layer's state in one line.
pub(super) fn layer(state: &LayerState) -> String {
    let mut text = format!("{}: {}", state.layer, status(state.status));
    if let Some(mechanism) = &state.mechanism {
        text.push_str(&format!(": {mechanism}"));
    }
    if let Some(cause) = &state.cause {
        text.push_str(&format!(" ({})", cause.found));
    }
    text
}

/// How a run ended, in words.
pub(super) fn outcome(outcome: &Ending) -> String {
    match outcome {
        Ending::Exited { code } => format!("the command exited with {code}"),
        Ending::Signaled { signal } => format!("signal {signal} ended the command"),
        Ending::TimedOut => "the wall-clock limit was reached (limits.wall_time)".into(),
        Ending::OutOfMemory => "the memory limit was reached (limits.memory)".into(),
        Ending::Limit { limit, .. } => format!("a limit was reached (limits.{limit})"),
        Ending::Denied { what, .. } => format!("ended for what is denied: {what}"),
        Ending::Killed => "the run was killed".into(),
        Ending::LauncherError { message } => message.clone(),
    }
}
