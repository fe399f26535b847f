//! Where in a file something is wrong.

use std::{fmt, ops::Range, path::Path};

/// An error at a place of a file: `FILE:LINE:COLUMN: REASON`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// Line and column, from 1; columns are characters. Nothing where the file as a whole is wrong.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub reason: String,
}

impl Wrong {
    /// At a range of bytes of a text.
    pub fn at(
        file: &Path,
        text: &str,
        span: Option<Range<usize>>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            file: file.display().to_string(),
            place: span.map(|span| line_column(text, span.start)),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for Wrong {}

fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "a = 1\nbé = 2\n";
        for (at, place) in [(0, (1, 1)), (6, (2, 1)), (9, (2, 3)), (99, (3, 1))] {
            assert_eq!(line_column(text, at), place, "{at}");
        }
    }
}
