//! Subprograms: functions of the program that it calls. Each is built once for a program that calls it, before
//! what calls it, with memory of its own: as none calls itself, none runs twice at a time.
//!
//! The first parameter is where callers keep what functions share; numbers follow in registers, as far as these
//! go. All else is put into the subprogram's memory by its caller, and what is no number comes back there.

use super::{
    Known, Lower, Mem, Piece, SCRATCH_LEFT, Variable, build::Builder, expr::is_scalar_like,
};
use crate::{
    ast::{Call, Expr, ExprKind, Function, Probe},
    ir::{Arg, Cond, Op, Operand, Reg},
    subprograms,
    types::{Type, align},
};

/// Numbers that are passed in registers: a call takes five, and the first is what functions share.
const IN_REGISTERS: usize = 4;

/// What callers must know of a subprogram.
#[derive(Clone, Debug)]
pub(super) struct Subprogram {
    /// Which function it is.
    number: usize,
    params: Vec<Passed>,
    /// The type of its value, and where that is kept in the program's memory where it must be.
    returns: Type,
    kept: u32,
    /// It may end the program.
    leaves: bool,
}

/// How an argument is passed.
#[derive(Clone, Debug)]
enum Passed {
    Register(Type),
    Memory(Type, u32),
}

impl Lower<'_, '_> {
    /// Builds the subprograms that a probe calls, those first that others call.
    pub(super) fn subprograms(&mut self, probe: &Probe) {
        for function in subprograms::reached(self.given.script, probe) {
            self.build_subprogram(function);
        }
    }

    fn build_subprogram(&mut self, function: &Function) {
        let Some(prototype) = self.given.checked.functions.get(&function.name).cloned() else {
            return;
        };
        self.scratch = self.scratch_max;
        let number = self.functions.len();
        let kept = self.set_aside(&prototype.returns);
        let mut registers = 0;
        let params = prototype.params.into_iter().map(|kind| {
            if is_scalar_like(&kind) && registers < IN_REGISTERS {
                registers += 1;
                return Passed::Register(kind);
            }
            let at = self.set_aside(&kind);
            Passed::Memory(kind, at)
        });
        let params = params.collect();
        let built = Subprogram {
            number,
            params,
            returns: prototype.returns,
            kept,
            leaves: false,
        };
        let builder = Builder::new(function.name.clone(), 1 + registers as u32);
        self.functions.push(builder);
        self.entry.shared.push((number, 0));
        let before = self.inside.replace(built);
        let current = std::mem::replace(&mut self.current, number);
        let known: Vec<(usize, Known, Reg)> = std::mem::take(&mut self.known);
        let span = std::mem::replace(&mut self.span, function.span);
        let start = self.block();
        self.go_on_at(start);
        self.body_of(function);
        self.begin_callback(number, 0, start);
        self.span = span;
        self.known = known;
        self.current = current;
        if let Some(built) = std::mem::replace(&mut self.inside, before) {
            self.subprograms.insert(function.name.clone(), built);
        }
        // No one else may use its memory.
        self.scratch = self.scratch_max;
    }

    /// Room in the program's memory, which is not said to be used yet.
    fn set_aside(&mut self, kind: &Type) -> u32 {
        let at = self.scratch;
        let size = align(self.stored_size(kind)).max(8);
        self.scratch = at.saturating_add(size);
        self.scratch_max = self.scratch_max.max(self.scratch);
        at
    }

    fn body_of(&mut self, function: &Function) {
        let params = self.inside.as_ref().map(|built| built.params.clone());
        let mut register: Reg = 0;
        for (param, passed) in function.params.iter().zip(params.unwrap_or_default()) {
            let Some(&index) = self.given.checked.bindings.get(&param.id) else {
                continue;
            };
            let variable = match passed {
                Passed::Register(_) => {
                    register += 1;
                    self.parameter(index, register)
                }
                Passed::Memory(_, at) => Variable::Scratch(at),
            };
            self.variables.insert(index, variable);
        }
        self.stmts(&function.body);
        self.return_from(None);
    }

    /// A parameter that comes in a register stays there, unless loops within use it.
    fn parameter(&mut self, index: usize, register: Reg) -> Variable {
        if !self.given.checked.variables[index].in_memory {
            return Variable::Register(register);
        }
        let variable = self.room_for(index);
        if let Variable::Scratch(at) = variable {
            let place = self.in_scratch(at);
            self.store_word(place, Operand::Reg(register));
        }
        variable
    }

    /// Whether the function that is being built is a subprogram, not the body of a loop in one.
    pub(super) fn is_subprogram(&self) -> bool {
        let inside = self.inside.as_ref();
        inside.is_some_and(|built| built.number == self.current)
    }

