//! Which room may use which: walks through every path in the source text.
//!
//! | room | uses, besides itself |
//! | --- | --- |
//! | `profile` | nothing of ours |
//! | `policy` | `profile` |
//! | `plan` | `policy`, `profile` |
//! | `error` | `plan`, `policy`, `profile` |
//! | `report` | `error`, `plan`, `policy`, `profile` |
//! | `sys` | nothing of ours |
//! | `os` | all of these |
//! | `launch` | all of these but `sys` |
//! | `cli` | all of these but `sys` |
//! | `fuzzing` | all of these but `sys` |
//!
//! A file `fuzzing.rs` in a room is a part of the last one, which no user's build has.
//!
//! `error` and `report` are what the rooms that touch the system hand out: plain data, as pure as
//! `plan`. Pure rooms use nothing of the system: their tests aside, no `std::fs`, `std::env`,
//! `std::process`, `std::net`, `std::os`, `libc` or `rustix`. `unsafe` is for `sys` alone, and only
//! `os` itself knows that there is an `os::linux`.

use std::path::{Path, PathBuf};

/// The rooms, and which others each may use.
const ROOMS: [(&str, &[&str]); 10] = [
    ("profile", &[]),
    ("policy", &["profile"]),
    ("plan", &["policy", "profile"]),
    ("error", &["plan", "policy", "profile"]),
    ("report", &["error", "plan", "policy", "profile"]),
    ("sys", &[]),
    ("os", &["sys", "plan", "policy", "profile", "error", "report"]),
    ("launch", &["os", "plan", "policy", "profile", "error", "report"]),
    ("cli", &["launch", "os", "plan", "policy", "profile", "error", "report"]),
    ("fuzzing", &["cli", "launch", "os", "plan", "policy", "profile", "error", "report"]),
];

/// Rooms that compile and behave the same everywhere.
const PURE: [&str; 5] = ["profile", "policy", "plan", "error", "report"];

/// What only rooms that aren't pure use.
const SYSTEM: [&str; 7] =
    ["std::fs", "std::env", "std::process", "std::net", "std::os", "libc", "rustix"];

/// A word, or one character that isn't part of one; `::` is one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Separator,
    Other(char),
}

/// Takes comments and literals out, and cuts the rest into tokens.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let word_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut index) = (Vec::new(), 0);
    while index < chars.len() {
        match (at(index), at(index + 1)) {
            ('/', '/') => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1
                }
            }
            ('/', '*') => index = after_comment(&chars, index),
            ('"', _) => index = after_string(&chars, index),
            // A character, and not a lifetime.
            ('\'', next) if next == '\\' || at(index + 2) == '\'' => {
                index += if next == '\\' { 3 } else { 2 };
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            (':', ':') => {
                tokens.push(Token::Separator);
                index += 2;
            }
            (first, _) if word_part(first) => {
                let start = index;
                while word_part(at(index)) {
                    index += 1;
                }
                let word: String = chars[start..index].iter().collect();
                let prefix = ["r", "b", "br", "c", "cr"].contains(&word.as_str());
                let hashes = (index..).take_while(|i| at(*i) == '#').count();
                if prefix && word.ends_with('r') && at(index + hashes) == '"' {
                    index = after_raw_string(&chars, index, hashes);
                } else if prefix && at(index) == '"' {
                    index = after_string(&chars, index);
                } else {
                    tokens.push(Token::Word(word));
                }
            }
            (first, _) => {
                if !first.is_whitespace() {
                    tokens.push(Token::Other(first));
                }
                index += 1;
            }
        }
    }
    tokens
}

/// Behind a comment that starts at `index`; comments can hold comments.
fn after_comment(chars: &[char], mut index: usize) -> usize {
    let mut depth = 0;
    loop {
        match chars.get(index..index + 2) {
            Some(['/', '*']) => (depth, index) = (depth + 1, index + 2),
            Some(['*', '/']) => (depth, index) = (depth - 1, index + 2),
            Some(_) => index += 1,
            None => return chars.len(),
        }
        if depth == 0 {
            return index;
        }
    }
}

/// Behind a string that starts at `index`.
fn after_string(chars: &[char], index: usize) -> usize {
    let mut index = index + 1;
    while let Some(c) = chars.get(index) {
        match c {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    index
}

/// Behind a raw string whose hashes start at `index`.
fn after_raw_string(chars: &[char], index: usize, hashes: usize) -> usize {
    let start = index + hashes + 1;
    (start..chars.len())
        .find(|i| {
            chars[*i] == '"'
                && chars.get(i + 1..i + 1 + hashes).is_some_and(|s| s.iter().all(|c| *c == '#'))
        })
        .map_or(chars.len(), |end| end + 1 + hashes)
}

/// Every path in a file, with the braces of `use` taken apart and `self` and `super` resolved.
fn paths(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut paths = Vec::new();
    let mut here = module.to_vec();
    // For each open brace, whether it opened a module.
    let mut braces = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Other('{') => {
                let module = match index.checked_sub(2).map(|start| &tokens[start..index]) {
                    Some([Token::Word(word), Token::Word(name)]) if word == "mod" => Some(name),
                    _ => None,
                };
                here.extend(module.cloned());
                braces.push(module.is_some());
            }
            Token::Other('}') if braces.pop() == Some(true) => drop(here.pop()),
            Token::Word(_) if starts_path(&tokens, index) => {
                let mut found = Vec::new();
                path(&tokens, index, Vec::new(), &mut found);
                paths.extend(found.into_iter().map(|path| absolute(path, &here)));
            }
            _ => {}
        }
    }
    paths
}

