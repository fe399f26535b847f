//! Numbers that are known from definitions alone: lengths of arrays, enumerators, constants.

use super::{
    constant::{fold, truncate},
    env::{Env, Suffix, is_text, with_suffixes},
};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, TypeBase, TypeName, TypeOrExpr, TypeSuffix, UnaryOp},
    facts::Facts,
    headers,
    types::{Space, Type},
};

impl Env {
    /// The number that an expression is; [`None`] where it is none that is known without running the script.
    pub(super) fn evaluate(&self, expr: &Expr, facts: &dyn Facts) -> Option<i64> {
        match &expr.kind {
            ExprKind::Int(value) => Some(*value as i64),
            ExprKind::Bool(value) => Some(i64::from(*value)),
            ExprKind::Ident(name) => {
                let known = self.enumerator(name, facts);
                known
                    .map(|(value, _)| value)
                    .or_else(|| headers::constant(name))
            }
            ExprKind::Unary(operator, inner) => {
                let value = self.evaluate(inner, facts)?;
                match operator {
                    UnaryOp::Neg => Some(value.wrapping_neg()),
                    UnaryOp::BitNot => Some(!value),
                    UnaryOp::Not => Some(i64::from(value == 0)),
                    UnaryOp::Deref | UnaryOp::AddressOf => None,
                }
            }
            ExprKind::Binary(operator, left, right) => {
                let left = self.evaluate(left, facts)?;
                match (operator, left) {
                    (BinaryOp::Or, 1..) => return Some(1),
                    (BinaryOp::And, 0) => return Some(0),
                    _ => {}
                }
                fold(*operator, left, self.evaluate(right, facts)?, true)
            }
            ExprKind::Ternary(condition, then, other) => {
                let value = self.evaluate(condition, facts)?;
                match then {
                    _ if value == 0 => self.evaluate(other, facts),
                    Some(then) => self.evaluate(then, facts),
                    None => Some(value),
                }
            }
            ExprKind::Cast(kind, inner) => {
                let kind = self.written(kind, facts)?;
                let value = self.evaluate(inner, facts)?;
                kind.is_integer()
                    .then(|| truncate(value, &kind, &self.sizes(facts)))
            }
            ExprKind::Sizeof(of) => {
                let size = self.operand(of, facts)?.c_size(&self.sizes(facts));
                Some(i64::from(size))
            }
            ExprKind::Offsetof(of, path) => {
                let offset = self.offset(&self.operand(of, facts)?, path, facts).ok()?;
                Some(i64::from(offset))
            }
            _ => None,
        }
    }

    /// The type that `sizeof` and its like are asked about, where names alone tell it.
    fn operand(&self, of: &TypeOrExpr, facts: &dyn Facts) -> Option<Type> {
        match of {
            TypeOrExpr::Type(name) => self.written(name, facts),
            TypeOrExpr::Expr(Expr {
                kind: ExprKind::Ident(name),
                ..
            }) => self.base(&TypeBase::Named(name.clone()), facts),
            TypeOrExpr::Expr(_) => None,
        }
    }

    /// A type as it is written, where names alone tell it.
    fn written(&self, name: &TypeName, facts: &dyn Facts) -> Option<Type> {
        let base = self.base(&name.base, facts)?;
        let one = |suffix: &TypeSuffix| match suffix {
            TypeSuffix::Pointer => Some(Suffix::Pointer),
            TypeSuffix::Array(None) => Some(Suffix::Array(0)),
            TypeSuffix::Array(Some(length)) => {
                let count = self.evaluate(length, facts)?;
                u32::try_from(count).ok().map(Suffix::Array)
            }
        };
        let suffixes: Option<Vec<Suffix>> = name.suffixes.iter().map(one).collect();
        let text = is_text(&name.base);
        Some(with_suffixes(base, &suffixes?, Space::Any, text))
    }

    /// Where a member of a structure, or of what a pointer leads to, lies. The error says what is wrong.
    pub(super) fn offset(
        &self,
        of: &Type,
        path: &[String],
        facts: &dyn Facts,
    ) -> Result<u32, String> {
        let mut kind = of.clone();
        let mut offset = 0;
        for name in path {
            let key = match &kind {
                Type::Struct(key) => key.clone(),
                Type::Ptr(to, _) => match &**to {
                    Type::Struct(key) => key.clone(),
                    _ => return Err(format!("'{kind}' is not a struct")),
                },
                _ => {
                    return Err(format!(
                        "'{kind}' is not a record: offsetof needs a struct or union"
                    ));
                }
            };
            let structure = self.structure(&key, facts);
            let field = structure.and_then(|one| self.field(&one, name, facts));
            let field = field.ok_or_else(|| format!("'{key}' has no field named '{name}'"))?;
            offset += field.offset;
            kind = field.kind;
        }
        Ok(offset)
    }
}
