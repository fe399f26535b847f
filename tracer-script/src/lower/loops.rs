//! Loops. Where the kernel can (maps from Linux 5.13, all else from 5.17), the body is a function that it calls
//! back: the verifier looks at that once. Before, loops are jumps, which the verifier follows round by round.

use super::{Loop, Lower, Mem, SCRATCH_RETURNED, Variable, build::Builder};
use crate::{
    ast::{Expr, LoopVar, Stmt},
    ir::{Alu, Arg, Base, Cond, Helper, Op, Operand, Reg, Size},
    program::MapKind,
    types::align,
};

/// `BPF_MAX_LOOPS` of `include/linux/bpf_verifier.h`.
const ROUNDS_MAX: i64 = 8 << 20;

impl Lower<'_, '_> {
    pub(super) fn calls_back(&self) -> bool {
        self.given.facts.since(5, 17)
    }

    /// What callbacks are handed: where their caller keeps what they share.
    pub(super) fn shared_pointer(&mut self) -> Arg {
        if self.current == 0 {
            let slot = self.entry.shared_slot.unwrap_or(0);
            self.entry.shared_used = true;
            return Arg::Slot(slot, 0);
        }
        let current = self.current;
        let found = self
            .entry
            .shared
            .iter()
            .find(|(function, _)| *function == current);
        Arg::Reg(found.map_or(0, |&(_, reg)| reg))
    }

    /// Builds a function that the kernel calls back; its number. `shared` is the parameter that it finds what it
    /// shares with its caller by.
    pub(super) fn callback(
        &mut self,
        params: u32,
        shared: Reg,
        body: impl FnOnce(&mut Self),
    ) -> usize {
        let function = self.functions.len();
        self.functions
            .push(Builder::new(format!("loop{function}"), params));
        self.entry.shared.push((function, shared));
        let current = std::mem::replace(&mut self.current, function);
        let known = std::mem::take(&mut self.known);
        self.loops.push(Loop::Callback);
        let start = self.block();
        self.go_on_at(start);
        body(self);
        let span = self.span;
        self.f().ret(Operand::Imm(0), span);
        self.loops.pop();
        self.known = known;
        self.forget_values(None);
        self.current = current;
        self.begin_callback(function, shared, start);
        function
    }

    /// Lets the kernel call a function back; where its body returned for all, so does this.
    fn run_loop(&mut self, uses_return: bool, call: impl FnOnce(&mut Self)) {
        if uses_return {
            let base = self.scratch_base();
            self.store_word(Mem::At(base, SCRATCH_RETURNED), Operand::Imm(0));
        }
        call(self);
        if !uses_return {
            return;
        }
        let returned = self.returned();
        let value = self.load(returned, 8);
        let (leave, go_on) = (self.block(), self.block());
        self.branch(Cond::Ne, Operand::Reg(value), Operand::Imm(0), leave, go_on);
        self.go_on_at(leave);
        self.leave();
        self.go_on_at(go_on);
    }

    /// Where a callback says that all is over.
    pub(super) fn left_from_callback(&mut self) {
        self.entry.returns_from_callback = true;
        let span = self.span;
        self.f().ret(Operand::Imm(1), span);
    }

