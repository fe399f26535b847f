//! Functions of addresses: in memory, of networks, of registers.

use std::net::IpAddr;

use crate::{
    ast::{Call, ExprKind},
    check::CPU_OFFSETS,
    ir::{Alu, Cond, Helper, Op, Operand},
    lower::{Known, Lower, Mem, Piece, args::INSTRUCTION},
    types::{Space, Type, align},
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

    /// `percpu_kaddr`: null where there is no such CPU.
    pub(crate) fn percpu_kaddr(&mut self, call: &Call) -> Operand {
        let name = self.literal_text(&call.args[0]).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let address = |name: &str| self.given.facts.kernel_symbol(name).unwrap_or(0) as i64;
        let (symbol, offsets) = (address(&name), address(CPU_OFFSETS));
        let cpu = match call.args.get(1) {
            Some(cpu) => self.val(cpu),
            None => Operand::Reg(self.once(Known::Cpu, Helper::GetSmpProcessorId)),
        };
        let to = self.copy(Operand::Imm(0));
        let (there, done) = (self.block(), self.block());
        let cpus = Operand::Imm(self.given.facts.cpus().into());
        let cpu = Operand::Reg(self.as_register(cpu));
        self.branch(Cond::Lt, cpu, cpus, there, done);
        self.go_on_at(there);
        let place = self.reg();
        self.op(Op::Alu(Alu::Lsh, place, cpu, Operand::Imm(3)));
        let table = Operand::Reg(self.copy(Operand::Imm(offsets)));
        self.op(Op::Alu(Alu::Add, place, Operand::Reg(place), table));
        let offset = self.load(Mem::Far(place, 0, Space::Kernel), 8);
        let symbol = Operand::Reg(self.copy(Operand::Imm(symbol)));
        self.op(Op::Alu(Alu::Add, to, Operand::Reg(offset), symbol));
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    /// `typeinfo`
    pub(crate) fn typeinfo(&mut self, call: &Call, _: &Type) -> Piece {
        let kind = self.kind(&call.args[0]);
        let mut parts = vec![(Piece::Words(vec![Operand::Imm(0)]), 8)];
        for name in [kind.family().to_owned(), kind.to_string()] {
            let mut bytes = name.into_bytes();
            bytes.push(0);
            let size = bytes.len() as u32;
            let from = Mem::Rodata(self.shared.constant(&bytes));
            parts.push((Piece::copied(from, size), align(size)));
        }
        Piece::Parts(parts)
    }

    /// Where a symbol lies in the process: as far from where the process is as in the file.
    pub(crate) fn uaddr(&mut self, call: &Call) -> Operand {
        let name = self.literal_text(&call.args[0]).unwrap_or_default();
        let name = String::from_utf8_lossy(&name);
        let facts = self.given.facts;
        let Some(symbol) = facts.user_symbol(&self.target().group, &name) else {
            return Operand::Imm(0);
        };
        match self.probed_address() {
            Some(probed) => {
                let distance = symbol.address.wrapping_sub(probed) as i64;
                let at = self.register(INSTRUCTION);
                let to = self.reg();
                self.op(Op::Alu(Alu::Add, to, at, Operand::Imm(distance)));
                Operand::Reg(to)
            }
            None => Operand::Imm(symbol.address as i64),
        }
    }

    /// The address of the probe's one place in the file; [`None`] where there are several, or where the function has
    /// been left, when registers tell nothing of it.
    fn probed_address(&self) -> Option<u64> {
        let [target] = self.given.unit.targets.as_slice() else {
            return None;
        };
        if target.kind.is_return() {
            return None;
        }
        self.given.facts.user_address(&target.group, target.offset)
    }

    pub(crate) fn reg_call(&mut self, call: &Call) -> Operand {
        let name = self.literal_text(&call.args[0]).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let member = crate::registers::register_member(&name).unwrap_or_default();
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
