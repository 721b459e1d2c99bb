//! The `limits` section.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use jsonc_parser::ast::Value;

use super::reader::{Fields, Reader};
use super::scalars;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::model::{Io, Limits, Setting};
use crate::profile::units;
use crate::profile::vocabulary::Overflow;

/// Above every number of processors Linux can be built for (`CONFIG_NR_CPUS`); keeps a range like
/// `0-4294967295` from being written out.
const MAX_CPU: u32 = 65_535;

pub(super) fn limits(reader: &mut Reader, value: &Value) -> Option<Limits> {
    let mut fields = Fields::open(reader, "limits", value)?;
    let limits = Limits {
        memory: fields.spanned("memory", |r, v| setting(r, v, size)),
        swap: fields.spanned("swap", |r, v| setting(r, v, size_or_zero)),
        processes: fields.spanned("processes", |r, v| setting(r, v, count)),
        cpus: fields.spanned("cpus", |r, v| setting(r, v, cpus)),
        cpu_weight: fields.spanned("cpu_weight", |r, v| scalars::integer(r, v, 1..=10_000)),
        cpuset: fields.spanned("cpuset", cpuset),
        cpu_time: fields.spanned("cpu_time", |r, v| setting(r, v, duration)),
        wall_time: fields.spanned("wall_time", |r, v| setting(r, v, duration)),
        open_files: fields.spanned("open_files", |r, v| setting(r, v, count)),
        file_size: fields.spanned("file_size", |r, v| setting(r, v, size)),
        stack: fields.spanned("stack", |r, v| setting(r, v, size)),
        core: fields.spanned("core", |r, v| setting(r, v, size_or_zero)),
        output: fields.spanned("output", |r, v| setting(r, v, size)),
        output_overflow: fields.spanned("output_overflow", |r, v| {
            scalars::word(r, v, "output_overflow", Overflow::NAMES, Overflow::from_name)
        }),
        io: fields.get("io", io).unwrap_or_default(),
        nice: fields.spanned("nice", |r, v| scalars::integer(r, v, -20..=19)),
    };
    fields.finish();
    Some(limits)
}

fn io(reader: &mut Reader, value: &Value) -> Option<Io> {
    let mut fields = Fields::open(reader, "io", value)?;
    let io = Io {
        read_bytes: fields.spanned("read_bytes", |r, v| setting(r, v, size)),
        write_bytes: fields.spanned("write_bytes", |r, v| setting(r, v, size)),
        read_operations: fields.spanned("read_operations", |r, v| setting(r, v, count)),
        write_operations: fields.spanned("write_operations", |r, v| setting(r, v, count)),
    };
    fields.finish();
    Some(io)
}

/// A value, or the word that takes an inherited one away.
fn setting<T>(
    reader: &mut Reader,
    value: &Value,
    read: impl FnOnce(&mut Reader, &Value) -> Option<T>,
) -> Option<Setting<T>> {
    match value {
        Value::StringLit(literal) if literal.value == "unlimited" => Some(Setting::Unlimited),
        other => read(reader, other).map(Setting::AtMost),
    }
}

fn count(reader: &mut Reader, value: &Value) -> Option<u64> {
    if let Value::StringLit(_) = value {
        return reader.wrong_type(value, "a whole number or \"unlimited\"");
    }
    scalars::integer(reader, value, 1..=i128::from(i64::MAX))
}

fn size_or_zero(reader: &mut Reader, value: &Value) -> Option<u64> {
    let text = match value {
        Value::StringLit(literal) => &*literal.value,
        Value::NumberLit(literal) => literal.value,
        other => {
            return reader.wrong_type(
                other,
                "a size such as \"512MiB\", a number of bytes, or \"unlimited\"",
            );
        }
    };
    checked(reader, value, units::parse_size(text))
}

/// A size above 0.
pub(super) fn size(reader: &mut Reader, value: &Value) -> Option<u64> {
    let bytes = size_or_zero(reader, value)?;
    positive(reader, value, bytes, bytes == 0)
}

/// A duration, which has a unit and isn't zero.
pub(super) fn duration(reader: &mut Reader, value: &Value) -> Option<Duration> {
    let text = match value {
        Value::StringLit(literal) => &*literal.value,
        Value::NumberLit(literal) => literal.value,
        other => return reader.wrong_type(other, "a duration such as \"1.5s\""),
    };
    let duration = checked(reader, value, units::parse_duration(text))?;
    positive(reader, value, duration, duration.is_zero())
}

fn cpus(reader: &mut Reader, value: &Value) -> Option<u64> {
    let text = match value {
        Value::StringLit(literal) => &*literal.value,
        Value::NumberLit(literal) => literal.value,
        other => return reader.wrong_type(other, "a number of CPUs such as 1.5, or \"unlimited\""),
    };
    let cpus = checked(reader, value, units::parse_cpus(text))?;
    positive(reader, value, cpus, cpus == 0)
}

fn checked<T>(reader: &mut Reader, value: &Value, result: Result<T, Problem>) -> Option<T> {
    result.map_or_else(|problem| reader.report_at(value, problem), Some)
}

fn positive<T>(reader: &mut Reader, value: &Value, number: T, zero: bool) -> Option<T> {
    if zero {
        let problem = Problem::new("the value is 0");
        return reader.report_at(value, problem.help("write more than 0, or leave it out"));
    }
    Some(number)
}

/// Processor numbers in the kernel's list format, in ascending order.
fn cpuset(reader: &mut Reader, value: &Value) -> Option<Vec<u32>> {
    let text = scalars::nonempty(reader, value)?;
    let mut cpus = BTreeSet::new();
    let mut start = 0;
    for part in text.split(',') {
        let problem = match cpu_range(part) {
            // Besides being a mistake, a list of nothing but repetitions would take forever.
            Some(range) if cpus.range(range.clone()).next().is_some() => {
                Problem::new(format!("{} has CPUs that are listed before", quoted(part)))
            }
            Some(range) => {
                cpus.extend(range);
                start += part.len() + 1;
                continue;
            }
            None => Problem::new(format!("{} is not a range of CPUs", quoted(part)))
                .help(format!("write numbers up to {MAX_CPU} and ranges, as in \"0-3,5\"")),
        };
        let origin = reader.part(value, text, start..start + part.len());
        reader.report(problem.at(origin));
        return None;
    }
    Some(cpus.into_iter().collect())
}

fn cpu_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok().filter(|number| *number <= MAX_CPU) } else { None }
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}
