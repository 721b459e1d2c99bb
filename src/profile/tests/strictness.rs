use super::{accepted, problems_of, refused, with_version};

/// Asserts that a text is one syntax error at a place.
#[track_caller]
fn broken(text: &str, line: usize, column: usize, message: &str) {
    let problems = problems_of(text);
    let [problem] = problems.as_slice() else { panic!("not one problem: {problems:#?}") };
    assert_eq!((problem.line, problem.column), (Some(line), Some(column)), "{problem:?}");
    assert_eq!(problem.message, message);
}

#[test]
fn what_is_not_json_is_a_single_problem() {
    broken(
        "{\"version\": 1,\n  \"name\" \"x\", \"nme\": 1}",
        2,
        10,
        "invalid JSON: expected colon after the string or word in object property",
    );
    broken("{\"version\": 1", 1, 1, "invalid JSON: unterminated object");
    broken(
        "{\"version\": 1}\n{}",
        2,
        1,
        "invalid JSON: text cannot contain more than one JSON value",
    );
}

#[test]
fn an_empty_text_is_a_problem() {
    broken("", 1, 1, "the text is empty");
    broken(" \n ", 1, 1, "the text is empty");
}

#[test]
fn leniencies_of_other_json_dialects_are_refused() {
    broken("{\"version\": 1} // x", 1, 16, "invalid JSON: comments are not allowed");
    broken("{\"version\": 1,}", 1, 14, "invalid JSON: trailing commas are not allowed");
    broken("{'version': 1}", 1, 2, "invalid JSON: single-quoted strings are not allowed");
    broken("{version: 1}", 1, 2, "invalid JSON: expected string for object property");
    broken("{\"version\": 0x1}", 1, 13, "invalid JSON: hexadecimal numbers are not allowed");
    broken("{\"version\": +1}", 1, 13, "invalid JSON: unary plus on numbers is not allowed");
    broken("{\"version\": 1 \"name\": \"x\"}", 1, 14, "invalid JSON: expected comma");
    broken("{\"version\": 1, \"name\": \"\\x41\"}", 1, 25, "invalid JSON: invalid escape");
}

#[test]
fn raw_control_characters_and_odd_white_space_are_refused() {
    let control = "invalid JSON: control character in a string";
    broken("{\"version\": 1, \"name\": \"a\tb\"}", 1, 26, control);
    broken("{\"version\": 1, \"name\": \"a\u{0}b\"}", 1, 26, control);
    broken("{\"version\": 1,\n\"name\": \"a\nb\"}", 2, 11, control);
    broken("{\"version\":\u{b}1}", 1, 12, "invalid JSON: white space that JSON doesn't have");
    broken("{\"version\":\u{a0}1}", 1, 12, "invalid JSON: white space that JSON doesn't have");
    broken("\u{feff}{\"version\": 1}", 1, 1, "invalid JSON: unexpected token");
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("{{\"version\": 1, \"$comment\": {}1{}}}", "[".repeat(600), "]".repeat(600));
    assert_eq!(problems_of(&text)[0].message, "invalid JSON: maximum nesting depth exceeded");
}

#[test]
fn a_profile_is_an_object() {
    broken("[]", 1, 1, "expected an object for the profile, found an array");
    broken("null", 1, 1, "expected an object for the profile, found null");
}

#[test]
fn the_version_is_required() {
    let problems = problems_of("{\n\"name\": \"x\"}");
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].column), (Some(1), Some(1)));
    assert_eq!(problems[0].message, "missing \"version\"");
    assert_eq!(problems[0].help.as_deref(), Some("the supported version is 1: \"version\": 1"));
}

#[test]
fn another_version_is_the_only_problem_told() {
    broken("{\"version\": 2, \"new\": 1}", 1, 13, "version 2 is not supported");
    broken("{\"version\": 1.0}", 1, 13, "version 1.0 is not supported");
    broken("{\"version\": \"1\"}", 1, 13, "expected a number, found a string");
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    refused(
        r#""limits": {"memroy": "1GiB"}"#,
        "\"memroy\"",
        "unknown key \"memroy\"",
        "did you mean \"memory\"?",
    );
    refused(
        r#""filesytem": {}"#,
        "\"filesytem\"",
        "unknown key \"filesytem\"",
        "did you mean \"filesystem\"?",
    );
}

