//! `ringfence check`.

use std::io::Write;

use serde::Serialize;

use super::args::CheckArguments;
use super::{failure, output};
use crate::error::exit_code;
use crate::launch::check::{Checked, check as check_profile};
use crate::launch::library::Library;
use crate::launch::load::context_of_caller;
use crate::profile::diagnostic::{Diagnostic, Located, Severity, escaped, render_as};
use crate::profile::source::Sources;

/// The exit status that says: there are problems.
const PROBLEMS: u8 = 1;

/// The document behind `--json`.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    profiles: Vec<Profile<'a>>,
}

#[derive(Serialize)]
struct Profile<'a> {
    profile: &'a str,
    problems: Vec<Located>,
    warnings: Vec<Located>,
}

/// Checks profiles; what the program is to exit with.
pub(super) fn check(arguments: &CheckArguments) -> u8 {
    let mut library = Library::of_caller();
    let context = context_of_caller();
    let mut check = |profile: &String| check_profile(&mut library, profile, &context);
    let checked: Vec<(&String, Checked)> =
        arguments.profiles.iter().map(|profile| (profile, check(profile))).collect();
    let code = checked.iter().map(|(_, checked)| code(checked)).max().unwrap_or(0);
    let written = if arguments.json {
        output::print_json(&Document {
            version: 1,
            profiles: checked.iter().map(|(profile, checked)| of(profile, checked)).collect(),
        })
    } else {
        output::print(
            &checked.iter().map(|(profile, checked)| text(profile, checked)).collect::<String>(),
        )
    };
    match written {
        Ok(()) => code,
        Err(error) => failure::tell(&error, arguments.json),
    }
}

fn code(checked: &Checked) -> u8 {
    match checked {
        Checked { readable: false, .. } => exit_code::LAUNCHER,
        Checked { problems, .. } if problems.is_empty() => 0,
        _ => PROBLEMS,
    }
}

fn of<'a>(profile: &'a str, checked: &Checked) -> Profile<'a> {
    let located = |found: &[Diagnostic], sources: &Sources| {
        found.iter().map(|diagnostic| Located::new(diagnostic, sources)).collect()
    };
    Profile {
        profile,
        problems: located(&checked.problems, &checked.sources),
        warnings: located(&checked.warnings, &checked.sources),
    }
}

/// Draws what is wrong on standard error; the summary is the result.
fn text(profile: &str, checked: &Checked) -> String {
    let color = output::error_has_color();
    let draw = |severity, found: &[Diagnostic]| {
        if !found.is_empty() {
            let drawn = render_as(severity, found, &checked.sources, color);
            let _ = writeln!(std::io::stderr(), "{}\n", drawn.trim_end());
        }
    };
    draw(Severity::Error, &checked.problems);
    draw(Severity::Warning, &checked.warnings);
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    let (problems, warnings) = (checked.problems.len(), checked.warnings.len());
    let mut summary = match (checked.readable, problems) {
        (true, 0) => output::paint(output::GOOD, "ok"),
        (true, _) => output::paint(output::BAD, &count(problems, "problem")),
        (false, _) => output::paint(output::BAD, "can't be read"),
    };
    if warnings > 0 {
        summary += &format!(", {}", output::paint(output::DOUBTFUL, &count(warnings, "warning")));
    }
    format!("{}: {summary}\n", escaped(profile))
}
