//! Maps: keys, look-ups, and what is put there.

use super::{Known, Lower, Mem};
use crate::{
    ast::{Expr, ExprKind},
    ir::{Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    program::{Loss, MapKind},
    types::{Aggregate, Type, align},
};

/// Flags of `BPF_MAP_UPDATE_ELEM`.
pub(super) const ANY: i64 = 0;
const NOEXIST: i64 = 1;

/// Buckets of a histogram that a program looks at one by one, at the most.
const BUCKETS_MAX: u32 = 4096;

/// What comes of deleting.
pub(crate) enum Deleted {
    /// A word that is not zero where there was something.
    Word(Reg),
    /// What the helper returned: zero where there was something.
    Result(Reg),
}

impl Lower<'_, '_> {
    /// The number of a map that the script names.
    pub(super) fn map_number(&self, name: &str) -> usize {
        self.shared.map(name).unwrap_or(0)
    }

    /// Where values begin: behind the word that tells whether there is one.
    pub(super) fn value_offset(&self, map: usize) -> i32 {
        if self.shared.maps[map].presence { 8 } else { 0 }
    }

    pub(super) fn is_array(&self, map: usize) -> bool {
        matches!(
            self.shared.maps[map].kind,
            MapKind::Array | MapKind::PercpuArray
        )
    }

    /// Puts a key together; for histograms with the number of a bucket behind it.
    pub(super) fn key(&mut self, map: usize, key: Option<&Expr>, bucket: Option<Operand>) -> Mem {
        if self.is_array(map) {
            let to = self.temporary(8);
            self.store(to, bucket.unwrap_or(Operand::Imm(0)), 4);
            return to;
        }
        let kind = self.shared.maps[map].key.clone();
        let size = self.shared.maps[map].key_size;
        let own = size - if bucket.is_some() { 8 } else { 0 };
        if let (Some(expr), None) = (key, bucket)
            && let Some(place) = self.key_in_place(expr, &kind)
        {
            return place;
        }
        let piece = key.map(|expr| self.piece(expr, &kind));
        let to = self.temporary(size);
        match piece {
            Some(piece) => self.fill(piece, to, own, true),
            None => self.clear(to, own),
        }
        if let Some(bucket) = bucket {
            self.store_word(to.plus(own as i32), bucket);
        }
        to
    }

    /// A key that lies in memory just as the map wants it.
    fn key_in_place(&mut self, expr: &Expr, wanted: &Type) -> Option<Mem> {
        let is_part = matches!(&expr.kind, ExprKind::TupleIndex(inner, 0) if matches!(inner.kind, ExprKind::Var(_)));
        if !is_part && !matches!(expr.kind, ExprKind::Var(_)) {
            return None;
        }
        let own = self.kind(expr);
        if own != *wanted || super::expr::is_scalar_like(&own) {
            return None;
        }
        let place = self.memory(expr);
        (!matches!(place, Mem::Far(..))).then_some(place)
    }

    /// A pointer to an entry's value, or zero.
    pub(super) fn lookup(&mut self, map: usize, key: Mem) -> Reg {
        if self.shared.maps[map].kind == MapKind::Array && self.shared.maps[map].presence {
            let to = self.reg();
            self.op(Op::Address(to, Arg::MapValue(map, 0)));
            return to;
        }
        let key = self.pointer(key);
        self.call(Helper::MapLookupElem, vec![Arg::Map(map), key])
    }

    /// A pointer to an entry's value; the entry is made where there is none. Where the map is full that is
    /// counted, and it goes on at `full`.
    pub(super) fn entry(&mut self, map: usize, key: Mem, full: BlockId) -> Reg {
        self.forget_values(Some(map));
        let found = self.reg();
        let first = self.lookup(map, key);
        self.op(Op::Move(found, first));
        if self.shared.maps[map].kind == MapKind::Array && self.shared.maps[map].presence {
            return found;
        }
        let (missing, lost, done) = (self.block(), self.block(), self.block());
        let zero = Operand::Imm(0);
        self.branch(Cond::Ne, Operand::Reg(found), zero, done, missing);
        self.go_on_at(missing);
        if !self.is_array(map) {
            let size = self.shared.maps[map].value_size;
            let zeros = self.shared.zeros(size);
            self.update(map, key, Mem::Rodata(zeros), NOEXIST);
            // Whoever has made it in the meantime: it is there.
            let second = self.lookup(map, key);
            self.op(Op::Move(found, second));
            self.branch(Cond::Ne, Operand::Reg(found), zero, done, lost);
            self.go_on_at(lost);
        }
        self.count_loss(Loss::MapFull as u32 + map as u32);
        self.jump(full);
        self.go_on_at(done);
        found
    }

    pub(super) fn update(&mut self, map: usize, key: Mem, value: Mem, flags: i64) -> Reg {
        self.forget_values(Some(map));
        let (key, value) = (self.pointer(key), self.pointer(value));
        let args = vec![Arg::Map(map), key, value, Arg::Imm(flags)];
        self.call(Helper::MapUpdateElem, args)
    }

    /// Notes that a map without keys has been set.
    pub(super) fn mark_set(&mut self, map: usize, entry: Reg) {
        if self.shared.maps[map].presence {
            self.store_word(Mem::At(entry, 0), Operand::Imm(1));
        }
    }

    /// The value of a map's entry that fits into a register; zero where there is none.
    pub(super) fn map_value(&mut self, expr: &Expr, name: &str, key: Option<&Expr>) -> Operand {
        let map = self.map_number(name);
        if let Type::Aggregate(aggregate) = self.kind(expr) {
            return self.temporarily(|lower| {
                let key = lower.key(map, key, None);
                lower.aggregate_number(map, aggregate, key)
            });
        }
        // Others hardly ever write what is kept for this thread: one look-up serves until this program does.
        let of_thread = key.is_some_and(is_thread).then_some(Known::OfThread(map));
        if let Some(reg) = of_thread.and_then(|what| self.known(what)) {
            return Operand::Reg(reg);
        }
        let to = self.look_up_number(map, key);
        if let Some(what) = of_thread {
            self.learn(what, to);
        }
        Operand::Reg(to)
    }

    fn look_up_number(&mut self, map: usize, key: Option<&Expr>) -> Reg {
        self.temporarily(|lower| {
            let key = lower.key(map, key, None);
            let entry = lower.lookup(map, key);
            let to = lower.reg();
            let (found, missing, done) = (lower.block(), lower.block(), lower.block());
            lower.branch(
                Cond::Ne,
                Operand::Reg(entry),
                Operand::Imm(0),
                found,
                missing,
            );
            lower.go_on_at(found);
            let offset = lower.value_offset(map);
            let value = lower.load(Mem::At(entry, offset), 8);
            lower.op(Op::Move(to, value));
            lower.jump(done);
            lower.go_on_at(missing);
            lower.op(Op::Const(to, 0));
            lower.jump(done);
            lower.go_on_at(done);
            to
        })
    }

    /// Where a map's value lies; where there is none, zeros.
    pub(super) fn map_memory(&mut self, name: &str, key: Option<&Expr>) -> Mem {
        let map = self.map_number(name);
        let key = self.key(map, key, None);
        let size = self.shared.maps[map].value_size;
        let found = self.lookup(map, key);
        let entry = self.copy(Operand::Reg(found));
        let (missing, done) = (self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(entry),
            Operand::Imm(0),
            done,
            missing,
        );
        self.go_on_at(missing);
        let zeros = self.shared.zeros(size);
        let rodata = self.address(Mem::Rodata(zeros));
        self.op(Op::Move(entry, rodata));
        self.jump(done);
        self.go_on_at(done);
        Mem::At(entry, self.value_offset(map))
    }

    /// `delete(@x, key)`
    pub(super) fn delete(&mut self, name: &str, key: Option<&Expr>) -> Deleted {
        let map = self.map_number(name);
        self.forget_values(Some(map));
        if self.shared.maps[map].bucket_in_key {
            return self.delete_buckets(map, key);
        }
        let key = self.key(map, key, None);
        if self.is_array(map) {
            let entry = self.lookup(map, key);
            let to = self.reg();
            let before = self.load(Mem::At(entry, 0), 8);
            self.op(Op::Move(to, before));
            let size = self.shared.maps[map].value_size;
            self.clear(Mem::At(entry, 0), size);
            return Deleted::Word(to);
        }
        let key = self.pointer(key);
        Deleted::Result(self.call(Helper::MapDeleteElem, vec![Arg::Map(map), key]))
    }

    /// A histogram is an entry for each of its buckets.
    fn delete_buckets(&mut self, map: usize, key: Option<&Expr>) -> Deleted {
        Deleted::Word(self.each_bucket(map, key, |lower, key, there, next| {
            let result = lower.call(Helper::MapDeleteElem, vec![Arg::Map(map), key]);
            let found = lower.block();
            lower.branch(Cond::Eq, Operand::Reg(result), Operand::Imm(0), found, next);
            lower.go_on_at(found);
            lower.op(Op::Const(there, 1));
            lower.jump(next);
        }))
    }

    /// Hands over the key of each bucket of a histogram, with the register that tells whether there was one, and
    /// where to go on.
    fn each_bucket(
        &mut self,
        map: usize,
        key: Option<&Expr>,
        visit: impl FnOnce(&mut Self, Arg, Reg, BlockId),
    ) -> Reg {
        let buckets = match self.shared.maps[map].value {
            Type::Aggregate(aggregate) => super::shared::buckets(aggregate),
            _ => 0,
        };
        if buckets > BUCKETS_MAX {
            let (span, name) = (self.span, self.shared.maps[map].name.clone());
            let message = format!(
                "{name} has {buckets} values for each key: single keys of such a map can only be \
                 looked at where there are no more than {BUCKETS_MAX}"
            );
            self.error(span, message);
            return self.copy(Operand::Imm(0));
        }
        let place = self.key(map, key, Some(Operand::Imm(0)));
        let bucket = place.plus(self.shared.maps[map].key_size as i32 - 8);
        let there = self.copy(Operand::Imm(0));
        let end = self.block();
        self.counted(buckets, end, |lower, round, next| {
            lower.store_word(bucket, Operand::Reg(round));
            let key = lower.pointer(place);
            visit(lower, key, there, next);
        });
        there
    }

    /// `has_key(@x, key)`
    pub(super) fn has_key(&mut self, name: &str, key: &Expr) -> Operand {
        let map = self.map_number(name);
        if self.shared.maps[map].bucket_in_key {
            return Operand::Reg(self.each_bucket(map, Some(key), |lower, key, there, next| {
                let entry = lower.call(Helper::MapLookupElem, vec![Arg::Map(map), key]);
                let found = lower.block();
                lower.branch(Cond::Ne, Operand::Reg(entry), Operand::Imm(0), found, next);
                lower.go_on_at(found);
                lower.op(Op::Const(there, 1));
                lower.jump(next);
            }));
        }
        let key = self.key(map, Some(key), None);
        let entry = self.lookup(map, key);
        Operand::Reg(self.comparison(Cond::Ne, Operand::Reg(entry), Operand::Imm(0)))
    }

    /// `find(@x, key, $v)`: sets the variable where there is an entry, and tells whether there is.
    pub(super) fn find(&mut self, name: &str, key: &Expr, variable: &Expr) -> Operand {
        let map = self.map_number(name);
        let kind = self.shared.maps[map].value.clone();
        let key = self.key(map, Some(key), None);
        let entry = self.lookup(map, key);
        let to = self.reg();
        let (found, missing, done) = (self.block(), self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(entry),
            Operand::Imm(0),
            found,
            missing,
        );
        self.go_on_at(found);
        let place = Mem::At(entry, self.value_offset(map));
        if let Type::Aggregate(aggregate) = kind {
            let value = self.aggregate_number(map, aggregate, key);
            self.set_variable_number(variable, value);
        } else if super::expr::is_scalar_like(&kind) {
            let value = self.load(place, 8);
            self.set_variable_number(variable, Operand::Reg(value));
        } else {
            let own = self.kind(variable);
            let piece = self.piece_of_memory(place, &kind, &own);
            let size = align(self.stored_size(&own));
            let variable = self.variable_memory(variable);
            self.fill(piece, variable, size, true);
        }
        self.op(Op::Const(to, 1));
        self.jump(done);
        self.go_on_at(missing);
        self.op(Op::Const(to, 0));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    /// A part of the entry that a loop is at.
    pub(super) fn entry_part(&mut self, key: Mem, value: Mem, map: usize, index: usize) -> Mem {
        if index == 0 {
            return key;
        }
        match self.shared.maps[map].value {
            Type::Aggregate(aggregate) => self.entry_number(map, aggregate, key),
            _ => value,
        }
    }

    fn entry_number(&mut self, map: usize, aggregate: Aggregate, key: Mem) -> Mem {
        let number = self.aggregate_number(map, aggregate, key);
        let to = self.temporary(8);
        self.store_word(to, number);
        to
    }

    /// The entry as a tuple.
    pub(super) fn entry_memory(&mut self, key: Mem, value: Mem, map: usize) -> Mem {
        let info = &self.shared.maps[map];
        let (key_size, mut value_size) = (info.key_size, info.value_size);
        if let Type::Aggregate(_) = info.value {
            value_size = 8;
        }
        let value = self.entry_part(key, value, map, 1);
        let to = self.temporary(key_size + value_size);
        self.copy_memory(to, key, key_size);
        self.copy_memory(to.plus(key_size as i32), value, value_size);
        to
    }
}

/// True of `tid`.
fn is_thread(key: &Expr) -> bool {
    matches!(&key.kind, ExprKind::Ident(name) if name == "tid")
}
