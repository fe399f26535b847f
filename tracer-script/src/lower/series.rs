//! Time series: for each interval one slot of a ring of them, per CPU. A slot is three words: the number of
//! its interval since the Unix epoch; the number, or the sum; how many values there were, or, where only the
//! last one is kept, when it came.

use super::{Lower, Mem};
use crate::{
    ast::Expr,
    ir::{Alu, Atomic, Cond, Op, Operand, Reg},
    types::{Aggregate, SeriesKind},
};

/// Where the words of a slot lie.
const INTERVAL: i32 = 0;
const NUMBER: i32 = 8;
const COUNT: i32 = 16;

impl Lower<'_, '_> {
    /// `@x[key] = tseries(…)`
    pub(super) fn series(
        &mut self,
        map: usize,
        aggregate: Aggregate,
        key: Option<&Expr>,
        number: Operand,
    ) {
        let Aggregate::TSeries {
            interval: interval_ns,
            buckets,
            how,
            signed,
        } = aggregate
        else {
            return;
        };
        let time = self.boot_time();
        let interval = self.interval(time, interval_ns);
        let buckets = Operand::Imm(buckets.into());
        let slot = self.alu(Alu::Mod, interval, buckets);
        let done = self.block();
        let key = self.key(map, key, Some(Operand::Reg(slot)));
        let entry = self.entry(map, key, done);
        let place = Mem::At(entry, 0);
        let alone = self.is_only_writer(map);
        self.begin_interval(place, interval, alone);
        let (at, count) = (place.plus(NUMBER), place.plus(COUNT));
        match how {
            SeriesKind::Last => {
                self.store_word(at, number);
                self.store_word(count, Operand::Reg(time));
            }
            SeriesKind::Sum | SeriesKind::Avg => {
                self.add(at, number, alone);
                self.add(count, Operand::Imm(1), alone);
            }
            SeriesKind::Max | SeriesKind::Min => {
                let least = how == SeriesKind::Min;
                self.keep_extreme(at, number, least, signed, alone);
            }
        }
        self.jump(done);
        self.go_on_at(done);
    }

    /// The number of the interval that a time since boot falls into, counted from the Unix epoch.
    fn interval(&mut self, time: Reg, interval_ns: u64) -> Reg {
        let offset = Operand::Imm(self.given.params.epoch_offset_ns as i64);
        let epoch = self.alu(Alu::Add, time, offset);
        let length = Operand::Imm(interval_ns as i64);
        self.op(Op::Alu(Alu::Div, epoch, Operand::Reg(epoch), length));
        epoch
    }

    /// Takes away what a slot has of an interval before. Where another program on this CPU may come in between,
    /// the one that exchanges the interval's number takes away just what was there before: what has been added
    /// since stays.
    fn begin_interval(&mut self, place: Mem, interval: Reg, alone: bool) {
        let (old, done) = (self.block(), self.block());
        let (number, count) = (place.plus(NUMBER), place.plus(COUNT));
        let stale = [number, count].map(|word| self.load(word, 8));
        let known = self.load(place.plus(INTERVAL), 8);
        let interval = Operand::Reg(interval);
        self.branch(Cond::Ne, Operand::Reg(known), interval, old, done);
        self.go_on_at(old);
        if alone || !self.given.facts.since(5, 12) {
            self.store_word(number, Operand::Imm(0));
            self.store_word(count, Operand::Imm(0));
            self.store_word(place.plus(INTERVAL), interval);
        } else {
            let (base, offset) = self.base(place);
            let before = self.reg();
            let exchange = Op::Atomic(
                Atomic::Exchange,
                Some(before),
                base,
                offset + INTERVAL,
                interval,
            );
            self.op(exchange);
            let first = self.block();
            self.branch(Cond::Ne, Operand::Reg(before), interval, first, done);
            self.go_on_at(first);
            for (word, stale) in [number, count].into_iter().zip(stale) {
                let less = self.reg();
                self.op(Op::Alu(
                    Alu::Sub,
                    less,
                    Operand::Imm(0),
                    Operand::Reg(stale),
                ));
                self.add(word, Operand::Reg(less), alone);
            }
        }
        self.jump(done);
        self.go_on_at(done);
    }
}
