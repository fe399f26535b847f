//! What the compiler has to say, and where in the source.

use std::fmt::Write as _;

use crate::source::Sources;

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
    /// The script runs as it is meant; how, may be good to know.
    Note,
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

    /// Adds what may be good to know.
    pub fn note(&mut self, span: Span, message: impl Into<String>) {
        self.push(Level::Note, span, message.into(), None);
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

    /// Gives each the place that `place` tells for its own.
    pub(crate) fn place(&mut self, place: impl Fn(Span) -> Span) {
        for one in &mut self.list {
            one.span = place(one.span);
        }
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

impl Diagnostic {
    /// For people: place, message, the source line with the place marked, the hint.
    pub fn render(&self, sources: &Sources) -> String {
        let place = sources.place(self.span);
        let level = match self.level {
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
            Level::Note => "NOTE",
        };
        let mut out = format!("{place}: {level}: {}\n", self.message);
        if place.end.0 == place.start.0 {
            let _ = writeln!(out, "{}", place.text);
            // A tab before the mark stays one, so that the mark stands where the text does.
            let before: String = place
                .text
                .bytes()
                .take(place.start.1 - 1)
                .map(|byte| if byte == b'\t' { '\t' } else { ' ' })
                .collect();
            let marks = "~".repeat(place.last_column() - place.start.1);
            let _ = writeln!(out, "{before}{marks}");
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
