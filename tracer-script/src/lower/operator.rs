//! Operators, and what is true.

use super::Lower;
use crate::{
    ast::{BinaryOp, Expr, ExprKind, UnaryOp},
    ir::{Alu, BlockId, Cond, Op, Operand, Reg},
    types::Type,
};

impl Lower<'_, '_> {
    /// Goes to `then` where the expression is true, else to `other`. Nothing follows.
    pub(super) fn truth(&mut self, expr: &Expr, then: BlockId, other: BlockId) {
        if let Some(holds) = self.known_truth(expr) {
            return self.jump(if holds { then } else { other });
        }
        let before = std::mem::replace(&mut self.span, expr.span);
        match &expr.kind {
            ExprKind::Unary(UnaryOp::Not, inner) => self.truth(inner, other, then),
            ExprKind::Binary(BinaryOp::And, left, right) => {
                let second = self.block();
                self.truth(left, second, other);
                self.go_on_at(second);
                self.aside(|lower| lower.truth(right, then, other));
            }
            ExprKind::Binary(BinaryOp::Or, left, right) => {
                let second = self.block();
                self.truth(left, then, second);
                self.go_on_at(second);
                self.aside(|lower| lower.truth(right, then, other));
            }
            ExprKind::Binary(operator, left, right)
                if operator.is_comparison() && self.compares_scalars(left, right) =>
            {
                let (cond, left, right) = self.compared(*operator, left, right);
                self.branch(cond, left, right, then, other);
            }
            _ => {
                let value = self.truth_value(expr);
                self.branch(Cond::Ne, value, Operand::Imm(0), then, other);
            }
        }
        self.span = before;
    }

    /// What a condition is, where that is known before the script runs.
    pub(super) fn known_truth(&self, condition: &Expr) -> Option<bool> {
        let value = self.constant(condition.id)?;
        self.kind(condition).is_scalar().then_some(value != 0)
    }

    /// A number that is not zero where the expression is true.
    fn truth_value(&mut self, expr: &Expr) -> Operand {
        match self.kind(expr) {
            // A string is true where it is not empty.
            Type::Str(_) => self.temporarily(|lower| {
                let text = lower.memory(expr);
                Operand::Reg(lower.load(text, 1))
            }),
            _ => self.val(expr),
        }
    }

    fn compares_scalars(&self, left: &Expr, right: &Expr) -> bool {
        let is_number = |kind: Type| {
            kind.is_scalar() || matches!(kind, Type::Aggregate(aggregate) if aggregate.is_number())
        };
        is_number(self.kind(left)) && is_number(self.kind(right))
    }

    fn compared(
        &mut self,
        operator: BinaryOp,
        left: &Expr,
        right: &Expr,
    ) -> (Cond, Operand, Operand) {
        let signed = self.has_sign(left) || self.has_sign(right);
        let first = self.val(left);
        let first = self.kept_over(first, right);
        let second = self.val(right);
        (condition(operator, signed), first, second)
    }

    /// Whether a value may be negative: a number that is written without a sign takes that of what it is compared
    /// with.
    fn has_sign(&self, expr: &Expr) -> bool {
        self.kind(expr).is_signed() && self.constant(expr.id).is_none_or(|value| value < 0)
    }

    /// A value that is used after another expression has been worked out: a variable may change meanwhile.
    fn kept_over(&mut self, value: Operand, later: &Expr) -> Operand {
        let is_simple = matches!(
            later.kind,
            ExprKind::Int(_) | ExprKind::Var(_) | ExprKind::Ident(_) | ExprKind::Bool(_)
        );
        match value {
            Operand::Reg(_) if !is_simple && changes_variables(later) => {
                Operand::Reg(self.copy(value))
            }
            other => other,
        }
    }

    /// 1 where the comparison holds, else 0.
    pub(super) fn comparison(&mut self, cond: Cond, left: Operand, right: Operand) -> Reg {
        let to = self.reg();
        let (then, done) = (self.block(), self.block());
        let other = self.block();
        self.branch(cond, left, right, then, other);
        self.go_on_at(then);
        self.op(Op::Const(to, 1));
        self.jump(done);
        self.go_on_at(other);
        self.op(Op::Const(to, 0));
        self.jump(done);
        self.go_on_at(done);
        to
    }

