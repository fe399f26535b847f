//! Macros put in where they are called: a copy of the body, its own variables renamed, so that it can touch
//! only what it was given.

use crate::{
    ast::{Call, Expr, ExprKind, Macro, MacroParam, Script, Stmt, StmtKind, visit},
    builtins,
    diagnostic::{Diagnostics, Span},
};

/// Macros within macros, at most.
const DEPTH: u32 = 32;

/// Expressions that all macros together may make of a script, at most.
const EXPRESSIONS: u32 = 200_000;

/// Expands every call.
pub fn expand(script: &mut Script, diagnostics: &mut Diagnostics) {
    if script.macros.is_empty() {
        return;
    }
    let macros = std::mem::take(&mut script.macros);
    for one in &macros {
        refuse_unhygienic(one, diagnostics);
    }
    let mut expander = Expander {
        macros: &macros,
        next_id: script.exprs,
        copies: 0,
        diagnostics,
    };
    for probe in &mut script.probes {
        if let Some(predicate) = &mut probe.predicate {
            expander.expr(predicate, 0);
        }
        expander.block(&mut probe.body, 0);
    }
    for function in &mut script.functions {
        expander.block(&mut function.body, 0);
    }
    script.exprs = expander.next_id;
    script.macros = macros;
}

struct Expander<'a> {
    macros: &'a [Macro],
    next_id: u32,
    copies: u32,
    diagnostics: &'a mut Diagnostics,
}

impl Expander<'_> {
    fn block(&mut self, body: &mut [Stmt], depth: u32) {
        visit::stmts(body, &mut |expr| self.enter(expr, depth));
    }

    fn expr(&mut self, expr: &mut Expr, depth: u32) {
        visit::expr(expr, &mut |inner| self.enter(inner, depth));
    }

    /// Expands one expression, where it is a call; what came of it is gone through with more depth.
    fn enter(&mut self, expr: &mut Expr, depth: u32) -> bool {
        let (name, args) = match &expr.kind {
            ExprKind::Call(Call { name, args, .. }) => (name, args.as_slice()),
            ExprKind::Ident(name) => (name, [].as_slice()),
            _ => return true,
        };
        let same_name: Vec<&Macro> = self.macros.iter().filter(|one| one.name == *name).collect();
        if same_name.is_empty() {
            return true;
        }
        let Some(chosen) = same_name.iter().find(|one| fits(one, args)) else {
            // The language may have a function of that name, which takes other arguments.
            if builtins::find(name).is_some() || builtins::is_value(name) {
                return true;
            }
            let message = mismatch(&same_name, name, args);
            self.diagnostics.error(expr.span, message);
            return false;
        };
        if depth >= DEPTH || self.next_id > EXPRESSIONS {
            self.diagnostics.error(
                expr.span,
                format!("macros call each other too deeply: {name}"),
            );
            return false;
        }
        let mut body = self.instantiate(chosen, args, expr.span);
        self.expr(&mut body, depth + 1);
        *expr = body;
        false
    }

    fn instantiate(&mut self, definition: &Macro, args: &[Expr], span: Span) -> Expr {
        self.copies += 1;
        let copy = self.copies;
        let mut body = definition.body.clone();
        rename_locals(&mut body, definition, copy);
        let next_id = &mut self.next_id;
        visit::expr(&mut body, &mut |expr| {
            substitute(expr, definition, args, next_id)
        });
        body.span = span;
        body
    }
}

/// A macro sees maps and variables that it was given, and variables that it makes.
fn refuse_unhygienic(definition: &Macro, diagnostics: &mut Diagnostics) {
    let mut made: Vec<String> = Vec::new();
    let mut maps: Vec<(String, Span)> = Vec::new();
    let mut vars: Vec<(String, Span)> = Vec::new();
    for param in &definition.params {
        if let MacroParam::Var(name) = param {
            made.push(name.clone());
        }
    }
    let mut statement = |one: &mut Stmt| match &mut one.kind {
        StmtKind::Let(name, ..) => made.push(name.clone()),
        StmtKind::Assign(target, None, _) => {
            if let ExprKind::Var(name) = &target.kind {
                made.push(name.clone());
            }
        }
        StmtKind::ForMap(variable, map, span, _) => {
            made.push(variable.name.clone());
            maps.push((map.clone(), *span));
        }
        StmtKind::ForRange(variable, ..) => made.push(variable.name.clone()),
        _ => {}
    };
    let mut map_names: Vec<(String, Span)> = Vec::new();
    visit::expr(&mut definition.body.clone(), &mut |expr| {
        match &mut expr.kind {
            ExprKind::Block(statements, _) => visit::statements(statements, &mut statement),
            ExprKind::Map(name, _) => map_names.push((name.clone(), expr.span)),
            ExprKind::Var(name) => vars.push((name.clone(), expr.span)),
            _ => {}
        }
        true
    });
    maps.extend(map_names);
    maps.retain(|(name, _)| !definition.params.contains(&MacroParam::Map(name.clone())));
    vars.retain(|(name, _)| !made.contains(name));
    for (what, (name, span)) in maps
        .into_iter()
        .map(|one| ("map", one))
        .chain(vars.into_iter().map(|one| ("variable", one)))
    {
        let message = format!("Unhygienic access to {what}: {name}");
        let hint = "Maps and variables must be passed to the macro as arguments";
        diagnostics.error_hint(span, message, hint);
    }
}

