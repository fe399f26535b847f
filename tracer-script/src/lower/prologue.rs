//! How a program begins and ends: its memory is found, and what is not meant for it is left out.

use super::{Lower, Mem, SCRATCH_BUSY, SCRATCH_RESULT, SCRATCH_RETURNED};
use crate::{
    ast::Probe,
    ir::{Alu, Arg, Atomic, Base, BlockId, Cond, Helper, Op, Operand, Reg, SlotId},
    probe::AttachKind,
    program::{Loss, MapRole, ProgramKind},
};

/// How the number of the place that a program runs at is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// There is one place.
    Only(u32),
    /// Each place has its number as cookie.
    Cookie,
    /// The system call tells.
    Syscall,
}

/// A program at the tracepoint of all system calls, for some of them.
#[derive(Clone, Debug)]
pub(crate) struct SyscallDispatch {
    /// At the start of calls, not at their return.
    pub(crate) enter: bool,
    /// Numbers of calls, with the numbers of the places that they stand for.
    pub(crate) calls: Vec<(u32, u32)>,
}

impl Start {
    /// Areas of memory that it has on each CPU.
    pub(crate) fn areas(&self) -> u32 {
        if self.exclusive { 1 } else { AREAS }
    }
}

/// How a program starts.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The first of its areas in the map of programs' memory.
    pub(crate) first_area: u32,
    pub(crate) kind: ProgramKind,
    pub(crate) number: Number,
    pub(crate) syscalls: Option<SyscallDispatch>,
    /// It never runs while it is at work on that CPU already: the kernel sees to that.
    pub(crate) exclusive: bool,
}

/// What the beginning of a program has to provide. Filled in while its body is lowered.
#[derive(Default)]
pub(super) struct Entry {
    /// Whether the program's memory is used.
    pub(super) scratch_used: bool,
    /// The register of each function that points to the program's memory, and to its context.
    bases: Vec<(usize, Reg)>,
    contexts: Vec<(usize, Reg)>,
    /// The same for the number of the place, where that was worked out at the start.
    places: Vec<(usize, Reg)>,
    /// Room on the main function's stack through which callbacks and subprograms find these.
    pub(super) shared_slot: Option<SlotId>,
    pub(super) shared_used: bool,
    /// The same for each callback: the parameter that points there.
    pub(super) shared: Vec<(usize, Reg)>,
    /// A callback that is being built returns for all.
    pub(super) returns_from_callback: bool,
    pub(super) exit: BlockId,
    /// Where a program ends that is not meant for what it runs at.
    pub(super) unwanted: BlockId,
    /// The number of the place, where it was worked out at the start.
    pub(super) place: Option<Reg>,
}

/// What functions share, on the main one's stack: pointers to the program's memory and to its context, and the
/// number of the place.
const SHARED_BASE: i32 = 0;
const SHARED_CONTEXT: i32 = 8;
const SHARED_PLACE: i32 = 16;
const SHARED_BYTES: u32 = 24;

/// Areas of memory for a program on each CPU where it can be interrupted by itself.
const AREAS: u32 = 4;

impl Lower<'_, '_> {
    /// The whole program.
    pub(super) fn program(&mut self, probe: &Probe) {
        self.entry.exit = self.block();
        self.entry.unwanted = self.block();
        let (setup, body) = (self.block(), self.block());
        self.entry.shared_slot = Some(self.f().slot(SHARED_BYTES));
        // What is not wanted is left out before anything is set up for it.
        self.select_syscalls();
        self.leave_out_others();
        self.leave_out_other_objects();
        self.jump(setup);
        self.make_unwinder(probe);
        self.subprograms(probe);
        self.go_on_at(body);
        self.make_hoisted();
        self.set_result(Operand::Imm(0));
        if let Some(predicate) = &probe.predicate {
            let then = self.block();
            let exit = self.entry.exit;
            self.truth(predicate, then, exit);
            self.go_on_at(then);
        }
        self.stmts(&probe.body);
        self.span = probe.span;
        let exit = self.entry.exit;
        self.jump(exit);
        self.exit();
        self.set_up(setup, body);
    }