/// Whether the word at `index` is the first of a path.
fn starts_path(tokens: &[Token], index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map(|index| &tokens[index]);
    let tree = match before(1) {
        // In the braces of a path it was taken along with the path.
        Some(Token::Other('{' | ',')) => inside_tree(tokens, index),
        Some(Token::Separator) => {
            let follows = |token: &Token| match token {
                Token::Word(word) => word != "use",
                Token::Other('>') => before(3) != Some(&Token::Other('-')),
                _ => false,
            };
            before(2).is_some_and(follows)
        }
        _ => false,
    };
    !tree
}

/// Whether the innermost open brace before `index` follows a `::`.
fn inside_tree(tokens: &[Token], index: usize) -> bool {
    let mut depth = 0;
    for at in (0..index).rev() {
        match tokens[at] {
            Token::Other('}') => depth += 1,
            Token::Other('{') if depth > 0 => depth -= 1,
            Token::Other('{') => return at > 0 && tokens[at - 1] == Token::Separator,
            Token::Other(';') => return false,
            _ => {}
        }
    }
    false
}

/// Collects the paths that start at `index`; behind the last of them.
fn path(
    tokens: &[Token],
    mut index: usize,
    mut so_far: Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match tokens.get(index) {
            Some(Token::Word(word)) => so_far.push(word.clone()),
            Some(Token::Other('*')) => so_far.push("*".to_owned()),
            Some(Token::Other('{')) => {
                index += 1;
                while !matches!(tokens.get(index), None | Some(Token::Other('}'))) {
                    index = path(tokens, index, so_far.clone(), found).max(index + 1);
                    while let Some(token) = tokens.get(index) {
                        match token {
                            Token::Other('}') => break,
                            Token::Other(',') => {
                                index += 1;
                                break;
                            }
                            // `as name`
                            _ => index += 1,
                        }
                    }
                }
                return index + 1;
            }
            _ => {
                found.push(so_far);
                return index;
            }
        }
        if tokens.get(index + 1) != Some(&Token::Separator) {
            // Another name for a whole crate would hide what is used of it.
            if tokens.get(index + 1) == Some(&Token::Word("as".to_owned())) && so_far.len() == 1 {
                so_far.push("as".to_owned());
            }
            found.push(so_far);
            return index + 1;
        }
        index += 2;
    }
}

/// A path from the root of the crate, if it starts at or above the module it is in.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut base = match path[0].as_str() {
        "self" | "super" => module.to_vec(),
        _ => return path,
    };
    let mut rest = path.as_slice();
    while let [first, after @ ..] = rest {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = after;
    }
    let crate_root = std::iter::once("crate".to_owned());
    crate_root.chain(base).chain(rest.iter().cloned()).collect()
}

