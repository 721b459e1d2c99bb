//! Standard output: written in one go, with colors only where a terminal shows them.

use std::io::Write;

use clap::builder::styling::{AnsiColor, Style};

use crate::error::Error;
use crate::profile::diagnostic::obeyed;

/// A title.
pub(super) const HEADING: Style = Style::new().bold();
/// Something holds.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Something else holds than was asked for, or it isn't known.
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
/// Something is missing.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// Something of no consequence.
pub(super) const FAINT: Style = Style::new().dimmed();

/// The text in a style; [`print`] takes the style away again where it can't be shown.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The text in a style, with spaces after it up to a width: escape sequences have none.
pub(super) fn paint_padded(style: Style, text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text.chars().count());
    format!("{}{:spaces$}", paint(style, text), "")
}

/// Writes a text that ends with a line.
///
/// # Errors
/// It could not be written; a reader that has seen enough (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<(), Error> {
    write(&mut anstream::stdout().lock(), text)
}

/// Writes a text as it is, without a look for escape sequences in it.
///
/// # Errors
/// As for [`print`].
pub(super) fn print_raw(text: &str) -> Result<(), Error> {
    write(&mut std::io::stdout().lock(), text)
}

fn write(output: &mut dyn Write, text: &str) -> Result<(), Error> {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// Writes a document.
///
/// # Errors
/// As for [`print`].
pub(super) fn print_json(document: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Error::Output(std::io::Error::other(error)))?;
    let mut safe = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Only strings can hold such a character, and JSON can spell it (all are of the first
        // 65,536, which need one escape each).
        if obeyed(c) && c != '\n' {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    print(&safe)
}

/// Whether standard error shows colors: it is a terminal, and `NO_COLOR` and the like don't speak
/// against it.
pub(super) fn error_has_color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
