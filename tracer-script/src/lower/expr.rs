//! Expressions: those whose value fits into a register, and those that lie in memory.

use super::{Lower, Mem, Variable};
use crate::{
    ast::{Expr, ExprKind, Stmt},
    ir::{Alu, Cond, Op, Operand, Reg},
    types::{Aggregate, Type},
};

impl Lower<'_, '_> {
    /// The value of an expression that fits into a register.
    pub(super) fn val(&mut self, expr: &Expr) -> Operand {
        let before = std::mem::replace(&mut self.span, expr.span);
        let value = self.val_inner(expr);
        self.span = before;
        value
    }

    fn val_inner(&mut self, expr: &Expr) -> Operand {
        let kind = self.kind(expr);
        if let Some(value) = self.constant(expr.id)
            && kind.is_scalar()
        {
            return Operand::Imm(value);
        }
        match &expr.kind {
            ExprKind::Ident(name) => self.value(expr, name).unwrap_or(Operand::Imm(0)),
            ExprKind::Var(_) => self.variable_value(expr, &kind),
            ExprKind::Map(name, key) => self.map_value(expr, name, key.as_deref()),
            ExprKind::Unary(operator, operand) => self.unary(expr, *operator, operand),
            ExprKind::Binary(operator, left, right) => self.binary(expr, *operator, left, right),
            ExprKind::IncDec {
                target,
                increment,
                postfix,
            } => self.inc_dec(target, *increment, *postfix, true),
            ExprKind::Ternary(condition, then, other) => {
                self.ternary(condition, then.as_deref(), other, &kind)
            }
            ExprKind::If(condition, then, other) => match other {
                Some(other) => self.ternary(condition, Some(then), other, &kind),
                None => {
                    self.if_void(condition, then, None);
                    Operand::Imm(0)
                }
            },
            ExprKind::Call(call) => self.call_word(expr, call),
            ExprKind::Cast(_, operand) => self.cast(&kind, operand),
            ExprKind::Field(operand, name) if self.kind(operand) == Type::Args => {
                match self.args_field(expr, name) {
                    Ok(value) => value,
                    Err(place) => Operand::Reg(self.load_c(place, &kind)),
                }
            }
            ExprKind::Field(..) | ExprKind::Index(..) | ExprKind::TupleIndex(..) => {
                self.load_value(expr)
            }
            ExprKind::Block(statements, value) => match value {
                Some(value) => {
                    self.block_statements(statements);
                    self.val(value)
                }
                None => {
                    self.block_statements(statements);
                    Operand::Imm(0)
                }
            },
            _ => Operand::Imm(0),
        }
    }

    pub(super) fn block_statements(&mut self, statements: &[Stmt]) {
        self.stmts(statements);
    }

    fn variable_value(&mut self, expr: &Expr, kind: &Type) -> Operand {
        match self.variable(expr) {
            Some(Variable::Register(reg)) => Operand::Reg(reg),
            Some(Variable::Scratch(at)) => {
                let place = self.in_scratch(at);
                Operand::Reg(self.load(place, self.stored_size(kind).min(8)))
            }
            _ => Operand::Imm(0),
        }
    }

    /// A variable by the expression that means it.
    pub(super) fn variable(&self, expr: &Expr) -> Option<Variable> {
        let index = self.given.checked.bindings.get(&expr.id)?;
        self.variables.get(index).copied()
    }

    fn ternary(
        &mut self,
        condition: &Expr,
        then: Option<&Expr>,
        other: &Expr,
        kind: &Type,
    ) -> Operand {
        if *kind == Type::Void {
            self.if_void(condition, then.unwrap_or(condition), Some(other));
            return Operand::Imm(0);
        }
        if let Some(holds) = self.known_truth(condition) {
            return self.val(if holds {
                then.unwrap_or(condition)
            } else {
                other
            });
        }
        let to = self.reg();
        let (yes, no, done) = (self.block(), self.block(), self.block());
        match then {
            Some(then) => {
                self.truth(condition, yes, no);
                self.go_on_at(yes);
                self.aside(|lower| {
                    let value = lower.val(then);
                    lower.set(to, value);
                });
            }
            // The condition is worked out once, and is the value where it is true.
            None => {
                let value = self.val(condition);
                self.set(to, value);
                self.branch(Cond::Ne, Operand::Reg(to), Operand::Imm(0), yes, no);
                self.go_on_at(yes);
            }
        }
        self.jump(done);
        self.go_on_at(no);
        self.aside(|lower| {
            let value = lower.val(other);
            lower.set(to, value);
        });
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    /// A choice between two things to do.
    pub(super) fn if_void(&mut self, condition: &Expr, then: &Expr, other: Option<&Expr>) {
        if let Some(holds) = self.known_truth(condition) {
            if let Some(taken) = if holds { Some(then) } else { other } {
                self.for_effect(taken);
            }
            return;
        }
        let (yes, no, done) = (self.block(), self.block(), self.block());
        self.truth(condition, yes, no);
        self.go_on_at(yes);
        self.aside(|lower| lower.for_effect(then));
        self.jump(done);
        self.go_on_at(no);
        if let Some(other) = other {
            self.aside(|lower| lower.for_effect(other));
        }
        self.jump(done);
        self.go_on_at(done);
    }

    /// Works an expression out for what it does.
    pub(super) fn for_effect(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::IncDec {
                target,
                increment,
                postfix,
            } => {
                let before = std::mem::replace(&mut self.span, expr.span);
                self.inc_dec(target, *increment, *postfix, false);
                self.span = before;
            }
            ExprKind::Block(statements, value) => {
                self.block_statements(statements);
                if let Some(value) = value {
                    self.for_effect(value);
                }
            }
            ExprKind::If(condition, then, other) => {
                self.if_void(condition, then, other.as_deref());
            }
            ExprKind::Ternary(condition, Some(then), other) => {
                self.if_void(condition, then, Some(other));
            }
            _ if is_scalar_like(&self.kind(expr)) => {
                self.val(expr);
            }
            _ => {
                self.temporarily(|lower| lower.memory(expr));
            }
        }
    }

