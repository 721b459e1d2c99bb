//! Everything that is wrong with a profile, without running anything.

use super::library::Library;
use crate::policy::{Context, ProfileIdentity, lint, validate};
use crate::profile::diagnostic::Diagnostic;
use crate::profile::layering::{Layered, resolve};
use crate::profile::source::Sources;
use crate::profile::vocabulary::Level;

/// What was found in a profile, and in all that it stands on or that may take its place.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What keeps it from being used.
    pub problems: Vec<Diagnostic>,
    /// What has no effect.
    pub warnings: Vec<Diagnostic>,
    /// The texts that both are about.
    pub sources: Sources,
    /// Whether the profile itself could be read; if not, the problems say why.
    pub readable: bool,
}

/// Checks a profile by name or path: its text, those it refers to, and what only shows once they
/// are merged and variables known, for it and for each profile that may take its place.
#[must_use]
pub fn check(library: &mut Library, reference: &str, context: &Context) -> Checked {
    let (mut problems, sources, mut choices) = match resolve(library, reference) {
        Ok(loaded) => (Vec::new(), loaded.sources, loaded.choices),
        Err(failure) => (failure.diagnostics, failure.sources, failure.choices),
    };
    let readable = !choices.is_empty();
    let text_is_right = problems.is_empty();
    let mut warnings = Vec::new();
    for choice in &mut choices {
        if !text_is_right {
            // A level that is misspelled must not keep the rest from being looked at.
            choice.profile.level.get_or_insert(Level::Containerized.into());
        }
        match valid(choice, &sources, context) {
            Ok(found) => add(&mut warnings, found),
            Err(found) => add(&mut problems, found),
        }
    }
    Checked { problems, warnings, sources, readable }
}

/// The warnings of a choice, or its problems.
fn valid(
    choice: &Layered,
    sources: &Sources,
    context: &Context,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let identity = ProfileIdentity { name: choice.name.clone(), sha256: choice.sha256.clone() };
    let policy = validate(choice.profile.clone(), identity, sources, context)?;
    Ok(lint(&choice.profile, &policy))
}

/// Adds what isn't there yet: two choices that extend the same profile have its problems twice.
fn add(known: &mut Vec<Diagnostic>, found: impl IntoIterator<Item = Diagnostic>) {
    for diagnostic in found {
        if !known.contains(&diagnostic) {
            known.push(diagnostic);
        }
    }
}
