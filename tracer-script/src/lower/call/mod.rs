//! Calls. What each builtin becomes is told by its row in the table of builtins; the functions that the rows
//! name are here, by subject.

mod address;
mod map;
mod process;
mod text;

use super::{Lower, Piece};
use crate::{
    ast::{Call, Expr},
    builtins::{self, Lowering},
    ir::Operand,
    types::Type,
};

impl Lower<'_, '_> {
    /// A call whose value fits into a register, or that has none.
    pub(super) fn call_word(&mut self, expr: &Expr, call: &Call) -> Operand {
        if call.args.is_empty()
            && let Some(value) = self.value(expr, &call.name)
        {
            return value;
        }
        if self.is_subprogram_call(call) {
            return self.subprogram_word(call);
        }
        match builtins::find(&call.name).map(|function| function.lowering) {
            Some(Lowering::Word(lower)) => lower(self, call),
            Some(Lowering::Act(lower)) => {
                lower(self, call);
                Operand::Imm(0)
            }
            Some(Lowering::Known) => Operand::Imm(0),
            Some(Lowering::Bytes(_)) | None => {
                self.error(expr.span, format!("{}() cannot be used here", call.name));
                Operand::Imm(0)
            }
        }
    }

    /// A call whose value lies in memory.
    pub(super) fn call_piece(&mut self, expr: &Expr, call: &Call, own: &Type) -> Piece {
        if call.args.is_empty() && builtins::is_value(&call.name) {
            return self.value_piece(&call.name, own);
        }
        if self.is_subprogram_call(call) {
            return self.subprogram_piece(call, own);
        }
        match builtins::find(&call.name).map(|function| function.lowering) {
            Some(Lowering::Bytes(lower)) => lower(self, call, own),
            _ => {
                self.error(expr.span, format!("{}() cannot be used here", call.name));
                Piece::Words(Vec::new())
            }
        }
    }

    /// What the first argument is, printed in another way.
    pub(crate) fn first(&mut self, call: &Call) -> Operand {
        self.val(&call.args[0])
    }

    /// What the second argument is, printed in another way.
    pub(crate) fn second(&mut self, call: &Call) -> Operand {
        self.val(&call.args[1])
    }
}