/// The module that a file below `src` is.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// What is wrong in a file below `src`.
fn wrong_doors(file: &Path, text: &str) -> Vec<String> {
    let module = module_of(file);
    let room = module.first().map(String::as_str).unwrap_or_default();
    let mut wrong = Vec::new();
    if room != "sys" && tokens(text).contains(&Token::Word("unsafe".into())) {
        wrong.push("unsafe".to_owned());
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return wrong; // lib.rs and main.rs open all doors.
    };
    let is_test = module.iter().any(|part| part == "tests");
    for path in paths(text, &module) {
        let full = path.join("::");
        let door = match path.get(..2) {
            Some([root, other]) if root == "crate" => other.as_str(),
            _ => room,
        };
        let is_room =
            ["*", "as", "self"].contains(&door) || ROOMS.iter().any(|(name, _)| *name == door);
        let fuzzing = door == "fuzzing" && module.iter().any(|part| part == door);
        let through = door == room || allowed.contains(&door) || fuzzing;
        let backend = room != "os" && full.starts_with("crate::os::linux");
        let system =
            SYSTEM.iter().any(|name| full == *name || full.starts_with(&format!("{name}::")))
                || ["std::*", "std::as", "std::self"].contains(&full.as_str());
        if (is_room && !through) || backend || (system && PURE.contains(&room) && !is_test) {
            wrong.push(full);
        }
    }
    wrong
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_uses_one_that_comes_after_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut wrong = Vec::new();
    let mut rooms = std::collections::BTreeSet::new();
    for path in &files {
        let file = path.strip_prefix(&source).expect("it is below");
        rooms.extend(module_of(file).first().cloned());
        let text = std::fs::read_to_string(path).expect("a source file");
        for door in wrong_doors(file, &text) {
            wrong.push(format!("src/{}: {door}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "wrong doors:\n{}", wrong.join("\n"));
    for (room, _) in ROOMS {
        assert!(rooms.contains(room), "the room {room} is gone: correct the table");
    }
    for room in rooms {
        assert!(ROOMS.iter().any(|(name, _)| *name == room), "{room} isn't in the table");
    }
}

/// What the checker says of one text in one file.
fn said(file: &str, text: &str) -> Vec<String> {
    wrong_doors(Path::new(file), text)
}

#[test]
fn a_planted_wrong_door_is_found() {
    for (file, text, door) in [
        ("plan/limits.rs", "use std::fs;", "std::fs"),
        ("plan/limits.rs", "use std::{env, io};", "std::env"),
        ("plan/limits.rs", "use ::std::net::TcpStream;", "std::net::TcpStream"),
        ("plan/limits.rs", "fn f() { let x = std::process::id(); }", "std::process::id"),
        ("plan/limits.rs", "fn f(x: Option<std::os::fd::OwnedFd>) {}", "std::os::fd::OwnedFd"),
        ("policy/mod.rs", "use crate::plan::Plan;", "crate::plan::Plan"),
        ("policy/mod.rs", "use crate::{profile::model, plan::{Plan}};", "crate::plan::Plan"),
        ("policy/limits.rs", "use super::super::plan::Plan;", "crate::plan::Plan"),
        ("policy/limits.rs", "mod a { use super::super::super::plan; }", "crate::plan"),
        ("profile/units.rs", "use crate::policy;", "crate::policy"),
        ("profile/units.rs", "use libc::c_int;", "libc::c_int"),
        ("error.rs", "fn f() { rustix::io::close(0) }", "rustix::io::close"),
        ("report.rs", "use crate::launch::run;", "crate::launch::run"),
        ("sys/wait.rs", "use crate::plan::facts::Errno;", "crate::plan::facts::Errno"),
        ("os/mod.rs", "pub use crate::launch::Effort;", "crate::launch::Effort"),
        ("os/linux/facts/mod.rs", "crate::cli::main();", "crate::cli::main"),
        ("launch/mod.rs", "use crate::sys::wait;", "crate::sys::wait"),
        ("launch/mod.rs", "use crate::os::linux::cgroup;", "crate::os::linux::cgroup"),
        ("cli/run.rs", "let x = unsafe { y() };", "unsafe"),
        ("cli/run.rs", "use crate::fuzzing::Choices;", "crate::fuzzing::Choices"),
        ("plan/step.rs", "use crate as ours;", "crate::as"),
        ("plan/step.rs", "use crate::*;", "crate::*"),
        ("plan/step.rs", "use std as core;", "std::as"),
        ("plan/step.rs", "use std::{self as core};", "std::self"),
        ("plan/tests/hosts.rs", "use crate::os::facts;", "crate::os::facts"),
    ] {
        assert_eq!(said(file, text), [door], "{file}: {text}");
    }
}

#[test]
fn what_is_allowed_is_let_through() {
    for (file, text) in [
        ("plan/limits.rs", "use super::facts::{Cause, Resource}; use std::path::Path;"),
        ("plan/limits.rs", "use crate::policy::limits::TreeLimits; use std::collections::*;"),
        ("plan/limits.rs", "// use std::fs;\n/* crate::os /* nested */ unsafe */"),
        (
            "plan/limits.rs",
            "let x = \"use std::fs; \\\" unsafe\"; let y = r#\"libc\" crate::os\"#;",
        ),
        ("plan/limits.rs", "let c = '\"'; fn f<'a>(x: &'a str) {} let d = '\\''; // unsafe"),
        ("plan/limits.rs", "struct S { process: u8 } fn f(fs: u8, S { process, .. }: S) {}"),
        ("policy/mod.rs", "mod a { use super::limits; mod b { use super::super::limits; } }"),
        ("profile/tests/paths.rs", "use std::os::unix::ffi::OsStrExt;"),
        ("sys/mount.rs", "use super::exec; pub fn f() { unsafe { libc::close(0) }; }"),
        ("os/linux/mod.rs", "use crate::os::linux::child; use crate::sys; use crate::report;"),
        ("launch/mod.rs", "use crate::os; use crate::plan::{Plan, facts};"),
        ("cli/request/fuzzing.rs", "use crate::fuzzing::Choices;"),
        ("lib.rs", "pub mod os; pub use crate::os::Effort;"),
    ] {
        assert!(said(file, text).is_empty(), "{file}: {text}: {:?}", said(file, text));
    }
}
