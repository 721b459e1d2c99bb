//! Whatever a text says, it is either a profile, which can be written and read again, or wrong,
//! and then each problem has a place that can be drawn.

use crate::profile::diagnostic::{Diagnostic, Located, obeyed, render};
use crate::profile::model::Profile;
use crate::profile::parse::{parse, parse_fragment};
use crate::profile::source::{Source, SourceId, Sources};

/// How much of the input is looked at: more of the same shows nothing new, and takes long.
const MOST: usize = 1 << 16;

pub(super) fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(MOST)]);
    let (sources, id) = one_source(&text);
    judge(parse(&sources, id), &sources, &text);
    // The name of one option and its value.
    judge(parse_fragment(&sources, id), &sources, &text);
}

pub(super) fn one_source(text: &str) -> (Sources, SourceId) {
    let mut sources = Sources::default();
    let source = Source { name: "fuzzed.json".into(), text: text.into(), directory: None };
    let id = sources.add(source);
    (sources, id)
}

fn judge(read: Result<Profile, Vec<Diagnostic>>, sources: &Sources, text: &str) {
    match read {
        Ok(profile) => writes_as_itself(&profile),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused for no reason");
            let drawn = render(&problems, sources, false);
            assert!(!drawn.chars().any(|c| obeyed(c) && c != '\n'), "a terminal obeys {drawn:?}");
            for problem in &problems {
                let located = Located::new(problem, sources);
                assert!(located.line > Some(0) && located.column > Some(0), "{located:?}");
                let lines = text.split('\n').count();
                assert!(located.line <= Some(lines), "line {:?} of {lines}", located.line);
            }
        }
    }
}

/// What is written is read as the same; written again, it is the same text.
pub(super) fn writes_as_itself(profile: &Profile) {
    let written = profile.to_json();
    let (sources, id) = one_source(&written);
    let again = parse(&sources, id).unwrap_or_else(|problems| {
        panic!("what was written is refused:\n{}", render(&problems, &sources, false))
    });
    assert_eq!(again.to_json(), written);
    // The same but for the places of its values, which are those of the new text.
    let (first, second) = (without_places(profile), without_places(&again));
    assert_eq!(first, second, "{written}");
}

/// A profile in words, in which the place of every value is nowhere.
pub(super) fn without_places(profile: &Profile) -> String {
    let words = format!("{profile:?}");
    let mut plain = String::with_capacity(words.len());
    let mut rest = words.as_str();
    while let Some(at) = rest.find("origin: Origin(") {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        // "Origin(None)" or "Origin(Some((SourceId(0), 1, 2)))": up to the end of the parenthesis.
        let open = "origin: Origin(".len();
        let mut depth = 1;
        let end = after[open..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        rest = &after[open + end.map_or(after.len() - open, |end| end + 1)..];
    }
    plain.push_str(rest);
    plain
}
