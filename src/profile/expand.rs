//! Variables in texts, replaced by what they stand for.
//!
//! Paths are bytes on Linux: the home directory may have a name that is not UTF-8, so what comes
//! out is an [`OsString`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::source::{Origin, Sources};
use super::template::{self, Piece, Variable};

/// What the variables stand for, `${PROFILE_DIR}` aside: that depends on the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// The home directory of the user who starts the sandbox.
    pub home: Option<PathBuf>,
    /// The same without symbolic links on the way, where that is known.
    pub real_home: Option<PathBuf>,
    /// The directory it is started in.
    pub cwd: Option<PathBuf>,
    /// The user's numeric id.
    pub uid: u32,
}

/// Replaces variables in the texts of one set of sources.
#[derive(Clone, Copy, Debug)]
pub struct Expander<'a> {
    /// What the variables stand for.
    pub variables: &'a Variables,
    /// The texts that the values came from.
    pub sources: &'a Sources,
}

impl Expander<'_> {
    /// Replaces the variables of a text; `origin` says which profile it stands in.
    ///
    /// # Errors
    /// When a variable isn't set: `${HOME}` for a user without one, `${PROFILE_DIR}` in a profile
    /// that is not a file.
    pub fn text(&self, template: &str, origin: Origin) -> Result<OsString, Diagnostic> {
        let pieces = template::pieces(template).map_err(|(_, problem)| problem.at(origin))?;
        let mut text = OsString::with_capacity(template.len());
        for piece in pieces {
            match piece {
                Piece::Text(plain) => text.push(plain),
                Piece::Variable(Variable::Uid) => text.push(self.variables.uid.to_string()),
                Piece::Variable(variable) => text.push(self.directory(variable, origin)?),
            }
        }
        Ok(text)
    }

    /// Replaces the variables of an absolute path.
    ///
    /// # Errors
    /// As for [`Self::text`], and when the path is not absolute, because a variable isn't.
    pub fn path(&self, template: &str, origin: Origin) -> Result<PathBuf, Diagnostic> {
        let path = PathBuf::from(self.text(template, origin)?);
        // A path of the sandbox is absolute also where this runs on a system with drive letters.
        if path.is_absolute() || path.as_os_str().as_encoded_bytes().starts_with(b"/") {
            return Ok(path);
        }
        let message =
            format!("the path \"{template}\" is not absolute: it means \"{}\"", path.display());
        Err(Diagnostic::new(message, origin).help("a variable in it is set to a relative path"))
    }

    fn directory(&self, variable: Variable, origin: Origin) -> Result<&Path, Diagnostic> {
        let (directory, why) = match variable {
            Variable::Home => (self.variables.home.as_deref(), "set HOME, or write the path"),
            Variable::Cwd => (
                self.variables.cwd.as_deref(),
                "start in a directory that exists, or write the path",
            ),
            _ => (self.profile_directory(origin), "it is known only in a profile that is a file"),
        };
        // An empty one would make "${HOME}/x" mean "/x".
        directory.filter(|directory| !directory.as_os_str().is_empty()).ok_or_else(|| {
            Diagnostic::new(format!("${{{}}} is not set", variable.name()), origin).help(why)
        })
    }

    fn profile_directory(&self, origin: Origin) -> Option<&Path> {
        let (id, _) = origin.place()?;
        self.sources.get(id)?.directory.as_deref()
    }
}
