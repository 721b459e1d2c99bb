use super::{located, one_source, problems_of, with_version};
use crate::profile::diagnostic::{Diagnostic, escaped, quoted, render};
use crate::profile::parse::parse;
use crate::profile::source::{Origin, Source, Sources};

fn drawn(text: &str) -> String {
    let (sources, id) = one_source(text);
    render(&parse(&sources, id).expect_err("it is wrong"), &sources, false)
}

#[test]
fn a_problem_is_drawn_with_its_line_and_help() {
    let expected = "\
error: unknown key \"memroy\"
 --> test.json:2:12
  |
2 | \"limits\": {\"memroy\": \"1GiB\"}}
  |            ^^^^^^^^
  |
  = help: did you mean \"memory\"?
";
    assert_eq!(drawn(&with_version(r#""limits": {"memroy": "1GiB"}"#)), expected);
}

#[test]
fn problems_are_separated_by_an_empty_line() {
    assert_eq!(drawn(&with_version(r#""a": 1, "b": 2"#)).matches("\n\nerror: ").count(), 1);
}

#[test]
fn a_value_of_many_lines_is_shown_by_its_first() {
    let problems = problems_of(&with_version("\"name\": [\n1,\n2]"));
    assert_eq!(problems[0].text.as_deref(), Some("["));
    assert!(
        drawn(&with_version("\"name\": [\n1,\n2]")).contains("2 | \"name\": [\n  |         ^\n")
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let problems = problems_of(&with_version(r#""name": "é✓😀", "x": 1"#));
    assert_eq!(problems[0].column, Some(16));
    assert!(drawn(&with_version(r#""name": "é✓😀", "x": 1"#)).contains("test.json:2:16"));
}

#[test]
fn windows_line_ends_are_not_part_of_a_line() {
    let problems = problems_of("{\"version\": 1,\r\n\"name\": [\r\n]}\r\n");
    assert_eq!(problems[0].text.as_deref(), Some("["));
    assert_eq!((problems[0].line, problems[0].column), (Some(2), Some(9)));
}

#[test]
fn nothing_a_terminal_obeys_is_drawn() {
    let evil = "\u{9b}31m\u{202e}\u{7f}\u{200b}";
    let texts = [
        with_version(&format!("\"{evil}\": 1, \"level\": \"{evil}\", \"user\": \"{evil}:\"")),
        with_version("\"a\\u001b[31mb\": 1, \"level\": \"\\u001b]0;x\\u0007\""),
        format!("{{\"version\": 1 \u{1b}[31m {evil}"),
        format!("{{\"version\": 1, \"name\": \"\u{1b}{evil}\"}}"),
    ];
    for text in texts {
        let drawn = drawn(&text);
        assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
        assert!(!drawn.contains(['\u{202e}', '\u{200b}']), "{drawn:?}");
        let (sources, id) = one_source(&text);
        let problems = located(&parse(&sources, id).expect_err("it is wrong"), &sources);
        let json = serde_json::to_string(&problems).expect("it is plain data");
        assert!(!json.contains(|c: char| c.is_control() || c == '\u{202e}'), "{json:?}");
    }
}

#[test]
fn the_name_of_a_file_is_not_obeyed_either() {
    let mut sources = Sources::default();
    let name = "\u{1b}[31m\u{9b}.json".to_owned();
    let id = sources.add(Source { name, text: "x".into(), directory: None });
    let drawn = render(&[Diagnostic::new("m", Origin::new(id, 0, 1))], &sources, false);
    assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
}

#[test]
fn a_problem_without_a_place_has_a_message_and_help() {
    let problem = Diagnostic::new("no profile \"x\"", Origin::CODE).help("look again");
    let drawn = render(&[problem], &Sources::default(), false);
    assert!(drawn.starts_with("error: no profile \"x\"\n"), "{drawn}");
    assert!(drawn.contains("help: look again"), "{drawn}");
}

#[test]
fn a_place_outside_its_text_is_drawn_at_the_end() {
    let (sources, id) = one_source("é");
    for (start, end) in [(0, 99), (1, 1), (2, 2), (50, 40), (usize::MAX, usize::MAX)] {
        let problem = Diagnostic::new("m", Origin::new(id, start, end));
        assert!(render(&[problem], &sources, false).contains("test.json:1:"));
    }
}

#[test]
fn color_is_only_there_when_wanted() {
    let (sources, id) = one_source("{}");
    let problems = parse(&sources, id).expect_err("it has no version");
    assert!(!render(&problems, &sources, false).contains('\u{1b}'));
    assert!(render(&problems, &sources, true).contains("\u{1b}["));
}

#[test]
fn long_texts_are_quoted_by_their_beginning() {
    assert_eq!(quoted(&"x".repeat(100)), format!("\"{}…\"", "x".repeat(80)));
    assert_eq!(escaped("a\u{1b}b\u{202e}é"), "a\\u{1b}b\\u{202e}é");
}

#[test]
fn the_form_for_programs_has_all_parts() {
    let problems = problems_of(&with_version("\"nice\": 1"));
    let json = serde_json::to_value(&problems[0]).expect("it is plain data");
    for key in ["file", "line", "column", "text", "message", "help"] {
        assert!(json.get(key).is_some(), "{key}: {json}");
    }
    assert_eq!(json["file"], "test.json");
    assert_eq!(json["line"], 2);
}
