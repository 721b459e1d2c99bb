//! Text for people.

use std::io::Write;

use crate::error::Error;
use crate::profile::diagnostic::escaped_lines;

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
