//! Pieces to lines.

use super::{
    gap::{self, Around},
    piece::{Piece, PieceKind},
};
use crate::lexer::Kind;

/// Blanks for each block around.
const INDENT: usize = 2;
/// And for a line that goes on with the one before.
const CONTINUED: usize = 4;
/// A block of one statement that fits into so many columns stays on its line.
const COLUMNS: usize = 100;

/// Lays pieces out.
pub(super) fn lay_out(pieces: &[Piece<'_>]) -> String {
    let mut layout = Layout {
        pieces,
        out: String::new(),
        open: Vec::new(),
        pending: 0,
        in_statement: false,
        typed: false,
    };
    for at in 0..pieces.len() {
        layout.piece(at);
    }
    if !layout.out.is_empty() {
        layout.out.push('\n');
    }
    layout.out
}

/// What a bracket that is open has within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// Statements, or members of a structure, each on a line.
    Lines { in_c: bool },
    /// The same on one line.
    Inline { in_c: bool },
    /// Enumerators, each on a line.
    Enumerators,
    /// Arguments, an index.
    Arguments,
}

struct Layout<'a> {
    pieces: &'a [Piece<'a>],
    out: String,
    open: Vec<Open>,
    /// Line breaks that are to come before the next piece.
    pending: usize,
    /// A statement has begun.
    in_statement: bool,
    /// The next colon tells a type.
    typed: bool,
}

