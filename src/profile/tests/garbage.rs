//! Texts that nobody would write on purpose. What counts is that each gets an answer.

use super::complete::EVERY_KEY;
use super::{one_source, with_version};
use crate::profile::diagnostic::{Located, render};
use crate::profile::parse::{parse, parse_fragment};

/// Parses a text, and draws what is wrong with it.
fn survive(text: &str) {
    let (sources, id) = one_source(text);
    let invalid = parse(&sources, id)
        .err()
        .is_some_and(|problems| problems[0].message.starts_with("invalid JSON"));
    // Ours refuses halves of surrogate pairs, which that of serde_json passes over.
    if !text.contains("\\u") && !text.trim().is_empty() {
        let strict = serde_json::from_str::<serde::de::IgnoredAny>(text);
        assert_eq!(invalid, strict.is_err(), "{text:?}");
    }
    for result in [parse(&sources, id), parse_fragment(&sources, id)] {
        if let Err(problems) = result {
            assert!(!problems.is_empty(), "{text:?}");
            let drawn = render(&problems, &sources, false);
            assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{text:?}: {drawn:?}");
            for problem in &problems {
                let located = Located::new(problem, &sources);
                assert!(
                    located.line > Some(0) && located.column > Some(0),
                    "{text:?}: {located:?}"
                );
            }
        }
    }
}

#[test]
fn every_beginning_of_a_profile_gets_an_answer() {
    for end in (0..EVERY_KEY.len()).filter(|end| EVERY_KEY.is_char_boundary(*end)) {
        let (sources, id) = one_source(&EVERY_KEY[..end]);
        let problems = parse(&sources, id).expect_err("it is cut off");
        assert_eq!(problems.len(), 1);
        assert!(!render(&problems, &sources, true).is_empty());
    }
}

#[test]
fn every_changed_byte_of_a_profile_gets_an_answer() {
    let noise = b"\0\t\n\r\x1b\"\\{}[],:$-0.9eu\x7fx\xc3\xff";
    for place in 0..EVERY_KEY.len() {
        let byte = noise[place * 7 % noise.len()];
        let mut bytes = EVERY_KEY.as_bytes().to_vec();
        bytes[place] = byte;
        survive(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_missing_byte_of_a_profile_gets_an_answer() {
    for place in (0..EVERY_KEY.len()).step_by(3) {
        let mut bytes = EVERY_KEY.as_bytes().to_vec();
        bytes.remove(place);
        survive(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn odd_strings_get_an_answer() {
    let odd = [
        "\\",
        "\\é",
        "\\u",
        "\\u12",
        "\\ud800",
        "\\ud800\\u0041",
        "\\udc00",
        "\\ud83d\\ude00",
        "\u{9b}31m",
        "\u{202e}",
        "\u{1f600}",
        "${",
        "$${",
        "${HOME",
        "${é}",
        "$",
        "/é${",
        "/${HOME}${",
        "é",
        "/\\u0000",
        "\\n",
        "\\u001b[31m",
        "@",
        "*",
        "-",
        "0x",
        "0xg",
    ];
    let places = [
        "\"name\": \"@@\"",
        "\"process\": {\"cwd\": \"@@\", \"hostname\": \"@@\", \"umask\": \"@@\", \"grace\": \"@@\"}",
        "\"filesystem\": {\"mounts\": [\"@@\", {\"source\": \"@@\"}], \"root\": \"@@\"}",
        "\"limits\": {\"memory\": \"@@\", \"cpus\": \"@@\", \"cpuset\": \"@@\", \"@@\": 1}",
        "\"user\": \"@@\", \"level\": \"@@\", \"@@\": 1",
        "\"seccomp\": {\"default\": \"@@\", \"allow\": [\"@@\"], \"rules\": [{\"calls\": \"@@\"}]}",
        "\"environment\": {\"pass\": [\"@@\"], \"set\": {\"@@\": \"@@\"}}, \"enforcement\": {\"@@\": \"@@\"}",
    ];
    for string in odd {
        for place in places {
            survive(&with_version(&place.replace("@@", string)));
        }
        survive(string);
        survive(&format!("{string}={string}"));
        survive(&format!("limits.memory={string}"));
    }
}

#[test]
fn a_profile_with_very_many_problems_is_answered_in_time() {
    let members: Vec<String> = (0..20_000).map(|i| format!("\"k{i}\": {i}")).collect();
    let (sources, id) = one_source(&with_version(&members.join(",\n")));
    let problems = parse(&sources, id).expect_err("no such keys");
    assert_eq!(problems.len(), 1000);
    assert!(render(&problems, &sources, false).ends_with("and 900 more\n"));
}

#[test]
fn ten_thousand_mounts_and_rules_are_read_in_time() {
    let mounts: Vec<String> = (0..10_000).map(|i| format!("\"/m{i}\"")).collect();
    let rules: Vec<String> =
        (0..10_000).map(|i| format!("{{\"calls\": \"c{i}\", \"action\": \"kill\"}}")).collect();
    let text = format!(
        "\"filesystem\": {{\"mounts\": [{}]}}, \"seccomp\": {{\"rules\": [{}]}}",
        mounts.join(","),
        rules.join(",")
    );
    let profile = super::accepted(&text);
    let merged = crate::profile::layering::merge(profile.clone(), profile);
    assert_eq!(merged.filesystem.mounts.len(), 10_000);
    assert_eq!(merged.seccomp.rules.len(), 10_000);
}
