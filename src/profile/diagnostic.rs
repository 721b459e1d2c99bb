//! What is wrong with a profile, and where.

use super::source::Origin;

/// What is wrong, wherever it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    /// A problem.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem at its place.
    #[must_use]
    pub fn at(self, origin: Origin) -> Diagnostic {
        Diagnostic { message: self.message, origin, help: self.help }
    }
}

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

/// How much of a text is quoted in a message, in characters.
const QUOTED: usize = 80;

/// The beginning of a text in quotation marks, with nothing left in it that a terminal would obey.
#[must_use]
pub fn quoted(text: &str) -> String {
    let cut = text.char_indices().nth(QUOTED).map_or(text.len(), |(index, _)| index);
    let more = if cut < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", escaped(&text[..cut]))
}

/// The text with every character that controls a terminal, or the direction of writing, spelled
/// out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether a terminal does something else with the character than draw it in its place.
pub(super) fn obeyed(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    ) || c.is_control()
}
