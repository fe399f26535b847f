//! Strings: comparing, searching, measuring, joining. Outside of the bytes up to its NUL a string in memory is
//! zero.

use super::{Lower, Mem};
use crate::{
    ast::{Call, Expr, ExprKind},
    ir::{Alu, Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    types::Type,
};

use super::piece::Piece;

/// Bytes of a string that is searched in jumps, where it could be searched by a callback.
const SEARCH_MAX: u32 = 256;

/// Memory that a function shares with the one that calls it back.
#[derive(Clone, Copy)]
enum Shared {
    /// Among the constants.
    Rodata(u32),
    /// In the program's own.
    Scratch(u32),
}

impl Lower<'_, '_> {
    /// Makes sure that memory can be read by loads, and that nothing stands behind a string's end. Characters in
    /// an array or behind a pointer are a string.
    pub(super) fn readable(&mut self, expr: &Expr) -> (Mem, u32) {
        let own = self.kind(expr);
        let (kind, from) = match own {
            Type::Ptr(..) => {
                let most = self.given.config.max_strlen as u32;
                (Type::Str(most), self.pointed_memory(expr))
            }
            Type::Array(_, count) => (Type::Str(count), self.memory(expr)),
            _ => (own.clone(), self.memory(expr)),
        };
        let size = self.stored_size(&kind);
        if !matches!(from, Mem::Far(..)) {
            return (from, size);
        }
        let to = self.temporary(size);
        let piece = match (own, kind) {
            (Type::Ptr(..), Type::Str(size)) => Piece::Text {
                from,
                size,
                limit: None,
            },
            (_, Type::Str(size)) => Piece::Characters { from, size },
            _ => Piece::Copied {
                before: None,
                from,
                size,
            },
        };
        self.fill(piece, to, size, true);
        (to, size)
    }

    /// The bytes of a string that is known.
    pub(super) fn literal_text(&self, expr: &Expr) -> Option<Vec<u8>> {
        match &expr.kind {
            ExprKind::Str(text) => Some(text.clone()),
            ExprKind::Positional(number) => self.parameter_bytes((*number, 0)),
            ExprKind::Call(call) if call.name == "str" && call.args.len() == 1 => {
                self.parameter_bytes(call.args[0].parameter()?)
            }
            _ => None,
        }
    }

    pub(super) fn parameter_bytes(&self, (number, skip): (u32, u64)) -> Option<Vec<u8>> {
        let text = self.given.params.text(number, skip)?;
        Some(text.as_bytes().to_vec())
    }

    /// `strlen`
    pub(super) fn string_length(&mut self, expr: &Expr) -> Operand {
        if let Some(text) = self.literal_text(expr) {
            let length = text
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(text.len());
            return Operand::Imm(length as i64);
        }
        let (place, size) = self.readable(expr);
        Operand::Reg(self.string_length_at(place, size))
    }

    /// `strstr`: where the second string begins in the first; -1 where it does not.
    pub(super) fn find_string(&mut self, haystack: &Expr, needle: &Expr) -> Operand {
        if let (Some(a), Some(b)) = (self.literal_text(haystack), self.literal_text(needle)) {
            let found = if b.is_empty() {
                Some(0)
            } else {
                a.windows(b.len()).position(|window| window == b)
            };
            return Operand::Imm(found.map_or(-1, |at| at as i64));
        }
        let (place, size) = self.readable(haystack);
        let (sought, most) = self.readable(needle);
        if size > SEARCH_MAX && self.calls_back() {
            return self.find_by_callback((place, size), (sought, most));
        }
        let base = self.address(place);
        let sought = self.address(sought);
        let result = self.copy(Operand::Imm(-1));
        let end = self.block();
        self.counted(size, end, |lower, round, next| {
            let found = lower.block();
            lower.matches_at(base, round, size, (sought, most), found, next);
            lower.go_on_at(found);
            lower.op(Op::Move(result, round));
            lower.jump(end);
        });
        Operand::Reg(result)
    }

    /// The same for long strings: the verifier would have to follow too many jumps.
    fn find_by_callback(&mut self, haystack: (Mem, u32), needle: (Mem, u32)) -> Operand {
        let (haystack, size) = (self.shareable(haystack), haystack.1);
        let (needle, most) = (self.shareable(needle), needle.1);
        let result = self.scratch;
        let place = self.scratch_room(8);
        self.store_word(place, Operand::Imm(-1));
        let function = self.callback(2, 1, |lower| {
            let base = lower.address_of_shared(haystack);
            let sought = lower.address_of_shared(needle);
            let (inside, found, next) = (lower.block(), lower.block(), lower.block());
            let limit = Operand::Imm(size.into());
            lower.branch(Cond::Lt, Operand::Reg(0), limit, inside, next);
            lower.go_on_at(inside);
            lower.matches_at(base, 0, size, (sought, most), found, next);
            lower.go_on_at(found);
            let place = lower.in_scratch(result);
            lower.store_word(place, Operand::Reg(0));
            let span = lower.span;
            lower.f().ret(Operand::Imm(1), span);
            lower.go_on_at(next);
        });
        self.loop_call(Arg::Imm(size.into()), function);
        let place = self.in_scratch(result);
        Operand::Reg(self.load(place, 8))
    }

    /// Memory as a callback finds it: what is not there yet is copied to the program's own.
    fn shareable(&mut self, (from, size): (Mem, u32)) -> Shared {
        let base = self.scratch_base();
        match from {
            Mem::Rodata(at) => Shared::Rodata(at),
            Mem::At(reg, at) if reg == base => Shared::Scratch(at as u32),
            _ => {
                let at = self.scratch;
                let to = self.scratch_room(size);
                self.copy_memory(to, from, size);
                Shared::Scratch(at)
            }
        }
    }

    fn address_of_shared(&mut self, shared: Shared) -> Reg {
        let place = match shared {
            Shared::Rodata(at) => Mem::Rodata(at),
            Shared::Scratch(at) => self.in_scratch(at),
        };
        self.address(place)
    }

    /// Whether a string begins at this byte of another.
    fn matches_at(
        &mut self,
        base: Reg,
        start: Reg,
        size: u32,
        (sought, most): (Reg, u32),
        found: BlockId,
        not_found: BlockId,
    ) {
        let inner_end = self.block();
        self.counted(most, inner_end, |lower, round, next| {
            let wanted = lower.load_at(sought, round, 1);
            let more = lower.block();
            // The end of what is sought: all before it was there.
            lower.branch(Cond::Eq, Operand::Reg(wanted), Operand::Imm(0), found, more);
            lower.go_on_at(more);
            let at = lower.alu(Alu::Add, start, Operand::Reg(round));
            let inside = lower.block();
            let size = Operand::Imm(size.into());
            lower.branch(Cond::Lt, Operand::Reg(at), size, inside, not_found);
            lower.go_on_at(inside);
            let there = lower.load_at(base, at, 1);
            lower.branch(
                Cond::Eq,
                Operand::Reg(there),
                Operand::Reg(wanted),
                next,
                not_found,
            );
        });
        self.jump(found);
    }

    /// `str_concat`: both strings, one behind the other.
    pub(super) fn concatenated(&mut self, left: &Expr, right: &Expr, kind: &Type) -> Mem {
        let size = self.stored_size(kind);
        let (first, first_size) = self.readable(left);
        let (second, second_size) = self.readable(right);
        let length = self.string_length_at(first, first_size);
        let to = self.scratch_room(size + second_size);
        self.clear(to, size);
        self.copy_memory(to, first, first_size);
        let base = self.address(to);
        let behind = self.reg();
        let end = self.reg();
        let most = Operand::Imm(first_size.into());
        let (within, done) = (self.block(), self.block());
        self.op(Op::Move(end, length));
        self.branch(Cond::Le, Operand::Reg(end), most, done, within);
        self.go_on_at(within);
        self.op(Op::Const(end, 0));
        self.jump(done);
        self.go_on_at(done);
        self.op(Op::Alu(
            Alu::Add,
            behind,
            Operand::Reg(base),
            Operand::Reg(end),
        ));
        let second = self.pointer(second);
        let args = vec![Arg::Reg(behind), Arg::Imm(second_size.into()), second];
        self.call_only(Helper::ProbeReadKernel, args);
        to
    }

    fn string_length_at(&mut self, place: Mem, size: u32) -> Reg {
        let base = self.address(place);
        let length = self.copy(Operand::Imm(0));
        let end = self.block();
        self.counted(size, end, |lower, round, next| {
            let byte = lower.load_at(base, round, 1);
            let more = lower.block();
            lower.branch(Cond::Ne, Operand::Reg(byte), Operand::Imm(0), more, end);
            lower.go_on_at(more);
            lower.op(Op::Alu(
                Alu::Add,
                length,
                Operand::Reg(round),
                Operand::Imm(1),
            ));
            lower.jump(next);
        });
        length
    }

    /// `path(p)`: the path of a `struct path`, as the kernel spells it.
    pub(crate) fn path_piece(&mut self, call: &Call, own: &Type) -> Piece {
        let size = self.stored_size(own);
        let Some(pointer) = self.trusted_pointer(&call.args[0]) else {
            let span = call.args[0].span;
            self.error(
                span,
                "path() takes an argument of the function, or what lies in or behind one: path(args.file.f_path)",
            );
            return Piece::Words(Vec::new());
        };
        let to = self.scratch_room(size);
        self.clear(to, size);
        let buffer = self.pointer(to);
        let args = vec![Arg::Reg(pointer), buffer, Arg::Imm(size.into())];
        let result = self.call(Helper::DPath, args);
        self.report_failure(result, "d_path");
        Piece::Copied {
            before: None,
            from: to,
            size,
        }
    }
}