    fn cast(&mut self, to: &Type, operand: &Expr) -> Operand {
        let from = self.kind(operand);
        match &from {
            Type::Array(..) | Type::Str(_) => {
                let place = self.memory(operand);
                if let Type::Ptr(..) = to {
                    return Operand::Reg(self.address(place));
                }
                let size = self.c_size(&from).clamp(1, 8);
                let value = self.load_bytes(place, size);
                self.converted(Operand::Reg(value), to)
            }
            Type::USym => {
                let place = self.memory(operand);
                Operand::Reg(self.load(place, 8))
            }
            _ => {
                let value = self.val(operand);
                self.converted(value, to)
            }
        }
    }

    /// Up to 8 bytes as a number, the first byte lowest.
    fn load_bytes(&mut self, place: Mem, size: u32) -> Reg {
        if matches!(size, 1 | 2 | 4 | 8) {
            return self.load(place, size);
        }
        self.temporarily(|lower| {
            let to = lower.temporary(8);
            lower.clear(to, 8);
            lower.copy_memory(to, place, size);
            lower.load(to, 8)
        })
    }

    /// A number as another type has it.
    pub(super) fn converted(&mut self, value: Operand, to: &Type) -> Operand {
        if *to == Type::Bool {
            return match value {
                Operand::Imm(value) => Operand::Imm(i64::from(value != 0)),
                value => Operand::Reg(self.comparison(Cond::Ne, value, Operand::Imm(0))),
            };
        }
        match value {
            Operand::Imm(value) => {
                let sizes = self.given.env.sizes(self.given.facts);
                Operand::Imm(crate::check::truncate(value, to, &sizes))
            }
            value => self.narrowed(value, to),
        }
    }

    /// Loads a scalar from where an expression lies in memory.
    pub(super) fn load_value(&mut self, expr: &Expr) -> Operand {
        let kind = self.kind(expr);
        if let ExprKind::Field(operand, name) = &expr.kind
            && let Some(value) = self.bit_field(operand, name, &kind)
        {
            return value;
        }
        self.temporarily(|lower| {
            let place = lower.memory(expr);
            if lower.lies_in_tuple(expr) {
                return Operand::Reg(lower.load(place, 8));
            }
            Operand::Reg(lower.load_c(place, &kind))
        })
    }

    /// Parts of tuples and records take 8 bytes, whatever their type.
    fn lies_in_tuple(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::TupleIndex(..) => true,
            ExprKind::Index(operand, _) => matches!(self.kind(operand), Type::Tuple(_)),
            ExprKind::Field(operand, _) => matches!(self.kind(operand), Type::Record(_)),
            _ => false,
        }
    }

    fn bit_field(&mut self, operand: &Expr, name: &str, kind: &Type) -> Option<Operand> {
        let (key, _) = self.structure_of(operand)?;
        let structure = self.given.env.structure(&key, self.given.facts)?;
        let field = self.given.env.field(&structure, name, self.given.facts)?;
        let (start, bits) = field.bits?;
        let place = self.structure_memory(operand);
        let first = start / 8;
        let last = (start + bits - 1) / 8;
        let bytes = (last - first + 1).next_power_of_two().min(8);
        let word = self.load(place.plus(first as i32), bytes);
        let shift = 64 - (start % 8) - bits;
        let to = self.reg();
        let right = if kind.is_signed() {
            Alu::Arsh
        } else {
            Alu::Rsh
        };
        let left = Operand::Imm(shift.into());
        self.op(Op::Alu(Alu::Lsh, to, Operand::Reg(word), left));
        let back = Operand::Imm(i64::from(64 - bits));
        self.op(Op::Alu(right, to, Operand::Reg(to), back));
        Some(Operand::Reg(to))
    }

    pub(super) fn as_register(&mut self, value: Operand) -> Reg {
        match value {
            Operand::Reg(reg) => reg,
            value => self.copy(value),
        }
    }
}

/// True for what [`Lower::val`] gives, and for what has no value.
pub(super) fn is_scalar_like(kind: &Type) -> bool {
    kind.is_scalar()
        || matches!(kind, Type::Void | Type::Unknown)
        || matches!(
            kind,
            Type::Aggregate(
                Aggregate::Count
                    | Aggregate::Sum(_)
                    | Aggregate::Min(_)
                    | Aggregate::Max(_)
                    | Aggregate::Avg(_)
                    | Aggregate::Stats(_)
            )
        )
}
