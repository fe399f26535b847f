//! Statements.

use std::collections::HashMap;

use super::Checker;
use crate::{
    ast::{BinaryOp, Expr, ExprKind, Stmt, StmtKind},
    diagnostic::Span,
    types::{INT, Type},
};

impl Checker<'_> {
    pub(super) fn stmts(&mut self, body: &[Stmt]) {
        let mut ended = false;
        for statement in body {
            if ended {
                self.diagnostics.warn(statement.span, "Unreachable code");
            }
            self.stmt(statement);
            ended = matches!(
                statement.kind,
                StmtKind::Break | StmtKind::Continue | StmtKind::Return(_)
            );
        }
    }

    fn block(&mut self, body: &[Stmt]) {
        self.scopes.push(HashMap::new());
        self.stmts(body);
        self.scopes.pop();
    }

    /// What a condition is, where that is known before the script runs.
    pub(super) fn truth_of(&self, condition: &Expr) -> Option<bool> {
        self.constant(condition.id).map(|value| value != 0)
    }

    /// Looks at one side of a choice. What is never reached teaches types, but nothing is wrong there.
    pub(super) fn branch<T>(
        &mut self,
        reached: Option<bool>,
        look: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let count = self.diagnostics.count();
        let result = look(self);
        if reached == Some(false) {
            self.diagnostics.forget_beyond(count);
        }
        result
    }

    fn stmt(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(expr) => self.expr_statement(expr),
            StmtKind::Discard(expr) => {
                self.expr(expr);
            }
            StmtKind::Assign(target, operator, value) => {
                self.assign(statement.span, target, *operator, value);
            }
            StmtKind::Let(name, kind, value, id) => {
                self.let_statement(statement.span, name, kind.as_ref(), value.as_ref(), *id);
            }
            StmtKind::If(condition, then, other) => {
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "if()");
                let holds = self.truth_of(condition);
                self.branch(holds, |checker| checker.block(then));
                self.branch(holds.map(|holds| !holds), |checker| checker.block(other));
            }
            StmtKind::While(condition, body) => {
                self.diagnostics.warn_hint(
                    statement.span,
                    "while loops are deprecated",
                    "use a for loop over a range: for ($i : 0..10) { … }",
                );
                let functions = self.functions_of_a_loop();
                self.depth += functions;
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "while()");
                self.loops += 1;
                self.block(body);
                self.loops -= 1;
                self.depth -= functions;
            }
            StmtKind::Unroll(count, body) => {
                self.expr(count);
                match self.constant(count.id) {
                    Some(1..=100) => {}
                    Some(number) if number > 100 => {
                        self.error(count.span, "unroll maximum value is 100");
                    }
                    Some(_) => {
                        self.error(count.span, "unroll minimum value is 1");
                    }
                    None => {
                        self.error(count.span, "unroll needs a literal");
                    }
                }
                self.loops += 1;
                self.block(body);
                self.loops -= 1;
            }
            StmtKind::ForMap(variable, map, span, body) => {
                let info = self.map(map, *span).clone();
                self.map(map, *span).used = true;
                if info.key == Type::Void {
                    self.error(
                        *span,
                        format!("{map} has no explicit keys (scalar map), and cannot be used for iteration"),
                    );
                }
                let value = match &info.value {
                    Type::Aggregate(aggregate) if aggregate.is_histogram() => self.error(
                        *span,
                        format!(
                            "Loop expression does not support type: {}",
                            aggregate.name()
                        ),
                    ),
                    Type::Aggregate(_) => Self::number_of(&info.value),
                    Type::Unknown if !info.assigned => Type::Unknown,
                    other => other.clone(),
                };
                let kind = match (&info.key, &value) {
                    (Type::Unknown, _) | (_, Type::Unknown) => Type::Unknown,
                    _ => Type::Tuple([info.key.clone(), value].into()),
                };
                self.loop_body(&variable.name, variable.id, variable.span, kind, 1, body);
            }
            StmtKind::ForRange(variable, start, end, body) => {
                for bound in [start, end] {
                    let kind = self.expr(bound);
                    if !kind.is_integer() && kind != Type::Unknown {
                        self.error(
                            bound.span,
                            format!("Loop range requires an integer, got {kind}"),
                        );
                    }
                }
                let functions = self.functions_of_a_loop();
                self.loop_body(
                    &variable.name,
                    variable.id,
                    variable.span,
                    INT,
                    functions,
                    body,
                );
            }
            StmtKind::Break | StmtKind::Continue => {
                if self.loops == 0 {
                    let word = match statement.kind {
                        StmtKind::Break => "break",
                        _ => "continue",
                    };
                    self.error(statement.span, format!("{word} outside of a loop"));
                }
            }
            StmtKind::Return(value) => self.return_statement(statement.span, value.as_ref()),
            StmtKind::Block(body) => self.block(body),
        }
    }

    /// From Linux 5.17 on the kernel calls the bodies of loops back: each is a function of its own.
    fn functions_of_a_loop(&self) -> u32 {
        u32::from(self.facts.since(5, 17))
    }

    fn loop_body(
        &mut self,
        name: &str,
        id: u32,
        span: Span,
        kind: Type,
        functions: u32,
        body: &[Stmt],
    ) {
        if self.find_variable(name).is_some() {
            self.error(
                span,
                format!("Loop declaration shadows existing variable: {name}"),
            );
        }
        self.depth += functions;
        self.loops += 1;
        self.scopes.push(HashMap::new());
        let index = self.declare(name, kind.clone());
        self.result.variables[index].by_let = true;
        self.result.variables[index].kind = kind;
        self.bind(id, index);
        self.stmts(body);
        self.scopes.pop();
        self.loops -= 1;
        self.depth -= functions;
    }

    fn expr_statement(&mut self, expr: &Expr) {
        let kind = self.expr(expr);
        let has_effect = match &expr.kind {
            ExprKind::Call(call) => {
                let yields = matches!(
                    crate::builtins::find(&call.name),
                    Some(function) if function.place == crate::builtins::Place::Value
                );
                !yields || call.name == "delete" || call.name == "skboutput"
            }
            ExprKind::IncDec { .. } | ExprKind::Block(..) | ExprKind::If(..) => true,
            ExprKind::Ternary(_, _, other) => {
                kind == Type::Void || matches!(other.kind, ExprKind::Call(_))
            }
            _ => kind == Type::Void,
        };
        if !has_effect && kind != Type::Unknown {
            self.diagnostics.warn_hint(
                expr.span,
                "Return value discarded.",
                "Use '_ = …' to discard it on purpose",
            );
        }
        if let ExprKind::Call(call) = &expr.kind
            && let Some(function) = crate::builtins::find(&call.name)
            && function.place == crate::builtins::Place::Map
        {
            self.error(
                expr.span,
                format!("{}() should be assigned to a map", call.name),
            );
        }
    }

    fn let_statement(
        &mut self,
        span: Span,
        name: &str,
        written: Option<&crate::ast::TypeName>,
        value: Option<&Expr>,
        id: u32,
    ) {
        let declared = written.map(|written| self.type_name(written));
        let value_kind = value.map(|value| self.expr(value));
        if self.find_variable(name).is_some() {
            self.error(
                span,
                format!("Variable {name} was already declared. Variable shadowing is not allowed."),
            );
        }
        let index = self.declare(name, declared.clone().unwrap_or(Type::Unknown));
        self.result.variables[index].by_let = true;
        if let Some(kind) = declared {
            let variable = &mut self.result.variables[index];
            variable.declared = true;
            variable.kind = kind;
        }
        self.bind(id, index);
        if let (Some(value), Some(kind)) = (value, value_kind) {
            let (literal, constant) = (self.is_literal(value), self.constant(value.id));
            self.give_variable(index, &kind, value.span, literal, constant);
        }
    }

    fn assign(&mut self, span: Span, target: &Expr, operator: Option<BinaryOp>, value: &Expr) {
        match &target.kind {
            ExprKind::Var(name) => {
                let kind = self.expr(value);
                let found = self.find_variable(name);
                if operator.is_some() && found.is_none() {
                    self.error(
                        target.span,
                        format!("Undefined or undeclared variable: {name}"),
                    );
                    return;
                }
                let index = found.unwrap_or_else(|| self.declare(name, Type::Unknown));
                let known = self.bind(target.id, index);
                self.set_type(target.id, known.clone());
                let (kind, literal) = match operator {
                    Some(operator) => (
                        self.binary_type(
                            operator,
                            &known,
                            &kind,
                            span,
                            false,
                            self.is_literal(value),
                        ),
                        false,
                    ),
                    None => (kind, self.is_literal(value)),
                };
                if kind == Type::Unknown {
                    return;
                }
                let constant = match operator {
                    Some(_) => None,
                    None => self.constant(value.id),
                };
                self.give_variable(index, &kind, value.span, literal, constant);
                let known = self.result.variables[index].kind.clone();
                self.set_type(target.id, known);
            }
            ExprKind::Map(name, key) => {
                self.assign_map(span, target, name, key.as_deref(), operator, value)
            }
            _ => {
                self.error(target.span, "only variables and maps can be assigned to");
            }
        }
    }

    fn assign_map(
        &mut self,
        span: Span,
        target: &Expr,
        name: &str,
        key: Option<&Expr>,
        operator: Option<BinaryOp>,
        value: &Expr,
    ) {
        self.map_key(name, key, target.span);
        let aggregate = self.aggregate_of(value);
        let kind = match aggregate {
            Some(kind) => kind,
            None => self.expr(value),
        };
        // `@a = @b` where `@b` counts: a number is taken, not the counter.
        let kind = match (&kind, &value.kind) {
            (Type::Aggregate(aggregate), ExprKind::Map(..)) => {
                if !aggregate.is_number() {
                    self.error(
                        value.span,
                        format!("Map value '{kind}' cannot be assigned from one map to another."),
                    );
                    return;
                }
                let known = self.map(name, span).value.clone();
                if known == kind {
                    self.error(
                        value.span,
                        format!("Map value '{kind}' cannot be assigned from one map to another. The function that returns this type must be called directly e.g. `{name} = {}`.", example(*aggregate)),
                    );
                    return;
                }
                Self::number_of(&kind)
            }
            _ => kind,
        };
        match &kind {
            Type::Void | Type::Args | Type::StackModeName(_) => {
                self.error(
                    value.span,
                    format!("Value '{kind}' cannot be assigned to a map"),
                );
                return;
            }
            Type::Unknown => return,
            _ => {}
        }
        let known = self.map(name, span).value.clone();
        let kind = match operator {
            Some(operator) => {
                let known = match known {
                    Type::Unknown => INT,
                    other => other,
                };
                if let Type::Aggregate(aggregate) = known {
                    self.error(
                        span,
                        format!(
                            "{} is not possible with a map of {}()",
                            operator.text(),
                            aggregate.name()
                        ),
                    );
                    return;
                }
                self.binary_type(operator, &known, &kind, span, false, self.is_literal(value))
            }
            None => kind,
        };
        let literal = operator != Some(BinaryOp::Sub) && self.is_literal(value);
        self.give_map(name, &kind, value.span, literal);
        let known = self.map(name, span).value.clone();
        self.set_type(target.id, known);
    }

    /// The key of a map; a map without one holds one value.
    pub(super) fn map_key(&mut self, name: &str, key: Option<&Expr>, span: Span) {
        match key {
            Some(key) => {
                let kind = self.expr(key);
                let literal = self.is_literal(key);
                self.use_key(name, &kind, key.span, literal);
            }
            None => self.use_key(name, &Type::Void, span, false),
        }
    }
}

fn example(aggregate: crate::types::Aggregate) -> String {
    match aggregate {
        crate::types::Aggregate::Count => "count()".to_owned(),
        other => format!("{}(retval)", other.name()),
    }
}
