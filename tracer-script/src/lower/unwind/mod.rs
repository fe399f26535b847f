//! `dw_ustack`: user stacks by the call frame information of programs, for those without frame pointers. A function
//! of the program follows the stack, by the tables that user space has filled: [`crate::unwind`] tells their layout.
//!
//! A stack ends where no one has called, or at the number of frames that is asked for. Where it ends before that, the
//! cause is counted. Only where a process has code without any information is a frame pointer believed.

mod climb;
mod search;

use super::{Lower, Mem, build::Builder, piece::Piece};
use crate::{
    ast::Probe,
    ir::{Alu, Arg, BlockId, Cond, Helper, Op, Operand, Reg},
    program::{ActionKind, Loss, MapRole},
    types::{Space, UINT},
    unwind::{PROCESS_ASKED, PROCESS_BYTES, PROCESS_FIRST, PROCESS_REGIONS},
    uses::Uses,
};

/// What the function keeps in the program's memory: where it is, what it goes by, and what it has found.
const PC: u32 = 0;
const SP: u32 = 8;
const BP: u32 = 16;
/// 1 where the address is that of the next instruction, 0 where it is that behind a call.
const EXACT: u32 = 24;
const LIMIT: u32 = 32;
const FIRST_REGION: u32 = 40;
const REGIONS: u32 = 48;
/// Why it ends too early: a [`Loss`], 0 for an end as it should be.
const CAUSE: u32 = 56;
/// 1 where a frame pointer led there, which may have been something else.
const BY_POINTER: u32 = 64;
const HEAD: u32 = 72;

/// The most frames that a stack can be asked for: a power of two.
const FRAMES_MAX: u32 = 128;

/// Frames that the verifier follows one after the other before Linux 5.17: see `search`.
const FRAMES_OF_ONE_PATH: u32 = 127;

/// How long a process is not read again after it was asked for, in nanoseconds.
const ASK_AGAIN_NS: i64 = 20_000_000;

/// Bytes of a task's stack in the kernel (`THREAD_SIZE` of `arch/x86/include/asm/page_64_types.h`), at whose end the
/// registers lie that it entered the kernel with. It is asked for before Linux 5.15 only, where nothing else lies there.
const KERNEL_STACK: i64 = 16 << 10;

/// The function, and its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unwinder {
    number: usize,
    at: u32,
    /// How often it is called.
    calls: u32,
}

impl Lower<'_, '_> {
    /// Builds the function where the probe, or what it calls, follows stacks by it.
    pub(super) fn make_unwinder(&mut self, probe: &Probe) {
        if !Uses::of(self.given.script, probe).unwound {
            return;
        }
        self.scratch = self.scratch_max;
        let at = self.scratch;
        self.scratch_room(HEAD + 8 + FRAMES_MAX * 8);
        let number = self.functions.len();
        self.functions.push(Builder::new("dw_ustack", 2));
        self.entry.shared.push((number, 0));
        let unwinder = Unwinder {
            number,
            at,
            calls: 0,
        };
        self.unwinder = Some(unwinder);
        let current = std::mem::replace(&mut self.current, number);
        let known = std::mem::take(&mut self.known);
        let start = self.block();
        self.go_on_at(start);
        self.unwind(unwinder);
        self.begin_callback(number, 0, start);
        self.known = known;
        self.current = current;
        // No one else may use its memory.
        self.scratch = self.scratch_max;
    }

    /// Follows the stack: the place of the word for the number of frames, which they lie behind, and the number.
    pub(super) fn unwound_frames(&mut self, limit: u32) -> (Mem, Reg) {
        let to = self.reg();
        let Some(unwinder) = &mut self.unwinder else {
            self.op(Op::Const(to, 0));
            return (self.in_scratch(0), to);
        };
        unwinder.calls += 1;
        let Unwinder { number, at, calls } = *unwinder;
        let frames = calls * self.shared.stack_frames;
        if !self.calls_back() && frames > FRAMES_OF_ONE_PATH {
            let message = format!(
                "dw_ustack can take {FRAMES_OF_ONE_PATH} frames in all in a probe before Linux 5.17, and this takes \
                 {frames}"
            );
            let span = self.span;
            self.diagnostics
                .error_hint(span, message, "give each a limit: dw_ustack(20)");
        }
        let args = vec![self.shared_pointer(), Arg::Imm(limit.into())];
        self.op(Op::CallFunction(to, number, args));
        (self.in_scratch(at + HEAD), to)
    }

