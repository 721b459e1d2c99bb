//! From the name of a profile, and changes to it, to policies in order of preference.

use std::ffi::OsString;
use std::path::PathBuf;

use super::library::Library;
use crate::error::Error;
use crate::policy::{Context, Policy, ProfileIdentity, overridden, switches_off, validate};
use crate::profile::diagnostic::{Diagnostic, Located, render};
use crate::profile::expand::Variables;
use crate::profile::layering::{Loaded, overlay, resolve, resolve_first};
use crate::profile::model::Profile;
use crate::profile::source::Sources;

/// Loads a profile with all it stands on.
///
/// # Errors
/// [`Error::Profile`] with every problem of every file.
pub fn load(library: &mut Library, reference: &str, color: bool) -> Result<Loaded, Error> {
    resolve(library, reference)
        .map_err(|failure| profile_error(&failure.diagnostics, &failure.sources, color))
}

/// Loads a profile without those that may take its place.
///
/// # Errors
/// [`Error::Profile`] with every problem of every file.
pub fn load_first(library: &mut Library, reference: &str, color: bool) -> Result<Loaded, Error> {
    resolve_first(library, reference)
        .map_err(|failure| profile_error(&failure.diagnostics, &failure.sources, color))
}

/// Changes every choice of a loaded profile, and turns each into a policy.
///
/// # Errors
/// [`Error::Profile`] with every problem of the first choice that has one.
pub fn policies(
    loaded: &Loaded,
    changes: &[Profile],
    context: &Context,
    color: bool,
) -> Result<Vec<Policy>, Error> {
    let policy = |choice: &crate::profile::layering::Layered| {
        let profile = changes.iter().cloned().fold(choice.profile.clone(), overlay);
        let identity = ProfileIdentity { name: choice.name.clone(), sha256: choice.sha256.clone() };
        // Most options take nothing away, and most launches aren't worth a second look.
        let changed = changes.iter().any(switches_off).then(|| profile.clone());
        let mut policy = validate(profile, identity, &loaded.sources, context)
            .map_err(|problems| profile_error(&problems, &loaded.sources, color))?;
        if let Some(changed) = changed {
            let lost = overridden(&choice.profile, &changed, &policy, &loaded.sources);
            policy.notes.extend(lost);
        }
        Ok(policy)
    };
    loaded.choices.iter().map(policy).collect()
}

/// Problems of profiles as one error.
#[must_use]
pub fn profile_error(problems: &[Diagnostic], sources: &Sources, color: bool) -> Error {
    Error::Profile {
        rendered: render(problems, sources, color),
        problems: problems.iter().map(|problem| Located::new(problem, sources)).collect(),
    }
}

/// What this process says of its user and its environment.
#[must_use]
pub fn context_of_caller() -> Context {
    let uid = crate::os::user_id();
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").and_then(absolute).or_else(|| crate::os::home_of(uid));
    Context {
        variables: Variables {
            real_home: home.as_ref().and_then(|home| std::fs::canonicalize(home).ok()),
            home,
            cwd: std::env::current_dir().ok(),
            uid,
        },
        environment: std::env::vars_os().collect(),
    }
}
