//! Sizes, durations and shares of processors: from what people write to numbers, and back.
//!
//! A size is a whole number of bytes (`1048576`) or a number with a unit (`"1MiB"`, `"1.5GiB"`,
//! `"64KB"`): the units with an `i` are powers of 1024, those without are powers of 1000. A
//! duration always has a unit (`"200ms"`, `"1.5s"`, `"2m"`, `"1h"`, `"1d"`). A fraction that is not
//! a whole number of bytes or nanoseconds is rounded down. 0 is read as 0: who takes the value
//! knows whether that makes sense.

use std::time::Duration;

use super::diagnostic::{Problem, quoted};
use super::suggest;

/// The largest size: the kernel counts bytes in signed 64-bit numbers (`loff_t`).
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The largest duration, 292 years: whole days that fit into `i64` nanoseconds (`ktime_t`).
pub const MAX_DURATION: Duration = Duration::from_secs(106_751 * 86_400);

/// The largest number of processors, in thousandths: far above what Linux can be built for.
pub const MAX_CPUS: u64 = 65_536 * 1000;

/// Binary units come first: they are preferred when a size is written.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("EB", 1_000_000_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("kB", 1000),
    ("B", 1),
];

/// In nanoseconds.
const DURATION_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

/// Reads a size in bytes.
///
/// # Errors
/// When it isn't a number with a unit of this module, or is above [`MAX_SIZE`].
pub fn parse_size(text: &str) -> Result<u64, Problem> {
    let wrong = |help: &str| Problem::new(format!("{} is not a size", quoted(text))).help(help);
    let (number, unit) = split(text).map_err(|fault| fault.problem(text, "a size"))?;
    let bytes = if unit.is_empty() {
        if !number.is_whole() {
            return Err(wrong("a size in bytes is a whole number; add a unit, as in \"1.5GiB\""));
        }
        number.times(1)
    } else {
        number.times(factor(unit, SIZE_UNITS).ok_or_else(|| wrong(&unit_help(unit, SIZE_UNITS)))?)
    };
    bytes.filter(|bytes| *bytes <= MAX_SIZE).ok_or_else(|| {
        Problem::new(format!("the size {} is too large", quoted(text)))
            .help("the largest size is one byte less than 8EiB")
    })
}

/// Reads a duration.
///
/// # Errors
/// When it isn't a number with a unit of this module, or is above [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Result<Duration, Problem> {
    let wrong =
        |help: String| Problem::new(format!("{} is not a duration", quoted(text))).help(help);
    let (number, unit) = split(text).map_err(|fault| fault.problem(text, "a duration"))?;
    if unit.is_empty() {
        return Err(wrong(format!(
            "add a unit: \"{text}s\" for seconds, \"{text}ms\", \"{text}m\""
        )));
    }
    let unit =
        factor(unit, DURATION_UNITS).ok_or_else(|| wrong(unit_help(unit, DURATION_UNITS)))?;
    number
        .times(unit)
        .map(Duration::from_nanos)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| {
            Problem::new(format!("the duration {} is too long", quoted(text)))
                .help("the longest duration is \"106751d\" (292 years)")
        })
}

/// Reads a number of processors (`"1.5"`) as thousandths of one.
///
/// # Errors
/// When it isn't a decimal number, is finer than a thousandth, or is above [`MAX_CPUS`].
pub fn parse_cpus(text: &str) -> Result<u64, Problem> {
    let (number, unit) = split(text).map_err(|fault| fault.problem(text, "a number of CPUs"))?;
    if !unit.is_empty() {
        return Err(Problem::new(format!("{} is not a number of CPUs", quoted(text)))
            .help("write a decimal number such as 1.5"));
    }
    if number.fraction.trim_end_matches('0').len() > 3 {
        return Err(Problem::new(format!("{} is finer than a thousandth of a CPU", quoted(text))));
    }
    number.times(1000).filter(|cpus| *cpus <= MAX_CPUS).ok_or_else(|| {
        Problem::new(format!("the number of CPUs {} is too large", quoted(text)))
            .help(format!("the largest is {}", format_cpus(MAX_CPUS)))
    })
}