    fn exit(&mut self) {
        let exit = self.entry.exit;
        self.go_on_at(exit);
        self.count_object();
        let result = match self.has_result() {
            true => {
                let base = self.base_of(0);
                Operand::Reg(self.load(Mem::At(base, SCRATCH_RESULT), 8))
            }
            false => Operand::Imm(0),
        };
        if self.entry.scratch_used && self.claims() {
            let base = self.base_of(0);
            self.store_word(Mem::At(base, SCRATCH_BUSY), Operand::Imm(0));
        }
        let span = self.span;
        self.f().ret(result, span);
        let unwanted = self.entry.unwanted;
        self.go_on_at(unwanted);
        self.f().ret(Operand::Imm(0), span);
    }

    /// Tests tell by their result whether they pass; no one asks for that of other programs.
    fn has_result(&self) -> bool {
        matches!(self.target().kind, AttachKind::Test | AttachKind::Bench)
    }

    /// Keeps what a program returns.
    pub(super) fn set_result(&mut self, value: Operand) {
        if self.has_result() {
            let base = self.scratch_base();
            self.store_word(Mem::At(base, SCRATCH_RESULT), value);
        }
    }

    /// Where the kernel may interrupt a program by itself, its memory is claimed.
    fn claims(&self) -> bool {
        !self.given.start.exclusive
    }

    /// The block before the body: what the body was found to need.
    fn set_up(&mut self, setup: BlockId, body: BlockId) {
        self.go_on_at(setup);
        if self.entry.scratch_used {
            self.find_scratch();
        }
        if let (Some(slot), true) = (self.entry.shared_slot, self.entry.shared_used) {
            if self.entry.scratch_used {
                let base = self.base_of(0);
                self.store_word(Mem::Slot(slot, SHARED_BASE), Operand::Reg(base));
            }
            self.store_word(Mem::Slot(slot, SHARED_CONTEXT), Operand::Reg(0));
            if let (Some(place), false) = (self.entry.place, self.entry.places.is_empty()) {
                self.store_word(Mem::Slot(slot, SHARED_PLACE), Operand::Reg(place));
            }
        }
        self.jump(body);
    }

    fn base_of(&mut self, function: usize) -> Reg {
        if let Some(&(_, reg)) = self.entry.bases.iter().find(|(of, _)| *of == function) {
            return reg;
        }
        let reg = self.functions[function].reg();
        self.entry.bases.push((function, reg));
        reg
    }

    /// A pointer to the program's memory.
    pub(super) fn scratch_base(&mut self) -> Reg {
        self.entry.scratch_used = true;
        let current = self.current;
        self.base_of(current)
    }

    /// The program's context.
    pub(super) fn context(&mut self) -> Reg {
        if self.current == 0 {
            return 0;
        }
        let current = self.current;
        if let Some(&(_, reg)) = self.entry.contexts.iter().find(|(of, _)| *of == current) {
            return reg;
        }
        let reg = self.reg();
        self.entry.contexts.push((current, reg));
        reg
    }

    /// The number of the place that was worked out at the program's start.
    pub(super) fn known_place(&mut self, place: Reg) -> Reg {
        let current = self.current;
        if current == 0 {
            return place;
        }
        if let Some(&(_, reg)) = self.entry.places.iter().find(|(of, _)| *of == current) {
            return reg;
        }
        let reg = self.reg();
        self.entry.places.push((current, reg));
        reg
    }

    /// The first block of a callback or a subprogram: it takes over what it uses of these from the main
    /// function's stack.
    pub(super) fn begin_callback(&mut self, function: usize, shared: Reg, body: BlockId) {
        let current = std::mem::replace(&mut self.current, function);
        self.go_on_at(0);
        for (at, list) in [
            (SHARED_BASE, &self.entry.bases),
            (SHARED_CONTEXT, &self.entry.contexts),
            (SHARED_PLACE, &self.entry.places),
        ] {
            if let Some(&(_, reg)) = list.iter().find(|(of, _)| *of == function) {
                let span = self.span;
                let load = Op::Load(reg, Base::Reg(shared), at, crate::ir::Size::B64);
                self.functions[function].op(load, span);
            }
        }
        self.jump(body);
        self.current = current;
    }