    /// 1 where the expression is true, else 0.
    pub(super) fn truth_as_number(&mut self, expr: &Expr) -> Operand {
        let to = self.reg();
        let (then, other, done) = (self.block(), self.block(), self.block());
        self.truth(expr, then, other);
        self.go_on_at(then);
        self.op(Op::Const(to, 1));
        self.jump(done);
        self.go_on_at(other);
        self.op(Op::Const(to, 0));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    pub(super) fn binary(
        &mut self,
        expr: &Expr,
        operator: BinaryOp,
        left: &Expr,
        right: &Expr,
    ) -> Operand {
        if matches!(operator, BinaryOp::And | BinaryOp::Or)
            || operator.is_comparison() && self.compares_scalars(left, right)
        {
            return self.truth_as_number(expr);
        }
        if operator.is_comparison() {
            let equal = self.equal_memory(left, right);
            return match operator {
                BinaryOp::Ne => Operand::Reg(self.comparison(Cond::Eq, equal, Operand::Imm(0))),
                _ => equal,
            };
        }
        let (left_kind, right_kind) = (self.kind(left), self.kind(right));
        let first = self.val(left);
        let first = self.kept_over(first, right);
        let second = self.val(right);
        let signed = self.kind(expr).is_signed();
        self.arithmetic(operator, signed, (first, &left_kind), (second, &right_kind))
    }

    /// Arithmetic on numbers, and on pointers in units of what they point to.
    pub(super) fn arithmetic(
        &mut self,
        operator: BinaryOp,
        signed: bool,
        (left, left_kind): (Operand, &Type),
        (right, right_kind): (Operand, &Type),
    ) -> Operand {
        let (mut left, mut right) = (left, right);
        if matches!(operator, BinaryOp::Add | BinaryOp::Sub) {
            match (left_kind, right_kind) {
                (Type::Ptr(to, _), other) if !matches!(other, Type::Ptr(..)) => {
                    right = self.scaled(right, to);
                }
                (_, Type::Ptr(to, _)) if !matches!(left_kind, Type::Ptr(..)) => {
                    left = self.scaled(left, to);
                }
                _ => {}
            }
        }
        if let (Operand::Imm(a), Operand::Imm(b)) = (left, right)
            && let Some(value) = crate::check::fold(operator, a, b, signed)
        {
            return Operand::Imm(value);
        }
        let alu = match operator {
            BinaryOp::Add => Alu::Add,
            BinaryOp::Sub => Alu::Sub,
            BinaryOp::Mul => Alu::Mul,
            BinaryOp::BitOr => Alu::Or,
            BinaryOp::BitXor => Alu::Xor,
            BinaryOp::BitAnd => Alu::And,
            BinaryOp::Shl => Alu::Lsh,
            BinaryOp::Shr => Alu::Rsh,
            BinaryOp::Div | BinaryOp::Mod if signed => {
                return self.signed_division(operator, left, right);
            }
            BinaryOp::Div => Alu::Div,
            _ => Alu::Mod,
        };
        let right = match (alu, right) {
            // The verifier refuses shifts that it sees to be too far, and divisions by a zero that it sees. These
            // have the outcome that a division by a zero it does not see has.
            (Alu::Lsh | Alu::Rsh, Operand::Imm(value)) if !(0..64).contains(&value) => {
                return Operand::Imm(0);
            }
            (Alu::Div, Operand::Imm(0)) => return Operand::Imm(0),
            (Alu::Mod, Operand::Imm(0)) => return left,
            (_, other) => other,
        };
        let to = self.reg();
        self.op(Op::Alu(alu, to, left, right));
        Operand::Reg(to)
    }

    fn scaled(&mut self, value: Operand, to: &Type) -> Operand {
        let size = i64::from(self.c_size(to).max(1));
        match value {
            Operand::Imm(value) => Operand::Imm(value.wrapping_mul(size)),
            _ if size == 1 => value,
            Operand::Reg(_) => {
                let scaled = self.reg();
                self.op(Op::Alu(Alu::Mul, scaled, value, Operand::Imm(size)));
                Operand::Reg(scaled)
            }
        }
    }

    /// Division by magnitudes, as there is none with sign before Linux 6.6; the remainder has the dividend's
    /// sign, as in C.
    fn signed_division(&mut self, operator: BinaryOp, left: Operand, right: Operand) -> Operand {
        let (left, right) = (self.copy(left), self.copy(right));
        let negative = self.reg();
        let (a, b) = (Operand::Reg(left), Operand::Reg(right));
        match operator {
            BinaryOp::Div => self.op(Op::Alu(Alu::Xor, negative, a, b)),
            _ => self.op(Op::Move(negative, left)),
        }
        let (left, right) = (self.magnitude(left), self.magnitude(right));
        let to = self.reg();
        let alu = if operator == BinaryOp::Div {
            Alu::Div
        } else {
            Alu::Mod
        };
        self.op(Op::Alu(alu, to, Operand::Reg(left), Operand::Reg(right)));
        let (negate, done) = (self.block(), self.block());
        let zero = Operand::Imm(0);
        self.branch(Cond::SLt, Operand::Reg(negative), zero, negate, done);
        self.go_on_at(negate);
        self.op(Op::Alu(Alu::Sub, to, zero, Operand::Reg(to)));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    fn magnitude(&mut self, value: Reg) -> Reg {
        let to = self.copy(Operand::Reg(value));
        let (negate, done) = (self.block(), self.block());
        let zero = Operand::Imm(0);
        self.branch(Cond::SLt, Operand::Reg(value), zero, negate, done);
        self.go_on_at(negate);
        self.op(Op::Alu(Alu::Sub, to, zero, Operand::Reg(value)));
        self.jump(done);
        self.go_on_at(done);
        to
    }

    pub(super) fn unary(&mut self, expr: &Expr, operator: UnaryOp, operand: &Expr) -> Operand {
        match operator {
            UnaryOp::Not => self.truth_as_number(expr),
            UnaryOp::Neg => {
                let value = self.val(operand);
                let to = self.reg();
                self.op(Op::Alu(Alu::Sub, to, Operand::Imm(0), value));
                Operand::Reg(to)
            }
            UnaryOp::BitNot => {
                let value = self.val(operand);
                let to = self.reg();
                self.op(Op::Alu(Alu::Xor, to, value, Operand::Imm(-1)));
                self.narrowed(Operand::Reg(to), &self.kind(expr))
            }
            UnaryOp::Deref => self.load_value(expr),
            UnaryOp::AddressOf => self.address_of(operand),
        }
    }

    fn address_of(&mut self, operand: &Expr) -> Operand {
        match &operand.kind {
            ExprKind::Map(name, _) => match self.shared.map(name) {
                Some(map) => {
                    let to = self.reg();
                    self.op(Op::Address(to, crate::ir::Arg::Map(map)));
                    Operand::Reg(to)
                }
                None => Operand::Imm(0),
            },
            _ => {
                let place = self.variable_memory(operand);
                Operand::Reg(self.address(place))
            }
        }
    }
}

fn condition(operator: BinaryOp, signed: bool) -> Cond {
    match (operator, signed) {
        (BinaryOp::Ne, _) => Cond::Ne,
        (BinaryOp::Lt, false) => Cond::Lt,
        (BinaryOp::Lt, true) => Cond::SLt,
        (BinaryOp::Gt, false) => Cond::Gt,
        (BinaryOp::Gt, true) => Cond::SGt,
        (BinaryOp::Le, false) => Cond::Le,
        (BinaryOp::Le, true) => Cond::SLe,
        (BinaryOp::Ge, false) => Cond::Ge,
        (BinaryOp::Ge, true) => Cond::SGe,
        _ => Cond::Eq,
    }
}

/// True where an expression may give a variable another value.
fn changes_variables(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::IncDec { .. } | ExprKind::Block(..) | ExprKind::If(..) => true,
        ExprKind::Call(call) => call.name == "find" || call.args.iter().any(changes_variables),
        ExprKind::Unary(_, one) | ExprKind::Cast(_, one) | ExprKind::Field(one, _) => {
            changes_variables(one)
        }
        ExprKind::TupleIndex(one, _) => changes_variables(one),
        ExprKind::Binary(_, left, right) | ExprKind::Index(left, right) => {
            changes_variables(left) || changes_variables(right)
        }
        ExprKind::Ternary(condition, then, other) => {
            changes_variables(condition)
                || then.as_ref().is_some_and(|then| changes_variables(then))
                || changes_variables(other)
        }
        ExprKind::Map(_, key) => key.as_ref().is_some_and(|key| changes_variables(key)),
        _ => false,
    }
}
