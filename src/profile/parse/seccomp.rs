//! The `seccomp` section.

use jsonc_parser::ast::Value;

use super::reader::{Fields, Reader};
use super::scalars;
use crate::profile::diagnostic::{Diagnostic, Problem, quoted};
use crate::profile::model::{ArgumentRule, Seccomp, SeccompRule};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{ArgumentOperator, SeccompAction};
use crate::profile::{names, suggest};

/// The actions that aren't errors.
const ACTIONS: [&str; 3] = ["allow", "log", "kill"];

pub(super) fn seccomp(reader: &mut Reader, value: &Value) -> Option<Seccomp> {
    let mut fields = Fields::open(reader, "seccomp", value)?;
    let seccomp = Seccomp {
        default: fields.spanned("default", action),
        allow: fields.get("allow", calls).unwrap_or_default(),
        deny: fields.get("deny", calls).unwrap_or_default(),
        rules: fields.get("rules", |r, v| r.list(v, "an array of rules", rule)).unwrap_or_default(),
    };
    fields.finish();
    Some(seccomp)
}

fn rule(reader: &mut Reader, value: &Value) -> Option<SeccompRule> {
    let mut fields = Fields::open(reader, "a rule", value)?;
    let calls = fields.required("calls", one_or_more_calls);
    let arguments = fields.get("arguments", |r, v| r.list(v, "an array of conditions", argument));
    let action = fields.required("action", action);
    fields.finish();
    let arguments = arguments.unwrap_or_default().into_iter().map(|argument| argument.value);
    Some(SeccompRule { calls: calls?, arguments: arguments.collect(), action: action? })
}

fn calls(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<String>>> {
    reader.list(value, "an array of system calls", call)
}

fn one_or_more_calls(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<String>>> {
    match value {
        Value::StringLit(_) => {
            let origin = reader.origin(value);
            call(reader, value).map(|call| vec![Spanned::new(call, origin)])
        }
        Value::Array(array) if array.elements.is_empty() => {
            reader.report_at(value, Problem::new("a rule without system calls does nothing"))
        }
        _ => calls(reader, value),
    }
}

/// A system call or a group; which ones exist is for the policy to say.
fn call(reader: &mut Reader, value: &Value) -> Option<String> {
    let name = scalars::nonempty(reader, value)?;
    let (bare, hyphens) = match name.strip_prefix('@') {
        Some(group) => (group, true),
        None => (name, false),
    };
    let starts_right = bare.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let fits = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || byte == b'_'
            || (hyphens && byte == b'-')
    };
    if !starts_right || !bare.bytes().all(fits) {
        let problem = Problem::new(format!("{} is not a name of a system call", quoted(name)));
        return reader
            .report_at(value, problem.help("write a name such as \"openat\" or \"@mount\""));
    }
    Some(name.to_owned())
}

fn action(reader: &mut Reader, value: &Value) -> Option<SeccompAction> {
    let name = scalars::nonempty(reader, value)?;
    let known = match name {
        "allow" => Some(SeccompAction::Allow),
        "log" => Some(SeccompAction::Log),
        "kill" => Some(SeccompAction::Kill),
        _ => names::errno_number(name).map(SeccompAction::Errno),
    };
    known.or_else(|| {
        let all = ACTIONS.into_iter().chain(names::ERRNOS.iter().map(|(name, _)| *name));
        let help = match suggest::nearest(name, all) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => "write \"allow\", \"log\", \"kill\" or an error such as \"EPERM\"".to_owned(),
        };
        let problem = Problem::new(format!("unknown action {}", quoted(name)));
        reader.report_at(value, problem.help(help))
    })
}

/// The parts of a condition as they were read; which go together is seen afterwards.
fn argument(reader: &mut Reader, value: &Value) -> Option<ArgumentRule> {
    let mut fields = Fields::open(reader, "a condition", value)?;
    let index = fields.required("index", |r, v| scalars::integer(r, v, 0..=5));
    let operator = fields.required("op", |r, v| {
        scalars::word(r, v, "operator", ArgumentOperator::NAMES, ArgumentOperator::from_name)
    });
    let wide = fields.get("width", width);
    if fields.has("width") && wide.is_none() {
        return None;
    }
    let wide = wide.unwrap_or(false);
    let compared = fields.required("value", |r, v| word_of(r, v, wide));
    let mask = mask(&mut fields, operator, wide);
    fields.finish();
    let rule =
        ArgumentRule { index: index?, operator: operator?, value: compared?, mask: mask?, wide };
    if rule.operator == ArgumentOperator::MaskedEqual && rule.value & !rule.mask != 0 {
        let problem =
            Problem::new("the condition never holds: the value has bits outside the mask");
        return reader.report_at(value, problem);
    }
    Some(rule)
}

/// The mask, which goes with one operator and with no other.
fn mask(fields: &mut Fields, operator: Option<ArgumentOperator>, wide: bool) -> Option<u64> {
    match operator {
        Some(ArgumentOperator::MaskedEqual) => fields.required("mask", |r, v| word_of(r, v, wide)),
        Some(operator) => {
            fields.reject(&["mask"], &format!("with \"{operator}\"; it goes with \"masked-eq\""));
            Some(u64::MAX)
        }
        None => fields.get("mask", |r, v| word_of(r, v, wide)),
    }
}

fn width(reader: &mut Reader, value: &Value) -> Option<bool> {
    match value {
        Value::NumberLit(number) if number.value == "32" => Some(false),
        Value::NumberLit(number) if number.value == "64" => Some(true),
        other => {
            let origin = reader.origin(other);
            reader.report(Diagnostic::new("the width of an argument is 32 or 64", origin));
            None
        }
    }
}

/// An unsigned number of 32 or 64 bits, decimal or (in a string) hexadecimal.
fn word_of(reader: &mut Reader, value: &Value, wide: bool) -> Option<u64> {
    let text = match value {
        Value::NumberLit(literal) => literal.value,
        Value::StringLit(literal) => &*literal.value,
        other => return reader.wrong_type(other, "a number, or a string such as \"0xff\""),
    };
    let max = if wide { u64::MAX } else { u64::from(u32::MAX) };
    match parse_word(text) {
        Some(number) if number <= u128::from(max) => u64::try_from(number).ok(),
        Some(number) => {
            let problem = Problem::new(format!("{} is out of range", quoted(text)));
            let fits = !wide && u64::try_from(number).is_ok();
            let help = if fits { "add \"width\": 64" } else { "write at most 64 bits" };
            reader.report_at(value, problem.help(help))
        }
        None => {
            let problem = Problem::new(format!("{} is not an unsigned number", quoted(text)));
            reader.report_at(value, problem.help(word_help(text, wide)))
        }
    }
}

fn parse_word(text: &str) -> Option<u128> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}

fn word_help(text: &str, wide: bool) -> String {
    match text.parse::<i32>() {
        Ok(negative) if wide => format!("write \"{:#x}\"", i64::from(negative)),
        Ok(negative) => format!("write \"{negative:#x}\""),
        Err(_) => "write decimal digits, or hexadecimal ones after \"0x\"".to_owned(),
    }
}
