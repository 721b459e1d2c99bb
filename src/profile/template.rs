//! Text with variables: `${HOME}/cache`.
//!
//! A `$` that is not followed by `{` stands for itself, and `$${` stands for `${`.

use std::ops::Range;

use super::diagnostic::{Problem, quoted};
use super::suggest;

/// A variable that may be used in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The home directory of the user who starts the sandbox.
    Home,
    /// The directory the sandbox is started in.
    Cwd,
    /// The directory of the profile that the text stands in.
    ProfileDir,
    /// The numeric id of the user who starts the sandbox.
    Uid,
}

impl Variable {
    /// The names of all variables.
    pub const NAMES: [&'static str; 4] = ["HOME", "CWD", "PROFILE_DIR", "UID"];

    /// The name between the braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "HOME",
            Self::Cwd => "CWD",
            Self::ProfileDir => "PROFILE_DIR",
            Self::Uid => "UID",
        }
    }

    /// Whether it stands for an absolute path.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        !matches!(self, Self::Uid)
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Home, Self::Cwd, Self::ProfileDir, Self::Uid].into_iter().find(|v| v.name() == name)
    }
}

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text that stands for itself.
    Text(&'t str),
    /// A variable.
    Variable(Variable),
}

/// Takes a template apart.
///
/// # Errors
/// A variable that isn't closed or isn't known, and where in the text it stands.
pub fn pieces(template: &str) -> Result<Vec<Piece<'_>>, (Range<usize>, Problem)> {
    let mut pieces = Vec::new();
    let mut plain = 0;
    while let Some(found) = template[plain..].find("${") {
        let start = plain + found;
        if template[plain..start].ends_with('$') {
            // "$${": the first two characters have become "$", and what follows is plain.
            push_text(&mut pieces, &template[plain..start]);
            pieces.push(Piece::Text("{"));
            plain = start + 2;
            continue;
        }
        push_text(&mut pieces, &template[plain..start]);
        let (variable, end) = variable(template, start)?;
        pieces.push(Piece::Variable(variable));
        plain = end;
    }
    push_text(&mut pieces, &template[plain..]);
    Ok(pieces)
}

fn push_text<'t>(pieces: &mut Vec<Piece<'t>>, text: &'t str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

/// The variable whose `${` is at `start`, and where the text goes on after it.
fn variable(template: &str, start: usize) -> Result<(Variable, usize), (Range<usize>, Problem)> {
    let name_start = start + 2;
    let Some(length) = template[name_start..].find('}') else {
        let problem = Problem::new("\"${\" without \"}\"")
            .help("write \"$${\" for the characters themselves");
        return Err((start..template.len(), problem));
    };
    let name = &template[name_start..name_start + length];
    let end = name_start + length + 1;
    let variable = Variable::from_name(name).ok_or_else(|| {
        let problem = Problem::new(format!("unknown variable {}", quoted(name)));
        (start..end, problem.help(suggest::help(name, Variable::NAMES)))
    })?;
    Ok((variable, end))
}

/// Writes a directory in the place of `${PROFILE_DIR}`.
#[must_use]
pub fn with_profile_directory(template: &str, directory: &str) -> String {
    let Ok(pieces) = pieces(template) else { return template.to_owned() };
    let escaped = |text: &str| text.replace("${", "$${");
    // A "$" that ended its piece and one that "$${" became are followed by "{" again.
    let mut text = String::with_capacity(template.len());
    let mut plain = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(more) => plain.push_str(more),
            Piece::Variable(Variable::ProfileDir) => plain.push_str(directory),
            Piece::Variable(variable) => {
                text.push_str(&escaped(&std::mem::take(&mut plain)));
                text.push_str(&format!("${{{}}}", variable.name()));
            }
        }
    }
    text + &escaped(&plain)
}
