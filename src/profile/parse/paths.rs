//! Absolute paths.
//!
//! A path begins with `/` or with a variable that stands for a directory. Paths inside the sandbox
//! have no `.` or `..` in them: they name a place by one spelling, and can't lead out of it.

use jsonc_parser::ast::Value;

use super::reader::Reader;
use super::scalars;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::source::Spanned;
use crate::profile::template::Piece;

/// `PATH_MAX` of the kernel, the final NUL included.
const PATH_MAX: usize = 4096;

/// `NAME_MAX` of the kernel.
const NAME_MAX: usize = 255;

/// A path on the host, which may go up: `${PROFILE_DIR}/../tools`.
pub(super) fn on_host(reader: &mut Reader, value: &Value) -> Option<String> {
    let path = scalars::nonempty(reader, value)?;
    let pieces = scalars::check_template(reader, value, path)?;
    if let Some(problem) = not_absolute(path, &pieces).or_else(|| too_long(path)) {
        return reader.report_at(value, problem);
    }
    Some(path.to_owned())
}

/// A path inside the sandbox.
pub(super) fn inside(reader: &mut Reader, value: &Value) -> Option<String> {
    let path = on_host(reader, value)?;
    if let Some(problem) = dotted(&path) {
        return reader.report_at(value, problem);
    }
    Some(path)
}

/// Several paths inside the sandbox.
pub(super) fn list_inside(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<String>>> {
    reader.list(value, "an array of paths", inside)
}

/// What is wrong with a path that isn't the one spelling of a place.
pub(super) fn dotted(path: &str) -> Option<Problem> {
    let component = path.split('/').find(|component| matches!(*component, "." | ".."))?;
    let problem = Problem::new(format!("the path {} contains \"{component}\"", quoted(path)));
    Some(problem.help("write the path without it"))
}

fn not_absolute(path: &str, pieces: &[Piece]) -> Option<Problem> {
    let absolute = match pieces.first() {
        Some(Piece::Text(text)) => text.starts_with('/'),
        Some(Piece::Variable(variable)) => variable.is_directory(),
        None => false,
    };
    let problem = || Problem::new(format!("the path {} is not absolute", quoted(path)));
    let help = match path {
        _ if path == "~" || path.starts_with("~/") => "write ${HOME} for the home directory",
        _ if path.starts_with("$HOME") => "write ${HOME}, with braces",
        _ => "begin it with \"/\", \"${HOME}\", \"${CWD}\" or \"${PROFILE_DIR}\"",
    };
    (!absolute).then(|| problem().help(help))
}

fn too_long(path: &str) -> Option<Problem> {
    if path.len() >= PATH_MAX {
        let problem = Problem::new(format!("the path is too long: {} bytes", path.len()));
        return Some(problem.help(format!("the kernel takes at most {} bytes", PATH_MAX - 1)));
    }
    let name = path.split('/').find(|name| name.len() > NAME_MAX)?;
    let problem = Problem::new(format!("a name in the path is too long: {} bytes", name.len()));
    Some(problem.help(format!("the kernel takes at most {NAME_MAX} bytes")))
}
