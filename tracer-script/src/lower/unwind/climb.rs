//! From a frame to its caller's: by the rule of its code, or by a frame pointer.

use super::{BP, BY_POINTER, EXACT, PC, SP, Unwinder};
use crate::{
    ir::{Alu, Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    lower::{Lower, Mem},
    program::Loss,
    unwind::{
        KIND_BITS, KIND_FRAME, KIND_JUMP, KIND_OUTERMOST, KIND_REALIGNED, KIND_SIGNAL, KIND_STACK,
        OFFSET_BITS, REGION_ROWS, SAVED_BITS,
    },
};

/// How far a frame pointer may be above the stack pointer to be taken for one.
const FRAME_BYTES_MAX: i64 = 1 << 20;

/// Registers above the stack pointer where a signal's handler returns: `gregs` of `struct ucontext_t`,
/// `sysdeps/unix/sysv/linux/x86/sys/ucontext.h` of glibc.
const SIGNAL_BP: i64 = 120;
const SIGNAL_SP: i64 = 160;
const SIGNAL_PC: i64 = 168;

impl Lower<'_, '_> {
    pub(super) fn climb_by_region(
        &mut self,
        own: Unwinder,
        region: Reg,
        address: Reg,
        end: BlockId,
    ) {
        let count = self.load(Mem::At(region, REGION_ROWS), 4);
        let (by_rows, by_pointer, done) = (self.block(), self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(count),
            Operand::Imm(0),
            by_rows,
            by_pointer,
        );
        self.go_on_at(by_pointer);
        self.climb_by_pointer(own, done, end);
        self.go_on_at(by_rows);
        self.keep(own, BY_POINTER, Operand::Imm(0));
        let rule = self.find_rule(own, region, (count, address), end);
        self.climb_by_rule(own, rule, address, (done, end));
        self.go_on_at(done);
    }

    /// Finds the caller by a rule: goes on at `done`, or at `end` where there is none.
    fn climb_by_rule(
        &mut self,
        own: Unwinder,
        rule: Reg,
        address: Reg,
        (done, end): (BlockId, BlockId),
    ) {
        let kind = self.alu(Alu::And, rule, Operand::Imm((1 << KIND_BITS) - 1));
        let saved = self.alu(Alu::Rsh, rule, Operand::Imm(KIND_BITS.into()));
        let saved = self.alu(Alu::And, saved, Operand::Imm((1 << SAVED_BITS) - 1));
        let offset = self.alu(Alu::Rsh, rule, Operand::Imm((32 - OFFSET_BITS).into()));
        let offset = self.alu(Alu::Lsh, offset, Operand::Imm(3));
        let (sp, bp) = (self.kept(own, SP), self.kept(own, BP));
        let cfa = self.copy(Operand::Imm(0));
        let climb = self.block();
        self.where_equal(kind, KIND_STACK, |lower| {
            lower.op(Op::Alu(
                Alu::Add,
                cfa,
                Operand::Reg(sp),
                Operand::Reg(offset),
            ));
            lower.jump(climb);
        });
        self.where_equal(kind, KIND_FRAME, |lower| {
            lower.op(Op::Alu(
                Alu::Add,
                cfa,
                Operand::Reg(bp),
                Operand::Reg(offset),
            ));
            lower.jump(climb);
        });
        self.where_equal(kind, KIND_OUTERMOST, |lower| lower.jump(end));
        self.where_equal(kind, KIND_JUMP, |lower| {
            lower.op(Op::Alu(
                Alu::Add,
                cfa,
                Operand::Reg(sp),
                Operand::Reg(offset),
            ));
            let byte = lower.alu(Alu::And, address, Operand::Imm(15));
            let (behind, before) = (lower.block(), lower.block());
            lower.branch(
                Cond::Ge,
                Operand::Reg(byte),
                Operand::Reg(saved),
                behind,
                before,
            );
            lower.go_on_at(behind);
            lower.op(Op::Alu(Alu::Add, cfa, Operand::Reg(cfa), Operand::Imm(8)));
            lower.jump(before);
            lower.go_on_at(before);
            lower.op(Op::Const(saved, 0));
            lower.jump(climb);
        });
        self.where_equal(kind, KIND_REALIGNED, |lower| {
            let at = lower.alu(Alu::Sub, bp, Operand::Reg(offset));
            let kept = lower.user_word(own, at, 0, end);
            lower.op(Op::Move(cfa, kept));
            let before = lower.user_word(own, bp, 0, end);
            lower.keep(own, BP, Operand::Reg(before));
            lower.op(Op::Const(saved, 0));
            lower.jump(climb);
        });
        self.where_equal(kind, KIND_SIGNAL, |lower| {
            for (at, from) in [(PC, SIGNAL_PC), (SP, SIGNAL_SP), (BP, SIGNAL_BP)] {
                let value = lower.user_word(own, sp, from, end);
                lower.keep(own, at, Operand::Reg(value));
            }
            lower.keep(own, EXACT, Operand::Imm(1));
            lower.jump(done);
        });
        // Code that tells nothing, at the start of a process: it clears the frame pointer there, as the ABI asks for.
        let unknown = self.cut(own, Loss::UnwindUnknown, end);
        self.branch(Cond::Eq, Operand::Reg(bp), Operand::Imm(0), end, unknown);
        self.go_on_at(climb);
        self.climb(own, cfa, saved, end);
        self.jump(done);
    }

    /// Does `then` where a register is this, and goes on with what else it may be.
    pub(super) fn where_equal(&mut self, value: Reg, is: i64, then: impl FnOnce(&mut Self)) {
        let (same, other) = (self.block(), self.block());
        self.branch(Cond::Eq, Operand::Reg(value), Operand::Imm(is), same, other);
        self.go_on_at(same);
        self.aside(then);
        self.go_on_at(other);
    }

    /// Finds the caller by the frame pointer, where that can be one.
    fn climb_by_pointer(&mut self, own: Unwinder, done: BlockId, end: BlockId) {
        let (sp, bp) = (self.kept(own, SP), self.kept(own, BP));
        let unknown = self.cut(own, Loss::UnwindUnknown, end);
        let (set, near, whole) = (self.block(), self.block(), self.block());
        self.branch(Cond::Ne, Operand::Reg(bp), Operand::Imm(0), set, end);
        self.go_on_at(set);
        let above = self.alu(Alu::Sub, bp, Operand::Reg(sp));
        let limit = Operand::Imm(FRAME_BYTES_MAX);
        self.branch(Cond::Lt, Operand::Reg(above), limit, near, unknown);
        self.go_on_at(near);
        let odd = self.alu(Alu::And, bp, Operand::Imm(7));
        self.branch(Cond::Eq, Operand::Reg(odd), Operand::Imm(0), whole, unknown);
        self.go_on_at(whole);
        let cfa = self.alu(Alu::Add, bp, Operand::Imm(16));
        let saved = self.copy(Operand::Imm(2));
        self.climb(own, cfa, saved, end);
        self.keep(own, BY_POINTER, Operand::Imm(1));
        self.jump(done);
    }

    /// Goes up to the frame whose callee's end is known, and where that has saved `rbp`, in words below it.
    fn climb(&mut self, own: Unwinder, cfa: Reg, saved: Reg, end: BlockId) {
        let sp = self.kept(own, SP);
        let (up, unknown) = (self.block(), self.cut(own, Loss::UnwindUnknown, end));
        self.branch(Cond::Gt, Operand::Reg(cfa), Operand::Reg(sp), up, unknown);
        self.go_on_at(up);
        let (both, apart, restore, go_on, some) = (
            self.block(),
            self.block(),
            self.block(),
            self.block(),
            self.block(),
        );
        let pair = Mem::Slot(self.f().slot(16), 0);
        // As a rule they lie side by side: then they are read at once.
        self.branch(Cond::Eq, Operand::Reg(saved), Operand::Imm(2), both, apart);
        self.go_on_at(both);
        self.read_user(own, pair, 16, cfa, -16, end);
        let bp = self.load(pair, 8);
        self.keep(own, BP, Operand::Reg(bp));
        self.jump(go_on);
        self.go_on_at(apart);
        self.read_user(own, pair.plus(8), 8, cfa, -8, end);
        self.branch(
            Cond::Ne,
            Operand::Reg(saved),
            Operand::Imm(0),
            restore,
            go_on,
        );
        self.go_on_at(restore);
        let below = self.alu(Alu::Lsh, saved, Operand::Imm(3));
        let at = self.alu(Alu::Sub, cfa, Operand::Reg(below));
        let bp = self.user_word(own, at, 0, end);
        self.keep(own, BP, Operand::Reg(bp));
        self.jump(go_on);
        self.go_on_at(go_on);
        let pc = self.load(pair.plus(8), 8);
        self.branch(Cond::Ne, Operand::Reg(pc), Operand::Imm(0), some, end);
        self.go_on_at(some);
        self.keep(own, PC, Operand::Reg(pc));
        self.keep(own, SP, Operand::Reg(cfa));
        self.keep(own, EXACT, Operand::Imm(0));
        let slots = self.f().slots_taken();
        self.f().release_slots(slots - 1);
    }

    /// A word of the user's stack.
    fn user_word(&mut self, own: Unwinder, base: Reg, offset: i64, end: BlockId) -> Reg {
        self.temporarily(|lower| {
            let to = Mem::Slot(lower.f().slot(8), 0);
            lower.read_user(own, to, 8, base, offset, end);
            lower.load(to, 8)
        })
    }

    fn read_user(
        &mut self,
        own: Unwinder,
        to: Mem,
        size: i64,
        base: Reg,
        offset: i64,
        end: BlockId,
    ) {
        let from = self.alu(Alu::Add, base, Operand::Imm(offset));
        let to = self.pointer(to);
        let args = vec![to, Arg::Imm(size), Arg::Reg(from)];
        let result = self.call(Helper::ProbeReadUser, args);
        let (read, failed) = (self.block(), self.cut(own, Loss::UnwindMemory, end));
        self.branch(
            Cond::Eq,
            Operand::Reg(result),
            Operand::Imm(0),
            read,
            failed,
        );
        self.go_on_at(read);
    }
}
