//! What is wrong with a profile, and where.

use super::source::Origin;

/// One problem of a profile, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, without the place: `unknown key "memroy"`.
    pub message: String,
    /// Where.
    pub origin: Origin,
    /// What to write instead: `did you mean "memory"?`.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem at a place.
    pub fn new(message: impl Into<String>, origin: Origin) -> Self {
        Self { message: message.into(), origin, help: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
