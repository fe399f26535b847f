//! Goes through trees.

use super::{Expr, ExprKind, Script, Stmt, StmtKind, TypeBase, TypeName, TypeOrExpr, TypeSuffix};

/// Hands every expression to `enter`, the outer before the inner. Where `enter` says no, the inner ones
/// are left out.
pub fn expr(root: &mut Expr, enter: &mut dyn FnMut(&mut Expr) -> bool) {
    if !enter(root) {
        return;
    }
    match &mut root.kind {
        ExprKind::Map(_, key) => {
            if let Some(key) = key {
                expr(key, enter);
            }
        }
        ExprKind::Unary(_, one)
        | ExprKind::Field(one, _)
        | ExprKind::TupleIndex(one, _)
        | ExprKind::IncDec { target: one, .. } => expr(one, enter),
        ExprKind::Cast(kind, one) => {
            type_name(kind, enter);
            expr(one, enter);
        }
        ExprKind::Binary(_, left, right) | ExprKind::Index(left, right) => {
            expr(left, enter);
            expr(right, enter);
        }
        ExprKind::Ternary(condition, then, other) => {
            expr(condition, enter);
            if let Some(then) = then {
                expr(then, enter);
            }
            expr(other, enter);
        }
        ExprKind::If(condition, then, other) => {
            expr(condition, enter);
            expr(then, enter);
            if let Some(other) = other {
                expr(other, enter);
            }
        }
        ExprKind::Call(call) => call.args.iter_mut().for_each(|arg| expr(arg, enter)),
        ExprKind::Tuple(elements) => elements.iter_mut().for_each(|one| expr(one, enter)),
        ExprKind::Record(fields) => fields.iter_mut().for_each(|(_, one)| expr(one, enter)),
        ExprKind::Sizeof(of) | ExprKind::Offsetof(of, _) => type_or_expr(of, enter),
        ExprKind::Type(kind) => type_name(kind, enter),
        ExprKind::Block(statements, value) => {
            stmts(statements, enter);
            if let Some(value) = value {
                expr(value, enter);
            }
        }
        ExprKind::Int(_)
        | ExprKind::Str(_)
        | ExprKind::Bool(_)
        | ExprKind::Positional(_)
        | ExprKind::PositionalCount
        | ExprKind::Ident(_)
        | ExprKind::Var(_) => {}
    }
}

/// The same for all expressions of a type.
pub fn type_name(kind: &mut TypeName, enter: &mut dyn FnMut(&mut Expr) -> bool) {
    for suffix in &mut kind.suffixes {
        if let TypeSuffix::Array(Some(length)) = suffix {
            expr(length, enter);
        }
    }
    match &mut kind.base {
        TypeBase::Typeof(of) => type_or_expr(of, enter),
        TypeBase::Tuple(elements) => {
            elements.iter_mut().for_each(|one| type_name(one, enter));
        }
        _ => {}
    }
}

fn type_or_expr(of: &mut TypeOrExpr, enter: &mut dyn FnMut(&mut Expr) -> bool) {
    match of {
        TypeOrExpr::Type(kind) => type_name(kind, enter),
        TypeOrExpr::Expr(inner) => expr(inner, enter),
    }
}

/// The same for all expressions of these statements.
pub fn stmts(list: &mut [Stmt], enter: &mut dyn FnMut(&mut Expr) -> bool) {
    for statement in list {
        match &mut statement.kind {
            StmtKind::Expr(one) | StmtKind::Discard(one) => expr(one, enter),
            StmtKind::Assign(target, _, value) => {
                expr(target, enter);
                expr(value, enter);
            }
            StmtKind::Let(_, kind, value, _) => {
                if let Some(kind) = kind {
                    type_name(kind, enter);
                }
                if let Some(value) = value {
                    expr(value, enter);
                }
            }
            StmtKind::If(condition, then, other) => {
                expr(condition, enter);
                stmts(then, enter);
                stmts(other, enter);
            }
            StmtKind::While(one, body) | StmtKind::Unroll(one, body) => {
                expr(one, enter);
                stmts(body, enter);
            }
            StmtKind::ForMap(_, _, _, body) => stmts(body, enter),
            StmtKind::ForRange(_, start, end, body) => {
                expr(start, enter);
                expr(end, enter);
                stmts(body, enter);
            }
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    expr(value, enter);
                }
            }
            StmtKind::Block(body) => stmts(body, enter),
            StmtKind::Break | StmtKind::Continue => {}
        }
    }
}

/// The same for all that a script runs.
pub fn script(script: &mut Script, enter: &mut dyn FnMut(&mut Expr) -> bool) {
    for probe in &mut script.probes {
        if let Some(predicate) = &mut probe.predicate {
            expr(predicate, enter);
        }
        stmts(&mut probe.body, enter);
    }
    for function in &mut script.functions {
        stmts(&mut function.body, enter);
    }
}

/// Hands every statement to `enter`, the outer before the inner, those within expressions included.
pub fn statements(list: &mut [Stmt], enter: &mut dyn FnMut(&mut Stmt)) {
    for statement in list.iter_mut() {
        enter(statement);
        match &mut statement.kind {
            StmtKind::If(_, then, other) => {
                statements(then, enter);
                statements(other, enter);
            }
            StmtKind::While(_, body)
            | StmtKind::Unroll(_, body)
            | StmtKind::ForMap(_, _, _, body)
            | StmtKind::ForRange(_, _, _, body)
            | StmtKind::Block(body) => statements(body, enter),
            _ => {}
        }
    }
}
