//! Packets of the network, as a whole to user space.

use super::{Lower, Mem};
use crate::{
    ast::Call,
    ir::{Alu, Arg, Cond, Helper, Op, Operand, Reg},
    program::{Action, ActionKind, MapRole, PACKET_HEAD},
};

/// `BPF_F_CURRENT_CPU`
const CURRENT_CPU: i64 = 0xffff_ffff;

/// Where the flags tell the length of a packet, and the most that it may be: `BPF_F_CTXLEN_MASK`.
const LENGTH_SHIFT: i64 = 32;
const LENGTH_MAX: i64 = 0xf_ffff;

/// Where the words of the head lie: see [`PACKET_HEAD`].
const TIME: i32 = 8;
const LENGTH: i32 = 16;
const SKIPPED: i32 = 24;

impl Lower<'_, '_> {
    /// `skboutput(path, skb, length, offset)`: what the helper returned.
    pub(crate) fn skboutput(&mut self, call: &Call) -> Operand {
        let length = self.val(&call.args[2]);
        let length = self.copy(length);
        let offset = self.val(&call.args[3]);
        let offset = self.copy(offset);
        let member = self.member_path("struct sk_buff", &["len"]);
        let packet = self.trusted_pointer(&call.args[1]);
        let (Some(packet), Some(member)) = (packet, member) else {
            self.error(
                call.args[1].span,
                "skboutput() takes a struct sk_buff * which is an argument of the function, or lies behind one",
            );
            return Operand::Imm(0);
        };
        let path = self.literal_text(&call.args[0]).unwrap_or_default();
        let kind = ActionKind::SkbOutput(String::from_utf8_lossy(&path).into_owned());
        let span = self.span;
        let number = self.shared.action(Action {
            kind,
            span,
            args: Vec::new(),
        });
        let own = self.load(Mem::At(packet, member as i32), 4);
        let length = self.packet_length(length, offset, own);
        let time = self.boot_time();
        self.temporarily(|lower| {
            let head = lower.temporary(PACKET_HEAD);
            lower.store_word(head, Operand::Imm(number.into()));
            lower.store_word(head.plus(TIME), Operand::Reg(time));
            lower.store_word(head.plus(LENGTH), Operand::Reg(length));
            lower.store_word(head.plus(SKIPPED), Operand::Reg(offset));
            let shift = Operand::Imm(LENGTH_SHIFT);
            let flags = lower.alu(Alu::Lsh, length, shift);
            let cpu = Operand::Imm(CURRENT_CPU);
            lower.op(Op::Alu(Alu::Or, flags, Operand::Reg(flags), cpu));
            let map = Arg::Map(lower.shared.role(MapRole::Packets));
            let from = lower.pointer(head);
            let size = Arg::Imm(PACKET_HEAD.into());
            let args = vec![Arg::Reg(packet), map, Arg::Reg(flags), from, size];
            Operand::Reg(lower.call(Helper::SkbOutput, args))
        })
    }

    /// The bytes from a packet's beginning: those up to the end that is wanted, no more than it has and than the
    /// helper takes.
    fn packet_length(&mut self, length: Reg, offset: Reg, own: Reg) -> Reg {
        let (length, offset) = (Operand::Reg(length), Operand::Reg(offset));
        let total = self.reg();
        self.op(Op::Alu(Alu::Add, total, length, offset));
        for most in [Operand::Reg(own), Operand::Imm(LENGTH_MAX)] {
            let (more, done) = (self.block(), self.block());
            self.branch(Cond::Gt, Operand::Reg(total), most, more, done);
            self.go_on_at(more);
            self.set(total, most);
            self.jump(done);
            self.go_on_at(done);
        }
        total
    }
}
