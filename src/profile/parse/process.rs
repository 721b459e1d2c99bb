//! The sections `environment` and `process`.

use std::collections::BTreeMap;

use jsonc_parser::ast::Value;

use super::limits;
use super::paths;
use super::reader::{Fields, Reader, entries};
use super::scalars;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::model::{Environment, Process, Template};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::Stdin;

/// `__NEW_UTS_LEN` of the kernel.
const MAX_HOSTNAME: usize = 64;

pub(super) fn environment(reader: &mut Reader, value: &Value) -> Option<Environment> {
    let mut fields = Fields::open(reader, "environment", value)?;
    let environment = Environment {
        clear: fields.spanned("clear", scalars::boolean),
        pass: fields
            .get("pass", |r, v| r.list(v, "an array of names", pattern))
            .unwrap_or_default(),
        set: fields.get("set", variables).unwrap_or_default(),
    };
    fields.finish();
    Some(environment)
}

fn variables(reader: &mut Reader, value: &Value) -> Option<BTreeMap<String, Spanned<Template>>> {
    let mut variables = BTreeMap::new();
    for property in entries(reader, "set", value)? {
        let name = property.name.as_str();
        if let Some(problem) = not_a_name(name) {
            reader.report_at::<()>(&property.name, problem);
        }
        let origin = reader.origin(&property.value);
        if let Some(content) = scalars::template(reader, &property.value) {
            variables.insert(name.to_owned(), Spanned::new(content, origin));
        }
    }
    Some(variables)
}

/// A name of variables, which may end in `*`.
fn pattern(reader: &mut Reader, value: &Value) -> Option<String> {
    let pattern = scalars::nonempty(reader, value)?;
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    if name.contains('*') {
        let problem = Problem::new(format!("{} has a \"*\" before its end", quoted(pattern)));
        return reader.report_at(value, problem.help("write it as the last character only"));
    }
    // "*" alone stands for all variables.
    match not_a_name(name) {
        Some(problem) if !name.is_empty() => reader.report_at(value, problem),
        _ => Some(pattern.to_owned()),
    }
}

fn not_a_name(name: &str) -> Option<Problem> {
    if name.is_empty() {
        return Some(Problem::new("the name of a variable is empty"));
    }
    name.contains(['=', '\0'])
        .then(|| Problem::new(format!("{} is not a name of a variable", quoted(name))))
        .map(|problem| problem.help("a name can't contain \"=\" or a NUL byte"))
}

pub(super) fn process(reader: &mut Reader, value: &Value) -> Option<Process> {
    let mut fields = Fields::open(reader, "process", value)?;
    let process = Process {
        cwd: fields.spanned("cwd", paths::inside),
        hostname: fields.spanned("hostname", hostname),
        umask: fields.spanned("umask", |r, v| scalars::octal(r, v, 0o777)),
        stdin: fields
            .spanned("stdin", |r, v| scalars::word(r, v, "stdin", Stdin::NAMES, Stdin::from_name)),
        session: fields.spanned("session", scalars::boolean),
        grace: fields.spanned("grace", limits::duration),
        descriptors: fields.get("descriptors", descriptors).unwrap_or_default(),
    };
    fields.finish();
    Some(process)
}

/// 0 to 2 are always there, so they are not declared.
fn descriptors(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<u32>>> {
    reader.list(value, "an array of descriptor numbers", |r, v| {
        scalars::integer(r, v, 3..=i128::from(i32::MAX))
    })
}

fn hostname(reader: &mut Reader, value: &Value) -> Option<String> {
    let name = scalars::nonempty(reader, value)?;
    if name.len() > MAX_HOSTNAME {
        let problem = Problem::new(format!("the hostname is too long: {} bytes", name.len()));
        let help = format!("the kernel takes at most {MAX_HOSTNAME} bytes");
        return reader.report_at(value, problem.help(help));
    }
    if !name.split('.').all(is_label) {
        let problem = Problem::new(format!("{} is not a hostname", quoted(name)));
        let help = "write letters, digits and inner hyphens, in parts of 1 to 63 separated by dots";
        return reader.report_at(value, problem.help(help));
    }
    Some(name.to_owned())
}

/// RFC 1123, section 2.1.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
