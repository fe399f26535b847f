//! Expressions.

use std::{collections::HashMap, rc::Rc};

use super::{
    Checker,
    constant::{literal_type, parse_number, truncate},
    env::{self, Suffix},
};
use crate::{
    ast::{Expr, ExprId, ExprKind, TypeBase, TypeName, TypeOrExpr, TypeSuffix},
    builtins,
    diagnostic::{Span, nearest},
    headers,
    types::{Aggregate, INT, Space, StackMode, Type, UINT},
};

/// Bytes of a tuple or a record, at most.
const VALUE_MAX: u32 = 512 << 10;

impl Checker<'_> {
    pub(super) fn set_type(&mut self, id: ExprId, kind: Type) {
        self.result.types[id as usize] = kind;
    }

    pub(super) fn set_constant(&mut self, id: ExprId, value: i64) {
        self.result.constants.insert(id, value);
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Type {
        let kind = self.expr_type(expr);
        self.set_type(expr.id, kind.clone());
        kind
    }

    fn expr_type(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            ExprKind::Int(value) => {
                self.set_constant(expr.id, *value as i64);
                literal_type(*value)
            }
            ExprKind::Bool(value) => {
                self.set_constant(expr.id, i64::from(*value));
                Type::Bool
            }
            ExprKind::Str(text) => Type::Str(text.len() as u32 + 1),
            ExprKind::Positional(index) => self.positional(expr.id, *index),
            ExprKind::PositionalCount => {
                self.set_constant(expr.id, self.params.positional.len() as i64);
                INT
            }
            ExprKind::Ident(name) => self.ident(expr, name),
            ExprKind::Var(name) => match self.used_variable(name, expr.span) {
                Some(index) => self.bind(expr.id, index),
                None => self.error(
                    expr.span,
                    format!("Undefined or undeclared variable: {name}"),
                ),
            },
            ExprKind::Map(name, key) => {
                self.map_key(name, key.as_deref(), expr.span);
                let info = self.map(name, expr.span);
                info.used = true;
                info.value.clone()
            }
            ExprKind::Unary(operator, operand) => self.unary(expr, *operator, operand),
            ExprKind::Binary(operator, left, right) => self.binary(expr, *operator, left, right),
            ExprKind::IncDec { target, .. } => self.inc_dec(target),
            ExprKind::Ternary(condition, then, other) => {
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "ternary");
                let holds = self.truth_of(condition);
                let first = match then {
                    Some(then) => self.branch(holds, |checker| checker.expr(then)),
                    None => kind,
                };
                let second = self.branch(holds.map(|holds| !holds), |checker| checker.expr(other));
                let literals = (
                    then.as_ref().is_some_and(|then| self.is_literal(then)),
                    self.is_literal(other),
                );
                self.branches(expr.span, first, second, literals)
            }
            ExprKind::If(condition, then, other) => {
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "if");
                let holds = self.truth_of(condition);
                let first = self.branch(holds, |checker| checker.expr(then));
                let second = match other {
                    Some(other) => {
                        self.branch(holds.map(|holds| !holds), |checker| checker.expr(other))
                    }
                    None => Type::Void,
                };
                self.choice(expr.span, holds, first, second, (false, false))
            }
            ExprKind::Call(call) => self.call(expr, call),
            ExprKind::Cast(name, operand) => self.cast(expr, name, operand),
            ExprKind::Field(operand, name) => self.field(expr, operand, name),
            ExprKind::TupleIndex(operand, _) if matches!(operand.kind, ExprKind::Int(_)) => self
                .error_hint(
                    expr.span,
                    "there are no numbers with a fraction",
                    "reckon in smaller units: 1500 ms for 1.5 s",
                ),
            ExprKind::TupleIndex(operand, index) => {
                let kind = self.expr(operand);
                self.element(expr.span, &kind, *index)
            }
            ExprKind::Index(operand, index) => self.index(expr, operand, index),
            ExprKind::Tuple(elements) => {
                let kinds: Vec<Type> = elements.iter().map(|element| self.part(element)).collect();
                if kinds.contains(&Type::Unknown) {
                    return Type::Unknown;
                }
                self.value_of_size(expr.span, Type::Tuple(kinds.into()))
            }
            ExprKind::Record(fields) => {
                let kinds: Vec<(Rc<str>, Type)> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str().into(), self.part(value)))
                    .collect();
                if kinds.iter().any(|(_, kind)| *kind == Type::Unknown) {
                    return Type::Unknown;
                }
                self.value_of_size(expr.span, Type::Record(kinds.into()))
            }
            ExprKind::Sizeof(of) => {
                let kind = self.type_or_expr(of);
                let size = kind.c_size(&self.env.sizes(self.facts));
                self.set_constant(expr.id, i64::from(size));
                UINT
            }
            ExprKind::Offsetof(of, path) => self.offsetof(expr, of, path),
            ExprKind::Type(name) => self.error(name.span, "a type stands where a value is needed"),
            ExprKind::Block(statements, value) => {
                self.scopes.push(HashMap::new());
                self.stmts(statements);
                let kind = match value {
                    Some(value) => self.expr(value),
                    None => Type::Void,
                };
                self.scopes.pop();
                kind
            }
        }
    }

    /// The type of a value that is put together, as long as it is not too large.
    fn value_of_size(&mut self, span: Span, kind: Type) -> Type {
        let size = kind.stored_size(&self.env.sizes(self.facts));
        if size <= VALUE_MAX {
            return kind;
        }
        let message = format!("the value has {size} bytes, and can have {VALUE_MAX}");
        self.error(span, message)
    }

    /// A part of a tuple: what is added up in a map counts as a number.
    fn part(&mut self, expr: &Expr) -> Type {
        let kind = self.expr(expr);
        match &kind {
            Type::Aggregate(aggregate) if aggregate.is_number() => Self::number_of(&kind),
            Type::Aggregate(_) | Type::Void | Type::Args | Type::StackModeName(_) => {
                self.error(expr.span, format!("{kind} cannot be part of a tuple"))
            }
            _ => kind,
        }
    }

    /// What an aggregated value is as a number.
    pub(super) fn number_of(kind: &Type) -> Type {
        match kind {
            Type::Aggregate(Aggregate::Count) => UINT,
            Type::Aggregate(aggregate) if aggregate.is_number() => {
                if kind.is_signed() {
                    INT
                } else {
                    UINT
                }
            }
            other => other.clone(),
        }
    }

    /// The type of a choice: that of both sides, or where it is known which one is taken, of that.
    fn choice(
        &mut self,
        span: Span,
        holds: Option<bool>,
        first: Type,
        second: Type,
        literals: (bool, bool),
    ) -> Type {
        match (holds, self.unify(&first, &second, literals.0, literals.1)) {
            (Some(true), None) => first,
            (Some(false), None) => second,
            _ => self.branches(span, first, second, literals),
        }
    }

    fn branches(&mut self, span: Span, first: Type, second: Type, literals: (bool, bool)) -> Type {
        let (first, second) = (Self::number_of(&first), Self::number_of(&second));
        match self.unify(&first, &second, literals.0, literals.1) {
            Some(kind) => kind,
            None => self.error(
                span,
                format!("Branches must return the same type: have '{first}' and '{second}'"),
            ),
        }
    }

    fn positional(&mut self, id: ExprId, index: u32) -> Type {
        let value = self.params.positional.get(index as usize - 1);
        match value.map(String::as_str) {
            None => {
                self.set_constant(id, 0);
                INT
            }
            Some(text) => match parse_number(text) {
                Some(number) => {
                    self.set_constant(id, number);
                    INT
                }
                None => Type::Str(text.len() as u32 + 1),
            },
        }
    }

    fn ident(&mut self, expr: &Expr, name: &str) -> Type {
        if builtins::is_value(name) {
            return self.value(expr, name);
        }
        if let Some((value, kind)) = self.env.enumerator(name, self.facts) {
            self.set_constant(expr.id, value);
            return kind;
        }
        if let Some(value) = headers::constant(name) {
            let message =
                format!("{name} is {value}, as the kernel's headers define it: BTF has no macros");
            self.diagnostics.note(expr.span, message);
            self.set_constant(expr.id, value);
            return INT;
        }
        if let Some(mode) = StackMode::by_name(name) {
            return Type::StackModeName(mode);
        }
        if let Some(function) = builtins::find(name) {
            return self.error(
                expr.span,
                format!("{}() is a function: it needs parentheses", function.name),
            );
        }
        let near = nearest(
            name,
            builtins::VALUES
                .into_iter()
                .chain(builtins::FUNCTIONS.iter().map(|function| function.name)),
        );
        let message = format!("Unknown identifier: '{name}'");
        match near {
            Some(near) => self.error_hint(expr.span, message, format!("did you mean {near}?")),
            None if name.chars().all(|c| !c.is_ascii_lowercase()) => {
                let hint =
                    "if it is a macro of a header that is not read, give its value by #define";
                self.error_hint(expr.span, message, hint)
            }
            None => self.error(expr.span, message),
        }
    }

    /// A type as it is written.
    pub(super) fn type_name(&mut self, name: &TypeName) -> Type {
        let space = if self.target().kind.is_user() {
            Space::User
        } else {
            Space::Any
        };
        let Some(suffixes) = self.suffixes(name) else {
            return Type::Unknown;
        };
        let mut suffixes = suffixes.as_slice();
        let base = match &name.base {
            TypeBase::Typeof(of) => self.type_or_expr(of),
            TypeBase::Tuple(elements) => {
                let elements: Vec<Type> = elements.iter().map(|one| self.type_name(one)).collect();
                Type::Tuple(elements.into())
            }
            TypeBase::Named(word) if matches!(word.as_str(), "string" | "buffer" | "inet") => {
                let size = match suffixes.first() {
                    Some(&Suffix::Array(size)) => {
                        suffixes = &suffixes[1..];
                        size
                    }
                    _ => self.config.max_strlen as u32,
                };
                match word.as_str() {
                    "string" => Type::Str(size),
                    "buffer" => Type::Buf(size),
                    _ => Type::Inet,
                }
            }
            base => match env::plain(name, self.env, self.facts) {
                Some(kind) => kind,
                None => {
                    let what = match base {
                        TypeBase::Struct(key) => key.clone(),
                        TypeBase::Enum(name) => format!("enum {name}"),
                        TypeBase::Named(name) => name.clone(),
                        _ => String::new(),
                    };
                    // A pointer may lead to something unknown, as long as it is not followed.
                    if matches!(base, TypeBase::Struct(_))
                        && suffixes.first() == Some(&Suffix::Pointer)
                    {
                        Type::Struct(what.into())
                    } else {
                        return self
                            .error(name.span, format!("Cannot resolve unknown type \"{what}\""));
                    }
                }
            },
        };
        let kind = env::with_suffixes(base, suffixes, space, env::is_text(&name.base));
        let size = kind.c_size(&self.env.sizes(self.facts));
        if size > env::SIZE_MAX {
            let message = format!("{kind} is larger than {} bytes", env::SIZE_MAX);
            return self.error(name.span, message);
        }
        kind
    }

    /// What stands behind a type, lengths worked out; [`None`] where one is no number, which is told.
    fn suffixes(&mut self, name: &TypeName) -> Option<Vec<Suffix>> {
        let mut out = Vec::new();
        for suffix in &name.suffixes {
            out.push(match suffix {
                TypeSuffix::Pointer => Suffix::Pointer,
                TypeSuffix::Array(None) => Suffix::Array(0),
                TypeSuffix::Array(Some(length)) => {
                    self.expr(length);
                    let count = self.constant(length.id).map(u32::try_from);
                    let Some(Ok(count)) = count else {
                        self.error(length.span, "the length of an array must be a number");
                        return None;
                    };
                    Suffix::Array(count)
                }
            });
        }
        Some(out)
    }

    pub(super) fn type_or_expr(&mut self, of: &TypeOrExpr) -> Type {
        match of {
            TypeOrExpr::Type(name) => self.type_name(name),
            TypeOrExpr::Expr(expr) => self.type_argument(expr),
        }
    }

    /// An argument that may be a type instead of a value.
    pub(super) fn type_argument(&mut self, expr: &Expr) -> Type {
        let ExprKind::Type(name) = &expr.kind else {
            return self.expr(expr);
        };
        let kind = self.type_name(name);
        self.set_type(expr.id, kind.clone());
        kind
    }

    fn cast(&mut self, expr: &Expr, name: &TypeName, operand: &Expr) -> Type {
        let from = self.expr(operand);
        let to = self.type_name(name);
        if from == Type::Unknown || to == Type::Unknown {
            return to;
        }
        let fits = match (&from, &to) {
            (Type::Aggregate(aggregate), to) => aggregate.is_number() && to.is_integer(),
            (from, to) if from.is_scalar() && to.is_scalar() => true,
            (Type::Array(..) | Type::Str(_), to) if to.is_integer() => {
                from.c_size(&self.env.sizes(self.facts)) <= 8
            }
            (from, Type::Array(element, 0)) if from.is_integer() => {
                let size = element.c_size(&self.env.sizes(self.facts)).max(1);
                let count = from.c_size(&self.env.sizes(self.facts)).max(1) / size;
                return Type::Array(element.clone(), count.max(1));
            }
            (from, Type::Array(..)) if from.is_integer() => {
                to.c_size(&self.env.sizes(self.facts)) <= 8
            }
            (from, Type::Str(size)) if from.is_integer() => *size <= 8,
            (Type::Str(_), Type::Str(_)) | (Type::Array(..), Type::Array(..)) => true,
            (Type::Str(size), Type::Array(..)) => to.c_size(&self.env.sizes(self.facts)) <= *size,
            (Type::Array(..), Type::Ptr(..)) | (Type::Str(_), Type::Ptr(..)) => true,
            (Type::Struct(_), Type::Struct(_)) => from == to,
            (Type::Named(_) | Type::USym, to) => to.is_integer(),
            (from, to) => from == to,
        };
        if !fits {
            return self.error(
                expr.span,
                format!("Cannot cast from \"{from}\" to \"{to}\""),
            );
        }
        if let (Some(value), true) = (self.constant(operand.id), to.is_integer()) {
            let cut = truncate(value, &to, &self.env.sizes(self.facts));
            self.set_constant(expr.id, cut);
        }
        // A pointer that is cast to another keeps leading to where it led.
        match (&from, &to) {
            (Type::Ptr(_, space), Type::Ptr(inner, _)) => Type::Ptr(inner.clone(), *space),
            _ => to,
        }
    }
}
