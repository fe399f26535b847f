//! Functions of strings and bytes.

use crate::{
    ast::{Call, Expr, ExprKind},
    ir::{Cond, Op, Operand},
    lower::{Lower, Mem, Piece},
    types::Type,
};

impl Lower<'_, '_> {
    pub(crate) fn strlen(&mut self, call: &Call) -> Operand {
        self.temporarily(|lower| lower.string_length(&call.args[0]))
    }

    pub(crate) fn strncmp(&mut self, call: &Call) -> Operand {
        let most = self.constant(call.args[2].id).unwrap_or(0);
        let most = most.clamp(0, u32::MAX.into()) as u32;
        self.compared_strings(call, most)
    }

    pub(crate) fn strcmp(&mut self, call: &Call) -> Operand {
        self.compared_strings(call, u32::MAX)
    }

    fn compared_strings(&mut self, call: &Call, most: u32) -> Operand {
        self.temporarily(|lower| lower.compare_strings(&call.args[0], &call.args[1], most))
    }

    pub(crate) fn strstr(&mut self, call: &Call) -> Operand {
        self.temporarily(|lower| lower.find_string(&call.args[0], &call.args[1]))
    }

    pub(crate) fn strcontains(&mut self, call: &Call) -> Operand {
        self.temporarily(
            |lower| match lower.find_string(&call.args[0], &call.args[1]) {
                Operand::Imm(at) => Operand::Imm(i64::from(at >= 0)),
                at => Operand::Reg(lower.comparison(Cond::SGe, at, Operand::Imm(0))),
            },
        )
    }

    pub(crate) fn memcmp(&mut self, call: &Call) -> Operand {
        let size = self.constant(call.args[2].id).unwrap_or(1) as u32;
        self.temporarily(|lower| lower.compare_memory(&call.args[0], &call.args[1], size))
    }

    pub(crate) fn str_concat(&mut self, call: &Call, own: &Type) -> Piece {
        let from = self.concatenated(&call.args[0], &call.args[1], own);
        let size = self.stored_size(own);
        Piece::copied(from, size)
    }

    pub(crate) fn bswap(&mut self, call: &Call) -> Operand {
        let arg = &call.args[0];
        let bytes = self.c_size(&self.kind(arg)) as u8;
        let value = self.val(arg);
        if bytes < 2 {
            return value;
        }
        let from = self.as_register(value);
        let to = self.reg();
        self.op(Op::Swap(to, from, bytes));
        Operand::Reg(to)
    }

    pub(crate) fn str_piece(&mut self, call: &Call, own: &Type) -> Piece {
        let first = &call.args[0];
        let Type::Str(size) = *own else {
            return Piece::Words(Vec::new());
        };
        if first.parameter().is_some() {
            return self.parameter_text(first, size);
        }
        let limit = call
            .args
            .get(1)
            .and_then(|arg| match self.constant(arg.id) {
                Some(_) => None,
                None => Some(self.val(arg)),
            });
        match self.kind(first) {
            Type::Str(own_size) | Type::Array(_, own_size) => {
                let from = self.memory(first);
                if size < own_size || limit.is_some() {
                    return Piece::Text { from, size, limit };
                }
                match from {
                    Mem::Far(..) => Piece::Characters {
                        from,
                        size: own_size,
                    },
                    _ => Piece::copied(from, own_size),
                }
            }
            _ => {
                let from = self.pointed_memory(first);
                Piece::Text { from, size, limit }
            }
        }
    }

    /// A parameter as a string, even where it is a number.
    fn parameter_text(&mut self, expr: &Expr, size: u32) -> Piece {
        let from = self.known_text(expr);
        Piece::copied(from, size)
    }

    pub(crate) fn getopt(&mut self, call: &Call, _: &Type) -> Piece {
        let args = call.args.as_slice();
        let named = match &args[0].kind {
            ExprKind::Str(name) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        let given = self
            .given
            .params
            .named
            .iter()
            .find(|(name, _)| *name == named);
        match given.and_then(|(_, value)| value.clone()) {
            Some(text) => {
                let mut bytes = text.into_bytes();
                bytes.push(0);
                let size = bytes.len() as u32;
                let from = Mem::Rodata(self.shared.constant(&bytes));
                Piece::copied(from, size)
            }
            None => match args.get(1) {
                Some(default) => {
                    let kind = self.kind(default);
                    self.piece(default, &kind)
                }
                None => Piece::Words(Vec::new()),
            },
        }
    }

    pub(crate) fn buf_piece(&mut self, call: &Call, own: &Type) -> Piece {
        let Type::Buf(size) = *own else {
            return Piece::Words(Vec::new());
        };
        let from = self.pointed_memory(&call.args[0]);
        let length = match call.args.get(1) {
            Some(arg) => self.val(arg),
            None => Operand::Imm(size.into()),
        };
        Piece::Buffer { from, length, size }
    }
}