impl Layout<'_> {
    fn piece(&mut self, at: usize) {
        let piece = &self.pieces[at];
        match piece.kind {
            PieceKind::Line => {
                self.break_line(at, 1);
                self.write(at);
                self.pending = 1;
            }
            PieceKind::LineRemark => {
                let own_line = piece.breaks > 0 || at == 0;
                if own_line {
                    self.break_line(at, 1);
                } else {
                    self.out.push(' ');
                }
                self.out.push_str(piece.text);
                self.pending = self.pending.max(1);
            }
            PieceKind::Remark if piece.breaks == 0 && at > 0 && self.pending > 0 => {
                // It belongs to the line that is done.
                self.out.push(' ');
                self.out.push_str(piece.text);
            }
            PieceKind::Remark => {
                self.keep_break(at);
                self.separate(at);
                self.write(at);
                let next = self.pieces.get(at + 1);
                if !self.in_statement && next.is_some_and(|next| next.breaks > 0) {
                    self.pending = 1;
                }
            }
            _ if piece.is("{") => self.open_block(at),
            _ if piece.is("}") => self.close_block(at),
            _ => self.token(at),
        }
    }

    fn token(&mut self, at: usize) {
        let piece = &self.pieces[at];
        self.keep_break(at);
        self.separate(at);
        self.write(at);
        self.in_statement = true;
        match &piece.kind {
            PieceKind::Token(Kind::Sign("(" | "[")) => self.open.push(Open::Arguments),
            PieceKind::Token(Kind::Sign(")" | "]")) => {
                if self.open.last() == Some(&Open::Arguments) {
                    self.open.pop();
                }
                self.typed = self.is_end_of_parameters(at);
            }
            PieceKind::Token(Kind::Sign(";")) => self.end_statement(),
            PieceKind::Token(Kind::Sign(",")) if self.open.last() == Some(&Open::Enumerators) => {
                self.pending = 1;
            }
            PieceKind::Token(Kind::Sign("=")) => self.typed = false,
            PieceKind::Token(Kind::Word) if piece.text == "let" || piece.text == "fn" => {
                self.typed = true;
            }
            _ => {}
        }
    }

    /// Whether what was closed are the parameters of a subprogram, behind which its type follows.
    fn is_end_of_parameters(&self, at: usize) -> bool {
        self.open.is_empty() && self.pieces.get(at + 1).is_some_and(|next| next.is(":"))
    }

    fn end_statement(&mut self) {
        self.typed = false;
        match self.open.last() {
            Some(Open::Inline { .. } | Open::Arguments) => {}
            _ => {
                self.pending = 1;
                self.in_statement = false;
            }
        }
    }

    fn open_block(&mut self, at: usize) {
        let kind = self.kind_of(at);
        let is_probe =
            self.open.is_empty() && kind == Open::Lines { in_c: false } && self.is_probe(at);
        if is_probe {
            self.break_line(at, 1);
        } else {
            self.pending = 0;
            self.separate(at);
        }
        self.write(at);
        self.open.push(kind);
        self.in_statement = false;
        self.typed = false;
        let empty = self.pieces.get(at + 1).is_some_and(|next| next.is("}"));
        let inline = matches!(kind, Open::Inline { .. });
        self.pending = usize::from(!inline && !empty);
    }

    /// Whether a block is a probe's: what stands before it is a head or a predicate.
    fn is_probe(&self, at: usize) -> bool {
        let before = self.pieces[..at]
            .iter()
            .rev()
            .find(|piece| !piece.is_remark());
        before.is_some_and(|before| {
            matches!(before.kind, PieceKind::Head | PieceKind::Slash) || before.is(",")
        })
    }

    fn close_block(&mut self, at: usize) {
        let kind = self.open.pop();
        let empty = at > 0 && self.pieces[at - 1].is("{");
        let inline = matches!(kind, Some(Open::Inline { .. })) || empty;
        self.in_statement = false;
        if inline {
            self.separate(at);
        } else {
            self.break_line(at, 1);
        }
        self.write(at);
        self.in_statement = true;
        let in_c = matches!(
            kind,
            Some(Open::Enumerators | Open::Lines { in_c: true } | Open::Inline { in_c: true })
        );
        if self.goes_on(at, in_c) {
            return;
        }
        self.in_statement = false;
        self.pending = if self.open.is_empty() && !inline {
            2
        } else {
            1
        };
    }

    /// Whether what follows a closing brace belongs to the same statement.
    fn goes_on(&self, at: usize, in_c: bool) -> bool {
        if matches!(
            self.open.last(),
            Some(Open::Inline { .. } | Open::Arguments)
        ) {
            return true;
        }
        let next = self.pieces[at + 1..]
            .iter()
            .find(|piece| !piece.is_remark());
        let Some(next) = next else {
            return false;
        };
        match &next.kind {
            PieceKind::Operator => true,
            PieceKind::Token(Kind::Sign(sign)) => {
                !matches!(*sign, "}" | "{" | "(" | "*" | "++" | "--")
            }
            PieceKind::Token(Kind::Word) => next.text == "else" || in_c,
            _ => false,
        }
    }

    /// How a block is laid out.
    fn kind_of(&self, at: usize) -> Open {
        let in_c = self.is_in_c() || self.begins_definition(at);
        match self.inline_width(at) {
            Some(width) if self.column() + width <= COLUMNS => return Open::Inline { in_c },
            _ => {}
        }
        if in_c && self.is_enumeration(at) {
            return Open::Enumerators;
        }
        Open::Lines { in_c }
    }

    fn is_in_c(&self) -> bool {
        let block = self
            .open
            .iter()
            .rev()
            .find(|open| **open != Open::Arguments);
        matches!(
            block,
            Some(Open::Lines { in_c: true } | Open::Inline { in_c: true })
        )
    }

    /// Whether the brace is that of a structure or an enumeration: its keyword is one or two words before, with
    /// nothing but words between.
    fn begins_definition(&self, at: usize) -> bool {
        let mut words = self.pieces[..at]
            .iter()
            .rev()
            .filter(|piece| !piece.is_remark())
            .take_while(|piece| piece.kind == PieceKind::Token(Kind::Word));
        words.any(|word| matches!(word.text, "struct" | "union" | "enum"))
    }

    fn is_enumeration(&self, at: usize) -> bool {
        let words = self.pieces[..at].iter().rev().take(2);
        words.into_iter().any(|word| word.is_word("enum"))
    }

    /// How wide a block would be on one line; [`None`] where it does not belong on one: where it has a line break,
    /// a remark, a block within a block, or more than one statement.
    fn inline_width(&self, at: usize) -> Option<usize> {
        let mut depth = 0;
        let mut width = 0;
        let mut statements = 0;
        let mut ended = false;
        for (index, piece) in self.pieces.iter().enumerate().skip(at) {
            let is_first = index == at;
            if !is_first && piece.breaks > 0 || piece.is_remark() || piece.kind == PieceKind::Line {
                return None;
            }
            if ended && depth == 1 && !piece.is("}") {
                return None;
            }
            ended = depth == 1 && piece.is(";");
            statements += usize::from(ended);
            depth += usize::from(piece.is("{"));
            depth -= usize::from(piece.is("}"));
            width += piece.text.len() + 1;
            if depth > 1 || statements > 1 || width > COLUMNS {
                return None;
            }
            if depth == 0 {
                return Some(width);
            }
        }
        None
    }

    /// Columns of the line so far.
    fn column(&self) -> usize {
        if self.pending > 0 {
            return self.indent();
        }
        let line = self.out.rsplit('\n').next().unwrap_or_default();
        line.chars().count()
    }

    /// A line break within a statement stays where it was.
    fn keep_break(&mut self, at: usize) {
        let piece = &self.pieces[at];
        let stays = self.in_statement && piece.breaks > 0 && self.pending == 0;
        if stays && !piece.is_word("else") && !piece.is(";") {
            self.pending = 1;
        }
    }

    /// Puts what belongs between the last piece and this one.
    fn separate(&mut self, at: usize) {
        if self.pending > 0 {
            let lines = self.pending;
            return self.break_line(at, lines);
        }
        let Some(before) = at.checked_sub(1).map(|before| &self.pieces[before]) else {
            return;
        };
        let around = Around {
            typed: self.typed,
            in_c: self.is_in_c() || self.open.is_empty(),
        };
        if gap::is_blank(before, &self.pieces[at], around) {
            self.out.push(' ');
        }
    }

    /// Begins a line, with an empty one before it where there was one, or where so many are wanted.
    fn break_line(&mut self, at: usize, lines: usize) {
        let lines = lines.max(self.pending);
        self.pending = 0;
        if self.out.is_empty() {
            return;
        }
        let piece = &self.pieces[at];
        let after_opening = self.pieces[..at]
            .iter()
            .rev()
            .find(|piece| !piece.is_remark());
        let after_opening = self.out.ends_with('{')
            || after_opening.is_some_and(|before| before.is("{"))
                && self.pieces[at - 1].breaks == 0;
        let wanted = lines > 1 || piece.breaks > 1;
        self.out.push('\n');
        if wanted && !after_opening && !piece.is("}") && !piece.is("{") {
            self.out.push('\n');
        }
        if piece.kind == PieceKind::Line {
            return;
        }
        let indent = self.indent() + self.continuation(at);
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn indent(&self) -> usize {
        let lines = |open: &&Open| matches!(open, Open::Lines { .. } | Open::Enumerators);
        self.open.iter().filter(lines).count() * INDENT
    }

    /// A statement's further lines stand deeper, but for the bracket that closes it.
    fn continuation(&self, at: usize) -> usize {
        let piece = &self.pieces[at];
        let closes = piece.is(")") || piece.is("]") || piece.is("}") || piece.is("{");
        let outside = self.open.is_empty() || self.open.last() == Some(&Open::Enumerators);
        if self.in_statement && !closes && !outside {
            CONTINUED
        } else {
            0
        }
    }

    fn write(&mut self, at: usize) {
        self.out.push_str(self.pieces[at].text);
    }
}
