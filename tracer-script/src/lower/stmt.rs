//! Statements, and what variables are given.

use super::{Loop, Lower, Variable};
use crate::{
    ast::{BinaryOp, Expr, ExprId, ExprKind, Stmt, StmtKind},
    ir::{Alu, Op, Operand},
    types::{Type, align},
};

impl Lower<'_, '_> {
    /// The statements of a block. What their variables took is given back behind it.
    pub(super) fn stmts(&mut self, body: &[Stmt]) {
        let scratch = self.scratch;
        for statement in body {
            if self.is_too_long() {
                break;
            }
            let before = std::mem::replace(&mut self.span, statement.span);
            self.stmt(statement);
            self.span = before;
        }
        self.scratch = scratch;
    }

    fn stmt(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(expr) => match &expr.kind {
                ExprKind::Call(call) if call.name == "delete" => self.delete_statement(call),
                _ => self.temporarily(|lower| lower.for_effect(expr)),
            },
            StmtKind::Discard(expr) => self.temporarily(|lower| lower.for_effect(expr)),
            StmtKind::Assign(target, operator, value) => self.assign(target, *operator, value),
            StmtKind::Let(_, _, value, id) => self.declare(*id, value.as_ref()),
            StmtKind::If(condition, then, other) => {
                if let Some(holds) = self.known_truth(condition) {
                    return self.aside(|lower| lower.stmts(if holds { then } else { other }));
                }
                let (yes, no, done) = (self.block(), self.block(), self.block());
                self.temporarily(|lower| lower.truth(condition, yes, no));
                for (block, body) in [(yes, then), (no, other)] {
                    self.go_on_at(block);
                    self.aside(|lower| lower.stmts(body));
                    self.jump(done);
                }
                self.go_on_at(done);
            }
            StmtKind::While(condition, body) => self.while_loop(condition, body),
            StmtKind::Unroll(count, body) => self.unroll(count, body),
            StmtKind::ForMap(variable, map, _, body) => self.for_map(variable, map, body),
            StmtKind::ForRange(variable, start, end, body) => {
                self.for_range(variable, start, end, body);
            }
            StmtKind::Break => self.leave_loop(true),
            StmtKind::Continue => self.leave_loop(false),
            StmtKind::Return(value) => self.return_from(value.as_ref()),
            StmtKind::Block(body) => self.stmts(body),
        }
    }

    /// Ends the program or the subprogram, from wherever that is said; a subprogram returns what has been kept.
    pub(super) fn leave(&mut self) {
        if self.current == 0 {
            let exit = self.entry.exit;
            return self.jump(exit);
        }
        if self.is_subprogram() {
            return self.return_kept();
        }
        let returned = self.returned();
        self.store_word(returned, Operand::Imm(1));
        self.left_from_callback();
    }

    fn leave_loop(&mut self, ends: bool) {
        match self.loops.last() {
            Some(Loop::Inline { next, end }) => {
                let to = if ends { *end } else { *next };
                self.jump(to);
            }
            Some(Loop::Callback) => {
                let span = self.span;
                let value = Operand::Imm(ends.into());
                self.f().ret(value, span);
            }
            None => {}
        }
    }

    /// Makes a variable where it is first given something.
    pub(super) fn make_variable(&mut self, id: ExprId) -> Option<(usize, Variable)> {
        let index = *self.given.checked.bindings.get(&id)?;
        if let Some(&known) = self.variables.get(&index) {
            return Some((index, known));
        }
        Some((index, self.room_for(index)))
    }

    /// Makes the variables that belong to the whole probe: they come first among all.
    pub(super) fn make_hoisted(&mut self) {
        for index in 0..self.given.checked.hoisted.len() {
            let variable = self.room_for(index);
            self.clear_variable(index, variable);
        }
    }

    pub(super) fn room_for(&mut self, index: usize) -> Variable {
        let info = &self.given.checked.variables[index];
        let variable = if super::expr::is_scalar_like(&info.kind) && !info.in_memory {
            Variable::Register(self.reg())
        } else {
            let size = align(self.stored_size(&info.kind)).max(8);
            let at = self.scratch;
            self.scratch_room(size);
            Variable::Scratch(at)
        };
        self.variables.insert(index, variable);
        variable
    }

    fn clear_variable(&mut self, index: usize, variable: Variable) {
        match variable {
            Variable::Register(reg) => self.op(Op::Const(reg, 0)),
            Variable::Scratch(at) => {
                let kind = self.given.checked.variables[index].kind.clone();
                let size = align(self.stored_size(&kind));
                let place = self.in_scratch(at);
                self.clear(place, size);
            }
            Variable::Entry { .. } => {}
        }
    }

    fn declare(&mut self, id: ExprId, value: Option<&Expr>) {
        // A block that is gone through again, as by unroll, makes its variables again.
        if let Some(index) = self.given.checked.bindings.get(&id) {
            self.variables.remove(index);
        }
        let Some((index, variable)) = self.make_variable(id) else {
            return;
        };
        match value {
            Some(value) => self.temporarily(|lower| lower.give(index, variable, value)),
            None => self.clear_variable(index, variable),
        }
    }

    /// Gives a variable the value of an expression.
    fn give(&mut self, index: usize, variable: Variable, value: &Expr) {
        let kind = self.given.checked.variables[index].kind.clone();
        if super::expr::is_scalar_like(&kind) {
            let own = self.kind(value);
            let number = self.val(value);
            let number = match own == kind {
                true => number,
                false => self.fitted(number, &kind),
            };
            return self.set_number_of(variable, number);
        }
        let piece = self.piece(value, &kind);
        let size = align(self.stored_size(&kind));
        let Variable::Scratch(at) = variable else {
            return;
        };
        let place = self.in_scratch(at);
        if is_call_or_literal(value) {
            return self.fill(piece, place, size, true);
        }
        // It may be made of what the variable holds.
        let whole = self.temporary(size);
        self.fill(piece, whole, size, true);
        self.copy_memory(place, whole, size);
    }

    /// A number cut to the width of a variable that was declared so.
    pub(super) fn fitted(&mut self, number: Operand, kind: &Type) -> Operand {
        match kind {
            Type::Int { size, .. } if *size < 8 => self.converted(number, kind),
            Type::Bool => self.converted(number, kind),
            _ => number,
        }
    }

    fn set_number_of(&mut self, variable: Variable, number: Operand) {
        match variable {
            Variable::Register(reg) => self.set(reg, number),
            Variable::Scratch(at) => {
                let place = self.in_scratch(at);
                self.store_word(place, number);
            }
            Variable::Entry { .. } => {}
        }
    }

    /// Gives the variable that an expression means a number.
    pub(super) fn set_variable_number(&mut self, expr: &Expr, number: Operand) {
        if let Some(variable) = self.variable(expr) {
            self.set_number_of(variable, number);
        }
    }

    fn assign(&mut self, target: &Expr, operator: Option<BinaryOp>, value: &Expr) {
        match &target.kind {
            ExprKind::Var(_) => {
                let Some((index, variable)) = self.make_variable(target.id) else {
                    return;
                };
                self.temporarily(|lower| match operator {
                    None => lower.give(index, variable, value),
                    Some(operator) => lower.compound_variable(index, target, operator, value),
                });
            }
            ExprKind::Map(name, key) => self.temporarily(|lower| match operator {
                None => lower.assign_map(name, key.as_deref(), value),
                Some(operator) => lower.compound_map(name, key.as_deref(), operator, value),
            }),
            _ => {}
        }
    }

    fn compound_variable(&mut self, index: usize, target: &Expr, operator: BinaryOp, value: &Expr) {
        let kind = self.given.checked.variables[index].kind.clone();
        let value_kind = self.kind(value);
        let right = self.val(value);
        let left = self.val(target);
        let signed = kind.is_signed();
        let number = self.arithmetic(operator, signed, (left, &kind), (right, &value_kind));
        let number = self.fitted(number, &kind);
        self.set_variable_number(target, number);
    }

    /// `x++` and its kin, for maps and variables.
    pub(super) fn inc_dec(
        &mut self,
        target: &Expr,
        increment: bool,
        postfix: bool,
        wanted: bool,
    ) -> Operand {
        if let ExprKind::Map(name, key) = &target.kind {
            return self.inc_dec_map(name, key.as_deref(), increment, postfix, wanted);
        }
        let kind = self.kind(target);
        let before = self.val(target);
        let before = Operand::Reg(self.copy(before));
        let step = match &kind {
            Type::Ptr(to, _) => i64::from(self.c_size(to).max(1)),
            _ => 1,
        };
        let after = self.reg();
        let alu = if increment { Alu::Add } else { Alu::Sub };
        self.op(Op::Alu(alu, after, before, Operand::Imm(step)));
        let after = self.fitted(Operand::Reg(after), &kind);
        self.set_variable_number(target, after);
        if postfix { before } else { after }
    }
}

/// What cannot be made of the variable that it is given to.
fn is_call_or_literal(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Str(_) | ExprKind::Ident(_) => true,
        ExprKind::Call(call) => call
            .args
            .iter()
            .all(|arg| !matches!(arg.kind, ExprKind::Var(_)) && is_call_or_literal_argument(arg)),
        _ => false,
    }
}

fn is_call_or_literal_argument(arg: &Expr) -> bool {
    match &arg.kind {
        ExprKind::Int(_) | ExprKind::Str(_) | ExprKind::Ident(_) => true,
        ExprKind::Field(inner, _) => is_call_or_literal_argument(inner),
        _ => false,
    }
}
