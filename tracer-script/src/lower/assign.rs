//! What is put into maps.

use super::{Lower, Mem, map::ANY};
use crate::{
    ast::{BinaryOp, Expr},
    ir::{Alu, Atomic, Cond, Op, Operand},
    program::Loss,
    types::Type,
};

impl Lower<'_, '_> {
    /// `@x[key] = value`
    pub(super) fn assign_map(&mut self, name: &str, key: Option<&Expr>, value: &Expr) {
        let map = self.map_number(name);
        if let Type::Aggregate(aggregate) = self.shared.maps[map].value {
            return self.aggregate(map, aggregate, key, value);
        }
        let kind = self.shared.maps[map].value.clone();
        if super::expr::is_scalar_like(&kind) {
            let value = self.val(value);
            let value = match value {
                Operand::Reg(_) => Operand::Reg(self.copy(value)),
                value => value,
            };
            return self.set_number(map, key, value);
        }
        let piece = self.piece(value, &kind);
        let size = self.shared.maps[map].value_size;
        let done = self.block();
        if self.is_array(map) {
            let place = self.key(map, key, None);
            // Put together elsewhere first, as it may be made of what is there.
            let whole = self.temporary(size);
            let offset = self.value_offset(map);
            self.fill(piece, whole, size - offset as u32, true);
            let entry = self.entry(map, place, done);
            self.copy_memory(Mem::At(entry, offset), whole, size - offset as u32);
            self.mark_set(map, entry);
        } else {
            let whole = self.temporary(size);
            self.fill(piece, whole, size, true);
            let key = self.key(map, key, None);
            self.put(map, key, whole);
        }
        self.jump(done);
        self.go_on_at(done);
    }

    /// Sets an entry as a whole.
    fn put(&mut self, map: usize, key: Mem, value: Mem) {
        let result = self.update(map, key, value, ANY);
        let (failed, done) = (self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(result),
            Operand::Imm(0),
            failed,
            done,
        );
        self.go_on_at(failed);
        self.count_loss(Loss::MapFull as u32 + map as u32);
        self.jump(done);
        self.go_on_at(done);
    }

    fn set_number(&mut self, map: usize, key: Option<&Expr>, value: Operand) {
        let done = self.block();
        let key = self.key(map, key, None);
        let is_deleted = self.given.deleted.contains(&self.shared.maps[map].name);
        if is_deleted && !self.is_array(map) {
            // Entries come and go: most often there is none yet.
            let whole = self.temporary(8);
            self.store_word(whole, value);
            self.put(map, key, whole);
        } else {
            let entry = self.entry(map, key, done);
            let offset = self.value_offset(map);
            self.store_word(Mem::At(entry, offset), value);
            self.mark_set(map, entry);
        }
        self.jump(done);
        self.go_on_at(done);
    }

    /// `@x[key] += value` and its kin. Sums are exact, whoever else adds.
    pub(super) fn compound_map(
        &mut self,
        name: &str,
        key: Option<&Expr>,
        operator: BinaryOp,
        value: &Expr,
    ) {
        let map = self.map_number(name);
        let kind = self.shared.maps[map].value.clone();
        let value_kind = self.kind(value);
        let operand = self.val(value);
        let operand = Operand::Reg(self.copy(operand));
        let done = self.block();
        let key = self.key(map, key, None);
        let entry = self.entry(map, key, done);
        let place = Mem::At(entry, self.value_offset(map));
        match operator {
            BinaryOp::Add | BinaryOp::Sub if kind.is_integer() => {
                let more = match operator {
                    BinaryOp::Add => operand,
                    _ => {
                        let negated = self.reg();
                        self.op(Op::Alu(Alu::Sub, negated, Operand::Imm(0), operand));
                        Operand::Reg(negated)
                    }
                };
                self.add(place, more, false);
            }
            _ => {
                let before = self.load(place, 8);
                let signed = kind.is_signed();
                let after = self.arithmetic(
                    operator,
                    signed,
                    (Operand::Reg(before), &kind),
                    (operand, &value_kind),
                );
                self.store_word(place, after);
            }
        }
        self.mark_set(map, entry);
        self.jump(done);
        self.go_on_at(done);
    }

    /// Adds to 8 bytes in memory: in one step, unless no one else can be at it.
    pub(super) fn add(&mut self, place: Mem, value: Operand, alone: bool) {
        if alone {
            let before = self.load(place, 8);
            let after = self.alu(Alu::Add, before, value);
            return self.store_word(place, Operand::Reg(after));
        }
        let (base, offset) = self.base(place);
        self.op(Op::Atomic(Atomic::Add, None, base, offset, value));
    }

    /// `@x++` and its kin. With `wanted`, the value from before or after.
    pub(super) fn inc_dec_map(
        &mut self,
        name: &str,
        key: Option<&Expr>,
        increment: bool,
        postfix: bool,
        wanted: bool,
    ) -> Operand {
        let map = self.map_number(name);
        let to = self.reg();
        if wanted {
            self.op(Op::Const(to, 0));
        }
        let done = self.block();
        let step = Operand::Imm(if increment { 1 } else { -1 });
        self.temporarily(|lower| {
            let key = lower.key(map, key, None);
            let entry = lower.entry(map, key, done);
            let place = Mem::At(entry, lower.value_offset(map));
            if wanted && lower.given.facts.since(5, 12) {
                let (base, offset) = lower.base(place);
                let fetch = Op::Atomic(Atomic::FetchAdd, Some(to), base, offset, step);
                lower.op(fetch);
            } else {
                if wanted {
                    let before = lower.load(place, 8);
                    lower.op(Op::Move(to, before));
                }
                lower.add(place, step, false);
            }
            if wanted && !postfix {
                lower.op(Op::Alu(Alu::Add, to, Operand::Reg(to), step));
            }
            lower.mark_set(map, entry);
        });
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }
}
