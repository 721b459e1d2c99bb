//! The tests of this room. Each file is about one module; the helpers here are for all.

mod complete;
mod diagnostics;
mod expansion;
mod fragments;
mod garbage;
mod layering;
mod limits;
mod mounts;
mod names;
mod paths;
mod resolving;
mod seccomp;
mod sections;
mod strictness;
mod units;
mod writing;

use super::diagnostic::{Diagnostic, Located};
use super::model::Profile;
use super::parse::parse;
use super::source::{Source, SourceId, Sources};

/// One text as the only source.
pub(super) fn one_source(text: &str) -> (Sources, SourceId) {
    let mut sources = Sources::default();
    let source = Source { name: "test.json".into(), text: text.into(), directory: None };
    let id = sources.add(source);
    (sources, id)
}

/// A profile of version 1 with the members given.
pub(super) fn with_version(members: &str) -> String {
    format!("{{\"version\": 1,\n{members}}}")
}

/// Parses members that must be right; they start on line 2.
#[track_caller]
pub(super) fn accepted(members: &str) -> Profile {
    let (sources, id) = one_source(&with_version(members));
    parse(&sources, id).unwrap_or_else(|problems| {
        panic!("{}", super::diagnostic::render(&problems, &sources, false))
    })
}

/// All problems of a text, with their places.
#[track_caller]
pub(super) fn problems_of(text: &str) -> Vec<Located> {
    let (sources, id) = one_source(text);
    let problems = parse(&sources, id).expect_err("the text should have been refused");
    located(&problems, &sources)
}

pub(super) fn located(problems: &[Diagnostic], sources: &Sources) -> Vec<Located> {
    problems.iter().map(|problem| Located::new(problem, sources)).collect()
}

/// Asserts that members of a profile, all on line 2, have exactly one problem: where it is, what
/// it says, and its help.
#[track_caller]
pub(super) fn refused(members: &str, offending: &str, message: &str, help: &str) {
    let problems = problems_of(&with_version(members));
    let [problem] = problems.as_slice() else { panic!("not one problem: {problems:#?}") };
    let column = members.find(offending).map(|offset| members[..offset].chars().count() + 1);
    assert_eq!(problem.text.as_deref(), Some(offending), "{problem:?}");
    assert_eq!(problem.line, Some(2), "{problem:?}");
    assert_eq!(problem.column, column, "{problem:?}");
    assert_eq!(problem.message, message);
    assert_eq!(problem.help.as_deref().unwrap_or(""), help);
}

/// Asserts that each of some values, at one place of a profile, is refused with a message that
/// contains `part`.
#[track_caller]
pub(super) fn each_refused(before: &str, values: &[&str], after: &str, part: &str) {
    for value in values {
        let problems = problems_of(&with_version(&format!("{before}{value}{after}")));
        let [problem] = problems.as_slice() else { panic!("{value}: {problems:#?}") };
        assert!(problem.message.contains(part), "{value}: {problem:?}");
        assert_eq!(problem.line, Some(2), "{value}: {problem:?}");
    }
}
