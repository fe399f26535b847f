//! The text that comes of preprocessing, and where each of its bytes is from.

use std::ops::Range;

use crate::diagnostic::Span;

/// A stretch of the text.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Its first byte.
    at: u32,
    /// The place in the sources that it is from.
    from: Span,
    /// It is the same, byte by byte; else it was put in for what stands there.
    verbatim: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The text.
    pub source: String,
    /// Parts that come from headers: of those only declarations count, and what is not understood is left out.
    pub headers: Vec<Range<usize>>,
    pieces: Vec<Piece>,
}

impl Text {
    /// A text as it stands in the sources from `start` on.
    pub fn verbatim(text: &str, start: u32) -> Self {
        let mut out = Self::default();
        out.push(text, start);
        out
    }

    /// Adds a part as it stands in the sources from `start` on.
    pub(super) fn push(&mut self, text: &str, start: u32) {
        let from = Span {
            start,
            end: start + text.len() as u32,
        };
        self.add(text, from, true);
    }

    /// Adds what is put in for what stands at `from`.
    pub(super) fn put_in(&mut self, text: &str, from: Span) {
        self.add(text, from, false);
    }

    fn add(&mut self, text: &str, from: Span, verbatim: bool) {
        if text.is_empty() {
            return;
        }
        self.pieces.push(Piece {
            at: self.source.len() as u32,
            from,
            verbatim,
        });
        self.source.push_str(text);
    }

    /// True where the text is that of the script, byte by byte.
    pub(crate) fn is_the_script(&self) -> bool {
        match self.pieces.as_slice() {
            [] => true,
            [only] => only.verbatim && only.from.start == 0,
            _ => false,
        }
    }

    /// The place in the sources that a part of the text is from.
    pub fn place(&self, span: Span) -> Span {
        let Some(first) = self.piece(span.start) else {
            return span;
        };
        let start = match first.verbatim {
            true => {
                first.from.start + (span.start - first.at).min(first.from.end - first.from.start)
            }
            false => first.from.start,
        };
        // The last byte tells where the end is.
        let last_byte = span.end.saturating_sub(1).max(span.start);
        let last = self.piece(last_byte).unwrap_or(first);
        let end = match last.verbatim {
            true if span.end == span.start => start,
            true => (last.from.start + (last_byte - last.at) + 1).min(last.from.end),
            false => last.from.end,
        };
        Span {
            start,
            end: end.max(start),
        }
    }

    fn piece(&self, at: u32) -> Option<Piece> {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(after.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_sources() {
        let mut text = Text::default();
        text.push("ab ", 10);
        text.put_in("1 + 2", Span::new(13, 14));
        text.push(" cd", 14);
        assert_eq!(text.source, "ab 1 + 2 cd");
        assert_eq!(text.place(Span::new(0, 2)), Span::new(10, 12));
        assert_eq!(text.place(Span::new(3, 4)), Span::new(13, 14));
        assert_eq!(text.place(Span::new(5, 11)), Span::new(13, 17));
        assert_eq!(text.place(Span::new(9, 11)), Span::new(15, 17));
        assert_eq!(text.place(Span::new(11, 11)), Span::new(17, 17));
    }
}
