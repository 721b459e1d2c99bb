use std::collections::BTreeMap;
use std::path::Path;

use super::located;
use crate::profile::diagnostic::{Located, Problem};
use crate::profile::layering::{Loaded, Loader, MAX_DEPTH, resolve};
use crate::profile::source::Source;

/// Profiles by name, and how often each was asked for.
#[derive(Default)]
struct Shelf {
    texts: BTreeMap<String, String>,
    directories: Vec<Option<String>>,
}

impl Loader for Shelf {
    fn load(&mut self, reference: &str, directory: Option<&Path>) -> Result<Source, Problem> {
        self.directories.push(directory.map(|directory| directory.display().to_string()));
        let text = self.texts.get(reference).ok_or_else(|| {
            Problem::new(format!("no profile \"{reference}\"")).help("look at the shelf")
        })?;
        Ok(Source {
            name: format!("/shelf/{reference}.json"),
            text: text.clone(),
            directory: Some(format!("/shelf/{reference}.d").into()),
        })
    }
}

fn shelf(profiles: &[(&str, &str)]) -> Shelf {
    let texts = profiles
        .iter()
        .map(|(name, members)| ((*name).to_owned(), format!("{{\"version\": 1, {members}}}")));
    Shelf { texts: texts.collect(), directories: Vec::new() }
}

#[track_caller]
fn resolved(profiles: &[(&str, &str)]) -> Loaded {
    resolve(&mut shelf(profiles), "a").unwrap_or_else(|failure| panic!("{failure:#?}"))
}

fn failed(profiles: &[(&str, &str)]) -> Vec<Located> {
    let failure = resolve(&mut shelf(profiles), "a").expect_err("it should have failed");
    located(&failure.diagnostics, &failure.sources)
}

fn order(loaded: &Loaded) -> Vec<&str> {
    loaded.choices.iter().map(|choice| choice.name.as_str()).collect()
}

fn set(loaded: &Loaded, name: &str) -> Option<String> {
    loaded.choices[0].profile.environment.set.get(name).map(|value| value.value.clone())
}

fn env(extends: &str, set: &str) -> String {
    format!("\"extends\": [{extends}], \"environment\": {{\"set\": {{{set}}}}}")
}

#[test]
fn a_single_profile_has_the_hash_of_its_text() {
    let loaded = resolved(&[("a", "\"name\": \"x\"")]);
    assert_eq!(order(&loaded), ["x"]);
    // printf '{"version": 1, "name": "x"}' | sha256sum
    assert_eq!(loaded.choices[0].sha256, SHA256_OF_X);
}

const SHA256_OF_X: &str = "bad55aa799e00f165ba1486cc441a899378c42fd50c7153aad90c39997618c99";

#[test]
fn the_hash_of_a_profile_with_bases_depends_on_all_texts() {
    let hash = |base: &str| {
        let loaded = resolved(&[("a", "\"extends\": \"b\""), ("b", base)]);
        loaded.choices[0].sha256.clone()
    };
    assert_eq!(hash("\"limits\": {}").len(), 64);
    assert_ne!(hash("\"limits\": {}"), hash("\"limits\":  {}"));
}

#[test]
fn a_profile_without_a_name_is_called_like_its_file() {
    assert_eq!(order(&resolved(&[("a", "\"limits\": {}")])), ["a"]);
}