#[test]
fn an_unknown_key_with_nothing_near_is_answered_with_all() {
    refused(r#""capabilities": {"zzz": 1}"#, "\"zzz\"", "unknown key \"zzz\"", "valid names: keep");
}

#[test]
fn a_duplicate_key_is_refused_where_it_is_the_second_time() {
    let problems = problems_of(&with_version("\"limits\": {\"nice\": 1,\n  \"nice\": 2}"));
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].column), (Some(3), Some(3)));
    assert_eq!(problems[0].message, "duplicate key \"nice\"");
}

#[test]
fn a_duplicate_key_is_seen_through_escapes() {
    let problems =
        problems_of(&with_version(r#""environment": {"set": {"A": "1", "\u0041": "2"}}"#));
    assert_eq!(problems[0].message, "duplicate key \"A\"");
}

#[test]
fn comments_are_allowed_in_every_object_and_no_other_dollar_key() {
    accepted(
        r#""$schema": "x", "$comment": ["why"], "limits": {"$comment": 1, "io": {"$comment": null}},
        "enforcement": {"$comment": "x"}, "environment": {"set": {"$comment": "x"}}"#,
    );
    refused(r#""$comments": "x""#, "\"$comments\"", "unknown key \"$comments\"", HELP_ALL);
    refused(r#""limits": {"$schema": 1}"#, "\"$schema\"", "unknown key \"$schema\"", HELP_LIMITS);
}

const HELP_ALL: &str = "valid names: version, extends, otherwise, name, description, level, enforcement, user, capabilities, namespaces, filesystem, limits, landlock, network, seccomp, environment, process";
const HELP_LIMITS: &str = "valid names: memory, swap, processes, cpus, cpu_weight, cpuset, cpu_time, wall_time, open_files, file_size, stack, core, output, output_overflow, io, nice";

#[test]
fn a_wrong_type_says_what_was_expected_and_what_was_found() {
    refused(r#""limits": []"#, "[]", "expected an object for limits, found an array", "");
    refused(
        r#""process": {"session": "yes"}"#,
        "\"yes\"",
        "expected true or false, found a string",
        "",
    );
    refused(r#""name": 5"#, "5", "expected a string, found a number", "");
    refused(
        r#""landlock": {"read": "/usr"}"#,
        "\"/usr\"",
        "expected an array of paths, found a string",
        "write [\"/usr\"]",
    );
    refused(r#""extends": [true]"#, "true", "expected a string, found a boolean", "");
    refused(
        r#""level": null"#,
        "null",
        "expected \"basic\" or \"user-based\" or \"namespaced\" or \"resource-limited\" or \"containerized\", found null",
        "",
    );
}

#[test]
fn nul_bytes_and_empty_texts_are_refused() {
    refused(r#""name": "a\u0000b""#, r#""a\u0000b""#, "the text contains a NUL byte", "");
    refused(r#""extends": """#, r#""""#, "the text is empty", "");
    refused(
        r#""environment": {"set": {"A": "\u0000"}}"#,
        r#""\u0000""#,
        "the text contains a NUL byte",
        "",
    );
}

#[test]
fn all_problems_are_found_in_one_go_and_in_order() {
    let problems = problems_of(
        "{\n  \"version\": 1,\n  \"level\": \"conteinerized\",\n  \"limits\": {\"memory\": \"12XB\", \"nice\": 20},\n  \"nmae\": 1,\n  \"filesystem\": {\"hide\": [\"x\", \"/a/../b\"]}\n}",
    );
    let found: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.text.as_deref())).collect();
    let expected = [
        (3, 12, "\"conteinerized\""),
        (4, 24, "\"12XB\""),
        (4, 40, "20"),
        (5, 3, "\"nmae\""),
        (6, 27, "\"x\""),
        (6, 32, "\"/a/../b\""),
    ];
    assert_eq!(found, expected.map(|(l, c, t)| (Some(l), Some(c), Some(t))));
}
