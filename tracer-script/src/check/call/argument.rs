//! The kinds of arguments that builtins take.

use crate::{
    ast::{Expr, ExprKind},
    check::Checker,
    types::Type,
};

/// What strings consist of.
fn is_character(kind: &Type) -> bool {
    matches!(kind, Type::Int { size: 1, .. })
}

impl Checker<'_> {
    /// A word that stands for itself: `monotonic`.
    pub(in crate::check) fn word<'e>(&mut self, arg: &'e Expr) -> Option<&'e str> {
        match &arg.kind {
            ExprKind::Ident(word) => Some(word),
            _ => None,
        }
    }

    pub(in crate::check) fn integer(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = Self::number_of(&self.expr(arg));
        if !kind.is_integer() && kind != Type::Unknown {
            return self.error(
                arg.span,
                format!("{function}() only supports integer arguments ({kind} provided)"),
            );
        }
        kind
    }

    pub(in crate::check) fn pointer_or_integer(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = self.expr(arg);
        let fits = kind.is_scalar()
            || matches!(
                kind,
                Type::Unknown | Type::Array(..) | Type::Str(_) | Type::Struct(_)
            );
        if !fits {
            return self.error(
                arg.span,
                format!(
                    "{function}() only supports integer or pointer arguments ({kind} provided)"
                ),
            );
        }
        kind
    }

    /// A string, or characters in an array or behind a pointer. The type that it is read as.
    pub(in crate::check) fn string(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = self.expr(arg);
        match &kind {
            Type::Str(_) | Type::Unknown => kind,
            Type::Ptr(to, _) if is_character(to) => Type::Str(self.config.max_strlen as u32),
            Type::Array(element, count) if is_character(element) => Type::Str(*count),
            _ => self.error(
                arg.span,
                format!("{function}() only supports string arguments ({kind} provided)"),
            ),
        }
    }

    /// A string that is known now.
    pub(in crate::check) fn literal_string(
        &mut self,
        arg: &Expr,
        function: &str,
    ) -> Option<String> {
        self.expr(arg);
        let text = self.known_string(arg);
        if text.is_none() {
            self.error(arg.span, format!("{function}() expects a string literal"));
        }
        text
    }

    /// The text of a literal or of a parameter.
    pub(in crate::check) fn known_string(&self, arg: &Expr) -> Option<String> {
        match &arg.kind {
            ExprKind::Str(text) => Some(String::from_utf8_lossy(text).into_owned()),
            ExprKind::Positional(number) => self.params.text(*number, 0).map(str::to_owned),
            ExprKind::Call(call) if call.name == "str" => match call.args[0].parameter() {
                Some((number, skip)) => self.params.text(number, skip).map(str::to_owned),
                None => self.known_string(&call.args[0]),
            },
            ExprKind::TupleIndex(of, index) => self.type_name_of(of, *index),
            _ => None,
        }
    }

    /// What `typeinfo(x).1` and `typeinfo(x).2` are.
    fn type_name_of(&self, of: &Expr, index: u32) -> Option<String> {
        let ExprKind::Call(call) = &of.kind else {
            return None;
        };
        let asked = call.args.first().filter(|_| call.name == "typeinfo")?;
        match (&self.result.types[asked.id as usize], index) {
            (Type::Unknown, _) => None,
            (kind, 1) => Some(kind.family().to_owned()),
            (kind, 2) => Some(kind.to_string()),
            _ => None,
        }
    }

    /// How many bytes a string or a buffer may have.
    pub(in crate::check) fn size_argument(&mut self, arg: Option<&Expr>, function: &str) -> u32 {
        let max = self.config.max_strlen as u32;
        let Some(arg) = arg else {
            return max;
        };
        self.integer(arg, function);
        match self.constant(arg.id) {
            Some(size) if size < 0 => {
                self.error(
                    arg.span,
                    format!("{function}: the length cannot be negative"),
                );
                max
            }
            Some(size) => {
                let size = u32::try_from(size).unwrap_or(u32::MAX);
                if size > max {
                    self.diagnostics.warn_hint(
                        arg.span,
                        format!(
                            "length param ({size}) is too long and will be shortened to {max} bytes"
                        ),
                        "raise it with max_strlen",
                    );
                }
                size.clamp(1, max)
            }
            None => max,
        }
    }
}
