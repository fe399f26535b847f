//! Functions of addresses: in memory, of networks, of registers.

use std::net::IpAddr;

use crate::{
    ast::{Call, ExprKind},
    ir::{Alu, Cond, Op, Operand},
    lower::{Lower, Mem, Piece},
    types::Type,
};

/// The kernel's errors lie in the last page of addresses: `MAX_ERRNO` of `include/linux/err.h`.
const MAX_ERRNO: i64 = 4095;

/// The families of `AF_INET` and `AF_INET6`.
const INET: i64 = 2;
const INET6: i64 = 10;

impl Lower<'_, '_> {
    pub(crate) fn address_of_first(&mut self, call: &Call) -> Operand {
        self.val_of_pointer(&call.args[0])
    }

    pub(crate) fn usym(&mut self, call: &Call, _: &Type) -> Piece {
        let address = self.val_of_pointer(&call.args[0]);
        self.user_symbol(address)
    }

    pub(crate) fn macaddr(&mut self, call: &Call, _: &Type) -> Piece {
        let from = self.pointed_memory(&call.args[0]);
        Piece::copied(from, 6)
    }

    pub(crate) fn inet_piece(&mut self, call: &Call, _: &Type) -> Piece {
        let address = call.args.last().expect("one at least");
        let family = match call.args.len() {
            2 => Some(self.val(&call.args[0])),
            _ => None,
        };
        let kind = self.kind(address);
        match kind {
            Type::Int { .. } => {
                let value = self.val(address);
                let family = family.unwrap_or(Operand::Imm(INET));
                Piece::Words(vec![family, value, Operand::Imm(0)])
            }
            _ => {
                let from = self.pointed_memory(address);
                let size = match kind {
                    Type::Ptr(..) => 16,
                    kind => self.c_size(&kind).min(16),
                };
                let by_size = if size == 4 { INET } else { INET6 };
                Piece::Copied {
                    before: Some(family.unwrap_or(Operand::Imm(by_size))),
                    from,
                    size,
                }
            }
        }
    }

    /// `pton`: the bytes of an address.
    pub(crate) fn pton(&mut self, call: &Call, _: &Type) -> Piece {
        let text = match &call.args[0].kind {
            ExprKind::Str(text) => String::from_utf8_lossy(text).into_owned(),
            ExprKind::Positional(index) => {
                let given = self.given.params.positional.get(*index as usize - 1);
                given.cloned().unwrap_or_default()
            }
            _ => String::new(),
        };
        let bytes = match text.parse() {
            Ok(IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(IpAddr::V6(address)) => address.octets().to_vec(),
            Err(_) => Vec::new(),
        };
        let from = Mem::Rodata(self.shared.constant(&bytes));
        Piece::copied(from, bytes.len() as u32)
    }

    pub(crate) fn reg_call(&mut self, call: &Call) -> Operand {
        let name = self.literal_text(&call.args[0]).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let member = crate::compile::register_member(&name).unwrap_or_default();
        self.register(member)
    }

    pub(crate) fn is_err(&mut self, call: &Call) -> Operand {
        let value = self.val(&call.args[0]);
        let first = Operand::Imm(-MAX_ERRNO);
        Operand::Reg(self.comparison(Cond::Ge, value, first))
    }

    pub(crate) fn container_of(&mut self, call: &Call) -> Operand {
        let pointer = self.val(&call.args[0]);
        let offset = self.constant(call.args[2].id).unwrap_or(0);
        let to = self.reg();
        self.op(Op::Alu(Alu::Sub, to, pointer, Operand::Imm(offset)));
        Operand::Reg(to)
    }
}
