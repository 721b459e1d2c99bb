use std::path::PathBuf;

use crate::profile::expand::{Expander, Variables};
use crate::profile::source::{Origin, Source, Sources};
use crate::profile::template::{Piece, Variable, pieces};

fn variables() -> Variables {
    Variables {
        home: Some("/home/me".into()),
        cwd: Some("/work".into()),
        uid: 1000,
        ..Variables::default()
    }
}

/// A file in `/profiles`, and the place of its text.
fn file() -> (Sources, Origin) {
    let mut sources = Sources::default();
    let directory = Some(PathBuf::from("/profiles"));
    let id = sources.add(Source { name: "p.json".into(), text: "text".into(), directory });
    (sources, Origin::new(id, 0, 4))
}

fn text(template: &str) -> Option<String> {
    let (sources, origin) = file();
    let expander = Expander { variables: &variables(), sources: &sources };
    expander.text(template, origin).expect("all are set").into_string().ok()
}

#[test]
fn every_variable_is_replaced() {
    let expanded = text("${HOME}/x:${CWD}:${PROFILE_DIR}:${UID}").expect("it is UTF-8");
    assert_eq!(expanded, "/home/me/x:/work:/profiles:1000");
}

#[test]
fn a_text_without_variables_stays_as_it_is() {
    for plain in ["", "plain", "$", "$5", "$HOME", "{HOME}", "$$", "é}"] {
        assert_eq!(text(plain).as_deref(), Some(plain));
    }
}

#[test]
fn a_doubled_dollar_keeps_a_variable_from_being_one() {
    assert_eq!(text("$${HOME}").as_deref(), Some("${HOME}"));
    assert_eq!(text("a$${b}${UID}").as_deref(), Some("a${b}1000"));
}

#[test]
fn what_a_variable_stands_for_is_not_expanded_again() {
    let variables = Variables { home: Some("/${UID}".into()), ..variables() };
    let (sources, origin) = file();
    let expander = Expander { variables: &variables, sources: &sources };
    assert_eq!(expander.path("${HOME}", origin).ok(), Some("/${UID}".into()));
}

#[test]
fn a_variable_that_is_not_set_is_a_problem_at_its_place() {
    let (sources, origin) = file();
    let empty = Variables { cwd: Some("".into()), ..Variables::default() };
    let expander = Expander { variables: &empty, sources: &sources };
    for (template, name) in [("/a/${HOME}", "HOME"), ("${CWD}", "CWD")] {
        let problem = expander.text(template, origin).expect_err("it isn't set");
        assert_eq!(problem.message, format!("${{{name}}} is not set"));
        assert_eq!(problem.origin, origin);
        assert!(problem.help.is_some());
    }
}

#[test]
fn a_profile_that_is_not_a_file_has_no_directory() {
    let (sources, _) = file();
    let variables = variables();
    let expander = Expander { variables: &variables, sources: &sources };
    let problem = expander.path("${PROFILE_DIR}/x", Origin::CODE).expect_err("there is no file");
    assert_eq!(problem.message, "${PROFILE_DIR} is not set");
}

#[test]
fn a_path_must_be_absolute_once_expanded() {
    let (sources, origin) = file();
    let variables = Variables { home: Some("me".into()), ..variables() };
    let expander = Expander { variables: &variables, sources: &sources };
    let problem = expander.path("${HOME}/x", origin).expect_err("it is relative");
    assert_eq!(problem.message, "the path \"${HOME}/x\" is not absolute: it means \"me/x\"");
}

#[test]
fn a_template_is_taken_apart() {
    let expected = [Piece::Text("/a/"), Piece::Variable(Variable::Uid), Piece::Text("}")];
    assert_eq!(pieces("/a/${UID}}").ok().as_deref(), Some(expected.as_slice()));
    let (range, _) = pieces("é${HOME}${X}").expect_err("X is unknown");
    assert_eq!(range, 9..13);
}
