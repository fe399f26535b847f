//! Comparing strings, and other values in memory.

use super::{Lower, Mem, memory::chunks, piece::Piece};
use crate::{
    ast::Expr,
    ir::{Alu, BlockId, Cond, Op, Operand, Reg},
    types::Type,
};

/// Strings up to that many bytes are compared without a loop.
const UNROLLED_MAX: u32 = 64;

impl Lower<'_, '_> {
    /// 1 where two values in memory are the same.
    pub(super) fn equal_memory(&mut self, left: &Expr, right: &Expr) -> Operand {
        let (left_kind, right_kind) = (self.kind(left), self.kind(right));
        self.temporarily(|lower| {
            if let (Type::Str(_), Type::Str(_)) = (&left_kind, &right_kind) {
                let difference = lower.compare_strings(left, right, u32::MAX);
                return Operand::Reg(lower.comparison(Cond::Eq, difference, Operand::Imm(0)));
            }
            let kind = if lower.stored_size(&left_kind) >= lower.stored_size(&right_kind) {
                left_kind
            } else {
                right_kind
            };
            let first = lower.in_temporary(left, &kind);
            let second = lower.in_temporary(right, &kind);
            let size = lower.stored_size(&kind);
            let difference = lower.compare_bytes(first, second, size);
            Operand::Reg(lower.comparison(Cond::Eq, Operand::Reg(difference), Operand::Imm(0)))
        })
    }

    fn in_temporary(&mut self, expr: &Expr, kind: &Type) -> Mem {
        let size = self.stored_size(kind);
        let piece = self.piece(expr, kind);
        let to = self.temporary(size);
        self.fill(piece, to, size, true);
        to
    }

    /// Zero where so many bytes are the same.
    fn compare_bytes(&mut self, first: Mem, second: Mem, size: u32) -> Reg {
        let result = self.copy(Operand::Imm(1));
        let (same, done) = (self.block(), self.block());
        self.differ(first, second, size, done);
        self.jump(same);
        self.go_on_at(same);
        self.op(Op::Const(result, 0));
        self.jump(done);
        self.go_on_at(done);
        result
    }

    /// Goes to `differs` at the first word that is not the same.
    fn differ(&mut self, first: Mem, second: Mem, size: u32, differs: BlockId) {
        if size > UNROLLED_MAX && size.is_multiple_of(8) {
            return self.differ_in_loop(first, second, size, differs);
        }
        for (at, width) in chunks(size) {
            let left = self.load(first.plus(at as i32), width);
            let right = self.load(second.plus(at as i32), width);
            let next = self.block();
            self.branch(
                Cond::Eq,
                Operand::Reg(left),
                Operand::Reg(right),
                next,
                differs,
            );
            self.go_on_at(next);
        }
    }

    fn differ_in_loop(&mut self, first: Mem, second: Mem, size: u32, differs: BlockId) {
        let (first, second) = (self.address(first), self.address(second));
        let end = self.block();
        self.counted(size / 8, end, |lower, round, next| {
            let offset = lower.alu(Alu::Lsh, round, Operand::Imm(3));
            let left = lower.load_at(first, offset, 8);
            let right = lower.load_at(second, offset, 8);
            lower.branch(
                Cond::Eq,
                Operand::Reg(left),
                Operand::Reg(right),
                next,
                differs,
            );
        });
    }

    /// Zero where two strings are the same, as far as `most` bytes.
    pub(super) fn compare_strings(&mut self, left: &Expr, right: &Expr, most: u32) -> Operand {
        let texts = [self.literal_text(left), self.literal_text(right)];
        match texts {
            [Some(a), Some(b)] => {
                let cut = |text: &[u8]| text[..text.len().min(most as usize)].to_vec();
                Operand::Imm(i64::from(cut(&a) != cut(&b)))
            }
            [Some(text), None] => self.compare_with_text(right, &text, most),
            [None, Some(text)] => self.compare_with_text(left, &text, most),
            [None, None] => self.compare_two(left, right, most),
        }
    }

