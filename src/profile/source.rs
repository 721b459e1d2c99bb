//! Where a value was written: source texts, and positions in them.

use std::ops::{Deref, Range};
use std::path::PathBuf;

/// Stands for one text in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// One text that values came from: a file, a built-in profile, or an option of the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it in a message: a path, `built-in profile NAME`, `option --set …`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The directory that `${PROFILE_DIR}` and relative profile names mean, for a file.
    pub directory: Option<PathBuf>,
}

/// All texts that one profile came from.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, source: Source) -> SourceId {
        self.0.push(source);
        SourceId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    /// The text that `id` stands for.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize)
    }
}

/// A range of bytes in a source text, or nowhere (made in code).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin(Option<(SourceId, u32, u32)>);

impl Origin {
    /// A value that was made in code.
    pub const CODE: Self = Self(None);

    /// The bytes from `start` up to `end` of a text.
    #[must_use]
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let clamp = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self(Some((source, clamp(start), clamp(end))))
    }

    /// The text and the range in it, unless the value was made in code.
    #[must_use]
    pub fn place(self) -> Option<(SourceId, Range<usize>)> {
        self.0.map(|(source, start, end)| (source, start as usize..end as usize))
    }
}

/// Where an [`Origin`] is for people: cut off at the end of its first line.
#[derive(Clone, Debug)]
pub struct Place<'s> {
    /// The text.
    pub source: &'s Source,
    /// The number of the line, from 1.
    pub line: usize,
    /// The line, without its end.
    pub line_text: &'s str,
    /// The bytes of the line that are meant.
    pub in_line: Range<usize>,
}

impl<'s> Place<'s> {
    /// Finds the line of an origin.
    #[must_use]
    pub fn of(origin: Origin, sources: &'s Sources) -> Option<Self> {
        let (id, range) = origin.place()?;
        let source = sources.get(id)?;
        let text = source.text.as_str();
        let start = char_start(text, range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line_text = text[line_start..line_end].trim_end_matches('\r');
        let end = char_start(text, range.end).clamp(start, line_end) - line_start;
        let line = text[..line_start].matches('\n').count() + 1;
        Some(Self { source, line, line_text, in_line: start - line_start..end }.within_line())
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.line_text[..self.in_line.start].chars().count() + 1
    }

    /// The text that is meant, up to the end of the line.
    #[must_use]
    pub fn offending(&self) -> &'s str {
        &self.line_text[self.in_line.clone()]
    }

    fn within_line(mut self) -> Self {
        let length = self.line_text.len();
        self.in_line = self.in_line.start.min(length)..self.in_line.end.min(length);
        self
    }
}

/// The start of the character that the byte at `offset` belongs to.
fn char_start(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

impl<T> From<T> for Spanned<T> {
    fn from(value: T) -> Self {
        Self::new(value, Origin::CODE)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}
