//! Where a blank stands between two pieces of a line.

use super::piece::{Piece, PieceKind};
use crate::lexer::{self, Kind};

/// What is around two pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// The colon tells a type: behind `let`, or among parameters.
    pub(super) typed: bool,
    /// Within C's definitions.
    pub(super) in_c: bool,
}

/// Words behind which a parenthesis does not begin the arguments of a call.
const KEYWORDS: [&str; 9] = [
    "if", "for", "while", "unroll", "return", "else", "comptime", "let", "in",
];

/// True where there is a blank between two pieces, the second of which is a token or a remark.
pub(super) fn is_blank(before: &Piece<'_>, after: &Piece<'_>, around: Around) -> bool {
    wanted(before, after, around) || would_merge(before, after)
}

fn wanted(before: &Piece<'_>, after: &Piece<'_>, around: Around) -> bool {
    if before.kind == PieceKind::Slash {
        // Behind a predicate the block follows.
        return after.is("{") || after.is_remark();
    }
    if after.kind == PieceKind::Slash {
        return before.kind == PieceKind::Head || before.is(",");
    }
    if before.is_remark() || after.is_remark() || after.is("{") {
        return true;
    }
    if before.is("{") || after.is("}") {
        return !(before.is("{") && after.is("}"));
    }
    if after.is(",") || after.is(";") || after.is(")") || after.is("]") {
        return false;
    }
    if before.is("(") || before.is("[") || is_tight(before) || is_tight(after) {
        return false;
    }
    if after.is(":") {
        return !around.typed;
    }
    if is_spaced(before) || is_spaced(after) || before.is(",") || before.is(";") || before.is(":") {
        return true;
    }
    if before.is("++") || before.is("--") || after.is("++") || after.is("--") {
        return before.is(")") && around.in_c;
    }
    if is_prefix(before) {
        return false;
    }
    if after.is("(") {
        return KEYWORDS.iter().any(|word| before.is_word(word));
    }
    if after.is("[") {
        return false;
    }
    if is_prefix(after) {
        return !before.is(")") && !before.is("]");
    }
    // A cast stands close to what it is of.
    !before.is(")") || around.in_c
}

/// Members and ranges.
fn is_tight(piece: &Piece<'_>) -> bool {
    [".", "->", "..", "..."].iter().any(|sign| piece.is(sign))
}

/// What has blanks on both sides.
fn is_spaced(piece: &Piece<'_>) -> bool {
    const SIGNS: [&str; 13] = [
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "?", "?:",
    ];
    piece.kind == PieceKind::Operator || SIGNS.iter().any(|sign| piece.is(sign))
}

/// Operators with one operand, and the stars of types.
fn is_prefix(piece: &Piece<'_>) -> bool {
    ["-", "!", "~", "*", "&", "+"]
        .iter()
        .any(|sign| piece.is(sign))
}

/// Whether two pieces without a blank between them would read as something else.
fn would_merge(before: &Piece<'_>, after: &Piece<'_>) -> bool {
    let (PieceKind::Token(_) | PieceKind::Operator | PieceKind::Slash) = before.kind else {
        return false;
    };
    let both = format!("{}{}", before.text, after.text);
    let first = lexer::next(&both, 0);
    first.span.start != 0
        || first.span.end as usize != before.text.len()
        || matches!(first.kind, Kind::Unterminated(_))
}
