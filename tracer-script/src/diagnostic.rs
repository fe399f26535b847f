//! What the compiler has to say, and where in the source.

use std::fmt::Write as _;

/// Bytes of the source, the end not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// From the start of this one to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The script cannot be run.
    Error,
    /// The script runs, and may not do what was meant.
    Warning,
}

/// One thing that is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave.
    pub level: Level,
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// What to do about it, where that can be told.
    pub hint: Option<String>,
}

/// All that is to be said, in the order it was found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

/// More than that helps no one.
const MAX: usize = 64;

impl Diagnostics {
    /// Adds an error.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Level::Error, span, message.into(), None);
    }

    /// Adds an error with what to do about it.
    pub fn error_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Error, span, message.into(), Some(hint.into()));
    }

    /// Adds a warning.
    pub fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.push(Level::Warning, span, message.into(), None);
    }

    /// Adds a warning with what to do about it.
    pub fn warn_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Warning, span, message.into(), Some(hint.into()));
    }

    fn push(&mut self, level: Level, span: Span, message: String, hint: Option<String>) {
        let new = Diagnostic {
            level,
            span,
            message,
            hint,
        };
        if self.list.len() < MAX && !self.list.contains(&new) {
            self.list.push(new);
        }
    }

    /// True where there is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.level == Level::Error)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Takes over those of another pass.
    pub fn extend(&mut self, other: Diagnostics) {
        for one in other.list {
            self.push(one.level, one.span, one.message, one.hint);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Forgets all but the first so many.
    pub(crate) fn forget_beyond(&mut self, count: usize) {
        self.list.truncate(count);
    }

    /// Where nothing was said.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Line and column of a byte, from 1.
pub fn line_column(source: &str, at: u32) -> (usize, usize) {
    let at = (at as usize).min(source.len());
    let before = &source.as_bytes()[..at];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    (line, at - start + 1)
}

/// Where the lines of a source begin, for whoever asks often.
pub(crate) struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let newlines = source.bytes().enumerate();
        let after = newlines.filter_map(|(at, byte)| (byte == b'\n').then_some(at + 1));
        Self {
            source,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    /// Line and column of a byte, from 1.
    pub(crate) fn line_column(&self, at: u32) -> (usize, usize) {
        let at = (at as usize).min(self.source.len());
        let line = self.starts.partition_point(|&start| start <= at);
        (line, at - self.starts[line - 1] + 1)
    }

    /// The text of a line, from 1.
    pub(crate) fn text(&self, line: usize) -> &'a str {
        let end = self.starts.get(line).copied();
        let text = &self.source[self.starts[line - 1]..end.unwrap_or(self.source.len())];
        text.trim_end_matches(['\n', '\r'])
    }
}

/// The text of a line, from 1.
pub fn line_text(source: &str, line: usize) -> &str {
    source.lines().nth(line - 1).unwrap_or_default()
}

impl Diagnostic {
    /// For people: place, message, the source line with the place marked, the hint.
    pub fn render(&self, file: &str, source: &str) -> String {
        let (line, column) = line_column(source, self.span.start);
        let (end_line, end_column) = line_column(source, self.span.end);
        let level = match self.level {
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
        };
        let mut out = String::new();
        if end_line > line {
            let _ = writeln!(out, "{file}:{line}-{end_line}: {level}: {}", self.message);
        } else {
            let last = end_column.max(column + 1);
            let _ = writeln!(
                out,
                "{file}:{line}:{column}-{last}: {level}: {}",
                self.message
            );
            let text = line_text(source, line);
            let _ = writeln!(out, "{text}");
            // A tab before the mark stays one, so that the mark stands where the text does.
            let before: String = text
                .bytes()
                .take(column - 1)
                .map(|byte| if byte == b'\t' { '\t' } else { ' ' })
                .collect();
            let _ = writeln!(out, "{before}{}", "~".repeat(last - column));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "HINT: {hint}");
        }
        out
    }
}

/// The name nearest to `word`, where one is near enough to have been meant.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.len() / 3 + 1;
    names
        .map(|name| (distance(word, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// The edit distance of Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_lines_finds_what_a_search_does() {
        for source in ["", "a", "a\n", "a\nbc\n\nd", "\n\n", "ab\r\ncd"] {
            let index = LineIndex::new(source);
            for at in 0..=source.len() as u32 + 1 {
                let (line, column) = line_column(source, at);
                assert_eq!(index.line_column(at), (line, column), "{source:?} {at}");
                assert_eq!(index.text(line), line_text(source, line), "{source:?} {at}");
            }
        }
    }
}
