//! What the documentation says of profiles is true, and nothing is left out, of types neither.

use std::path::{Path, PathBuf};

use ringfence::launch::library::{BUILT_IN, Library};
use ringfence::launch::load::{load, policies};
use ringfence::policy::Context;
use ringfence::policy::seccomp::groups;
use ringfence::profile::expand::Variables;
use ringfence::profile::vocabulary::{
    Access, ArgumentOperator, Enforcement, LandlockScope, Layer, Level, Namespace, NetworkMode,
    Stdin,
};

const REFERENCE: &str = include_str!("../docs/profiles.md");

/// The texts of the reader of profiles, in which every key is named.
const READERS: [&str; 8] = [
    include_str!("../src/profile/parse.rs"),
    include_str!("../src/profile/parse/enforcement.rs"),
    include_str!("../src/profile/parse/filesystem.rs"),
    include_str!("../src/profile/parse/limits.rs"),
    include_str!("../src/profile/parse/process.rs"),
    include_str!("../src/profile/parse/rights.rs"),
    include_str!("../src/profile/parse/scalars.rs"),
    include_str!("../src/profile/parse/seccomp.rs"),
];

fn examples() -> Vec<&'static str> {
    let blocks = REFERENCE.split("```json\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

fn context() -> Context {
    Context {
        variables: Variables {
            home: Some(PathBuf::from("/home/someone")),
            cwd: Some(PathBuf::from("/home/someone/project")),
            uid: 1000,
            real_home: None,
        },
        environment: Vec::new(),
    }
}

/// Turns a profile into policies, or says what is wrong with it.
fn check(reference: &str) -> Result<(), String> {
    let mut library = Library { directories: Vec::new(), distrust_writable: false };
    let loaded = load(&mut library, reference, false).map_err(|error| error.to_string())?;
    let policies = policies(&loaded, &[], &context(), false).map_err(|error| error.to_string())?;
    assert_eq!(policies.len(), loaded.choices.len());
    Ok(())
}

#[test]
fn every_example_is_a_profile() {
    assert!(examples().len() > 10, "the examples aren't found");
    let directory = tempfile::tempdir().unwrap();
    for (number, example) in examples().into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.json"));
        std::fs::write(&path, example).unwrap();
        if let Err(problem) = check(path.to_str().unwrap()) {
            panic!("{problem}\n{example}");
        }
    }
}

#[test]
fn every_built_in_profile_is_right_and_described() {
    for profile in BUILT_IN {
        let heading = format!("### `{}`\n", profile.name);
        assert!(REFERENCE.contains(&heading), "{} has no section", profile.name);
        assert_eq!(check(profile.name), Ok(()), "{}", profile.name);
        assert!(profile.text.contains("\"description\""), "{} isn't described", profile.name);
    }
}

#[test]
fn every_key_is_described() {
    let mut count = 0;
    for reader in READERS {
        for call in [".get(\"", ".spanned(\"", ".required(\"", "open(reader, \""] {
            for rest in reader.split(call).skip(1) {
                let Some(key) = rest.split('"').next() else { continue };
                // What Fields::open is given is a section's name, or words for people.
                if call.starts_with("open") && key.contains(' ') {
                    continue;
                }
                count += 1;
                assert!(REFERENCE.contains(&format!("`{key}`")), "the key `{key}` isn't described");
            }
        }
    }
    assert!(count > 60, "the keys aren't found: {count}");
}

#[test]
fn every_word_is_described() {
    let words = [
        Level::NAMES,
        Layer::NAMES,
        Enforcement::NAMES,
        Namespace::NAMES,
        NetworkMode::NAMES,
        Access::NAMES,
        Stdin::NAMES,
        LandlockScope::NAMES,
        ArgumentOperator::NAMES,
    ];
    for word in words.concat() {
        let mentioned = [format!("`{word}`"), format!("`\"{word}\"`")];
        assert!(mentioned.iter().any(|text| REFERENCE.contains(text)), "`{word}` isn't described");
    }
}

#[test]
fn every_group_of_system_calls_is_described_in_its_own_words() {
    for group in groups::all() {
        let line = format!("| `{}` | {} |", group.name, group.description);
        assert!(REFERENCE.contains(&line), "this line is missing:\n{line}");
    }
}

/// The doc comment and attributes of a type that is exported at the crate's root.
fn docs_of<'a>(name: &str, sources: &'a [String]) -> Option<Vec<&'a str>> {
    let definition = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "));
        // Macros make some types from a name alone.
        let is_end = |c: char| !c.is_alphanumeric();
        line == format!("{name};")
            || rest.is_some_and(|rest| rest.split(is_end).next() == Some(name))
    };
    let docs = |text: &'a String| {
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| definition(line))?;
        let before = lines[..at].iter().rev().map(|line| line.trim());
        Some(before.take_while(|l| l.starts_with("///") || l.starts_with("#[")).collect::<Vec<_>>())
    };
    // A name that several types have, as in a file of tests, is documented once.
    sources.iter().filter_map(docs).max_by_key(Vec::len)
}

fn sources(directory: &Path, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(directory);
    for entry in entries.unwrap_or_else(|error| panic!("{directory:?}: {error}")).flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path);
            found.push(text.unwrap_or_else(|error| panic!("{path:?}: {error}")));
        }
    }
}

#[test]
fn every_type_at_the_crates_root_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = std::fs::read_to_string(root.join("lib.rs")).unwrap();
    let mut all = Vec::new();
    sources(&root, &mut all);
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let lists = uses.filter_map(|it| it.split_once('{').map(|(_, names)| names));
    let words = lists.flat_map(|names| names.split(|c: char| !c.is_alphanumeric()));
    let names: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    assert!(names.len() > 25 && names.contains(&"Child"), "{names:?}");
    let lacking = |name: &&&str| {
        docs_of(name, &all).is_none_or(|docs| !docs.iter().any(|line| line.contains("```")))
    };
    let lacking: Vec<_> = names.iter().filter(lacking).collect();
    assert!(lacking.is_empty(), "without an example: {lacking:?}");
}
