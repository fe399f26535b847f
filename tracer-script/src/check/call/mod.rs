//! Calls. What each builtin takes and yields is told by the function of its row in the table of builtins;
//! these functions are here, by subject.

mod address;
mod aggregate;
mod argument;
mod known;
mod map;
mod output;
mod process;
mod text;

pub(crate) use address::CPU_OFFSETS;

use super::Checker;
use crate::{
    ast::{Call, Expr},
    builtins::{self, Function, Place},
    diagnostic::nearest,
    types::Type,
};

impl Checker<'_> {
    pub(in crate::check) fn call(&mut self, expr: &Expr, call: &Call) -> Type {
        if call.args.is_empty() && builtins::is_value(&call.name) {
            return self.value(expr, &call.name);
        }
        if let Some(prototype) = self.result.functions.get(&call.name).cloned() {
            return self.subprogram_call(expr, call, &prototype);
        }
        let Some(function) = builtins::find(&call.name) else {
            call.args.iter().for_each(|arg| {
                self.expr(arg);
            });
            return self.unknown_function(call);
        };
        if !self.has_right_count(expr, call, function) {
            return Type::Unknown;
        }
        if function.is_unsafe && !self.params.allow_unsafe {
            return self.error_hint(
                expr.span,
                format!(
                    "{}() is an unsafe function being used in safe mode",
                    call.name
                ),
                "allow it with --unsafe",
            );
        }
        if function.place == Place::Map {
            return self.error(
                expr.span,
                format!("{}() should be assigned to a map", call.name),
            );
        }
        (function.check)(self, expr, call)
    }

    fn unknown_function(&mut self, call: &Call) -> Type {
        let near = nearest(
            &call.name,
            builtins::FUNCTIONS.iter().map(|function| function.name),
        );
        let message = format!("Unknown function: '{}'", call.name);
        match near {
            Some(near) => self.error_hint(call.name_span, message, format!("did you mean {near}?")),
            None => self.error(call.name_span, message),
        }
    }

    fn has_right_count(&mut self, expr: &Expr, call: &Call, function: &Function) -> bool {
        let given = call.args.len();
        let Function { min, max, .. } = *function;
        if (min..=max).contains(&given) {
            return true;
        }
        let name = &call.name;
        let message = if min == max {
            let s = if min == 1 { "" } else { "s" };
            match min {
                0 => format!("{name}() requires no arguments ({given} provided)"),
                _ => format!("{name}() requires {min} argument{s} ({given} provided)"),
            }
        } else if given < min {
            let s = if min == 1 { "" } else { "s" };
            format!("{name}() requires at least {min} argument{s} ({given} provided)")
        } else {
            let s = if max == 1 { "" } else { "s" };
            format!("{name}() takes up to {max} argument{s} ({given} provided)")
        };
        self.error(expr.span, message);
        false
    }
}
