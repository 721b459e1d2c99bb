//! `ringfence profiles`.

use std::io::IsTerminal;

use serde::Serialize;

use super::args::{ProfilesAction, ProfilesArguments};
use super::failure;
use super::output::{self, BAD, FAINT, HEADING, paint, paint_padded};
use crate::error::Error;
use crate::launch::library::{Entry, Library};
use crate::launch::load::{load, profile_error};
use crate::policy::complete;
use crate::profile::diagnostic::{escaped, escaped_lines};
use crate::profile::layering::{Layered, Loaded, Loader, resolve};
use crate::profile::model::Profile;
use crate::profile::source::Sources;
use crate::profile::vocabulary::Level;

/// A line of the list.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    entry: Entry,
    level: Option<Level>,
    description: Option<String>,
    /// Profiles that take its place, in order of preference.
    otherwise: Vec<String>,
    /// How many problems keep it from being used; see `ringfence check`.
    problems: usize,
}

#[derive(Serialize)]
struct List {
    version: u32,
    profiles: Vec<Listed>,
}

/// A profile as `show --json` tells of it.
#[derive(Serialize)]
struct Shown<'a> {
    version: u32,
    name: &'a str,
    /// Where the text is from: a path, or `built-in profile NAME`.
    source: &'a str,
    sha256: &'a str,
    level: Option<Level>,
    description: Option<&'a str>,
    otherwise: Vec<&'a str>,
    text: &'a str,
    /// The profile with all that it extends and that its level sets: a profile by itself.
    merged: Profile,
}

/// Lists profiles or shows one; what the program is to exit with.
pub(super) fn profiles(arguments: &ProfilesArguments) -> u8 {
    let written = match &arguments.action {
        None | Some(ProfilesAction::List) => list(arguments.json),
        Some(ProfilesAction::Show { name, merged }) => show(name, *merged, arguments.json),
    };
    match written {
        Ok(()) => 0,
        Err(error) => failure::tell(&error, arguments.json),
    }
}

fn list(json: bool) -> Result<(), Error> {
    let mut library = Library::of_caller();
    let profiles: Vec<Listed> =
        library.entries().into_iter().map(|entry| listed(&mut library, entry)).collect();
    if json {
        return output::print_json(&List { version: 1, profiles });
    }
    let width = profiles.iter().map(|one| escaped(&one.entry.name).chars().count()).max();
    let width = width.unwrap_or(0) + 2;
    let mut text = String::new();
    for one in &profiles {
        let name = paint_padded(HEADING, &escaped(&one.entry.name), width);
        let place = one
            .entry
            .path
            .as_ref()
            .map_or_else(|| "built-in".to_owned(), |path| escaped(&path.to_string_lossy()));
        let level = match (one.problems, one.level) {
            (0, Some(level)) => level.as_str().to_owned(),
            (0, None) => "no level".to_owned(),
            (count, _) => paint(BAD, &format!("{count} problems, see ringfence check")),
        };
        text += &format!("{name}{level}, {}\n", paint(FAINT, &place));
        if let Some(description) = &one.description {
            text += &format!("{:width$}{}\n", "", escaped(description));
        }
    }
    output::print(&text)
}

fn listed(library: &mut Library, entry: Entry) -> Listed {
    let (choices, problems) = match resolve(library, &entry.name) {
        Ok(loaded) => (loaded.choices, 0),
        Err(failure) => (failure.choices, failure.diagnostics.len()),
    };
    let mut choices = choices.into_iter();
    let first = choices.next().map(|first| first.profile).unwrap_or_default();
    Listed {
        entry,
        level: first.level.map(|level| level.value),
        description: first.description,
        otherwise: choices.map(|choice| choice.name).collect(),
        problems,
    }
}

fn show(name: &str, as_merged: bool, json: bool) -> Result<(), Error> {
    let mut library = Library::of_caller();
    let source = library.load(name, None).map_err(|problem| {
        let origin = crate::profile::source::Origin::CODE;
        let color = output::error_has_color();
        profile_error(&[problem.at(origin)], &Default::default(), color)
    })?;
    if !json && !as_merged {
        return print(source.text);
    }
    let Loaded { choices, sources } = load(&mut library, name, output::error_has_color())?;
    let Some((first, others)) = choices.split_first() else {
        return Err(Error::Usage("the profile is empty".to_owned()));
    };
    let merged = merged(first, &sources);
    if !json {
        return print(merged.to_json() + "\n");
    }
    let Layered { profile, sha256, name } = first;
    output::print_json(&Shown {
        version: 1,
        name,
        source: &source.name,
        sha256,
        level: profile.level.map(|level| level.value),
        description: profile.description.as_deref(),
        otherwise: others.iter().map(|choice| choice.name.as_str()).collect(),
        text: &source.text,
        merged,
    })
}

/// A profile by itself: with all that it extends and that its level sets, and without what may
/// take its place.
fn merged(layered: &Layered, sources: &Sources) -> Profile {
    let mut profile = layered.profile.clone().apart_from(sources);
    profile.extends.clear();
    profile.otherwise.clear();
    match profile.level {
        Some(level) => Profile {
            name: Some(layered.name.clone()),
            description: profile.description.clone(),
            ..complete(profile, level.value)
        },
        None => profile,
    }
}

/// Prints a text that may be from elsewhere: a terminal must not obey it, a file gets it as it is.
fn print(text: String) -> Result<(), Error> {
    let safe = std::io::stdout().is_terminal();
    let text = if safe { escaped_lines(&text.replace('\t', "    ")) } else { text };
    output::print_raw(&text)
}
