//! Subprograms: each is checked for every program that calls it, as what it uses depends on the probe.

use std::collections::HashMap;

use super::{Checker, Prototype, assign::Misfit};
use crate::{
    ast::{Call, Expr, Function},
    diagnostic::Span,
    types::Type,
};

impl Checker<'_> {
    /// Notes what a subprogram takes and returns.
    pub(super) fn prototype(&mut self, function: &Function) {
        let params = function.params.iter();
        let params = params.map(|param| self.passed(&param.kind)).collect();
        let returns = match &function.returns {
            Some(kind) => self.passed(kind),
            None => Type::Void,
        };
        let prototype = Prototype { params, returns };
        let name = function.name.clone();
        self.result.functions.insert(name, prototype);
    }

    /// The type of what is passed.
    fn passed(&mut self, name: &crate::ast::TypeName) -> Type {
        let kind = self.type_name(name);
        match kind {
            Type::Aggregate(_) | Type::Args | Type::StackModeName(_) | Type::Func => {
                let message = format!("{kind} cannot be passed to a subprogram or returned by it");
                self.error(name.span, message)
            }
            kind => kind,
        }
    }

    /// The body of a subprogram.
    pub(super) fn subprogram(&mut self, function: &Function) {
        let Some(prototype) = self.result.functions.get(&function.name).cloned() else {
            return;
        };
        let scopes = std::mem::replace(&mut self.scopes, vec![HashMap::new()]);
        self.returns = Some(prototype.returns);
        for (param, kind) in function.params.iter().zip(prototype.params) {
            if self.find_variable(&param.name).is_some() {
                let message = format!("{} has two parameters {}", function.name, param.name);
                self.error(function.span, message);
            }
            let index = self.declare(&param.name, kind.clone());
            let variable = &mut self.result.variables[index];
            variable.kind = kind;
            variable.declared = true;
            variable.by_let = true;
            self.bind(param.id, index);
        }
        self.stmts(&function.body);
        self.returns = None;
        self.scopes = scopes;
    }

    /// `return`, with a value or without: that of a probe is of no account.
    pub(super) fn return_statement(&mut self, span: Span, value: Option<&Expr>) {
        let kind = value.map(|value| self.expr(value));
        let Some(wanted) = self.returns.clone() else {
            if let (Some(value), Some(kind)) = (value, kind)
                && !kind.is_integer()
                && kind != Type::Unknown
            {
                self.error(value.span, format!("return needs a number, got {kind}"));
            }
            return;
        };
        match (value, kind) {
            (None, _) if wanted != Type::Void && wanted != Type::Unknown => {
                self.error(span, format!("return needs a value of type '{wanted}'"));
            }
            (Some(value), Some(_)) if wanted == Type::Void => {
                self.error(
                    value.span,
                    "the subprogram returns nothing: it has no type behind ':'",
                );
            }
            (Some(value), Some(kind)) => {
                let (literal, constant) = (self.is_literal(value), self.constant(value.id));
                if let Some(misfit) = self.misfit(&wanted, &kind, literal, constant) {
                    let what = described(&misfit, &kind);
                    let message = format!(
                        "Type mismatch: trying to return {what}, where '{wanted}' is wanted"
                    );
                    self.error(value.span, message);
                }
            }
            _ => {}
        }
    }

    pub(super) fn subprogram_call(
        &mut self,
        expr: &Expr,
        call: &Call,
        prototype: &Prototype,
    ) -> Type {
        let kinds: Vec<Type> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let Call { name, args, .. } = call;
        let wanted = prototype.params.len();
        if kinds.len() != wanted {
            let s = if wanted == 1 { "" } else { "s" };
            let message = format!(
                "{name}() requires {wanted} argument{s} ({} provided)",
                kinds.len()
            );
            return self.error(expr.span, message);
        }
        for ((arg, kind), wanted) in args.iter().zip(&kinds).zip(&prototype.params) {
            let kind = &Self::number_of(kind);
            let (literal, constant) = (self.is_literal(arg), self.constant(arg.id));
            if let Some(misfit) = self.misfit(wanted, kind, literal, constant) {
                let what = described(&misfit, kind);
                let message = format!(
                    "Type mismatch for {name}(): trying to pass {what}, where '{wanted}' is wanted"
                );
                self.error(arg.span, message);
            }
        }
        prototype.returns.clone()
    }
}

fn described(misfit: &Misfit, kind: &Type) -> String {
    match misfit {
        Misfit::Kind => format!("value of type '{kind}'"),
        Misfit::Number(value) => format!("value '{value}'"),
    }
}
