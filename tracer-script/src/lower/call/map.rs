//! Functions of maps.

use crate::{
    ast::{Call, Expr, ExprKind},
    ir::Operand,
    lower::Lower,
    types::Type,
};

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
        let ExprKind::Map(name, key) = &call.args[0].kind else {
            return Operand::Imm(0);
        };
        let key = call.args.get(1).or(key.as_deref());
        self.temporarily(|lower| lower.delete(name, key))
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
