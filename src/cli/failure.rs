//! Errors of the subcommands that have a result: for people on standard error, and for programs
//! in its place.

use serde::Serialize;

use super::{output, render};
use crate::error::Error;
use crate::plan::Refusal;
use crate::profile::diagnostic::Located;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    error: Failure<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Failure<'a> {
    /// The profile is wrong.
    Profile { problems: &'a [Located] },
    /// The host can't give what the profile requires.
    Refused(&'a Refusal),
    /// Anything else.
    Other { message: String },
}

/// Tells of an error; what the program is to exit with.
pub(super) fn tell(error: &Error, json: bool) -> u8 {
    render::error(error);
    if json && !matches!(error, Error::Output(_)) {
        let error = match error {
            Error::Profile { problems, .. } => Failure::Profile { problems },
            Error::Refused(refusal) => Failure::Refused(refusal),
            other => Failure::Other { message: other.to_string() },
        };
        // Standard error has it already.
        let _ = output::print_json(&Document { version: 1, error });
    }
    error.exit_code()
}
