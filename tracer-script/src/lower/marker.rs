//! Arguments of static markers (USDT).

use super::{Lower, Mem};
use crate::{
    ir::{Alu, Operand, Reg},
    marker::{Address, Index, Place, Register},
    types::{Space, Type},
};

/// Bytes of one of several words that a member of `struct pt_regs` has.
const WORD: i32 = 8;

impl Lower<'_, '_> {
    /// `argN` of a marker.
    pub(super) fn marker_argument(&mut self, number: u32) -> Operand {
        let arguments = &self.given.unit.targets[0].arguments;
        let Some(argument) = arguments.get(number as usize).cloned() else {
            return Operand::Imm(0);
        };
        let kind = Type::int(argument.bytes, argument.signed);
        let value = match argument.place {
            Place::Constant(value) => self.copy(Operand::Imm(value)),
            Place::Register(register) => self.named_register(register),
            Place::Memory(address) => {
                let at = self.marker_address(address);
                self.load(Mem::Far(at, 0, Space::User), argument.bytes.into())
            }
            Place::Address(address) => self.marker_address(address),
            Place::OutOfReach(_) => return Operand::Imm(0),
        };
        self.narrowed(Operand::Reg(value), &kind)
    }

    /// The register with the bits that its name stands for lowest. What is above them is still there.
    fn named_register(&mut self, register: Register) -> Reg {
        let Some(offset) = self.register_offset(register.member) else {
            let (span, name) = (self.span, register.member);
            self.error(span, format!("this kernel's registers have no '{name}'"));
            return self.copy(Operand::Imm(0));
        };
        let context = self.context();
        let at = offset as i32 + i32::from(register.word) * WORD;
        let whole = self.load(Mem::At(context, at), 8);
        match register.first_bit {
            0 => whole,
            bits => self.combined(Alu::Rsh, whole, Operand::Imm(bits.into())),
        }
    }

    fn marker_address(&mut self, address: Address) -> Reg {
        let displacement = Operand::Imm(address.displacement);
        let mut sum = match address.base {
            None => self.copy(displacement),
            Some(base) => {
                let base = self.whole(base, false);
                match address.displacement {
                    0 => base,
                    _ => self.combined(Alu::Add, base, displacement),
                }
            }
        };
        if let Some(Index {
            register,
            signed,
            scale,
        }) = address.index
        {
            let index = self.whole(register, signed);
            let index = self.combined(Alu::Mul, index, Operand::Imm(scale.into()));
            sum = self.combined(Alu::Add, sum, Operand::Reg(index));
        }
        sum
    }

    /// The register by the name's own width.
    fn whole(&mut self, register: Register, signed: bool) -> Reg {
        let value = self.named_register(register);
        match self.narrowed(Operand::Reg(value), &Type::int(register.bytes, signed)) {
            Operand::Reg(reg) => reg,
            other => self.copy(other),
        }
    }

    fn combined(&mut self, how: Alu, left: Reg, right: Operand) -> Reg {
        self.alu(how, left, right)
    }
}