    /// The function itself. Its second parameter is the limit.
    fn unwind(&mut self, own: Unwinder) {
        let nothing = self.block();
        self.leave_out_kernel_threads(nothing);
        self.keep(own, LIMIT, Operand::Reg(1));
        for (at, name) in [(PC, "ip"), (SP, "sp"), (BP, "bp")] {
            let value = self.user_register(name);
            self.keep(own, at, value);
        }
        self.keep(own, EXACT, Operand::Imm(1));
        self.keep(own, CAUSE, Operand::Imm(0));
        self.keep(own, BY_POINTER, Operand::Imm(0));
        self.keep(own, HEAD, Operand::Imm(0));
        let process = self.process();
        let key = self.temporary(8);
        self.store_word(key, Operand::Reg(process));
        let key = self.pointer(key);
        let map = Arg::Map(self.shared.role(MapRole::UnwindProcesses));
        let entry = self.call(Helper::MapLookupElem, vec![map, key]);
        let (known, unknown) = (self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(entry),
            Operand::Imm(0),
            known,
            unknown,
        );
        self.go_on_at(unknown);
        self.aside(|lower| lower.learn_process(own, process, key));
        self.go_on_at(known);
        self.follow(own, entry);
        self.tell_end(own, entry, process);
        let span = self.span;
        let count = self.kept(own, HEAD);
        self.f().ret(Operand::Reg(count), span);
        self.go_on_at(nothing);
        self.f().ret(Operand::Imm(0), span);
    }

    /// Threads of the kernel have no user's stack.
    fn leave_out_kernel_threads(&mut self, nothing: BlockId) {
        let Some(offset) = self.member_path("struct task_struct", &["mm"]) else {
            return;
        };
        let memory = self.of_running_task(offset, 8);
        let go_on = self.block();
        self.branch(
            Cond::Ne,
            Operand::Reg(memory),
            Operand::Imm(0),
            go_on,
            nothing,
        );
        self.go_on_at(go_on);
    }

    /// A register that the running task entered the kernel with.
    fn user_register(&mut self, name: &str) -> Operand {
        if self.target().kind.is_user() {
            return self.register(name);
        }
        if self.given.facts.since(5, 15) {
            return Operand::Reg(self.register_of_call(name));
        }
        let stack = self.member_path("struct task_struct", &["stack"]);
        let registers = self.given.env.structure("struct pt_regs", self.given.facts);
        let (Some(stack), Some(registers), Some(offset)) =
            (stack, registers, self.register_offset(name))
        else {
            let span = self.span;
            self.error(span, "dw_ustack needs the types of the kernel (BTF)");
            return Operand::Imm(0);
        };
        let stack = self.of_running_task(stack, 8);
        let behind = KERNEL_STACK - i64::from(registers.size) + i64::from(offset);
        Operand::Reg(self.load(Mem::Far(stack, behind as i32, Space::Kernel), 8))
    }

    /// A process that nothing is known of is asked for, and has one frame.
    fn learn_process(&mut self, own: Unwinder, process: Reg, key: Arg) {
        let value = self.temporary(PROCESS_BYTES);
        self.clear(value, PROCESS_BYTES);
        let now = self.call(Helper::KtimeGetNs, Vec::new());
        self.store_word(value.plus(PROCESS_ASKED), Operand::Reg(now));
        let value = self.pointer(value);
        let map = Arg::Map(self.shared.role(MapRole::UnwindProcesses));
        let result = self.call(Helper::MapUpdateElem, vec![map, key, value, Arg::Imm(0)]);
        let (ask, done) = (self.block(), self.block());
        self.branch(Cond::Eq, Operand::Reg(result), Operand::Imm(0), ask, done);
        self.go_on_at(ask);
        self.ask(process);
        self.jump(done);
        self.go_on_at(done);
        self.count_loss(Loss::UnwindOther as u32);
        let pc = self.kept(own, PC);
        self.keep(own, HEAD + 8, Operand::Reg(pc));
        let span = self.span;
        self.f().ret(Operand::Imm(1), span);
    }

    /// Has user space read the regions of a process.
    fn ask(&mut self, process: Reg) {
        let many_records = self.shared.many_records;
        let words = Piece::Words(vec![Operand::Reg(process)]);
        self.send_pieces(ActionKind::Unwind, vec![UINT], vec![(words, 8)]);
        self.shared.many_records = many_records;
    }

    /// All frames, one after the other.
    fn follow(&mut self, own: Unwinder, entry: Reg) {
        let first = self.load(Mem::At(entry, PROCESS_FIRST), 4);
        let regions = self.load(Mem::At(entry, PROCESS_REGIONS), 4);
        self.keep(own, FIRST_REGION, Operand::Reg(first));
        self.keep(own, REGIONS, Operand::Reg(regions));
        let rounds = self.shared.stack_frames;
        if self.calls_back() {
            let function = self.callback(2, 1, |lower| {
                let end = lower.block();
                lower.frame(own, end);
                let span = lower.span;
                lower.f().ret(Operand::Imm(0), span);
                lower.go_on_at(end);
                lower.f().ret(Operand::Imm(1), span);
            });
            return self.loop_call(Arg::Imm(rounds.into()), function);
        }
        let end = self.block();
        self.counted(rounds, end, |lower, _, _| lower.frame(own, end));
    }

