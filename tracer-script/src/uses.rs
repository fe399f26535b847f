//! What the body of a probe uses of the place that it runs at.

use crate::{
    ast::{Expr, ExprKind, Probe, Script, visit},
    builtins,
    probe::Target,
    subprograms,
};

/// Fields that the events of all system calls have, at the same offsets: the number, and at the return the result.
const COMMON_FIELDS: [&str; 2] = ["__syscall_nr", "ret"];

/// What the body of a probe uses of the place that it runs at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) args: bool,
    /// Fields of `args` that a system call's event does not have in common with those of all others.
    pub(crate) own_fields: bool,
    /// `arg0`…
    pub(crate) numbered: bool,
    pub(crate) retval: bool,
    pub(crate) place: bool,
    pub(crate) context: bool,
    /// Stacks by the call frame information of programs.
    pub(crate) unwound: bool,
}

impl Uses {
    /// What a probe and all that it calls uses.
    pub(crate) fn of(script: &Script, probe: &Probe) -> Self {
        let mut uses = Self::default();
        let mut probe = probe.clone();
        let mut look = |expr: &mut Expr| {
            if let ExprKind::Field(of, field) = &expr.kind
                && name_of(of) == "args"
                && COMMON_FIELDS.contains(&field.as_str())
            {
                uses.args = true;
                return false;
            }
            match name_of(expr) {
                "args" => {
                    uses.args = true;
                    uses.own_fields = true;
                }
                "retval" => uses.retval = true,
                "probe" => uses.place = true,
                builtins::UNWOUND => uses.unwound = true,
                "ctx" | "reg" => uses.context = true,
                name if builtins::argument_number(name).is_some() => uses.numbered = true,
                _ => {}
            }
            true
        };
        if let Some(predicate) = &mut probe.predicate {
            visit::expr(predicate, &mut look);
        }
        visit::stmts(&mut probe.body, &mut look);
        for function in subprograms::reached(script, &probe) {
            visit::stmts(&mut function.body.clone(), &mut look);
        }
        uses
    }

    /// True where a program finds what it uses of both places alike.
    pub(crate) fn are_alike(self, one: &Target, other: &Target) -> bool {
        !self.numbered || one.arguments == other.arguments
    }
}

/// The name of a builtin, called or not; empty for what is none.
pub(crate) fn name_of(expr: &Expr) -> &str {
    match &expr.kind {
        ExprKind::Ident(name) => name,
        ExprKind::Call(call) => &call.name,
        _ => "",
    }
}
