//! Which types go together.

use super::{Checker, Variable};
use crate::{
    ast::{Expr, ExprKind},
    diagnostic::Span,
    types::{Aggregate, INT, Type, UINT},
};

impl Checker<'_> {
    /// The type of something that is given a value of `new` and had `old` before; [`None`] where they do not
    /// go together.
    pub(super) fn unify(
        &self,
        old: &Type,
        new: &Type,
        old_literal: bool,
        new_literal: bool,
    ) -> Option<Type> {
        use Type::*;
        if old == new {
            return Some(old.clone());
        }
        Some(match (old, new) {
            (Unknown, other) | (other, Unknown) => other.clone(),
            (Enum { .. }, _) | (_, Enum { .. }) | (Int { .. } | Bool, Int { .. } | Bool)
                if old.is_integer() && new.is_integer() =>
            {
                if *old == Bool && *new == Bool {
                    return Some(Bool);
                }
                let signed = match (old.is_signed(), new.is_signed()) {
                    (false, false) => false,
                    (true, false) => !old_literal,
                    (false, true) => !new_literal,
                    (true, true) => true,
                };
                if signed { INT } else { UINT }
            }
            (Str(a), Str(b)) => Str(*a.max(b)),
            (Buf(a), Buf(b)) => Buf(*a.max(b)),
            (Ptr(a, space), Ptr(b, other)) if a == b => {
                let space = if space == other {
                    *space
                } else {
                    crate::types::Space::Any
                };
                Ptr(a.clone(), space)
            }
            (Ptr(..), Ptr(..)) if matches!(new, Ptr(to, _) if **to == Void) => old.clone(),
            (Ptr(to, _), Ptr(..)) if **to == Void => new.clone(),
            (Ptr(..), Int { .. }) if new_literal => old.clone(),
            (Int { .. }, Ptr(..)) if old_literal => new.clone(),
            (Tuple(a), Tuple(b)) if a.len() == b.len() => {
                tuple_of(a, b, |a, b| self.unify(a, b, is_small(a), is_small(b)))?
            }
            (Record(a), Record(b)) if a.len() == b.len() => {
                let parts: Option<Vec<_>> = a
                    .iter()
                    .map(|(name, kind)| {
                        let (_, other) = b.iter().find(|(known, _)| known == name)?;
                        let kind = self.unify(kind, other, is_small(kind), is_small(other))?;
                        Some((name.clone(), kind))
                    })
                    .collect();
                Record(parts?.into())
            }
            (Array(a, n), Array(b, m)) if n == m => {
                let _ = (a, b);
                if a.c_size(&self.env.sizes(self.facts)) != b.c_size(&self.env.sizes(self.facts)) {
                    return None;
                }
                old.clone()
            }
            (Inet, Inet) => Inet,
            (Timestamp(_), Timestamp(_)) => new.clone(),
            (
                Stack { user, limit, mode },
                Stack {
                    user: other,
                    limit: more,
                    ..
                },
            ) if user == other => Stack {
                user: *user,
                mode: *mode,
                limit: *limit.max(more),
            },
            (Aggregate(a), Aggregate(b)) if same_aggregate(*a, *b) => {
                if new.is_signed() {
                    new.clone()
                } else {
                    old.clone()
                }
            }
            _ => return None,
        })
    }

    /// The same for keys: an address is one key, whether it is known as a pointer (`args.skbaddr`) or as a number
    /// (`arg0`).
    fn unify_keys(
        &self,
        old: &Type,
        new: &Type,
        old_literal: bool,
        new_literal: bool,
    ) -> Option<Type> {
        use Type::*;
        match (old, new) {
            (Ptr(..), Int { .. }) => Some(old.clone()),
            (Int { .. }, Ptr(..)) => Some(new.clone()),
            (Tuple(a), Tuple(b)) if a.len() == b.len() => {
                tuple_of(a, b, |a, b| self.unify_keys(a, b, is_small(a), is_small(b)))
            }
            _ => self.unify(old, new, old_literal, new_literal),
        }
    }

    /// A value's type as a map or a variable keeps it: small integers become wide.
    pub(super) fn kept(kind: &Type) -> Type {
        match kind {
            Type::Int { signed: true, .. } => INT,
            Type::Int { signed: false, .. } => UINT,
            Type::Tuple(elements) => Type::Tuple(elements.iter().map(Self::kept).collect()),
            Type::Record(fields) => Type::Record(
                fields
                    .iter()
                    .map(|(name, kind)| (name.clone(), Self::kept(kind)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// A number whose sign says nothing, as it is written in the script.
    pub(super) fn is_literal(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::Positional(_) => true,
            ExprKind::Sizeof(_) | ExprKind::Offsetof(..) | ExprKind::PositionalCount => true,
            ExprKind::Binary(_, left, right) => self.is_literal(left) && self.is_literal(right),
            ExprKind::Ident(_) => self.constant(expr.id).is_some_and(|value| value >= 0),
            ExprKind::Ternary(_, Some(then), other) => {
                self.is_literal(then) && self.is_literal(other)
            }
            _ => false,
        }
    }

    /// Notes that the map is used with this key.
    pub(super) fn use_key(&mut self, name: &str, key: &Type, span: Span, literal: bool) {
        let key = match key {
            Type::Aggregate(Aggregate::Count) => UINT,
            Type::Aggregate(aggregate) if aggregate.is_number() => INT,
            other => Self::kept(other),
        };
        match &key {
            Type::Void | Type::Unknown => {}
            Type::Aggregate(_) | Type::Args | Type::StackModeName(_) => {
                self.error(span, format!("{key} cannot be used as a map key"));
                return;
            }
            _ => {}
        }
        let known = self.map(name, span).key.clone();
        if known == Type::Unknown {
            self.map(name, span).key = key;
            return;
        }
        if key == Type::Unknown {
            return;
        }
        match (&known, &key) {
            (Type::Void, Type::Void) => return,
            (Type::Void, _) => {
                self.error(
                    span,
                    format!("{name} used as a map with an explicit key (non-scalar map), previously used without an explicit key (scalar map)"),
                );
                return;
            }
            (_, Type::Void) => {
                self.error(
                    span,
                    format!("{name} used as a map without an explicit key (scalar map), previously used with an explicit key (non-scalar map)"),
                );
                return;
            }
            _ => {}
        }
        match self.unify_keys(&known, &key, is_small(&known) || literal, literal) {
            Some(kind) => self.map(name, span).key = kind,
            None => {
                self.error(
                    span,
                    format!("Argument mismatch for {name}: trying to access with arguments: '{key}' when map expects arguments: '{known}'"),
                );
            }
        }
    }

    /// Notes that the map is given this value.
    pub(super) fn give_map(&mut self, name: &str, kind: &Type, span: Span, literal: bool) {
        let kind = Self::kept(kind);
        let info = self.map(name, span).clone();
        self.map(name, span).assigned = true;
        if info.value == Type::Unknown {
            let map = self.map(name, span);
            map.value = kind;
            map.from_literal = literal;
            return;
        }
        // A number may be put where numbers are added up? No: the two would be mixed up.
        match self.unify(&info.value, &kind, info.from_literal, literal) {
            Some(kind) => {
                let map = self.map(name, span);
                map.value = kind;
                map.from_literal &= literal;
            }
            None => {
                self.error(
                    span,
                    format!(
                        "Type mismatch for {name}: trying to assign value of type '{kind}' when map already has a type '{}'",
                        info.value
                    ),
                );
            }
        }
    }

    /// What is wrong with a value where one of a known type is wanted.
    pub(super) fn misfit(
        &self,
        wanted: &Type,
        kind: &Type,
        literal: bool,
        constant: Option<i64>,
    ) -> Option<Misfit> {
        match (wanted, kind) {
            (Type::Int { size, signed }, other) if other.is_integer() => match constant {
                Some(value) if !in_range(value, *size, *signed) => Some(Misfit::Number(value)),
                _ => None,
            },
            (Type::Str(room), Type::Str(size)) if size > room => Some(Misfit::Kind),
            (Type::Str(_), Type::Str(_)) => None,
            (wanted, given) => match self.unify(wanted, given, false, literal) {
                Some(_) => None,
                None => Some(Misfit::Kind),
            },
        }
    }

    /// Notes that the variable is given this value.
    pub(super) fn give_variable(
        &mut self,
        index: usize,
        kind: &Type,
        span: Span,
        literal: bool,
        constant: Option<i64>,
    ) {
        let variable = self.result.variables[index].clone();
        if variable.declared {
            let Variable {
                name, kind: known, ..
            } = &variable;
            if let Some(misfit) = self.misfit(known, kind, literal, constant) {
                let what = match misfit {
                    Misfit::Number(value) => {
                        format!("value '{value}' which does not fit into its type '{known}'")
                    }
                    Misfit::Kind => {
                        format!("value of type '{kind}' when variable already has a type '{known}'")
                    }
                };
                let message = format!("Type mismatch for {name}: trying to assign {what}");
                self.error(span, message);
            }
            return;
        }
        let kind = Self::kept(kind);
        if matches!(
            kind,
            Type::Aggregate(_) | Type::Void | Type::Args | Type::StackModeName(_)
        ) {
            self.error(
                span,
                format!("Value '{kind}' cannot be assigned to a scratch variable"),
            );
            return;
        }
        match self.unify(&variable.kind, &kind, variable.from_literal, literal) {
            Some(unified) => {
                let first = variable.kind == Type::Unknown;
                let variable = &mut self.result.variables[index];
                variable.kind = unified;
                variable.from_literal = literal && (first || variable.from_literal);
            }
            None => {
                self.error(
                    span,
                    format!(
                        "Type mismatch for {}: trying to assign value of type '{kind}' when variable already contains a value of type '{}'",
                        variable.name, variable.kind
                    ),
                );
            }
        }
    }
}

/// What is wrong with a value where one of a known type is wanted.
pub(super) enum Misfit {
    /// It is of another type.
    Kind,
    /// It is a number that is too large or too small.
    Number(i64),
}

/// The same function, whatever the sign.
fn same_aggregate(a: Aggregate, b: Aggregate) -> bool {
    match (a, b) {
        (Aggregate::Hist(_), Aggregate::Hist(_))
        | (Aggregate::LHist { .. }, Aggregate::LHist { .. })
        | (Aggregate::TSeries { .. }, Aggregate::TSeries { .. }) => a == b,
        _ => a.name() == b.name(),
    }
}

/// The tuple of what the elements of two of one length have in common; [`None`] where some have nothing.
fn tuple_of(a: &[Type], b: &[Type], unify: impl Fn(&Type, &Type) -> Option<Type>) -> Option<Type> {
    let parts = a.iter().zip(b).map(|(a, b)| unify(a, b));
    let parts: Option<Vec<Type>> = parts.collect();
    Some(Type::Tuple(parts?.into()))
}

/// Integers narrower than 64 bits may be literals.
fn is_small(kind: &Type) -> bool {
    matches!(kind, Type::Int { size, .. } if *size < 8)
}

/// Whether a number fits into an integer type.
pub(super) fn in_range(value: i64, size: u8, signed: bool) -> bool {
    if size >= 8 {
        return signed || value >= 0;
    }
    let bits = u32::from(size) * 8;
    let (low, high) = match signed {
        true => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1),
        false => (0, (1i64 << bits) - 1),
    };
    (low..=high).contains(&value)
}
