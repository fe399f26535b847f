//! Functions of maps.

use crate::{
    ast::{Call, Expr, ExprKind},
    ir::{Cond, Operand},
    lower::{Deleted, Lower},
    types::Type,
};

/// The map and the key of a `delete`.
fn deleted(call: &Call) -> Option<(&str, Option<&Expr>)> {
    match &call.args[0].kind {
        ExprKind::Map(name, key) => Some((name, call.args.get(1).or(key.as_deref()))),
        _ => None,
    }
}

impl Lower<'_, '_> {
    pub(crate) fn has_key_call(&mut self, call: &Call) -> Operand {
        self.with_map(&call.args, |lower, name, key| lower.has_key(name, key))
    }

    pub(crate) fn find_call(&mut self, call: &Call) -> Operand {
        let variable = &call.args[2];
        self.with_map(&call.args, |lower, name, key| {
            lower.find(name, key, variable)
        })
    }

    fn with_map(
        &mut self,
        args: &[Expr],
        inner: impl FnOnce(&mut Self, &str, &Expr) -> Operand,
    ) -> Operand {
        match &args[0].kind {
            ExprKind::Map(name, _) => self.temporarily(|lower| inner(lower, name, &args[1])),
            _ => Operand::Imm(0),
        }
    }

    pub(crate) fn delete_call(&mut self, call: &Call) -> Operand {
        let Some((name, key)) = deleted(call) else {
            return Operand::Imm(0);
        };
        self.temporarily(|lower| match lower.delete(name, key) {
            Deleted::Word(there) => Operand::Reg(there),
            Deleted::Result(result) => {
                Operand::Reg(lower.comparison(Cond::Eq, Operand::Reg(result), Operand::Imm(0)))
            }
        })
    }

    /// `delete(@x, key)` of which no one asks whether it was there: where it was not, that is a failure to be told.
    pub(in crate::lower) fn delete_statement(&mut self, call: &Call) {
        let Some((name, key)) = deleted(call) else {
            return;
        };
        self.temporarily(|lower| {
            if let Deleted::Result(result) = lower.delete(name, key) {
                lower.report_failure(result, "map_delete_elem");
            }
        });
    }

    pub(crate) fn len(&mut self, call: &Call) -> Operand {
        let arg = &call.args[0];
        match (&arg.kind, self.kind(arg)) {
            (ExprKind::Map(name, None), _) => {
                let map = self.map_number(name);
                self.map_length(map)
            }
            (_, Type::Stack { .. }) => self.temporarily(|lower| lower.stack_length(arg)),
            _ => self.temporarily(|lower| lower.string_length(arg)),
        }
    }
}