    fn compare_with_text(&mut self, expr: &Expr, text: &[u8], most: u32) -> Operand {
        let (place, size) = self.readable(expr);
        let mut bytes = text
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default()
            .to_vec();
        bytes.push(0);
        bytes.truncate(most as usize);
        // Characters that fill an array have no NUL behind them.
        if bytes.len() as u32 == size + 1 && bytes.last() == Some(&0) {
            bytes.pop();
        }
        let length = bytes.len() as u32;
        if length > size {
            // What is longer than there is room for is never the same.
            return Operand::Imm(1);
        }
        if length == 0 {
            return Operand::Imm(0);
        }
        let result = self.copy(Operand::Imm(1));
        let done = self.block();
        self.differ_from(place, &bytes, done);
        self.op(Op::Const(result, 0));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(result)
    }

    /// Goes to `differs` at the first bytes that are not these.
    fn differ_from(&mut self, place: Mem, bytes: &[u8], differs: BlockId) {
        for (at, width) in chunks(bytes.len() as u32) {
            let mut word = [0; 8];
            let part = &bytes[at as usize..(at + width) as usize];
            word[..part.len()].copy_from_slice(part);
            let found = self.load(place.plus(at as i32), width);
            let next = self.block();
            let wanted = Operand::Imm(i64::from_ne_bytes(word));
            self.branch(Cond::Eq, Operand::Reg(found), wanted, next, differs);
            self.go_on_at(next);
        }
    }

    fn compare_two(&mut self, left: &Expr, right: &Expr, most: u32) -> Operand {
        let (first, first_size) = self.readable(left);
        let (second, second_size) = self.readable(right);
        if most == u32::MAX {
            let size = first_size.max(second_size).next_multiple_of(8);
            let first = self.widened(first, first_size, size);
            let second = self.widened(second, second_size, size);
            return Operand::Reg(self.compare_bytes(first, second, size));
        }
        let size = first_size.max(second_size).min(most);
        let first = self.widened(first, first_size, size.max(first_size));
        let second = self.widened(second, second_size, size.max(second_size));
        self.compare_up_to(first, second, size)
    }

    /// The same string with so many bytes of room.
    fn widened(&mut self, place: Mem, own: u32, size: u32) -> Mem {
        if own == size {
            return place;
        }
        let to = self.temporary(size);
        let piece = Piece::Copied {
            before: None,
            from: place,
            size: own,
        };
        self.fill(piece, to, size, true);
        to
    }

    /// Byte by byte, up to the end of both.
    fn compare_up_to(&mut self, first: Mem, second: Mem, size: u32) -> Operand {
        let result = self.copy(Operand::Imm(0));
        let (first, second) = (self.address(first), self.address(second));
        let (differs, end) = (self.block(), self.block());
        self.counted(size, end, |lower, round, next| {
            let left = lower.load_at(first, round, 1);
            let right = lower.load_at(second, round, 1);
            let same = lower.block();
            lower.branch(
                Cond::Eq,
                Operand::Reg(left),
                Operand::Reg(right),
                same,
                differs,
            );
            lower.go_on_at(same);
            lower.branch(Cond::Eq, Operand::Reg(left), Operand::Imm(0), end, next);
        });
        let done = self.block();
        self.jump(done);
        self.go_on_at(differs);
        self.op(Op::Const(result, 1));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(result)
    }

    /// `memcmp`: zero where so many bytes are the same, else how far the first ones that are not are apart.
    pub(super) fn compare_memory(&mut self, left: &Expr, right: &Expr, size: u32) -> Operand {
        let read = |lower: &mut Self, expr: &Expr| {
            let from = lower.pointed_memory(expr);
            let to = lower.temporary(size);
            lower.copy_memory(to, from, size);
            to
        };
        let (first, second) = (read(self, left), read(self, right));
        let (first, second) = (self.address(first), self.address(second));
        let result = self.reg();
        let (end, done) = (self.block(), self.block());
        self.counted(size, end, |lower, round, next| {
            let left = Operand::Reg(lower.load_at(first, round, 1));
            let right = Operand::Reg(lower.load_at(second, round, 1));
            lower.op(Op::Alu(Alu::Sub, result, left, right));
            lower.branch(Cond::Eq, left, right, next, done);
        });
        self.op(Op::Const(result, 0));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(result)
    }
}
