use super::{accepted, each_refused, refused};
use crate::profile::model::{ArgumentRule, SeccompRule};
use crate::profile::vocabulary::{ArgumentOperator, SeccompAction};

fn rule(text: &str) -> SeccompRule {
    let mut rules = accepted(&format!("\"seccomp\": {{\"rules\": [{text}]}}")).seccomp.rules;
    rules.remove(0).value
}

fn condition(text: &str) -> ArgumentRule {
    rule(&format!(r#"{{"calls": "ioctl", "action": "EPERM", "arguments": [{text}]}}"#)).arguments[0]
}

#[track_caller]
fn refused_condition(text: &str, offending: &str, message: &str, help: &str) {
    let rule = format!(r#"{{"calls": "ioctl", "action": "EPERM", "arguments": [{text}]}}"#);
    refused(&format!("\"seccomp\": {{\"rules\": [{rule}]}}"), offending, message, help);
}

#[test]
fn actions_are_words_or_errors() {
    let action = |text: &str| {
        accepted(&format!("\"seccomp\": {{\"default\": \"{text}\"}}"))
            .seccomp
            .default
            .map(|action| action.value)
    };
    assert_eq!(action("allow"), Some(SeccompAction::Allow));
    assert_eq!(action("log"), Some(SeccompAction::Log));
    assert_eq!(action("kill"), Some(SeccompAction::Kill));
    assert_eq!(action("ENOSYS"), Some(SeccompAction::Errno(38)));
    refused(
        r#""seccomp": {"default": "eperm"}"#,
        "\"eperm\"",
        "unknown action \"eperm\"",
        "did you mean \"EPERM\"?",
    );
    refused(
        r#""seccomp": {"default": "SCMP_ACT_KILL"}"#,
        "\"SCMP_ACT_KILL\"",
        "unknown action \"SCMP_ACT_KILL\"",
        "write \"allow\", \"log\", \"kill\" or an error such as \"EPERM\"",
    );
}

#[test]
fn calls_and_groups_are_checked_for_their_form() {
    accepted(r#""seccomp": {"allow": ["openat2", "_sysctl", "@io-uring"], "deny": ["@mount"]}"#);
    each_refused(
        "\"seccomp\": {\"allow\": [",
        &["\"\"", "\"@\"", "\"Open\"", "\"a b\"", "\"a-b\"", "\"2open\"", "\"@@x\"", "5"],
        "]}",
        "",
    );
}

#[test]
fn a_rule_names_one_or_several_calls() {
    assert_eq!(rule(r#"{"calls": "ptrace", "action": "kill"}"#).calls.len(), 1);
    assert_eq!(rule(r#"{"calls": ["a", "b"], "action": "log"}"#).calls.len(), 2);
    each_refused(
        "\"seccomp\": {\"rules\": [",
        &[
            r#"{"action": "kill"}"#,
            r#"{"calls": "a"}"#,
            r#"{"calls": [], "action": "kill"}"#,
            "\"ptrace\"",
        ],
        "]}",
        "",
    );
}

#[test]
fn conditions_compare_numbers() {
    let expected = ArgumentRule {
        index: 1,
        operator: ArgumentOperator::Equal,
        value: 0x5412,
        mask: u64::MAX,
        wide: false,
    };
    assert_eq!(condition(r#"{"index": 1, "op": "eq", "value": "0x5412"}"#), expected);
    assert_eq!(condition(r#"{"index": 1, "op": "eq", "value": 21522}"#), expected);
    assert_eq!(condition(r#"{"index": 1, "op": "eq", "value": "21522", "width": 32}"#), expected);
    let wide = condition(r#"{"index": 0, "op": "ge", "value": "0xffffffffffffffff", "width": 64}"#);
    assert_eq!((wide.value, wide.wide), (u64::MAX, true));
    let masked = condition(r#"{"index": 0, "op": "masked-eq", "value": 2, "mask": "0xff"}"#);
    assert_eq!((masked.value, masked.mask), (2, 0xff));
}

#[test]
fn a_value_that_needs_64_bits_must_say_so() {
    refused_condition(
        r#"{"index": 0, "op": "eq", "value": 4294967296}"#,
        "4294967296",
        "\"4294967296\" is out of range",
        "add \"width\": 64",
    );
    refused_condition(
        r#"{"index": 0, "op": "masked-eq", "value": 0, "mask": "0x100000000"}"#,
        "\"0x100000000\"",
        "\"0x100000000\" is out of range",
        "add \"width\": 64",
    );
    refused_condition(
        r#"{"index": 0, "op": "eq", "value": "0x10000000000000000", "width": 64}"#,
        "\"0x10000000000000000\"",
        "\"0x10000000000000000\" is out of range",
        "write at most 64 bits",
    );
}

#[test]
fn a_negative_value_is_answered_with_its_bits() {
    refused_condition(
        r#"{"index": 0, "op": "eq", "value": -100}"#,
        "-100",
        "\"-100\" is not an unsigned number",
        "write \"0xffffff9c\"",
    );
}

#[test]
fn a_mask_goes_with_masked_eq_only() {
    refused_condition(
        r#"{"index": 0, "op": "eq", "value": 1, "mask": 1}"#,
        "\"mask\"",
        "\"mask\" means nothing with \"eq\"; it goes with \"masked-eq\"",
        "valid keys here: index, op, width, value",
    );
    let condition = r#"{"index": 0, "op": "masked-eq", "value": 4, "mask": 3}"#;
    refused_condition(
        condition,
        condition,
        "the condition never holds: the value has bits outside the mask",
        "",
    );
}

#[test]
fn wrong_parts_of_a_condition_are_refused() {
    let before = r#""seccomp": {"rules": [{"calls": "a", "action": "log", "arguments": [{"#;
    let wrong = [
        r#""index": 6, "op": "eq", "value": 1"#,
        r#""index": 0, "op": "==", "value": 1"#,
        r#""index": 0, "op": "eq""#,
        r#""op": "eq", "value": 1"#,
        r#""index": 0, "value": 1"#,
        r#""index": 0, "op": "masked-eq", "value": 1"#,
        r#""index": 0, "op": "eq", "value": 1, "width": 16"#,
        r#""index": 0, "op": "eq", "value": "0x""#,
        r#""index": 0, "op": "eq", "value": "+1""#,
        r#""index": 0, "op": "eq", "value": 1.5"#,
        r#""index": 0, "op": "eq", "value": null"#,
    ];
    each_refused(before, &wrong, "}]}]}", "");
}