    fn watching_returns<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = std::mem::replace(&mut self.entry.returns_from_callback, false);
        let result = inner(self);
        let returns = std::mem::replace(&mut self.entry.returns_from_callback, before);
        (result, returns)
    }

    pub(super) fn while_loop(&mut self, condition: &Expr, body: &[Stmt]) {
        if !self.calls_back() {
            return self.inline_while(condition, body);
        }
        let (function, returns) = self.watching_returns(|lower| {
            lower.callback(2, 1, |lower| {
                let (go_on, end) = (lower.block(), lower.block());
                lower.temporarily(|lower| lower.truth(condition, go_on, end));
                lower.go_on_at(end);
                let span = lower.span;
                lower.f().ret(Operand::Imm(1), span);
                lower.go_on_at(go_on);
                lower.stmts(body);
            })
        });
        self.run_loop(returns, |lower| {
            lower.loop_call(Arg::Imm(ROUNDS_MAX), function);
        });
    }

    pub(super) fn loop_call(&mut self, rounds: Arg, function: usize) {
        let shared = self.shared_pointer();
        let args = vec![rounds, Arg::Function(function), shared, Arg::Imm(0)];
        let result = self.call(Helper::Loop, args);
        self.report_failure(result, "loop");
    }

    fn inline_while(&mut self, condition: &Expr, body: &[Stmt]) {
        let (head, start, end) = (self.block(), self.block(), self.block());
        self.forget_values(None);
        self.jump(head);
        self.go_on_at(head);
        self.aside(|lower| {
            lower.temporarily(|lower| lower.truth(condition, start, end));
            lower.go_on_at(start);
            lower.loops.push(Loop::Inline { next: head, end });
            lower.stmts(body);
            lower.loops.pop();
            lower.jump(head);
        });
        self.go_on_at(end);
    }

    pub(super) fn unroll(&mut self, count: &Expr, body: &[Stmt]) {
        let end = self.block();
        for _ in 0..self.constant(count.id).unwrap_or(0) {
            if self.is_too_long() {
                break;
            }
            let next = self.block();
            self.loops.push(Loop::Inline { next, end });
            self.aside(|lower| lower.stmts(body));
            self.loops.pop();
            self.jump(next);
            self.go_on_at(next);
        }
        self.jump(end);
        self.go_on_at(end);
    }

    pub(super) fn for_range(
        &mut self,
        variable: &LoopVar,
        start: &Expr,
        end: &Expr,
        body: &[Stmt],
    ) {
        let scratch = self.scratch;
        let first = self.val(start);
        let first = self.copy(first);
        let last = self.val(end);
        let last = self.copy(last);
        if self.calls_back() {
            self.range_by_callback(variable, first, last, body);
        } else {
            self.inline_range(variable, first, last, body);
        }
        self.scratch = scratch;
    }

    fn range_by_callback(&mut self, variable: &LoopVar, first: Reg, last: Reg, body: &[Stmt]) {
        // The callback counts from zero: where the range begins it finds in the program's memory.
        let at = self.scratch;
        let place = self.scratch_room(8);
        self.store_word(place, Operand::Reg(first));
        let rounds = self.reg();
        self.op(Op::Const(rounds, 0));
        let (some, done) = (self.block(), self.block());
        self.branch(
            Cond::SLt,
            Operand::Reg(first),
            Operand::Reg(last),
            some,
            done,
        );
        self.go_on_at(some);
        self.op(Op::Alu(
            Alu::Sub,
            rounds,
            Operand::Reg(last),
            Operand::Reg(first),
        ));
        self.jump(done);
        self.go_on_at(done);
        let (function, returns) = self.watching_returns(|lower| {
            lower.callback(2, 1, |lower| {
                let place = lower.in_scratch(at);
                let start = lower.load(place, 8);
                let value = lower.alu(Alu::Add, start, Operand::Reg(0));
                lower.make_loop_variable(variable, value);
                lower.stmts(body);
            })
        });
        self.run_loop(returns, |lower| lower.loop_call(Arg::Reg(rounds), function));
    }

    fn make_loop_variable(&mut self, variable: &LoopVar, value: Reg) {
        self.forget_variable(variable);
        match self.make_variable(variable.id) {
            Some((_, Variable::Register(reg))) => self.op(Op::Move(reg, value)),
            Some((_, Variable::Scratch(at))) => {
                let place = self.in_scratch(at);
                self.store_word(place, Operand::Reg(value));
            }
            _ => {}
        }
    }

    fn forget_variable(&mut self, variable: &LoopVar) {
        if let Some(index) = self.given.checked.bindings.get(&variable.id) {
            self.variables.remove(index);
        }
    }

    fn inline_range(&mut self, variable: &LoopVar, first: Reg, last: Reg, body: &[Stmt]) {
        let (head, start, next, end) = (self.block(), self.block(), self.block(), self.block());
        self.forget_values(None);
        self.jump(head);
        self.go_on_at(head);
        self.branch(
            Cond::SLt,
            Operand::Reg(first),
            Operand::Reg(last),
            start,
            end,
        );
        self.go_on_at(start);
        self.make_loop_variable(variable, first);
        self.loops.push(Loop::Inline { next, end });
        self.aside(|lower| lower.stmts(body));
        self.loops.pop();
        self.jump(next);
        self.go_on_at(next);
        self.op(Op::Alu(
            Alu::Add,
            first,
            Operand::Reg(first),
            Operand::Imm(1),
        ));
        self.jump(head);
        self.go_on_at(end);
    }

    pub(super) fn for_map(&mut self, variable: &LoopVar, name: &str, body: &[Stmt]) {
        if !self.given.facts.since(5, 13) {
            let span = self.span;
            return self.error(span, "a loop over a map needs Linux 5.13");
        }
        let map = self.map_number(name);
        let (function, returns) = self.watching_returns(|lower| {
            lower.callback(4, 3, |lower| {
                lower.make_entry_variable(variable, map);
                lower.stmts(body);
            })
        });
        self.run_loop(returns, |lower| {
            let shared = lower.shared_pointer();
            let args = vec![Arg::Map(map), Arg::Function(function), shared, Arg::Imm(0)];
            lower.call_only(Helper::ForEachMapElem, args);
        });
    }

    /// Key and value are the callback's second and third parameter.
    fn make_entry_variable(&mut self, variable: &LoopVar, map: usize) {
        self.forget_variable(variable);
        let Some(&index) = self.given.checked.bindings.get(&variable.id) else {
            return;
        };
        let offset = self.value_offset(map);
        let (key, value) = (Mem::At(1, 0), Mem::At(2, offset));
        if !self.given.checked.variables[index].in_memory {
            self.variables
                .insert(index, Variable::Entry { key, value, map });
            return;
        }
        // A loop within uses it: it is kept where that finds it.
        let kind = self.given.checked.variables[index].kind.clone();
        let at = self.scratch;
        let size = align(self.stored_size(&kind));
        let place = self.scratch_room(size);
        let whole = self.entry_memory(key, value, map);
        self.copy_memory(place, whole, size);
        self.variables.insert(index, Variable::Scratch(at));
    }

    /// `len(@x)`: how many entries a loop would go through.
    pub(super) fn map_length(&mut self, map: usize) -> Operand {
        if matches!(
            self.shared.maps[map].kind,
            MapKind::Array | MapKind::PercpuArray
        ) {
            return Operand::Imm(1);
        }
        if !self.given.facts.since(5, 13) {
            let span = self.span;
            self.error(span, "len() of a map needs Linux 5.13");
            return Operand::Imm(0);
        }
        let function = self.callback(4, 3, |_| {});
        let shared = self.shared_pointer();
        let args = vec![Arg::Map(map), Arg::Function(function), shared, Arg::Imm(0)];
        Operand::Reg(self.call(Helper::ForEachMapElem, args))
    }

    /// Goes `count` times through `body`, which gets the number of the round; a known small count.
    pub(super) fn counted(
        &mut self,
        count: u32,
        end: crate::ir::BlockId,
        body: impl FnOnce(&mut Self, Reg, crate::ir::BlockId),
    ) {
        let round = self.copy(Operand::Imm(0));
        let (head, start, next) = (self.block(), self.block(), self.block());
        self.jump(head);
        self.go_on_at(head);
        self.branch(
            Cond::Lt,
            Operand::Reg(round),
            Operand::Imm(count.into()),
            start,
            end,
        );
        self.go_on_at(start);
        body(self, round, next);
        self.jump(next);
        self.go_on_at(next);
        self.op(Op::Alu(
            Alu::Add,
            round,
            Operand::Reg(round),
            Operand::Imm(1),
        ));
        self.jump(head);
        self.go_on_at(end);
    }

    /// Reads so many bytes at a place plus a number that the verifier knows the bounds of.
    pub(super) fn load_at(&mut self, base: Reg, offset: Reg, size: u32) -> Reg {
        let pointer = self.alu(Alu::Add, base, Operand::Reg(offset));
        let to = self.reg();
        self.op(Op::Load(to, Base::Reg(pointer), 0, Size::of(size)));
        to
    }
}