    /// Finds the program's memory on this CPU, and claims it where that must be.
    fn find_scratch(&mut self) {
        let base = self.base_of(0);
        let cpu = self.call(Helper::GetSmpProcessorId, Vec::new());
        let areas = self.given.start.areas();
        let first = self.given.start.first_area;
        let index = self.reg();
        let (factor, first) = (Operand::Imm(areas.into()), Operand::Imm(first.into()));
        self.op(Op::Alu(Alu::Mul, index, Operand::Reg(cpu), factor));
        self.op(Op::Alu(Alu::Add, index, Operand::Reg(index), first));
        let done = self.block();
        for area in 0..areas {
            let next = self.block();
            self.try_area(base, index, area, done, next);
            self.go_on_at(next);
        }
        if self.claims() {
            self.count_loss(Loss::Busy as u32);
        }
        let span = self.span;
        self.f().ret(Operand::Imm(0), span);
        self.go_on_at(done);
    }

    fn try_area(&mut self, base: Reg, index: Reg, area: u32, done: BlockId, next: BlockId) {
        let key = self.f().slot(8);
        let more = Operand::Imm(area.into());
        let number = self.alu(Alu::Add, index, more);
        self.store(Mem::Slot(key, 0), Operand::Reg(number), 4);
        let map = Arg::Map(self.shared.role(MapRole::Scratch));
        let call = Op::Call(
            Some(base),
            Helper::MapLookupElem,
            vec![map, Arg::Slot(key, 0)],
        );
        self.op(call);
        let slots = self.f().slots_taken();
        self.f().release_slots(slots - 1);
        if !self.claims() {
            return self.branch(Cond::Ne, Operand::Reg(base), Operand::Imm(0), done, next);
        }
        let found = self.block();
        self.branch(Cond::Ne, Operand::Reg(base), Operand::Imm(0), found, next);
        self.go_on_at(found);
        let before = self.reg();
        if self.given.facts.since(5, 12) {
            let one = Operand::Imm(1);
            self.op(Op::Atomic(
                Atomic::Exchange,
                Some(before),
                Base::Reg(base),
                SCRATCH_BUSY,
                one,
            ));
            self.branch(Cond::Eq, Operand::Reg(before), Operand::Imm(0), done, next);
        } else {
            // What interrupts a program there ends before the program goes on: no need for one step.
            let free = self.block();
            let before = self.load(Mem::At(base, SCRATCH_BUSY), 8);
            self.branch(Cond::Eq, Operand::Reg(before), Operand::Imm(0), free, next);
            self.go_on_at(free);
            self.store_word(Mem::At(base, SCRATCH_BUSY), Operand::Imm(1));
            self.jump(done);
        }
    }

    /// Leaves out other processes than the one asked for, and the tracer itself.
    fn leave_out_others(&mut self) {
        use AttachKind::*;
        let kind = self.target().kind;
        let filtered = matches!(
            kind,
            Kprobe | Kretprobe | Fentry | Fexit | RawTracepoint | Tracepoint
        );
        let (only, own) = (self.given.params.pid, self.given.params.own_pid);
        if !filtered || only.is_none() && own.is_none() {
            return;
        }
        let pid = self.process();
        let (exit, go_on) = (self.entry.unwanted, self.block());
        let cond = if only.is_some() { Cond::Eq } else { Cond::Ne };
        let other = Operand::Imm(only.or(own).unwrap_or(0).into());
        self.branch(cond, Operand::Reg(pid), other, go_on, exit);
        self.go_on_at(go_on);
    }

