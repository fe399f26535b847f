//! What is read off a script as a whole: its parameters with names, the maps that it deletes from and writes.

use std::collections::{HashMap, HashSet};

use super::Plan;
use crate::{
    ast::{Expr, ExprKind, Script, Stmt, StmtKind, visit},
    program::ProgramKind,
    subprograms,
};

/// Hands every call of the script to `visit`.
fn calls(script: &Script, visit: &mut dyn FnMut(&crate::ast::Call)) {
    let mut enter = |expr: &mut Expr| {
        if let ExprKind::Call(call) = &expr.kind {
            visit(call);
        }
        true
    };
    for probe in &script.probes {
        if let Some(mut predicate) = probe.predicate.clone() {
            visit::expr(&mut predicate, &mut enter);
        }
        visit::stmts(&mut probe.body.clone(), &mut enter);
    }
    for function in &script.functions {
        visit::stmts(&mut function.body.clone(), &mut enter);
    }
}

/// Maps that the script deletes entries of.
pub(crate) fn deleted_maps(script: &Script) -> HashSet<String> {
    let mut deleted = HashSet::new();
    calls(script, &mut |call| {
        if let ("delete", Some(ExprKind::Map(name, _))) =
            (call.name.as_str(), call.args.first().map(|arg| &arg.kind))
        {
            deleted.insert(name.clone());
        }
    });
    deleted
}

/// The names of parameters that the script asks for.
pub(crate) fn option_names(script: &Script) -> HashSet<String> {
    let mut names = HashSet::new();
    calls(script, &mut |call| {
        if let ("getopt", Some(ExprKind::Str(name))) =
            (call.name.as_str(), call.args.first().map(|arg| &arg.kind))
        {
            names.insert(String::from_utf8_lossy(name).into_owned());
        }
    });
    names
}

/// The parameters with names that a script asks for, with their defaults and what is said of them, for people.
pub(crate) fn describe_options(script: &Script, file: &str) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    calls(script, &mut |call| {
        let [name, rest @ ..] = call.args.as_slice() else {
            return;
        };
        let ("getopt", ExprKind::Str(name)) = (call.name.as_str(), &name.kind) else {
            return;
        };
        let name = String::from_utf8_lossy(name);
        let text = |expr: Option<&Expr>| match expr.map(|expr| &expr.kind) {
            Some(ExprKind::Str(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            Some(ExprKind::Int(value)) => Some(value.to_string()),
            Some(ExprKind::Bool(value)) => Some(value.to_string()),
            _ => None,
        };
        let shown = match text(rest.first()) {
            Some(default) => format!("--{name}={default}"),
            None => format!("--{name}"),
        };
        let line = (shown, text(rest.get(1)).unwrap_or_default());
        if !lines.contains(&line) {
            lines.push(line);
        }
    });
    if lines.is_empty() {
        return format!("{file} takes no parameters with names\n");
    }
    let width = lines
        .iter()
        .map(|(shown, _)| shown.len())
        .max()
        .unwrap_or(0);
    let mut out = format!("Parameters of {file}, behind --, with what holds without them:\n");
    for (shown, description) in lines {
        let line = format!("    {shown:<width$}  {description}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// How many programs write each map.
pub(crate) fn writers(script: &Script, plan: &Plan) -> HashMap<String, u32> {
    let mut writers: HashMap<String, u32> = HashMap::new();
    for planned in &plan.programs {
        let mut written = HashSet::new();
        let probe = &script.probes[planned.unit.probe];
        written_maps(&mut probe.body.clone(), &mut written);
        for function in subprograms::reached(script, probe) {
            written_maps(&mut function.body.clone(), &mut written);
        }
        let programs = match planned.kind {
            ProgramKind::Fentry { .. } => planned.unit.targets.len() as u32,
            _ => 1,
        };
        for name in written {
            *writers.entry(name).or_default() += programs;
        }
    }
    writers
}

fn written_maps(body: &mut [Stmt], written: &mut HashSet<String>) {
    let mut note = |expr: &Expr| {
        if let ExprKind::Map(name, _) = &expr.kind {
            written.insert(name.clone());
        }
    };
    visit::statements(body, &mut |statement| {
        if let StmtKind::Assign(target, ..) = &statement.kind {
            note(target);
        }
    });
    let mut in_blocks: Vec<Vec<Stmt>> = Vec::new();
    visit::stmts(body, &mut |expr| {
        match &expr.kind {
            ExprKind::IncDec { target, .. } => note(target),
            ExprKind::Block(statements, _) => in_blocks.push(statements.clone()),
            _ => {}
        }
        true
    });
    for mut statements in in_blocks {
        written_maps(&mut statements, written);
    }
}