#[test]
fn bases_are_merged_from_left_to_right_and_the_profile_comes_last() {
    let a = env("\"b\", \"c\"", r#""A": "a""#);
    let b = env("\"d\"", r#""A": "b", "B": "b", "C": "b", "D": "b""#);
    let c = env("", r#""A": "c", "C": "c""#);
    let d = env("", r#""D": "d", "E": "d""#);
    let loaded = resolved(&[("a", &a), ("b", &b), ("c", &c), ("d", &d)]);
    let values = ["A", "B", "C", "D", "E"].map(|name| set(&loaded, name));
    assert_eq!(values, ["a", "b", "c", "b", "d"].map(|value| Some(value.to_owned())));
}

#[test]
fn a_base_reached_twice_is_no_cycle() {
    let loaded = resolved(&[
        ("a", "\"extends\": [\"b\", \"c\"]"),
        ("b", "\"extends\": \"d\""),
        ("c", "\"extends\": \"d\""),
        ("d", "\"level\": \"basic\""),
    ]);
    assert!(loaded.choices[0].profile.level.is_some());
}

#[test]
fn many_paths_to_one_base_take_no_longer_than_one() {
    let profiles: Vec<(String, String)> = (0..15)
        .map(|i| {
            let name = if i == 0 { "a".to_owned() } else { format!("p{i}") };
            (name, format!("\"extends\": [{}]", vec![format!("\"p{}\"", i + 1); 20].join(", ")))
        })
        .chain([("p15".to_owned(), "\"level\": \"basic\"".to_owned())])
        .collect();
    let profiles: Vec<(&str, &str)> =
        profiles.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(resolved(&profiles).choices[0].profile.level.is_some());
}

#[test]
fn a_cycle_is_shown_where_it_closes_with_all_its_links() {
    let problems = failed(&[
        ("a", "\"extends\": \"b\""),
        ("b", "\"extends\": [\"c\"]"),
        ("c", "\"extends\": [\"b\"]"),
    ]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].file.as_deref(), Some("/shelf/c.json"));
    assert_eq!(problems[0].text.as_deref(), Some("\"b\""));
    assert_eq!(
        problems[0].message,
        "\"extends\" leads back to itself: \"/shelf/b.json\" → \"/shelf/c.json\" → \"/shelf/b.json\""
    );
}

#[test]
fn a_profile_that_extends_itself_is_a_cycle() {
    let problems = failed(&[("a", "\"extends\": \"a\"")]);
    assert!(problems[0].message.starts_with("\"extends\" leads back to itself"));
}

#[test]
fn profiles_standing_too_deep_are_refused() {
    let chain = |length: usize| -> Vec<(String, String)> {
        (0..=length)
            .map(|i| {
                let name = if i == 0 { "a".to_owned() } else { format!("p{i}") };
                let next = if i < length {
                    format!("\"extends\": \"p{}\"", i + 1)
                } else {
                    "\"limits\": {}".into()
                };
                (name, next)
            })
            .collect()
    };
    let borrowed = |profiles: &[(String, String)]| -> Shelf {
        shelf(&profiles.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect::<Vec<_>>())
    };
    assert!(resolve(&mut borrowed(&chain(MAX_DEPTH - 1)), "a").is_ok());
    let failure = resolve(&mut borrowed(&chain(200)), "a").expect_err("too deep");
    assert_eq!(failure.diagnostics.len(), 1);
    assert_eq!(failure.diagnostics[0].message, "\"extends\" goes more than 16 profiles deep");
}

#[test]
fn a_missing_profile_is_shown_where_it_is_named() {
    let problems = failed(&[
        ("a", "\"extends\": [\"b\", \"c\"], \"otherwise\": \"d\""),
        ("b", "\"limits\": {}"),
    ]);
    let found: Vec<_> = problems.iter().map(|p| (p.text.as_deref(), p.message.as_str())).collect();
    assert_eq!(found, [(Some("\"c\""), "no profile \"c\""), (Some("\"d\""), "no profile \"d\"")]);
    assert_eq!(problems[0].help.as_deref(), Some("look at the shelf"));
}

#[test]
fn a_profile_that_is_missing_altogether_has_no_place() {
    let problems = failed(&[]);
    assert_eq!((problems[0].line, problems[0].message.as_str()), (None, "no profile \"a\""));
}

#[test]
fn problems_of_all_files_are_found_in_one_go() {
    let problems = failed(&[
        ("a", "\"extends\": \"b\", \"lmits\": {}, \"otherwise\": \"c\""),
        ("b", "\"level\": \"bsic\""),
        ("c", "\"nmae\": 1"),
    ]);
    let found: Vec<_> = problems.iter().map(|p| (p.file.as_deref(), p.text.as_deref())).collect();
    let expected = [("a", "\"lmits\""), ("b", "\"bsic\""), ("c", "\"nmae\"")];
    let expected = expected.map(|(file, text)| (format!("/shelf/{file}.json"), text));
    assert_eq!(found, expected.each_ref().map(|(file, text)| (Some(file.as_str()), Some(*text))));
}

#[test]
fn references_are_relative_to_the_profile_they_stand_in() {
    let mut shelf =
        shelf(&[("a", "\"extends\": \"b\""), ("b", "\"extends\": \"c\""), ("c", "\"limits\": {}")]);
    resolve(&mut shelf, "a").expect("all is there");
    let expected = [None, Some("/shelf/a.d".to_owned()), Some("/shelf/b.d".to_owned())];
    assert_eq!(shelf.directories, expected);
}

#[test]
fn alternatives_come_in_order_of_preference() {
    let loaded = resolved(&[
        ("a", "\"otherwise\": [\"b\", \"c\"]"),
        ("b", "\"otherwise\": [\"d\", \"c\"]"),
        ("c", "\"limits\": {}"),
        ("d", "\"extends\": \"e\""),
        ("e", "\"otherwise\": \"f\", \"level\": \"basic\""),
    ]);
    assert_eq!(order(&loaded), ["a", "b", "d", "c"]);
    assert!(loaded.choices[2].profile.level.is_some());
}

#[test]
fn a_cycle_of_alternatives_is_refused() {
    let problems = failed(&[("a", "\"otherwise\": \"b\""), ("b", "\"otherwise\": \"a\"")]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].message.starts_with("\"otherwise\" leads back to itself: \"/shelf/a.json\"")
    );
}

#[test]
fn a_profile_may_extend_its_own_alternative() {
    let loaded = resolved(&[
        ("a", "\"extends\": \"b\", \"otherwise\": \"b\""),
        ("b", "\"level\": \"basic\""),
    ]);
    assert_eq!(order(&loaded), ["a", "b"]);
}