    /// Goes on only at the system calls that are meant, by this machine's own numbers.
    fn select_syscalls(&mut self) {
        let Some(dispatch) = self.given.start.syscalls.clone() else {
            return;
        };
        let number = self.syscall_number(dispatch.enter);
        let (exit, found) = (self.entry.unwanted, self.block());
        if let [(call, _)] = dispatch.calls.as_slice() {
            let call = Operand::Imm((*call).into());
            self.branch(Cond::Eq, Operand::Reg(number), call, found, exit);
            self.go_on_at(found);
        } else {
            self.go_on_at_known_call(number, &dispatch, found);
        }
        self.leave_out_compat();
    }

    /// A table tells which calls are meant.
    fn go_on_at_known_call(&mut self, number: Reg, dispatch: &SyscallDispatch, found: BlockId) {
        let most = dispatch
            .calls
            .iter()
            .map(|&(call, _)| call)
            .max()
            .unwrap_or(0);
        let size = (most + 1).next_power_of_two();
        let mut table = vec![0u32; size as usize];
        for &(call, place) in &dispatch.calls {
            table[call as usize] = place + 1;
        }
        let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
        let at = self.shared.constant(&bytes);
        let (exit, in_table) = (self.entry.unwanted, self.block());
        let limit = Operand::Imm(size.into());
        self.branch(Cond::Lt, Operand::Reg(number), limit, in_table, exit);
        self.go_on_at(in_table);
        let mask = Operand::Imm((size - 1).into());
        let offset = self.alu(Alu::And, number, mask);
        self.op(Op::Alu(
            Alu::Lsh,
            offset,
            Operand::Reg(offset),
            Operand::Imm(2),
        ));
        let base = self.reg();
        let map = self.shared.role(MapRole::Rodata);
        self.op(Op::Address(base, Arg::MapValue(map, at)));
        self.op(Op::Alu(
            Alu::Add,
            base,
            Operand::Reg(base),
            Operand::Reg(offset),
        ));
        let place = self.load(Mem::At(base, 0), 4);
        self.branch(Cond::Ne, Operand::Reg(place), Operand::Imm(0), found, exit);
        self.go_on_at(found);
        let number = self.alu(Alu::Sub, place, Operand::Imm(1));
        self.entry.place = Some(number);
    }

    /// The call's number. Where the raw tracepoint is taken, it is given at the start of a call only, and kept among
    /// the registers at its return.
    fn syscall_number(&mut self, enter: bool) -> Reg {
        // Both the second word of the raw tracepoint and the first field of the event.
        if enter || self.given.start.kind == ProgramKind::Tracepoint {
            return self.load(Mem::At(0, 8), 8);
        }
        self.register_of_call("orig_ax")
    }

    /// The tracepoints of single calls are not hit by 32-bit programs, whose numbers mean other calls.
    fn leave_out_compat(&mut self) {
        let Some(compat) = self.compat() else {
            return;
        };
        let (exit, go_on) = (self.entry.unwanted, self.block());
        self.branch(Cond::Eq, Operand::Reg(compat), Operand::Imm(0), go_on, exit);
        self.go_on_at(go_on);
    }

    /// Notes that a loop's body has returned for all, or asks whether it has.
    pub(super) fn returned(&mut self) -> Mem {
        let base = self.scratch_base();
        Mem::At(base, SCRATCH_RETURNED)
    }

    /// Adds one to a counter of losses.
    pub(super) fn count_loss(&mut self, cause: u32) {
        let key = self.f().slot(8);
        self.store(Mem::Slot(key, 0), Operand::Imm(cause.into()), 4);
        let map = Arg::Map(self.shared.role(MapRole::Loss));
        let counter = self.call(Helper::MapLookupElem, vec![map, Arg::Slot(key, 0)]);
        let slots = self.f().slots_taken();
        self.f().release_slots(slots - 1);
        let (found, done) = (self.block(), self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(counter),
            Operand::Imm(0),
            found,
            done,
        );
        self.go_on_at(found);
        let one = Operand::Imm(1);
        self.op(Op::Atomic(Atomic::Add, None, Base::Reg(counter), 0, one));
        self.jump(done);
        self.go_on_at(done);
    }
}