/// Writes a size exactly, in the largest unit in which it has at most two decimals.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .filter(|(_, unit)| bytes >= *unit)
        .find(|(_, unit)| (u128::from(bytes) * 100).is_multiple_of(u128::from(*unit)))
        .map_or_else(|| format!("{bytes}B"), |(name, unit)| decimal(bytes, *unit) + name)
}

/// Writes a duration exactly: a whole number of the largest unit that divides it, from seconds on,
/// else a decimal number of the largest unit that is contained in it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    const SECOND: u64 = 1_000_000_000;
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let Ok(nanoseconds) = u64::try_from(duration.as_nanos()) else {
        return format!("{}s", duration.as_secs());
    };
    let whole = DURATION_UNITS
        .iter()
        .find(|(_, unit)| *unit >= SECOND && nanoseconds.is_multiple_of(*unit));
    let contained =
        || DURATION_UNITS.iter().find(|(_, unit)| *unit <= SECOND && nanoseconds >= *unit);
    whole
        .or_else(contained)
        .map_or_else(String::new, |(name, unit)| decimal(nanoseconds, *unit) + name)
}

/// Writes thousandths of a processor as processors.
#[must_use]
pub fn format_cpus(thousandths: u64) -> String {
    decimal(thousandths, 1000)
}

/// The exact decimal quotient, for divisors that have one.
fn decimal(value: u64, divisor: u64) -> String {
    let mut text = (value / divisor).to_string();
    let mut rest = u128::from(value % divisor);
    if rest > 0 {
        text.push('.');
    }
    while rest > 0 {
        rest *= 10;
        text += &(rest / u128::from(divisor)).to_string();
        rest %= u128::from(divisor);
    }
    text
}

/// A decimal number as written.
struct Number<'t> {
    whole: &'t str,
    fraction: &'t str,
}

impl Number<'_> {
    fn is_whole(&self) -> bool {
        self.fraction.bytes().all(|digit| digit == b'0')
    }

    /// The number times a unit, rounded down; `None` when that overflows.
    fn times(&self, unit: u64) -> Option<u64> {
        let digits: u128 = format!("{}{}", self.whole, self.fraction).parse().ok()?;
        let scale = 10_u128.checked_pow(u32::try_from(self.fraction.len()).ok()?)?;
        u64::try_from(digits.checked_mul(u128::from(unit))? / scale).ok()
    }
}

/// Why a text is no number with a unit.
enum Fault {
    Empty,
    Negative,
    Space,
    Fraction,
    Form,
}

impl Fault {
    fn problem(&self, text: &str, kind: &str) -> Problem {
        let problem = Problem::new(format!("{} is not {kind}", quoted(text)));
        match self {
            Self::Empty => problem.help("write a number"),
            Self::Negative => Problem::new(format!("{kind} can't be negative")),
            Self::Space => problem.help(format!("write {}", quoted(&text.replace(' ', "")))),
            Self::Fraction => {
                problem.help("write at most 9 decimals, and one at least after the point")
            }
            Self::Form => problem.help("write it as decimal digits, without a sign or an exponent"),
        }
    }
}

/// Takes a number with a unit apart.
fn split(text: &str) -> Result<(Number<'_>, &str), Fault> {
    match text.as_bytes() {
        [] => return Err(Fault::Empty),
        [b'-', ..] => return Err(Fault::Negative),
        bytes if bytes.contains(&b' ') => return Err(Fault::Space),
        _ => {}
    }
    let (whole, rest) = digits(text);
    if whole.is_empty() {
        return Err(Fault::Form);
    }
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if fraction.len() > 9 || (rest.starts_with('.') && fraction.is_empty()) {
        return Err(Fault::Fraction);
    }
    // A digit in what should be the unit: an exponent, a hexadecimal number, two points.
    if unit.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Form);
    }
    Ok((Number { whole, fraction }, unit))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn unit_help(unit: &str, units: &[(&'static str, u64)]) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    // A letter alone is near to everything, and may mean two units.
    let nearest = if unit.len() > 1 { suggest::nearest(unit, names.iter().copied()) } else { None };
    nearest.map_or_else(
        || format!("valid units: {}", names.join(", ")),
        |name| format!("did you mean \"{name}\"?"),
    )
}
