use super::{located, one_source};
use crate::profile::diagnostic::Located;
use crate::profile::model::{IdOrName, Profile, Setting};
use crate::profile::parse::parse_fragment;
use crate::profile::vocabulary::{Enforcement, Layer};

#[track_caller]
fn set(assignment: &str) -> Profile {
    let (sources, id) = one_source(assignment);
    parse_fragment(&sources, id).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[track_caller]
fn refused(assignment: &str, column: usize, text: &str, message: &str) -> Located {
    let (sources, id) = one_source(assignment);
    let problems = parse_fragment(&sources, id).expect_err("it should have been refused");
    let mut problems = located(&problems, &sources);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let problem = problems.remove(0);
    assert_eq!((problem.line, problem.column), (Some(1), Some(column)), "{problem:?}");
    assert_eq!(problem.text.as_deref(), Some(text));
    assert_eq!(problem.message, message);
    problem
}

#[test]
fn a_value_that_is_json_is_taken_as_json() {
    let network = set(r#"network={"mode": "host", "connect_tcp": [80]}"#);
    assert_eq!(network.landlock.connect_tcp.map(|ports| ports.len()), Some(1));
    assert_eq!(set("limits.cpus=1.5").limits.cpus.map(|c| c.value), Some(Setting::AtMost(1500)));
    assert_eq!(set("process.session=false").process.session.map(|s| s.value), Some(false));
    assert_eq!(set("filesystem.hide=[\"/a\"]").filesystem.hide.len(), 1);
}

#[test]
fn a_value_that_is_not_json_is_taken_as_text() {
    let memory = set("limits.memory=512MiB").limits.memory.map(|limit| limit.value);
    assert_eq!(memory, Some(Setting::AtMost(512 << 20)));
    assert_eq!(set("process.umask=022").process.umask.map(|umask| umask.value), Some(0o22));
    assert_eq!(set("process.cwd=/a=b").process.cwd.map(|cwd| cwd.value), Some("/a=b".into()));
    let enforcement = set("enforcement.landlock=best-effort").enforcement;
    assert_eq!(enforcement[&Layer::Landlock].value, Enforcement::BestEffort);
}

#[test]
fn a_number_is_taken_as_text_where_only_text_is_right() {
    assert_eq!(set("environment.set.DEBUG=1").environment.set["DEBUG"].value, "1");
    assert_eq!(set("environment.set.DEBUG=true").environment.set["DEBUG"].value, "true");
    assert_eq!(set("process.umask=22").process.umask.map(|umask| umask.value), Some(0o22));
    assert_eq!(set("user.uid=5").user.uid.map(|uid| uid.value), Some(IdOrName::Id(5)));
}

#[test]
fn an_empty_value_is_an_empty_text() {
    assert_eq!(set("environment.set.EMPTY=").environment.set["EMPTY"].value, "");
}

#[test]
fn a_key_in_quotes_may_contain_what_separates_keys() {
    assert_eq!(set(r#"environment.set."a.b"=x"#).environment.set["a.b"].value, "x");
}

#[test]
fn a_problem_is_shown_where_it_is_in_the_option() {
    let problem = refused("limits.memroy=1", 8, "memroy", "unknown key \"memroy\"");
    assert_eq!(problem.help.as_deref(), Some("did you mean \"memory\"?"));
    refused("limits.memory=12XB", 15, "12XB", "\"12XB\" is not a size");
    refused("limits.nice=99", 13, "99", "99 is out of range");
    refused("filesystem.hide=[\"/a\", \"b\"]", 24, "\"b\"", "the path \"b\" is not absolute");
    refused("process.cwd=/a/${X}", 16, "${X}", "unknown variable \"X\"");
    refused("limits=5", 8, "5", "expected an object for limits, found a number");
}

#[test]
fn what_is_not_an_assignment_is_refused() {
    refused("limits.memory", 1, "limits.memory", "a setting has no value");
    refused("", 1, "", "a key of the path is empty");
    refused("=1", 1, "=1", "a key of the path is empty");
    refused("limits..memory=1", 8, ".memory=1", "a key of the path is empty");
    refused("limits.=1", 8, "=1", "a key of the path is empty");
    refused("\"limits=1", 1, "\"limits=1", "a quoted key is not a JSON string");
    refused("\"limits\"x=1", 1, "\"limits\"x=1", "a setting has no value");
}

#[test]
fn a_very_long_path_is_refused() {
    let (sources, id) = one_source(&format!("{}=1", vec!["a"; 60_000].join(".")));
    let problems = parse_fragment(&sources, id).expect_err("nothing is that deep");
    assert_eq!(problems[0].message, "the path of a setting is too long");
}

#[test]
fn what_concerns_whole_profiles_is_no_setting() {
    refused("extends=x", 1, "extends", "\"extends\" means nothing in a single setting");
    refused("version=1", 1, "version", "\"version\" means nothing in a single setting");
}
