//! The texts that a script is made of: its own, and those of the files that it includes and imports. They lie
//! behind each other in one row of numbers, so that a [`Span`] tells the file, too.

use std::fmt;

use crate::diagnostic::Span;

/// A text with its name.
#[derive(Clone, Debug)]
struct File {
    name: String,
    text: String,
    /// The number of its first byte.
    start: u32,
    /// Where its lines begin, counted from its own start.
    lines: Vec<usize>,
}

impl File {
    fn new(name: String, text: String, start: u32) -> Self {
        let newlines = text.bytes().enumerate();
        let after = newlines.filter_map(|(at, byte)| (byte == b'\n').then_some(at + 1));
        let lines = std::iter::once(0).chain(after).collect();
        Self {
            name,
            text,
            start,
            lines,
        }
    }

    /// The number behind its last byte, which no other file has.
    fn end(&self) -> u32 {
        self.start + self.text.len() as u32
    }

    /// Line and column of a byte, from 1.
    fn line_column(&self, at: u32) -> (usize, usize) {
        let at = (at.saturating_sub(self.start) as usize).min(self.text.len());
        let line = self.lines.partition_point(|&start| start <= at);
        (line, at - self.lines[line - 1] + 1)
    }

    fn line(&self, line: usize) -> &str {
        let end = self.lines.get(line).copied();
        let text = &self.text[self.lines[line - 1]..end.unwrap_or(self.text.len())];
        text.trim_end_matches(['\n', '\r'])
    }
}

/// The texts of a script; the first is its own.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<File>,
}

/// A place as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Line and column of the first byte, from 1.
    pub start: (usize, usize),
    /// Line and column of the byte behind the last.
    pub end: (usize, usize),
    /// The text of the first line.
    pub text: &'a str,
}

impl Default for Sources {
    /// An empty script without a name.
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Sources {
    /// A script, and what it is called in messages.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            files: vec![File::new(name.into(), text.into(), 0)],
        }
    }

    /// Adds a file, and gives the number of its first byte; [`None`] where all together would be longer than
    /// numbers of 32 bits tell.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> Option<u32> {
        let (name, text) = (name.into(), text.into());
        let start = self.files.last().map_or(0, File::end).checked_add(1)?;
        start.checked_add(u32::try_from(text.len()).ok()?)?;
        self.files.push(File::new(name, text, start));
        Some(start)
    }

    /// The script's own text.
    pub fn script(&self) -> &str {
        &self.files[0].text
    }

    /// What the script is called.
    pub fn name(&self) -> &str {
        &self.files[0].name
    }

    /// The text of the file that begins with this byte.
    pub(crate) fn text_at(&self, start: u32) -> &str {
        &self.file(start).text
    }

    fn file(&self, at: u32) -> &File {
        let after = self.files.partition_point(|file| file.start <= at);
        &self.files[after.saturating_sub(1)]
    }

    /// Where a span is.
    pub fn place(&self, span: Span) -> Place<'_> {
        let file = self.file(span.start);
        let start = file.line_column(span.start);
        Place {
            file: &file.name,
            start,
            end: file.line_column(span.end.max(span.start)),
            text: file.line(start.0),
        }
    }
}

impl Place<'_> {
    /// The column behind the last byte of what is on one line.
    pub fn last_column(&self) -> usize {
        self.end.1.max(self.start.1 + 1)
    }
}

/// `file:line:column-column`, or `file:line-line` for what is on several lines.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, start, end, ..
        } = self;
        if end.0 > start.0 {
            return write!(f, "{file}:{}-{}", start.0, end.0);
        }
        write!(f, "{file}:{}:{}-{}", start.0, start.1, self.last_column())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and column of a byte by counting.
    fn counted(text: &str, at: usize) -> (usize, usize) {
        let before = &text.as_bytes()[..at.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let newline = before.iter().rposition(|&byte| byte == b'\n');
        (line, before.len() - newline.map_or(0, |at| at + 1) + 1)
    }

    #[test]
    fn places_are_those_that_counting_finds() {
        for text in ["", "a", "a\n", "a\nbc\n\nd", "\n\n", "ab\r\ncd"] {
            let mut sources = Sources::new("first", "xyz\n");
            let start = sources.add("second", text).expect("it is short");
            for at in 0..=text.len() {
                let place = sources.place(Span::new(start as usize + at, start as usize + at));
                assert_eq!(place.file, "second", "{text:?} {at}");
                assert_eq!(place.start, counted(text, at), "{text:?} {at}");
                let line = text.split('\n').nth(place.start.0 - 1).unwrap_or_default();
                assert_eq!(place.text, line.trim_end_matches('\r'), "{text:?} {at}");
            }
        }
    }

    #[test]
    fn places_are_written_with_their_file() {
        let mut sources = Sources::new("a.bt", "one\ntwo\n");
        let start = sources.add("b.h", "three\nfour\n").expect("it is short") as usize;
        let written = |from, to| sources.place(Span::new(from, to)).to_string();
        assert_eq!(written(4, 7), "a.bt:2:1-4");
        assert_eq!(written(0, 5), "a.bt:1-2");
        assert_eq!(written(start, start + 5), "b.h:1:1-6");
    }
}
