//! Stacks: a record or a key holds the hash of the frames; the frames themselves are kept once, in a map.

use super::{Lower, Mem, piece::Piece};
use crate::{
    ast::Expr,
    builtins::UNWOUND,
    ir::{Alu, Arg, Cond, Helper, Op, Operand, Reg},
    program::{Loss, MapRole, ProgramKind},
    types::Type,
    uses::name_of,
};

/// `BPF_F_USER_STACK`
const USER_STACK: i64 = 1 << 8;

/// At a raw tracepoint the innermost frames are those of the program and of what calls it (`bpf_trace_run2`);
/// the flag's lowest byte tells how many are left out: `BPF_F_SKIP_FIELD_MASK`.
const OWN_FRAMES: i64 = 2;

/// A number whose bits look like chance: frames are mixed in by multiplying with it.
const MIX: i64 = 0x9e37_79b9_7f4a_7c15_u64 as i64;

/// `BPF_NOEXIST`
const NOEXIST: i64 = 1;

impl Lower<'_, '_> {
    /// A stack as it is stored: its hash, and the process.
    pub(super) fn stack_piece(&mut self, name: &str, kind: &Type) -> Piece {
        let Type::Stack { user, limit, .. } = *kind else {
            return Piece::Words(Vec::new());
        };
        let process = if user {
            Operand::Reg(self.told_process())
        } else {
            Operand::Imm(0)
        };
        if limit == 0 {
            return Piece::Words(vec![Operand::Imm(0), process]);
        }
        let hash = self.stack_hash(name, user, limit);
        Piece::Words(vec![Operand::Reg(hash), process])
    }

    /// Takes the frames, puts them into the map, and gives their hash; zero where there are none.
    fn stack_hash(&mut self, name: &str, user: bool, limit: u32) -> Reg {
        let hash = self.copy(Operand::Imm(0));
        let (frames, count) = match name {
            UNWOUND => self.unwound_frames(limit),
            _ => {
                let room = (self.shared.stack_frames.max(limit) + 1) * 8;
                let frames = self.scratch_room(room);
                (frames, self.take_frames(frames, user, limit))
            }
        };
        let (some, done) = (self.block(), self.block());
        self.branch(Cond::SGt, Operand::Reg(count), Operand::Imm(0), some, done);
        self.go_on_at(some);
        self.store_word(frames, Operand::Reg(count));
        self.hash_frames(hash, frames, count, limit);
        self.keep_frames(hash, frames);
        self.jump(done);
        self.go_on_at(done);
        hash
    }

    /// How many frames were taken; they lie behind the word for their number.
    fn take_frames(&mut self, frames: Mem, user: bool, limit: u32) -> Reg {
        let context = self.context();
        let to = self.pointer(frames.plus(8));
        let flags = match self.given.start.kind {
            _ if user => USER_STACK,
            ProgramKind::RawTracepoint => OWN_FRAMES,
            _ => 0,
        };
        let args = vec![
            Arg::Reg(context),
            to,
            Arg::Imm((limit * 8).into()),
            Arg::Imm(flags),
        ];
        let bytes = self.call(Helper::GetStack, args);
        self.alu(Alu::Arsh, bytes, Operand::Imm(3))
    }

    fn hash_frames(&mut self, hash: Reg, frames: Mem, count: Reg, limit: u32) {
        let base = self.address(frames.plus(8));
        self.op(Op::Move(hash, count));
        let end = self.block();
        self.counted(limit, end, |lower, round, _| {
            let go_on = lower.block();
            lower.branch(
                Cond::Lt,
                Operand::Reg(round),
                Operand::Reg(count),
                go_on,
                end,
            );
            lower.go_on_at(go_on);
            let offset = lower.alu(Alu::Lsh, round, Operand::Imm(3));
            let frame = lower.load_at(base, offset, 8);
            let mixed = Operand::Reg(hash);
            lower.op(Op::Alu(Alu::Xor, hash, mixed, Operand::Reg(frame)));
            lower.op(Op::Alu(Alu::Mul, hash, mixed, Operand::Imm(MIX)));
            let high = lower.reg();
            lower.op(Op::Alu(Alu::Rsh, high, mixed, Operand::Imm(29)));
            lower.op(Op::Alu(Alu::Xor, hash, mixed, Operand::Reg(high)));
        });
    }

    fn keep_frames(&mut self, hash: Reg, frames: Mem) {
        let map = self.shared.role(MapRole::Stacks);
        let key = self.temporary(8);
        self.store_word(key, Operand::Reg(hash));
        let key = self.pointer(key);
        let known = self.call(Helper::MapLookupElem, vec![Arg::Map(map), key]);
        let (missing, failed, done) = (self.block(), self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(known),
            Operand::Imm(0),
            done,
            missing,
        );
        self.go_on_at(missing);
        let value = self.pointer(frames);
        let args = vec![Arg::Map(map), key, value, Arg::Imm(NOEXIST)];
        let result = self.call(Helper::MapUpdateElem, args);
        // Another CPU may just have put it there.
        let exists = Operand::Imm(-17);
        let full = self.block();
        self.branch(
            Cond::Ne,
            Operand::Reg(result),
            Operand::Imm(0),
            failed,
            done,
        );
        self.go_on_at(failed);
        self.branch(Cond::Ne, Operand::Reg(result), exists, full, done);
        self.go_on_at(full);
        self.count_loss(Loss::StackFull as u32);
        self.jump(done);
        self.go_on_at(done);
    }

    /// `len(kstack)`: how many frames there are.
    pub(super) fn stack_length(&mut self, stack: &Expr) -> Operand {
        let Type::Stack { user, limit, .. } = self.kind(stack) else {
            return Operand::Imm(0);
        };
        let is_taken_here = !matches!(
            stack.kind,
            crate::ast::ExprKind::Var(_) | crate::ast::ExprKind::Map(..)
        );
        if !is_taken_here {
            let place = self.memory(stack);
            return self.kept_length(place);
        }
        let count = match name_of(stack) {
            UNWOUND => self.unwound_frames(limit.max(1)).1,
            _ => {
                let room = self.scratch_room((limit + 1) * 8);
                self.take_frames(room, user, limit.max(1))
            }
        };
        let to = self.copy(Operand::Reg(count));
        let (none, done) = (self.block(), self.block());
        self.branch(Cond::SLt, Operand::Reg(to), Operand::Imm(0), none, done);
        self.go_on_at(none);
        self.op(Op::Const(to, 0));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    /// How many frames the map of stacks has for one that was kept.
    fn kept_length(&mut self, place: Mem) -> Operand {
        let map = self.shared.role(MapRole::Stacks);
        let hash = self.load(place, 8);
        let key = self.temporary(8);
        self.store_word(key, Operand::Reg(hash));
        let key = self.pointer(key);
        let known = self.call(Helper::MapLookupElem, vec![Arg::Map(map), key]);
        let to = self.copy(Operand::Imm(0));
        let (found, done) = (self.block(), self.block());
        self.branch(Cond::Ne, Operand::Reg(known), Operand::Imm(0), found, done);
        self.go_on_at(found);
        let count = self.load(Mem::At(known, 0), 8);
        self.op(Op::Move(to, count));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }
}
