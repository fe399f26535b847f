//! Operators.

use super::{
    Checker,
    constant::{fold, truncate},
};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, UnaryOp},
    diagnostic::Span,
    types::{INT, Space, Type, UINT},
};

impl Checker<'_> {
    pub(super) fn unary(&mut self, expr: &Expr, operator: UnaryOp, operand: &Expr) -> Type {
        if let (UnaryOp::AddressOf, ExprKind::Map(_, None)) = (operator, &operand.kind) {
            self.whole_map(operand, "&");
            return Type::pointer(Type::Void, Space::Kernel);
        }
        let kind = self.expr(operand);
        if kind == Type::Unknown {
            return kind;
        }
        let value = self.constant(operand.id);
        match operator {
            UnaryOp::Deref => match &kind {
                Type::Ptr(to, _) if **to == Type::Void => {
                    self.error(expr.span, "Cannot dereference a pointer to void")
                }
                Type::Ptr(to, _) => (**to).clone(),
                Type::Int { .. } => UINT,
                _ => self.error(
                    expr.span,
                    format!("Cannot dereference a value of type '{kind}'"),
                ),
            },
            UnaryOp::AddressOf => match &operand.kind {
                ExprKind::Var(_) => {
                    if let Some(&index) = self.result.bindings.get(&operand.id) {
                        self.result.variables[index].in_memory = true;
                    }
                    Type::pointer(kind, Space::Kernel)
                }
                _ => self.error(
                    expr.span,
                    "Only the address of a variable or a map can be taken",
                ),
            },
            UnaryOp::Not => {
                if !kind.is_scalar() && !matches!(kind, Type::Aggregate(_)) {
                    return self.bad_operand("!", expr.span, &kind);
                }
                if let Some(value) = value {
                    self.set_constant(expr.id, i64::from(value == 0));
                }
                Type::Bool
            }
            UnaryOp::BitNot => {
                if !kind.is_integer() {
                    return self.bad_operand("~", expr.span, &kind);
                }
                let narrow = match kind {
                    Type::Int { size, .. } if !self.is_literal(operand) => Type::int(size, false),
                    _ => UINT,
                };
                if let Some(value) = value {
                    let all = truncate(!value, &narrow, &self.env.sizes(self.facts));
                    self.set_constant(expr.id, all);
                }
                narrow
            }
            UnaryOp::Neg => {
                if !kind.is_integer() {
                    return self.bad_operand("-", expr.span, &kind);
                }
                if let Some(value) = value {
                    if matches!(operand.kind, ExprKind::Int(number) if number > 1 << 63) {
                        return self.error(
                            expr.span,
                            "this number does not fit into a signed integer of 64 bits",
                        );
                    }
                    self.set_constant(expr.id, value.wrapping_neg());
                }
                INT
            }
        }
    }

    fn bad_operand(&mut self, operator: &str, span: Span, kind: &Type) -> Type {
        self.error(
            span,
            format!("The {operator} operator cannot be used on expressions of type '{kind}'"),
        )
    }

    pub(super) fn binary(
        &mut self,
        expr: &Expr,
        operator: BinaryOp,
        left: &Expr,
        right: &Expr,
    ) -> Type {
        let (left_kind, right_kind) = (self.expr(left), self.expr(right));
        let literals = (self.is_literal(left), self.is_literal(right));
        let kind = self.binary_type(
            operator,
            &left_kind,
            &right_kind,
            expr.span,
            literals.0,
            literals.1,
        );
        if let (Some(a), Some(b)) = (self.constant(left.id), self.constant(right.id))
            && left_kind.is_integer()
            && right_kind.is_integer()
        {
            let signed = left_kind.is_signed() && a < 0 || right_kind.is_signed() && b < 0;
            let signed = signed || kind.is_signed();
            match fold(operator, a, b, signed) {
                Some(value) => self.set_constant(expr.id, value),
                None if matches!(operator, BinaryOp::Div | BinaryOp::Mod) && b == 0 => {
                    return self.error(expr.span, "division by zero");
                }
                None => {}
            }
        }
        if let (BinaryOp::Eq | BinaryOp::Ne, Type::Str(_), Type::Str(_)) =
            (operator, &left_kind, &right_kind)
            && let (Some(a), Some(b)) = (self.known_string(left), self.known_string(right))
        {
            let holds = (a == b) == (operator == BinaryOp::Eq);
            self.set_constant(expr.id, i64::from(holds));
        }
        kind
    }

    /// The type of an operation, by those of its operands.
    pub(super) fn binary_type(
        &mut self,
        operator: BinaryOp,
        left: &Type,
        right: &Type,
        span: Span,
        left_literal: bool,
        right_literal: bool,
    ) -> Type {
        use BinaryOp::*;
        let (left, right) = (Self::number_of(left), Self::number_of(right));
        if left == Type::Unknown || right == Type::Unknown {
            let known = if left == Type::Unknown { right } else { left };
            return if operator.is_comparison() || matches!(operator, And | Or) {
                Type::Bool
            } else if self.guess && known.is_integer() {
                Self::kept(&known)
            } else {
                Type::Unknown
            };
        }
        if matches!(operator, And | Or) {
            for kind in [&left, &right] {
                if !kind.is_scalar() && !matches!(kind, Type::Str(_)) {
                    return self.bad_operand(operator.text(), span, kind);
                }
            }
            return Type::Bool;
        }
        let mismatch = |checker: &mut Self| {
            checker.error(
                span,
                format!(
                    "Type mismatch for '{}': comparing '{left}' with '{right}'",
                    operator.text()
                ),
            )
        };
        if operator.is_comparison() {
            let both_numbers = left.is_scalar() && right.is_scalar();
            let comparable = match (&left, &right) {
                (Type::Str(_), Type::Str(_)) => matches!(operator, Eq | Ne),
                (Type::Tuple(_), Type::Tuple(_)) | (Type::Array(..), Type::Array(..)) => {
                    matches!(operator, Eq | Ne) && self.unify(&left, &right, true, true).is_some()
                }
                (Type::Mac, Type::Mac)
                | (Type::Inet, Type::Inet)
                | (Type::Buf(_), Type::Buf(_)) => {
                    matches!(operator, Eq | Ne)
                }
                _ => both_numbers,
            };
            if !comparable {
                return mismatch(self);
            }
            return Type::Bool;
        }
        match (&left, &right) {
            (Type::Ptr(..), kind) if kind.is_integer() && matches!(operator, Add | Sub) => left,
            (kind, Type::Ptr(..)) if kind.is_integer() && operator == Add => right,
            (Type::Ptr(..), Type::Ptr(..)) if operator == Sub => INT,
            (Type::Ptr(..), other) | (other, Type::Ptr(..))
                if other.is_integer() || matches!(other, Type::Ptr(..)) =>
            {
                UINT
            }
            // A difference may be negative, whatever its operands.
            (a, b) if a.is_integer() && b.is_integer() && operator == Sub => INT,
            (a, b) if a.is_integer() && b.is_integer() => {
                let signed = match (a.is_signed(), b.is_signed()) {
                    (false, false) => false,
                    (true, false) => !left_literal,
                    (false, true) => !right_literal,
                    (true, true) => true,
                };
                if signed { INT } else { UINT }
            }
            (a, b) if a.is_scalar() && b.is_scalar() => UINT,
            _ => self.error(
                span,
                format!(
                    "The {} operator can not be used on expressions of types '{left}', '{right}'",
                    operator.text()
                ),
            ),
        }
    }

    pub(super) fn inc_dec(&mut self, target: &Expr) -> Type {
        match &target.kind {
            ExprKind::Map(name, key) => {
                self.map_key(name, key.as_deref(), target.span);
                let known = self.map(name, target.span).value.clone();
                match known {
                    Type::Unknown => self.give_map(name, &INT, target.span, true),
                    Type::Int { .. } => {}
                    Type::Ptr(..) => {}
                    other => {
                        return self.error(
                            target.span,
                            format!(
                                "The ++ and -- operators cannot be used on a map of type '{other}'"
                            ),
                        );
                    }
                }
                let info = self.map(name, target.span);
                info.assigned = true;
                let kind = info.value.clone();
                self.set_type(target.id, kind.clone());
                kind
            }
            _ => {
                let kind = self.expr(target);
                if !matches!(kind, Type::Int { .. } | Type::Ptr(..) | Type::Unknown) {
                    return self.bad_operand("++", target.span, &kind);
                }
                kind
            }
        }
    }
}