/// True where each argument is what its parameter asks for.
fn fits(definition: &Macro, args: &[Expr]) -> bool {
    let matches = |(param, arg): (&MacroParam, &Expr)| match param {
        MacroParam::Var(_) => matches!(arg.kind, ExprKind::Var(_)),
        MacroParam::Map(_) => matches!(arg.kind, ExprKind::Map(_, None)),
        MacroParam::Expr(_) => true,
    };
    definition.params.len() == args.len() && definition.params.iter().zip(args).all(matches)
}

fn mismatch(same_name: &[&Macro], name: &str, args: &[Expr]) -> String {
    let counts: Vec<String> = same_name
        .iter()
        .map(|one| one.params.len().to_string())
        .collect();
    if same_name.iter().any(|one| one.params.len() == args.len()) {
        return format!(
            "Call to macro {name} has arguments of the wrong kind: it takes a variable for $x, a map for @x"
        );
    }
    format!(
        "Call to macro {name} has wrong number of arguments: it takes {}, and got {}",
        counts.join(" or "),
        args.len()
    )
}

/// Variables that the macro makes itself get names that no script can write.
fn rename_locals(body: &mut Expr, definition: &Macro, copy: u32) {
    let is_param = |name: &str| {
        definition
            .params
            .contains(&MacroParam::Var(name.to_owned()))
    };
    let rename = |name: &mut String| {
        if !is_param(name) {
            name.push_str(&format!("%{copy}"));
        }
    };
    visit::expr(body, &mut |expr| {
        match &mut expr.kind {
            ExprKind::Var(name) => rename(name),
            ExprKind::Block(statements, _) => {
                visit::statements(statements, &mut |statement| match &mut statement.kind {
                    StmtKind::Let(name, ..) => rename(name),
                    StmtKind::ForMap(variable, ..) | StmtKind::ForRange(variable, ..) => {
                        rename(&mut variable.name);
                    }
                    _ => {}
                })
            }
            _ => {}
        }
        true
    });
}

/// Puts an argument in the place of its parameter, and numbers everything anew.
fn substitute(expr: &mut Expr, definition: &Macro, args: &[Expr], next_id: &mut u32) -> bool {
    let index_of = |param: MacroParam| definition.params.iter().position(|one| *one == param);
    let mut fresh = |expr: &mut Expr| {
        expr.id = *next_id;
        *next_id += 1;
        renumber_declared(expr, next_id);
    };
    match &mut expr.kind {
        ExprKind::Ident(name) => {
            if let Some(index) = index_of(MacroParam::Expr(name.clone())) {
                *expr = args[index].clone();
                visit::expr(expr, &mut |inner| {
                    fresh(inner);
                    true
                });
                return false;
            }
        }
        ExprKind::Var(name) => {
            if let Some(index) = index_of(MacroParam::Var(name.clone()))
                && let ExprKind::Var(given) = &args[index].kind
            {
                *name = given.clone();
            }
        }
        ExprKind::Map(name, _) => {
            if let Some(index) = index_of(MacroParam::Map(name.clone()))
                && let ExprKind::Map(given, None) = &args[index].kind
            {
                *name = given.clone();
            }
        }
        ExprKind::Block(statements, _) => {
            visit::statements(statements, &mut |statement| {
                if let StmtKind::ForMap(_, map, ..) = &mut statement.kind
                    && let Some(index) = index_of(MacroParam::Map(map.clone()))
                    && let ExprKind::Map(given, None) = &args[index].kind
                {
                    *map = given.clone();
                }
            });
        }
        _ => {}
    }
    fresh(expr);
    true
}

/// Declarations have numbers, too.
fn renumber_declared(expr: &mut Expr, next_id: &mut u32) {
    let ExprKind::Block(statements, _) = &mut expr.kind else {
        return;
    };
    visit::statements(statements, &mut |statement| {
        let id = match &mut statement.kind {
            StmtKind::Let(_, _, _, id) => id,
            StmtKind::ForMap(variable, ..) | StmtKind::ForRange(variable, ..) => &mut variable.id,
            _ => return,
        };
        *id = *next_id;
        *next_id += 1;
    });
}
