//! Which subprograms (`fn`) call which.

use std::collections::HashSet;

use crate::{
    ast::{Call, ExprKind, Function, Probe, Script, Stmt, visit},
    builtins,
    diagnostic::Diagnostics,
};

/// Parameters of a subprogram, at most.
const PARAMS: usize = 5;

/// Subprograms that call each other, one within the other, at most: the kernel has 8 frames
/// (`MAX_CALL_FRAMES` of `include/linux/bpf_verifier.h`), and the program and a loop take two.
const DEPTH: usize = 6;

impl Script {
    /// A subprogram by its name.
    pub(crate) fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// The subprograms that a probe calls, directly or not: each after those that it calls itself.
pub(crate) fn reached<'a>(script: &'a Script, probe: &Probe) -> Vec<&'a Function> {
    if script.functions.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for name in called(probe.body.clone(), probe.predicate.clone()) {
        add(script, &name, &mut seen, &mut found);
    }
    found
}

fn add<'a>(
    script: &'a Script,
    name: &str,
    seen: &mut HashSet<String>,
    found: &mut Vec<&'a Function>,
) {
    let Some(function) = script.function(name) else {
        return;
    };
    if !seen.insert(name.to_owned()) {
        return;
    }
    for callee in called(function.body.clone(), None) {
        add(script, &callee, seen, found);
    }
    found.push(function);
}

/// The names of all that is called.
fn called(mut body: Vec<Stmt>, predicate: Option<crate::ast::Expr>) -> Vec<String> {
    let mut names = Vec::new();
    let mut enter = |expr: &mut crate::ast::Expr| {
        if let ExprKind::Call(Call { name, .. }) = &expr.kind {
            names.push(name.clone());
        }
        true
    };
    if let Some(mut predicate) = predicate {
        visit::expr(&mut predicate, &mut enter);
    }
    visit::stmts(&mut body, &mut enter);
    names
}

/// Refuses what no program can call: subprograms that call themselves, or take too much.
pub(crate) fn check(script: &Script, diagnostics: &mut Diagnostics) {
    let mut known = HashSet::new();
    for function in &script.functions {
        let Function {
            name, span, params, ..
        } = function;
        if !known.insert(name) {
            diagnostics.error(*span, format!("the subprogram {name} is defined twice"));
        }
        if builtins::find(name).is_some() || builtins::is_value(name) {
            let message = format!("{name} is a function of the language: choose another name");
            diagnostics.error(*span, message);
        }
        if params.len() > PARAMS {
            let message = format!(
                "{name} has {} parameters, and can have {PARAMS}",
                params.len()
            );
            diagnostics.error(*span, message);
        }
        let mut way = vec![function];
        follow(script, &mut way, diagnostics);
    }
}

/// Follows calls from the last of `way` on.
fn follow<'a>(script: &'a Script, way: &mut Vec<&'a Function>, diagnostics: &mut Diagnostics) {
    let (first, last) = (way[0], way[way.len() - 1]);
    let mut seen = HashSet::new();
    for name in called(last.body.clone(), None) {
        let Some(callee) = script.function(&name) else {
            continue;
        };
        if !seen.insert(name) {
            continue;
        }
        if callee.name == first.name {
            let through: Vec<&str> = way.iter().map(|one| one.name.as_str()).collect();
            let message = format!(
                "the subprogram {} calls itself ({} → {}): the kernel runs no recursion",
                first.name,
                through.join(" → "),
                first.name
            );
            diagnostics.error(first.span, message);
            continue;
        }
        // A circle that the first is no part of is told of those that are.
        if way.iter().any(|one| one.name == callee.name) {
            continue;
        }
        if way.len() >= DEPTH {
            let message = format!("subprograms call each other more than {DEPTH} deep");
            diagnostics.error(first.span, message);
            continue;
        }
        way.push(callee);
        follow(script, way, diagnostics);
        way.pop();
    }
}
