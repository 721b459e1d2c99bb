//! What all sections have in common: objects with known keys, and problems that are collected.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;

use crate::profile::diagnostic::{Diagnostic, Problem, quoted};
use crate::profile::source::{Origin, SourceId, Spanned};
use crate::profile::suggest;

/// A text with more problems than this is no profile; finding the line of each would take forever.
const MAX_DIAGNOSTICS: usize = 1000;

/// The text being read, and what was found wrong so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    source: SourceId,
    diagnostics: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, source: SourceId) -> Self {
        Self { text, source, diagnostics: Vec::new() }
    }

    /// All problems, in the order of their places.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        // Stable, so that the first found of one place comes first.
        self.diagnostics.sort_by_key(|diagnostic| {
            diagnostic.origin.place().map_or(0, |(_, range)| range.start)
        });
        self.diagnostics
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reports a problem of a whole value.
    pub(super) fn report_at<T>(&mut self, value: &impl Ranged, problem: Problem) -> Option<T> {
        let origin = self.origin(value);
        self.report(problem.at(origin));
        None
    }

    /// Where a value stands.
    pub(super) fn origin(&self, value: &impl Ranged) -> Origin {
        Origin::new(self.source, value.start(), value.end())
    }

    /// Where a part of a string stands; the whole string if it has escapes.
    pub(super) fn part(&self, value: &impl Ranged, text: &str, part: Range<usize>) -> Origin {
        let literal = value.text(self.text);
        // A value of the command line stands there without quotation marks.
        match literal.find(text) {
            Some(offset @ 0..=1) => {
                let start = value.start() + offset;
                Origin::new(self.source, start + part.start, start + part.end)
            }
            _ => self.origin(value),
        }
    }

    /// Reports that a value should have been something else.
    pub(super) fn wrong_type<T>(&mut self, value: &Value, expected: &str) -> Option<T> {
        let found = match value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        self.report_at(value, Problem::new(format!("expected {expected}, found {found}")))
    }

    /// The elements of an array, each read with `read` and with its place.
    pub(super) fn list<T>(
        &mut self,
        value: &Value,
        expected: &str,
        mut read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let Value::Array(array) = value else {
            self.wrong_type::<()>(value, expected);
            if let (Value::StringLit(literal), Some(last)) = (value, self.diagnostics.last_mut()) {
                last.help = Some(format!("write [{}]", quoted(&literal.value)));
            }
            return None;
        };
        let mut list = Vec::with_capacity(array.elements.len());
        for element in &array.elements {
            let origin = self.origin(element);
            list.extend(read(self, element).map(|value| Spanned::new(value, origin)));
        }
        Some(list)
    }
}

/// An object whose keys are taken one by one; [`Fields::finish`] reports those that nobody took.
pub(super) struct Fields<'r, 't, 'v> {
    reader: &'r mut Reader<'t>,
    object: &'v Object<'v>,
    known: Vec<&'static str>,
    ignored: Vec<&'static str>,
}

impl<'r, 't, 'v> Fields<'r, 't, 'v> {
    /// Opens an object; reports any other value, as well as keys that are there twice.
    pub(super) fn open(
        reader: &'r mut Reader<'t>,
        what: &str,
        value: &'v Value<'v>,
    ) -> Option<Self> {
        let Value::Object(object) = value else {
            return reader.wrong_type(value, &format!("an object for {what}"));
        };
        report_duplicates(reader, object);
        Some(Self { reader, object, known: Vec::new(), ignored: vec!["$comment"] })
    }

    pub(super) fn reader(&mut self) -> &mut Reader<'t> {
        self.reader
    }

    /// Where the object begins.
    pub(super) fn start(&self) -> Origin {
        let start = self.object.start();
        Origin::new(self.reader.source, start, start + 1)
    }

    /// Passes over a key that means nothing here.
    pub(super) fn ignore(&mut self, key: &'static str) {
        self.ignored.push(key);
    }

    /// Whether the object has a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.object.properties.iter().any(|property| property.name.as_str() == key)
    }

    /// Takes the value of a key, if it is there and right.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'t>, &'v Value<'v>) -> Option<T>,
    ) -> Option<T> {
        self.spanned(key, read).map(|spanned| spanned.value)
    }

    /// Takes the value of a key, with its place.
    pub(super) fn spanned<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'t>, &'v Value<'v>) -> Option<T>,
    ) -> Option<Spanned<T>> {
        self.known.push(key);
        let property = self.object.properties.iter().find(|p| p.name.as_str() == key)?;
        let origin = self.reader.origin(&property.value);
        Some(Spanned::new(read(self.reader, &property.value)?, origin))
    }

    /// Takes the value of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'t>, &'v Value<'v>) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            let start = self.start();
            self.reader.report(Diagnostic::new(format!("missing \"{key}\""), start));
        }
        self.get(key, read)
    }

    /// Reports keys that are right elsewhere but mean nothing beside the others.
    pub(super) fn reject(&mut self, keys: &[&'static str], why: &str) {
        for property in &self.object.properties {
            let name = property.name.as_str();
            if let Some(key) = keys.iter().find(|key| **key == name && !self.known.contains(key)) {
                self.ignored.push(key);
                let origin = self.reader.origin(&property.name);
                let message = format!("\"{key}\" means nothing {why}");
                let mut diagnostic = Diagnostic::new(message, origin);
                if !self.known.is_empty() {
                    diagnostic =
                        diagnostic.help(format!("valid keys here: {}", self.known.join(", ")));
                }
                self.reader.report(diagnostic);
            }
        }
    }

    /// Reports all keys that were not taken.
    pub(super) fn finish(self) {
        for property in &self.object.properties {
            let key = property.name.as_str();
            if self.known.contains(&key) || self.ignored.contains(&key) {
                continue;
            }
            let origin = self.reader.origin(&property.name);
            let help = suggest::help(key, self.known.iter().copied());
            let message = format!("unknown key {}", quoted(key));
            self.reader.report(Diagnostic::new(message, origin).help(help));
        }
    }
}

/// The keys and values of an object whose keys are data; reports keys that are there twice.
pub(super) fn entries<'v>(
    reader: &mut Reader,
    what: &str,
    value: &'v Value<'v>,
) -> Option<Vec<&'v ObjectProp<'v>>> {
    let Value::Object(object) = value else {
        return reader.wrong_type(value, &format!("an object for {what}"));
    };
    report_duplicates(reader, object);
    Some(object.properties.iter().filter(|property| property.name.as_str() != "$comment").collect())
}

fn report_duplicates<'v>(reader: &mut Reader, object: &'v Object<'v>) {
    let mut seen = std::collections::HashSet::new();
    for property in &object.properties {
        let key = property.name.as_str();
        if !seen.insert(key) {
            let origin = reader.origin(&property.name);
            let message = format!("duplicate key {}", quoted(key));
            reader.report(Diagnostic::new(message, origin).help("keep one of them"));
        }
    }
}
