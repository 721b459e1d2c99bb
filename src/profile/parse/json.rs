//! Strict JSON with the place of every value: the only file that knows how JSON is parsed.

use std::borrow::Cow;
use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, ObjectPropName, StringLit, Value};
use jsonc_parser::common::Range as Span;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::profile::diagnostic::Problem;

/// A problem and the bytes it is about.
type Located = (Range<usize>, Problem);

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// How many keys the path of a setting may have: more than any setting has, and few enough for
/// nested objects.
const MAX_KEYS: usize = 16;

/// Parses a text that is one JSON value.
pub(super) fn parse(text: &str) -> Result<Value<'_>, Located> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let Span { start, end } = error.range();
        (start..end, invalid(&decapitalized(&error.kind().to_string())))
    })?;
    let Some(value) = parsed.value else {
        return Err((0..text.len(), Problem::new("the text is empty").help("write a JSON object")));
    };
    reject_leftovers(text)?;
    Ok(value)
}

/// The parser lets raw control characters in strings and odd white space between tokens through,
/// also when it is told to be strict.
fn reject_leftovers(text: &str) -> Result<(), Located> {
    let mut in_string = false;
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        let message = match c {
            '\\' => {
                chars.next();
                continue;
            }
            '"' => {
                in_string = !in_string;
                continue;
            }
            _ if in_string && c < ' ' => "control character in a string",
            _ if !in_string && c.is_whitespace() && !matches!(c, ' ' | '\t' | '\n' | '\r') => {
                "white space that JSON doesn't have"
            }
            _ => continue,
        };
        let help = format!("write \"\\u{:04x}\", or leave it out", u32::from(c));
        let problem = if in_string { invalid(message).help(help) } else { invalid(message) };
        return Err((offset..offset + c.len_utf8(), problem));
    }
    Ok(())
}

fn invalid(message: &str) -> Problem {
    Problem::new(format!("invalid JSON: {message}"))
}

fn decapitalized(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The parts of `json.path=VALUE`.
pub(super) struct Assignment<'t> {
    text: &'t str,
    keys: Vec<(Cow<'t, str>, Range<usize>)>,
    value_start: usize,
    /// The text with everything before the value blanked out, so that what is parsed of it has the
    /// same places as in the text.
    blanked: String,
}

/// Takes `json.path=VALUE` apart.
pub(super) fn assignment(text: &str) -> Result<Assignment<'_>, Located> {
    let mut keys = Vec::new();
    let mut start = 0;
    loop {
        let (key, end) = key(text, start)?;
        keys.push((key, start..end));
        if keys.len() > MAX_KEYS {
            return Err((0..end, Problem::new("the path of a setting is too long")));
        }
        match text.as_bytes().get(end) {
            Some(b'.') => start = end + 1,
            Some(b'=') => {
                let value_start = end + 1;
                let blanked = " ".repeat(value_start) + &text[value_start..];
                return Ok(Assignment { text, keys, value_start, blanked });
            }
            _ => {
                let problem = Problem::new("a setting has no value");
                return Err((0..text.len(), problem.help("write json.path=VALUE")));
            }
        }
    }
}

/// The key that starts at `start`, and where it ends.
fn key(text: &str, start: usize) -> Result<(Cow<'_, str>, usize), Located> {
    let rest = &text[start..];
    let (key, length) = if rest.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        match strings.next() {
            Some(Ok(key)) => (Cow::Owned(key), strings.byte_offset()),
            _ => {
                return Err((start..text.len(), Problem::new("a quoted key is not a JSON string")));
            }
        }
    } else {
        let length = rest.find(['.', '=']).unwrap_or(rest.len());
        (Cow::Borrowed(&rest[..length]), length)
    };
    if key.is_empty() {
        let problem = Problem::new("a key of the path is empty").help("write json.path=VALUE");
        return Err((start..text.len(), problem));
    }
    Ok((key, start + length))
}

impl Assignment<'_> {
    /// The whole as JSON: an object for each key, around the value.
    pub(super) fn as_json(&self) -> Value<'_> {
        let parsed = parse(&self.blanked).ok();
        parsed.map_or_else(|| self.as_text(), |value| self.nested(value))
    }

    /// The same with the value as a string.
    pub(super) fn as_text(&self) -> Value<'_> {
        let range = Span::new(self.value_start, self.text.len());
        let value = Cow::Borrowed(&self.text[self.value_start..]);
        self.nested(Value::StringLit(StringLit { range, value }))
    }

    /// Whether the value is JSON that somebody may have meant as plain text: `TERM=1`.
    pub(super) fn may_be_text(&self) -> bool {
        !matches!(
            parse(&self.blanked),
            Ok(Value::StringLit(_) | Value::Array(_) | Value::Object(_)) | Err(_)
        )
    }

    fn nested<'v>(&'v self, value: Value<'v>) -> Value<'v> {
        let end = self.text.len();
        self.keys.iter().rev().fold(value, |value, (key, place)| {
            let range = Span::new(place.start, place.end);
            let name = ObjectPropName::String(StringLit { range, value: Cow::Borrowed(key) });
            let range = Span::new(place.start, end);
            Value::Object(Object { range, properties: vec![ObjectProp { range, name, value }] })
        })
    }
}
