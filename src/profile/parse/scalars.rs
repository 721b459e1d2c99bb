//! Single values: strings, words of a closed set, numbers, and texts with variables.

use std::ops::RangeInclusive;

use jsonc_parser::ast::Value;

use super::reader::Reader;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::source::Spanned;
use crate::profile::{suggest, template};

/// A string that may be empty. It can't have a NUL byte: everything ends up in a C string.
pub(super) fn text<'v>(reader: &mut Reader, value: &'v Value<'v>) -> Option<&'v str> {
    let Value::StringLit(literal) = value else { return reader.wrong_type(value, "a string") };
    if literal.value.contains('\0') {
        return reader.report_at(value, Problem::new("the text contains a NUL byte"));
    }
    Some(&literal.value)
}

/// A string that says something.
pub(super) fn nonempty<'v>(reader: &mut Reader, value: &'v Value<'v>) -> Option<&'v str> {
    let text = text(reader, value)?;
    if text.is_empty() {
        return reader.report_at(value, Problem::new("the text is empty"));
    }
    Some(text)
}

pub(super) fn string(reader: &mut Reader, value: &Value) -> Option<String> {
    nonempty(reader, value).map(str::to_owned)
}

/// A string that is shown in messages.
pub(super) fn label(reader: &mut Reader, value: &Value) -> Option<String> {
    let text = nonempty(reader, value)?;
    if text.chars().any(char::is_control) {
        return reader.report_at(value, Problem::new("the name contains a control character"));
    }
    Some(text.to_owned())
}

/// One or several names or paths of profiles.
pub(super) fn references(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<String>>> {
    if let Value::StringLit(_) = value {
        let origin = reader.origin(value);
        return Some(vec![Spanned::new(string(reader, value)?, origin)]);
    }
    reader.list(value, "a string or an array of strings", string)
}

/// A word of a closed set.
pub(super) fn word<T>(
    reader: &mut Reader,
    value: &Value,
    what: &str,
    names: &[&'static str],
    from_name: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let Value::StringLit(literal) = value else {
        let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
        return reader.wrong_type(value, &names.join(" or "));
    };
    from_name(&literal.value).or_else(|| {
        let problem = Problem::new(format!("unknown {what} {}", quoted(&literal.value)));
        let help = suggest::help(&literal.value, names.iter().copied());
        reader.report_at(value, problem.help(help))
    })
}

pub(super) fn boolean(reader: &mut Reader, value: &Value) -> Option<bool> {
    match value {
        Value::BooleanLit(literal) => Some(literal.value),
        other => reader.wrong_type(other, "true or false"),
    }
}

/// A whole number in a range.
pub(super) fn integer<T: TryFrom<i128>>(
    reader: &mut Reader,
    value: &Value,
    range: RangeInclusive<i128>,
) -> Option<T> {
    let Value::NumberLit(literal) = value else {
        return reader.wrong_type(value, "a whole number");
    };
    let digits = literal.value.strip_prefix('-').unwrap_or(literal.value);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = Problem::new(format!("{} is not a whole number", literal.value));
        return reader.report_at(value, problem.help("write it without a fraction or an exponent"));
    }
    let number = literal.value.parse().ok().filter(|number| range.contains(number));
    // "-0" is a mistake for something else, and must not become the id of root.
    let number = number.filter(|number| *number != 0 || digits == literal.value);
    number.and_then(|number| T::try_from(number).ok()).or_else(|| {
        let problem = Problem::new(format!("{} is out of range", literal.value));
        reader.report_at(value, problem.help(bounds(&range)))
    })
}

fn bounds(range: &RangeInclusive<i128>) -> String {
    if *range.end() == i128::from(i64::MAX) {
        format!("write {} or more, up to 2^63 - 1", range.start())
    } else {
        format!("write a number from {} to {}", range.start(), range.end())
    }
}

/// A TCP port. 0 asks the kernel to choose one, which is no port a rule can be about.
pub(super) fn port(reader: &mut Reader, value: &Value) -> Option<u16> {
    integer(reader, value, 1..=65_535)
}

/// Permission bits, as an octal string.
pub(super) fn octal(reader: &mut Reader, value: &Value, max: u32) -> Option<u32> {
    let example = "write it as an octal string, such as \"022\"";
    let Value::StringLit(literal) = value else {
        let origin = reader.origin(value);
        let problem = Problem::new("expected an octal number in a string").help(example);
        reader.report(problem.at(origin));
        return None;
    };
    let text = &*literal.value;
    // from_str_radix lets a sign through.
    let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(number) if octal && number <= max => Some(number),
        Ok(_) if octal => {
            let problem = Problem::new(format!("{} is out of range", quoted(text)));
            reader.report_at(value, problem.help(format!("write at most \"{max:o}\"")))
        }
        _ => {
            let problem = Problem::new(format!("{} is not an octal number", quoted(text)));
            reader.report_at(value, problem.help(example))
        }
    }
}

/// A string, which may be empty, in which variables may stand.
pub(super) fn template(reader: &mut Reader, value: &Value) -> Option<String> {
    let text = text(reader, value)?;
    check_template(reader, value, text)?;
    Some(text.to_owned())
}

/// Takes a template apart, or reports why that can't be done.
pub(super) fn check_template<'v>(
    reader: &mut Reader,
    value: &Value,
    text: &'v str,
) -> Option<Vec<template::Piece<'v>>> {
    match template::pieces(text) {
        Ok(pieces) => Some(pieces),
        Err((range, problem)) => {
            let origin = reader.part(value, text, range);
            reader.report(problem.at(origin));
            None
        }
    }
}
