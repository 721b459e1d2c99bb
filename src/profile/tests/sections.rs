use super::{accepted, each_refused, refused};
use crate::profile::model::IdOrName::{Id, Name};
use crate::profile::model::User;
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{Enforcement, Layer, Namespace, NetworkMode};

fn values<T: Clone>(list: &[Spanned<T>]) -> Vec<T> {
    list.iter().map(|item| item.value.clone()).collect()
}

#[test]
fn extends_and_otherwise_take_one_or_several() {
    let profile = accepted(r#""extends": "a", "otherwise": ["./b.json", "c"]"#);
    assert_eq!(values(&profile.extends), ["a"]);
    assert_eq!(values(&profile.otherwise), ["./b.json", "c"]);
}

#[test]
fn a_wrong_level_is_answered_with_the_nearest() {
    refused(
        r#""level": "conteinerised""#,
        "\"conteinerised\"",
        "unknown level \"conteinerised\"",
        "did you mean \"containerized\"?",
    );
}

#[test]
fn layers_are_named_and_wrong_ones_answered() {
    let profile = accepted(r#""enforcement": {"landlock": "best-effort", "no-new-privs": "off"}"#);
    assert_eq!(profile.enforcement[&Layer::Landlock].value, Enforcement::BestEffort);
    refused(
        r#""enforcement": {"sessions": "off"}"#,
        "\"sessions\"",
        "unknown layer \"sessions\"",
        "did you mean \"session\"?",
    );
    refused(
        r#""enforcement": {"session": "on"}"#,
        "\"on\"",
        "unknown enforcement \"on\"",
        "valid names: required, best-effort, off",
    );
}

#[test]
fn namespaces_are_switched_by_name() {
    let profile = accepted(r#""namespaces": {"network": false, "time": true}"#);
    assert!(!profile.namespaces[&Namespace::Network].value);
    assert!(profile.namespaces[&Namespace::Time].value);
    refused(
        r#""namespaces": {"net": false}"#,
        "\"net\"",
        "unknown namespace \"net\"",
        "did you mean \"network\"?",
    );
}

#[test]
fn a_user_is_named_or_numbered() {
    let user =
        accepted(r#""user": {"uid": 1000, "gid": "users", "groups": [10, "audio", "20"]}"#).user;
    assert_eq!(user.uid.map(|id| id.value), Some(Id(1000)));
    assert_eq!(user.gid.map(|id| id.value), Some(Name("users".into())));
    assert_eq!(
        user.groups.as_deref().map(values),
        Some(vec![Id(10), Name("audio".into()), Id(20)])
    );
    each_refused(
        "\"user\": {\"uid\": ",
        &[
            "-1",
            "4294967295",
            "1.5",
            "\"\"",
            "\"a b\"",
            "\"a:b\"",
            "\"4294967295\"",
            "\"99999999999\"",
            "\"-1\"",
            "null",
        ],
        "}",
        "",
    );
}

#[test]
fn a_user_has_a_shorthand() {
    let ids = |text: &str| {
        let User { uid, gid, groups } = accepted(&format!("\"user\": \"{text}\"")).user;
        (uid.map(|id| id.value), gid.map(|id| id.value), groups)
    };
    assert_eq!(ids("nobody"), (Some(Name("nobody".into())), None, None));
    assert_eq!(ids("1000:100"), (Some(Id(1000)), Some(Id(100)), None));
    assert_eq!(ids("build:staff"), (Some(Name("build".into())), Some(Name("staff".into())), None));
    refused(
        r#""user": "me:4294967295""#,
        "4294967295",
        "the id \"4294967295\" is out of range",
        "the largest id is 4294967294",
    );
    each_refused("\"user\": ", &["\"\"", "\"me:\"", "\":1\"", "\"a:b:c\"", "5"], "", "");
}

#[test]
fn capabilities_are_named() {
    let profile = accepted(r#""capabilities": {"keep": ["CAP_NET_BIND_SERVICE", "chown"]}"#);
    assert_eq!(profile.capabilities.keep.as_deref().map(values), Some(vec![10, 0]));
    refused(
        r#""capabilities": {"keep": ["net_rwa"]}"#,
        "\"net_rwa\"",
        "unknown capability \"net_rwa\"",
        "did you mean \"CAP_NET_RAW\"?",
    );
}

#[test]
fn the_network_has_a_shorthand() {
    let mode = |text: &str| accepted(text).network.mode.map(|mode| mode.value);
    assert_eq!(mode(r#""network": "host""#), Some(NetworkMode::Host));
    assert_eq!(mode(r#""network": {"mode": "loopback"}"#), Some(NetworkMode::Loopback));
    refused(
        r#""network": "lopback""#,
        "\"lopback\"",
        "unknown network mode \"lopback\"",
        "did you mean \"loopback\"?",
    );
}

#[test]
fn ports_of_the_network_are_added_to_those_of_landlock() {
    let landlock = accepted(
        r#""network": {"connect_tcp": [443, 80]}, "landlock": {"connect_tcp": [80], "bind_tcp": []}"#,
    )
    .landlock;
    assert_eq!(landlock.connect_tcp.as_deref().map(values), Some(vec![80, 443]));
    assert_eq!(landlock.bind_tcp, Some(Vec::new()));
    assert_eq!(accepted("\"landlock\": {}").landlock.bind_tcp, None);
    each_refused("\"network\": {\"bind_tcp\": [", &["0", "65536", "-1", "\"80\"", "8.5"], "]}", "");
}

#[test]
fn scopes_are_named() {
    refused(
        r#""landlock": {"scopes": ["signals"]}"#,
        "\"signals\"",
        "unknown scope \"signals\"",
        "did you mean \"signal\"?",
    );
}

#[test]
fn variables_are_passed_by_name_or_beginning() {
    let environment = accepted(r#""environment": {"clear": true, "pass": ["LC_*", "TERM", "*"], "set": {"EMPTY": "", "A.B": "${HOME}/x"}}"#).environment;
    assert_eq!(values(&environment.pass), ["LC_*", "TERM", "*"]);
    assert_eq!(environment.set["EMPTY"].value, "");
    refused(
        r#""environment": {"pass": ["A*B"]}"#,
        "\"A*B\"",
        "\"A*B\" has a \"*\" before its end",
        "write it as the last character only",
    );
    each_refused(
        "\"environment\": {\"pass\": [",
        &["\"\"", "\"A=B\"", "\"A\\u0000\"", "\"**\"", "5"],
        "]}",
        "",
    );
}

#[test]
fn variables_are_set_by_valid_names() {
    refused(
        r#""environment": {"set": {"A=B": "x"}}"#,
        "\"A=B\"",
        "\"A=B\" is not a name of a variable",
        "a name can't contain \"=\" or a NUL byte",
    );
    each_refused(
        "\"environment\": {\"set\": {",
        &["\"\": \"x\"", "\"A\\u0000\": \"x\"", "\"A\": 5"],
        "}}",
        "",
    );
}

#[test]
fn a_hostname_is_made_of_labels() {
    for name in ["a", "a-1.b", "0", &format!("{}.a", "x".repeat(62))] {
        accepted(&format!("\"process\": {{\"hostname\": \"{name}\"}}"));
    }
    each_refused(
        "\"process\": {\"hostname\": ",
        &["\"-a\"", "\"a-\"", "\"a..b\"", "\"a.\"", "\"a_b\"", "\"ä\"", "\"a b\"", "\"\"", "5"],
        "}",
        "",
    );
    let long = format!("\"{}\"", "x.".repeat(33) + "x");
    each_refused("\"process\": {\"hostname\": ", &[&long], "}", "too long: 67 bytes");
    let label = format!("\"{}\"", "x".repeat(64));
    each_refused("\"process\": {\"hostname\": ", &[&label], "}", "not a hostname");
}

#[test]
fn a_umask_is_octal() {
    assert_eq!(
        accepted(r#""process": {"umask": "022"}"#).process.umask.map(|mask| mask.value),
        Some(0o22)
    );
    refused(
        r#""process": {"umask": 22}"#,
        "22",
        "expected an octal number in a string",
        "write it as an octal string, such as \"022\"",
    );
    refused(
        r#""process": {"umask": "1777"}"#,
        "\"1777\"",
        "\"1777\" is out of range",
        "write at most \"777\"",
    );
    each_refused(
        "\"process\": {\"umask\": ",
        &["\"8\"", "\"0o22\"", "\"-1\"", "\"\"", "\"77777777777777\""],
        "}",
        "",
    );
}

#[test]
fn descriptors_are_above_the_standard_ones() {
    assert_eq!(
        values(&accepted(r#""process": {"descriptors": [3, 9]}"#).process.descriptors),
        [3, 9]
    );
    each_refused(
        "\"process\": {\"descriptors\": [",
        &["2", "0", "-1", "2147483648", "\"3\""],
        "]}",
        "",
    );
}