    /// `return`
    pub(super) fn return_from(&mut self, value: Option<&Expr>) {
        let Some(built) = self.inside.clone() else {
            if let Some(value) = value {
                self.temporarily(|lower| {
                    let value = lower.val(value);
                    lower.set_result(value);
                });
            }
            return self.leave();
        };
        if is_scalar_like(&built.returns) {
            let number = match value {
                Some(value) => self.temporarily(|lower| {
                    let number = lower.val(value);
                    let number = lower.fitted(number, &built.returns);
                    Operand::Reg(lower.copy(number))
                }),
                None => Operand::Imm(0),
            };
            if self.is_subprogram() {
                let span = self.span;
                return self.f().ret(number, span);
            }
            let place = self.in_scratch(built.kept);
            self.store_word(place, number);
            return self.leave();
        }
        let size = align(self.stored_size(&built.returns));
        self.temporarily(|lower| match value {
            Some(value) => {
                let piece = lower.piece(value, &built.returns);
                let place = lower.in_scratch(built.kept);
                lower.fill(piece, place, size, true);
            }
            None => {
                let place = lower.in_scratch(built.kept);
                lower.clear(place, size);
            }
        });
        match self.is_subprogram() {
            true => {
                let span = self.span;
                self.f().ret(Operand::Imm(0), span);
            }
            false => self.leave(),
        }
    }

    /// Returns what a loop's body has said that the subprogram returns.
    pub(super) fn return_kept(&mut self) {
        let span = self.span;
        let Some(built) = self.inside.clone() else {
            return;
        };
        let value = match built.returns {
            Type::Void => Operand::Imm(0),
            ref kind if is_scalar_like(kind) => {
                let place = self.in_scratch(built.kept);
                Operand::Reg(self.load(place, 8))
            }
            _ => Operand::Imm(0),
        };
        self.f().ret(value, span);
    }

    /// `exit()`: ends the program, from within subprograms, too.
    pub(super) fn leave_program(&mut self) {
        if let Some(built) = &mut self.inside {
            built.leaves = true;
            let base = self.scratch_base();
            self.store_word(Mem::At(base, SCRATCH_LEFT), Operand::Imm(1));
        }
        match self.is_subprogram() {
            true => {
                let span = self.span;
                self.f().ret(Operand::Imm(0), span);
            }
            false => self.leave(),
        }
    }

    pub(super) fn is_subprogram_call(&self, call: &Call) -> bool {
        self.subprograms.contains_key(&call.name)
    }

    /// A call whose value is a number, or that has none.
    pub(super) fn subprogram_word(&mut self, call: &Call) -> Operand {
        let Some(callee) = self.subprograms.get(&call.name).cloned() else {
            return Operand::Imm(0);
        };
        Operand::Reg(self.call_subprogram(&callee, call))
    }

    /// A call whose value is no number. It is taken away from where the next call would put its own.
    pub(super) fn subprogram_piece(&mut self, call: &Call, own: &Type) -> Piece {
        let Some(callee) = self.subprograms.get(&call.name).cloned() else {
            return Piece::Words(Vec::new());
        };
        self.call_subprogram(&callee, call);
        let size = self.stored_size(own);
        let to = self.temporary(align(size));
        let from = self.in_scratch(callee.kept);
        self.copy_memory(to, from, size);
        Piece::copied(to, size)
    }

    fn call_subprogram(&mut self, callee: &Subprogram, call: &Call) -> Reg {
        // All are worked out before any is put down: another call of the same may be among them.
        let args = call.args.iter().zip(&callee.params);
        let pieces: Vec<Piece> = args
            .map(|(arg, passed)| self.argument_piece(arg, passed))
            .collect();
        let mut words = vec![self.shared_pointer()];
        for (piece, passed) in pieces.into_iter().zip(&callee.params) {
            match (passed, piece) {
                (Passed::Register(_), Piece::Words(values)) => {
                    words.extend(values.into_iter().map(Arg::from));
                }
                (Passed::Register(_), _) => words.push(Arg::Imm(0)),
                (Passed::Memory(kind, at), piece) => {
                    let size = align(self.stored_size(kind)).max(8);
                    let place = self.in_scratch(*at);
                    self.fill(piece, place, size, true);
                }
            }
        }
        if callee.leaves {
            let base = self.scratch_base();
            self.store_word(Mem::At(base, SCRATCH_LEFT), Operand::Imm(0));
        }
        let to = self.reg();
        self.op(Op::CallFunction(to, callee.number, words));
        self.forget_values(None);
        if callee.leaves {
            self.go_on_unless_left();
        }
        to
    }

    fn argument_piece(&mut self, arg: &Expr, passed: &Passed) -> Piece {
        let (Passed::Register(kind) | Passed::Memory(kind, _)) = passed;
        if !is_scalar_like(kind) {
            return self.piece(arg, kind);
        }
        let value = self.val(arg);
        let value = self.fitted(value, kind);
        // A variable may be given another value by what follows.
        let value = match arg.kind {
            ExprKind::Var(_) => Operand::Reg(self.copy(value)),
            _ => value,
        };
        Piece::Words(vec![value])
    }

    /// Where a subprogram has ended the program, so does its caller.
    fn go_on_unless_left(&mut self) {
        let base = self.scratch_base();
        let left = self.load(Mem::At(base, SCRATCH_LEFT), 8);
        let (leave, go_on) = (self.block(), self.block());
        self.branch(Cond::Ne, Operand::Reg(left), Operand::Imm(0), leave, go_on);
        self.go_on_at(leave);
        self.leave_program();
        self.go_on_at(go_on);
    }
}
