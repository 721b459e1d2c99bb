//! What is wrong with a profile, and where.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::source::{Origin, Place, Sources};

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
/// out, the ends of lines among them.
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

/// [`escaped`], but for the ends of lines: for text of several lines.
#[must_use]
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal does something else with the character than draw it in its place.
pub(crate) fn obeyed(c: char) -> bool {
    matches!(
        c,
        '\u{061c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    ) || c.is_control()
}

/// How many problems are drawn; what comes after them is counted.
const DRAWN: usize = 100;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The profile can't be used.
    Error,
    /// The profile can be used, but says something that has no effect.
    Warning,
}

/// Draws problems the way `rustc` does: the line, the offending text underlined, what to write
/// instead.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    render_as(Severity::Error, diagnostics, sources, color)
}

/// The same, for problems of any severity.
#[must_use]
pub fn render_as(
    severity: Severity,
    diagnostics: &[Diagnostic],
    sources: &Sources,
    color: bool,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // Hyperlinks and the like aside, the texts are other people's: nothing in them reaches a
    // terminal as it is.
    let renderer = renderer.hyperlink(false);
    let mut drawn = String::new();
    for diagnostic in diagnostics.iter().take(DRAWN) {
        drawn += &renderer.render(&[group(severity, diagnostic, sources)]);
        drawn += "\n\n";
    }
    if let Some(more @ 1..) = diagnostics.len().checked_sub(DRAWN) {
        drawn += &format!("and {more} more\n\n");
    }
    drawn.pop();
    drawn
}

fn group<'a>(severity: Severity, diagnostic: &Diagnostic, sources: &Sources) -> Group<'a> {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(escaped(&diagnostic.message)));
    if let Some(place) = Place::of(diagnostic.origin, sources) {
        let line: String = place.line_text.chars().map(drawable).collect();
        let snippet = Snippet::source(line)
            .line_start(place.line)
            .path(escaped(&place.source.name))
            .annotation(AnnotationKind::Primary.span(place.in_line.clone()));
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(escaped(help)));
    }
    group
}

/// The character, or one of the same length in UTF-8 that can be drawn: so that the places of the
/// others stay the same.
fn drawable(c: char) -> char {
    match c {
        '\t' => c,
        _ if !obeyed(c) => c,
        _ if c.len_utf8() == 1 => '?',
        _ if c.len_utf8() == 2 => '¿',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// A problem in a form for other programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Located {
    /// What the text is called: a path, or an option of the command line.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The offending text, up to the end of its first line.
    pub text: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Located {
    /// Finds the line and the column of a problem. Control characters are spelled out in all texts.
    #[must_use]
    pub fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let place = Place::of(diagnostic.origin, sources);
        Self {
            file: place.as_ref().map(|place| escaped(&place.source.name)),
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(Place::column),
            text: place.as_ref().map(|place| escaped(place.offending())),
            message: escaped(&diagnostic.message),
            help: diagnostic.help.as_deref().map(escaped),
        }
    }
}
