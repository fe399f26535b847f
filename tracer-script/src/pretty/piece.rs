//! A script as the pieces that layout moves about: tokens, remarks, and lines that are left alone.

use crate::{
    ast::Marks,
    lexer::{self, Kind},
};

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// A token.
    Token(Kind),
    /// An operator with two operands.
    Operator,
    /// A slash before or behind a predicate.
    Slash,
    /// An attach point.
    Head,
    /// `// …`
    LineRemark,
    /// `/* … */`
    Remark,
    /// A whole line of the preprocessor's, or one that it leaves out.
    Line,
}

/// A piece.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    /// What it is.
    pub(super) kind: PieceKind,
    /// As it is written.
    pub(super) text: &'a str,
    /// Line breaks before it.
    pub(super) breaks: usize,
}

impl Piece<'_> {
    /// True for this sign, where it is no operator between operands.
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.kind, PieceKind::Token(Kind::Sign(found)) if found == sign)
    }

    /// True for this word.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == PieceKind::Token(Kind::Word) && self.text == word
    }

    /// True for what is no part of the program.
    pub(super) fn is_remark(&self) -> bool {
        matches!(self.kind, PieceKind::LineRemark | PieceKind::Remark)
    }
}

/// A source with the lines that begin with `#` blanked out, and those that these go on with, so that all other bytes
/// keep their places.
pub(super) fn without_directives(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    let mut continued = false;
    for line in source.split_inclusive('\n') {
        // A line that begins within a remark or a string is no directive.
        let inside = at > out.len();
        let text = line.trim();
        if !inside && (continued || text.starts_with('#')) {
            let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
            out.extend(line.bytes().map(blank));
            continued = text.ends_with('\\');
            at = out.len();
            continue;
        }
        continued = false;
        out.push_str(line);
        at = past_line(source, at.max(out.len() - line.len()), out.len());
    }
    out
}

/// Goes past the pieces that begin before `end`: where the last of them ends, or `end`.
fn past_line(source: &str, mut at: usize, end: usize) -> usize {
    loop {
        at = past_blanks(source, at).0;
        if at >= end {
            return end;
        }
        let rest = &source[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |length| length + 2)
        } else {
            let token = lexer::next(source, at);
            token.span.end as usize - at
        };
        at += length.max(1);
        if at > end {
            return at;
        }
    }
}

/// Takes a source apart. `read` is what the preprocessor made of it, with every byte at its place.
pub(super) fn pieces<'a>(source: &'a str, read: &str, marks: &Marks) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    loop {
        let (start, mut breaks) = past_blanks(source, at);
        // The line that a piece begins is told by its own break; at the start of the text there is none.
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let is_first = line_start >= at;
        let line = source[line_start..].split('\n').next().unwrap_or_default();
        let same_line = read.get(line_start..line_start + line.len());
        if is_first && start < source.len() && same_line != Some(line) {
            pieces.push(Piece {
                kind: PieceKind::Line,
                text: line.trim_end(),
                breaks,
            });
            at = line_start + line.len();
            continue;
        }
        if start >= source.len() {
            return pieces;
        }
        let (kind, end) = piece_at(source, start, marks);
        if pieces.is_empty() {
            breaks = 0;
        }
        pieces.push(Piece {
            kind,
            text: source[start..end].trim_end(),
            breaks,
        });
        at = end;
    }
}

/// The next byte that is no blank, and the line breaks before it.
fn past_blanks(source: &str, at: usize) -> (usize, usize) {
    let rest = &source[at..];
    let trimmed = rest.trim_start();
    let length = rest.len() - trimmed.len();
    (at + length, rest[..length].matches('\n').count())
}

fn piece_at(source: &str, start: usize, marks: &Marks) -> (PieceKind, usize) {
    let rest = &source[start..];
    if let Some(head) = marks.heads.iter().find(|head| head.start as usize == start) {
        return (PieceKind::Head, head.end as usize);
    }
    if rest.starts_with("//") {
        let length = rest.find('\n').unwrap_or(rest.len());
        return (PieceKind::LineRemark, start + length);
    }
    if rest.starts_with("/*") {
        let length = rest.find("*/").map_or(rest.len(), |length| length + 2);
        return (PieceKind::Remark, start + length);
    }
    let token = lexer::next(source, start);
    let kind = if marks.slashes.contains(&token.span.start) {
        PieceKind::Slash
    } else if marks.operators.contains(&token.span.start) {
        PieceKind::Operator
    } else {
        PieceKind::Token(token.kind)
    };
    (kind, (token.span.end as usize).max(start + 1))
}