    /// Takes a frame, and goes on to its caller's; to `end` where there is none.
    fn frame(&mut self, own: Unwinder, end: BlockId) {
        let pc = self.kept(own, PC);
        let count = self.kept(own, HEAD);
        let place = self.alu(Alu::And, count, Operand::Imm((FRAMES_MAX - 1).into()));
        let place = self.alu(Alu::Lsh, place, Operand::Imm(3));
        let frames = self.in_scratch(own.at + HEAD + 8);
        let base = self.address(frames);
        let to = self.alu(Alu::Add, base, Operand::Reg(place));
        self.store_word(Mem::At(to, 0), Operand::Reg(pc));
        let count = self.alu(Alu::Add, count, Operand::Imm(1));
        self.keep(own, HEAD, Operand::Reg(count));
        let limit = self.kept(own, LIMIT);
        let more = self.block();
        self.branch(
            Cond::Lt,
            Operand::Reg(count),
            Operand::Reg(limit),
            more,
            end,
        );
        self.go_on_at(more);
        // A return address may be that of the next function, where this one ends with the call.
        let exact = self.kept(own, EXACT);
        let within = self.alu(Alu::Add, pc, Operand::Reg(exact));
        let within = self.alu(Alu::Sub, within, Operand::Imm(1));
        let region = self.find_region(own, within, end);
        self.climb_by_region(own, region, within, end);
    }

    /// A block that notes why the stack ends too early.
    fn cut(&mut self, own: Unwinder, cause: Loss, end: BlockId) -> BlockId {
        let (block, here) = (self.block(), self.f().here());
        self.go_on_at(block);
        self.keep(own, CAUSE, Operand::Imm(cause as i64));
        self.jump(end);
        self.f().go_back_to(here);
        block
    }

    /// The same where no code is known. What a frame pointer led to is not a frame then.
    fn cut_at_unread(&mut self, own: Unwinder, end: BlockId) -> BlockId {
        let unread = self.cut(own, Loss::UnwindUnread, end);
        let unknown = self.cut(own, Loss::UnwindUnknown, end);
        let (block, here) = (self.block(), self.f().here());
        self.go_on_at(block);
        let by_pointer = self.kept(own, BY_POINTER);
        let count = self.kept(own, HEAD);
        let count = self.alu(Alu::Sub, count, Operand::Reg(by_pointer));
        self.keep(own, HEAD, Operand::Reg(count));
        self.branch(
            Cond::Eq,
            Operand::Reg(by_pointer),
            Operand::Imm(0),
            unread,
            unknown,
        );
        self.f().go_back_to(here);
        block
    }

    /// Counts why the stack has ended too early; where the process has code that is not known, it is read again.
    fn tell_end(&mut self, own: Unwinder, entry: Reg, process: Reg) {
        let done = self.block();
        let cause = self.kept(own, CAUSE);
        for loss in [Loss::UnwindUnknown, Loss::UnwindMemory] {
            self.where_equal(cause, loss as i64, |lower| {
                lower.count_loss(loss as u32);
                lower.jump(done);
            });
        }
        self.where_equal(cause, Loss::UnwindUnread as i64, |lower| {
            let regions = lower.load(Mem::At(entry, PROCESS_REGIONS), 4);
            let (other, own, ask) = (lower.block(), lower.block(), lower.block());
            lower.branch(Cond::Eq, Operand::Reg(regions), Operand::Imm(0), other, own);
            lower.go_on_at(other);
            lower.count_loss(Loss::UnwindOther as u32);
            lower.jump(ask);
            lower.go_on_at(own);
            lower.count_loss(Loss::UnwindUnread as u32);
            lower.jump(ask);
            lower.go_on_at(ask);
            lower.ask_again(entry, process);
            lower.jump(done);
        });
        self.jump(done);
        self.go_on_at(done);
    }

    /// Asks for a process that was not asked for a while.
    fn ask_again(&mut self, entry: Reg, process: Reg) {
        let asked = self.load(Mem::At(entry, PROCESS_ASKED), 8);
        let now = self.call(Helper::KtimeGetNs, Vec::new());
        let since = self.alu(Alu::Sub, now, Operand::Reg(asked));
        let (ask, done) = (self.block(), self.block());
        let wait = Operand::Imm(ASK_AGAIN_NS);
        self.branch(Cond::SGt, Operand::Reg(since), wait, ask, done);
        self.go_on_at(ask);
        self.store_word(Mem::At(entry, PROCESS_ASKED), Operand::Reg(now));
        self.ask(process);
        self.jump(done);
        self.go_on_at(done);
    }

    fn kept(&mut self, own: Unwinder, at: u32) -> Reg {
        let place = self.in_scratch(own.at + at);
        self.load(place, 8)
    }

    fn keep(&mut self, own: Unwinder, at: u32, value: Operand) {
        let place = self.in_scratch(own.at + at);
        self.store_word(place, value);
    }
}
