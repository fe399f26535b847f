//! Searching the tables: the region that an address is in, and the rule that holds there.

use super::{FIRST_REGION, REGIONS, Unwinder};
use crate::{
    ir::{Alu, Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    lower::{Lower, Mem},
    program::{Loss, MapRole},
    unwind::{
        REGION_BIAS, REGION_END, REGION_FIRST, REGION_SHARD, REGION_START, REGIONS_MAX, SHARD_ROWS,
    },
};

impl Lower<'_, '_> {
    /// The region that an address is in.
    pub(super) fn find_region(&mut self, own: Unwinder, address: Reg, end: BlockId) -> Reg {
        let map = Arg::Map(self.shared.role(MapRole::UnwindRegions));
        let (first, count) = (self.kept(own, FIRST_REGION), self.kept(own, REGIONS));
        let unread = self.cut_at_unread(own, end);
        let start = (REGION_START, 8);
        let region = self.last_not_above(map, (first, count), REGIONS_MAX, address, start, unread);
        let behind = self.load(Mem::At(region, REGION_END), 8);
        let inside = self.block();
        self.branch(
            Cond::Lt,
            Operand::Reg(address),
            Operand::Reg(behind),
            inside,
            unread,
        );
        self.go_on_at(inside);
        region
    }

    /// The rule for an address of a region.
    pub(super) fn find_rule(
        &mut self,
        own: Unwinder,
        region: Reg,
        (count, address): (Reg, Reg),
        end: BlockId,
    ) -> Reg {
        let bias = self.load(Mem::At(region, REGION_BIAS), 8);
        let address = self.alu(Alu::Sub, address, Operand::Reg(bias));
        let first = self.load(Mem::At(region, REGION_FIRST), 4);
        let shard = self.load(Mem::At(region, REGION_SHARD), 4);
        let unknown = self.cut(own, Loss::UnwindUnknown, end);
        let map = Arg::Map(self.shared.role(MapRole::UnwindRows));
        let rows = Arg::Reg(self.element(map, shard, unknown));
        let row = self.last_not_above(rows, (first, count), SHARD_ROWS, address, (0, 4), unknown);
        self.load(Mem::At(row, 4), 4)
    }

    /// Of elements that are sorted by an address, at a place and of so many bytes, the last one that is not above;
    /// to `missing` where all are. They are fewer than `size_max`, a power of two.
    fn last_not_above(
        &mut self,
        map: Arg,
        (first, count): (Reg, Reg),
        size_max: u32,
        address: Reg,
        (at, bytes): (i32, u32),
        missing: BlockId,
    ) -> Reg {
        let found = self.search((first, count), size_max, address, |lower, index| {
            let element = lower.element(map, index, missing);
            lower.load(Mem::At(element, at), bytes)
        });
        let some = self.block();
        self.branch(
            Cond::Ne,
            Operand::Reg(found),
            Operand::Imm(0),
            some,
            missing,
        );
        self.go_on_at(some);
        let last = self.alu(Alu::Add, first, Operand::Reg(found));
        let last = self.alu(Alu::Sub, last, Operand::Imm(1));
        self.element(map, last, missing)
    }

    /// Searches what is sorted by address, and gives how many of `count` are not above: fewer than `size_max`, a power
    /// of two. What it goes by is worked out without jumps: processors foresee these badly, and before Linux 5.17, where
    /// all frames are one path to it, the verifier takes 8192 of them (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`).
    fn search(
        &mut self,
        (first, count): (Reg, Reg),
        size_max: u32,
        address: Reg,
        mut address_of: impl FnMut(&mut Self, Reg) -> Reg,
    ) -> Reg {
        let found = self.copy(Operand::Imm(0));
        for step in (0..size_max.ilog2()).rev().map(|bit| 1 << bit) {
            let next = self.alu(Alu::Add, found, Operand::Imm(step));
            let left = self.alu(Alu::Sub, count, Operand::Reg(next));
            let is_behind = self.alu(Alu::Arsh, left, Operand::Imm(63));
            let is_within = self.alu(Alu::Xor, is_behind, Operand::Imm(-1));
            let index = self.alu(Alu::Sub, next, Operand::Imm(1));
            let index = self.alu(Alu::And, index, Operand::Reg(is_within));
            let index = self.alu(Alu::Add, index, Operand::Reg(first));
            let there = address_of(self, index);
            let above = self.alu(Alu::Sub, address, Operand::Reg(there));
            let is_above = self.alu(Alu::Arsh, above, Operand::Imm(63));
            let is_below = self.alu(Alu::Xor, is_above, Operand::Imm(-1));
            let is_one = self.alu(Alu::And, is_below, Operand::Reg(is_within));
            let more = self.alu(Alu::And, is_one, Operand::Imm(step));
            self.op(Op::Alu(
                Alu::Add,
                found,
                Operand::Reg(found),
                Operand::Reg(more),
            ));
        }
        found
    }

    /// An element of an array; to `missing` where there is none.
    fn element(&mut self, map: Arg, index: Reg, missing: BlockId) -> Reg {
        self.temporarily(|lower| {
            let key = Mem::Slot(lower.f().slot(8), 0);
            lower.store(key, Operand::Reg(index), 4);
            let key = lower.pointer(key);
            let found = lower.call(Helper::MapLookupElem, vec![map, key]);
            let there = lower.block();
            lower.branch(
                Cond::Ne,
                Operand::Reg(found),
                Operand::Imm(0),
                there,
                missing,
            );
            lower.go_on_at(there);
            found
        })
    }
}
