//! What maps add up: per CPU, each in place.

use super::{Lower, Mem};
use crate::{
    ast::{Expr, ExprKind},
    ir::{Alu, Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    types::{Aggregate, Type},
};

/// Offsets in values: the sum and the count of what has both, the number and whether it is set of the others.
const SUM: i32 = 0;
const COUNT: i32 = 8;
const SET: i32 = 8;

impl Lower<'_, '_> {
    /// `@x[key] = count()` and its kin.
    pub(super) fn aggregate(
        &mut self,
        map: usize,
        aggregate: Aggregate,
        key: Option<&Expr>,
        call: &Expr,
    ) {
        let number = match &call.kind {
            ExprKind::Call(call) => match call.args.first() {
                Some(arg) => self.val(arg),
                None => Operand::Imm(1),
            },
            _ => Operand::Imm(1),
        };
        // A variable may change while the key is worked out.
        let number = match number {
            Operand::Reg(_) => Operand::Reg(self.copy(number)),
            number => number,
        };
        if let Aggregate::TSeries { .. } = aggregate {
            return self.series(map, aggregate, key, number);
        }
        let bucket = match aggregate {
            Aggregate::Hist(bits) => Some(self.hist_bucket(number, bits)),
            Aggregate::LHist { min, max, step } => Some(self.lhist_bucket(number, min, max, step)),
            _ => None,
        };
        let done = self.block();
        let key = self.key(map, key, bucket);
        let entry = self.entry(map, key, done);
        let place = Mem::At(entry, self.value_offset(map));
        let alone = self.is_only_writer(map);
        match aggregate {
            Aggregate::Count => self.add(place, Operand::Imm(1), alone),
            Aggregate::Sum(_) => self.add(place, number, alone),
            Aggregate::Min(signed) | Aggregate::Max(signed) => {
                let least = matches!(aggregate, Aggregate::Min(_));
                self.keep_extreme(place, number, least, signed, alone);
            }
            _ => {
                self.add(place.plus(SUM), number, alone);
                self.add(place.plus(COUNT), Operand::Imm(1), alone);
            }
        }
        self.mark_set(map, entry);
        self.jump(done);
        self.go_on_at(done);
    }

    /// True where nothing else on this CPU can be in the middle of adding to the same values.
    pub(super) fn is_only_writer(&self, map: usize) -> bool {
        let name = &self.shared.maps[map].name;
        self.given.start.exclusive && self.shared.writers.get(name) == Some(&1)
    }

    pub(super) fn keep_extreme(
        &mut self,
        place: Mem,
        number: Operand,
        least: bool,
        signed: bool,
        alone: bool,
    ) {
        let (compare, write, done) = (self.block(), self.block(), self.block());
        let number = Operand::Reg(self.as_register(number));
        let set = self.load(place.plus(SET), 8);
        self.branch(Cond::Eq, Operand::Reg(set), Operand::Imm(0), write, compare);
        self.go_on_at(compare);
        let known = self.load(place, 8);
        let cond = match (least, signed) {
            (true, true) => Cond::SLt,
            (true, false) => Cond::Lt,
            (false, true) => Cond::SGt,
            (false, false) => Cond::Gt,
        };
        self.branch(cond, number, Operand::Reg(known), write, done);
        self.go_on_at(write);
        if !alone && self.given.facts.since(5, 12) {
            self.write_extreme(place, number, cond, done);
        } else {
            self.store_word(place, number);
            self.store_word(place.plus(SET), Operand::Imm(1));
            self.jump(done);
        }
        self.go_on_at(done);
    }

    /// Where another program on this CPU may have written in between, what is taken out by the exchange is
    /// looked at again: a few times, as such a thing hardly ever happens twice.
    fn write_extreme(&mut self, place: Mem, number: Operand, cond: Cond, done: BlockId) {
        let (base, offset) = self.base(place);
        let candidate = self.copy(number);
        for _ in 0..EXCHANGES {
            let (check, again) = (self.block(), self.block());
            let before = self.reg();
            let value = Operand::Reg(candidate);
            let exchange = crate::ir::Atomic::Exchange;
            self.op(Op::Atomic(exchange, Some(before), base, offset, value));
            let set = self.reg();
            let one = Operand::Imm(1);
            self.op(Op::Atomic(exchange, Some(set), base, offset + SET, one));
            self.branch(Cond::Ne, Operand::Reg(set), Operand::Imm(0), check, done);
            self.go_on_at(check);
            self.branch(cond, Operand::Reg(before), value, again, done);
            self.go_on_at(again);
            self.op(Op::Move(candidate, before));
        }
        self.jump(done);
    }

    /// The bucket of a value: see [`crate::buckets::hist_bucket`].
    fn hist_bucket(&mut self, value: Operand, bits: u8) -> Operand {
        if let Operand::Imm(value) = value {
            return Operand::Imm(crate::buckets::hist_bucket(value, bits).into());
        }
        let bits = i64::from(bits);
        let bucket = self.reg();
        self.op(Op::Const(bucket, 0));
        let (small, large, not_negative, done) =
            (self.block(), self.block(), self.block(), self.block());
        self.branch(Cond::SLt, value, Operand::Imm(0), done, not_negative);
        self.go_on_at(not_negative);
        self.branch(Cond::Lt, value, Operand::Imm(1 << bits), small, large);
        self.go_on_at(small);
        self.op(Op::Alu(Alu::Add, bucket, value, Operand::Imm(1)));
        self.jump(done);
        self.go_on_at(large);
        let exponent = self.exponent(value);
        // 1 + ((exponent - bits + 1) << bits) + the bits behind the highest one.
        let shift = self.alu(Alu::Sub, exponent, Operand::Imm(bits));
        self.op(Op::Alu(
            Alu::Add,
            bucket,
            Operand::Reg(shift),
            Operand::Imm(1),
        ));
        self.op(Op::Alu(
            Alu::Lsh,
            bucket,
            Operand::Reg(bucket),
            Operand::Imm(bits),
        ));
        self.op(Op::Alu(
            Alu::Add,
            bucket,
            Operand::Reg(bucket),
            Operand::Imm(1),
        ));
        if bits > 0 {
            let part = self.reg();
            self.op(Op::Alu(Alu::Rsh, part, value, Operand::Reg(shift)));
            let mask = Operand::Imm((1 << bits) - 1);
            self.op(Op::Alu(Alu::And, part, Operand::Reg(part), mask));
            self.op(Op::Alu(
                Alu::Add,
                bucket,
                Operand::Reg(bucket),
                Operand::Reg(part),
            ));
        }
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(bucket)
    }

    /// The number of the highest bit, by halves.
    fn exponent(&mut self, value: Operand) -> Reg {
        let rest = self.copy(value);
        let exponent = self.reg();
        self.op(Op::Const(exponent, 0));
        for half in [32, 16, 8, 4, 2, 1] {
            let (upper, next) = (self.block(), self.block());
            let limit = Operand::Imm(1 << half);
            self.branch(Cond::Ge, Operand::Reg(rest), limit, upper, next);
            self.go_on_at(upper);
            self.op(Op::Alu(
                Alu::Rsh,
                rest,
                Operand::Reg(rest),
                Operand::Imm(half),
            ));
            self.op(Op::Alu(
                Alu::Add,
                exponent,
                Operand::Reg(exponent),
                Operand::Imm(half),
            ));
            self.jump(next);
            self.go_on_at(next);
        }
        exponent
    }

    fn lhist_bucket(&mut self, value: Operand, min: i64, max: i64, step: i64) -> Operand {
        let last = i64::from(crate::buckets::lhist_count(min, max, step)) - 1;
        let bucket = self.reg();
        self.op(Op::Const(bucket, 0));
        let (not_less, inside, more, done) =
            (self.block(), self.block(), self.block(), self.block());
        let value = Operand::Reg(self.as_register(value));
        self.branch(Cond::SLt, value, Operand::Imm(min), done, not_less);
        self.go_on_at(not_less);
        self.branch(Cond::SGe, value, Operand::Imm(max), more, inside);
        self.go_on_at(inside);
        self.op(Op::Alu(Alu::Sub, bucket, value, Operand::Imm(min)));
        self.op(Op::Alu(
            Alu::Div,
            bucket,
            Operand::Reg(bucket),
            Operand::Imm(step),
        ));
        self.op(Op::Alu(
            Alu::Add,
            bucket,
            Operand::Reg(bucket),
            Operand::Imm(1),
        ));
        self.jump(done);
        self.go_on_at(more);
        self.op(Op::Const(bucket, last));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(bucket)
    }

    /// What a map has added up for a key, over all CPUs.
    pub(super) fn aggregate_number(
        &mut self,
        map: usize,
        aggregate: Aggregate,
        key: Mem,
    ) -> Operand {
        if !self.given.facts.since(5, 19) {
            let span = self.span;
            self.error(
                span,
                "to read what a map adds up within the script needs Linux 5.19",
            );
            return Operand::Imm(0);
        }
        let cpus = Operand::Imm(self.given.facts.cpus().into());
        let (cpu, first, second) = (self.reg(), self.reg(), self.reg());
        for reg in [cpu, first, second] {
            self.op(Op::Const(reg, 0));
        }
        let (head, body, found, next, done) = (
            self.block(),
            self.block(),
            self.block(),
            self.block(),
            self.block(),
        );
        self.jump(head);
        self.go_on_at(head);
        self.branch(Cond::Lt, Operand::Reg(cpu), cpus, body, done);
        self.go_on_at(body);
        let key = self.pointer(key);
        let args = vec![Arg::Map(map), key, Arg::Reg(cpu)];
        let entry = self.call(Helper::MapLookupPercpuElem, args);
        self.branch(Cond::Ne, Operand::Reg(entry), Operand::Imm(0), found, next);
        self.go_on_at(found);
        let place = Mem::At(entry, self.value_offset(map));
        self.merge(aggregate, place, first, second, next);
        self.jump(next);
        self.go_on_at(next);
        self.op(Op::Alu(Alu::Add, cpu, Operand::Reg(cpu), Operand::Imm(1)));
        self.jump(head);
        self.go_on_at(done);
        match aggregate {
            Aggregate::Avg(signed) | Aggregate::Stats(signed) => {
                let kind = Type::int(8, signed);
                let count = (Operand::Reg(second), &kind);
                let sum = (Operand::Reg(first), &kind);
                self.arithmetic(crate::ast::BinaryOp::Div, signed, sum, count)
            }
            _ => Operand::Reg(first),
        }
    }

    /// Adds the values of one CPU.
    fn merge(&mut self, aggregate: Aggregate, place: Mem, first: Reg, second: Reg, next: BlockId) {
        let value = self.load(place, 8);
        let add =
            |to: Reg, value: Reg| Op::Alu(Alu::Add, to, Operand::Reg(to), Operand::Reg(value));
        match aggregate {
            Aggregate::Count | Aggregate::Sum(_) => self.op(add(first, value)),
            Aggregate::Min(signed) | Aggregate::Max(signed) => {
                let (is_set, compare, take) = (self.block(), self.block(), self.block());
                let set = self.load(place.plus(SET), 8);
                self.branch(Cond::Ne, Operand::Reg(set), Operand::Imm(0), is_set, next);
                self.go_on_at(is_set);
                // The first one that is set is taken as it is.
                self.branch(
                    Cond::Eq,
                    Operand::Reg(second),
                    Operand::Imm(0),
                    take,
                    compare,
                );
                self.go_on_at(compare);
                let cond = match (aggregate, signed) {
                    (Aggregate::Min(_), true) => Cond::SLt,
                    (Aggregate::Min(_), false) => Cond::Lt,
                    (_, true) => Cond::SGt,
                    (_, false) => Cond::Gt,
                };
                self.branch(cond, Operand::Reg(value), Operand::Reg(first), take, next);
                self.go_on_at(take);
                self.op(Op::Move(first, value));
                self.op(Op::Const(second, 1));
            }
            _ => {
                self.op(add(first, value));
                let count = self.load(place.plus(COUNT), 8);
                self.op(add(second, count));
            }
        }
    }
}

/// How often a program tries to put an extreme where it belongs.
const EXCHANGES: u32 = 4;
