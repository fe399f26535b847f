//! What is moved around calls: arguments to their registers, and what was returned to where it belongs.

use super::{
    Reference,
    allocate::Place,
    assemble::{Assembler, FIRST},
    bpf,
};
use crate::ir::{Alu, Arg, Operand, Reg};

/// What is moved into a register before a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Machine(u8),
    Other(Arg),
}

impl Assembler<'_> {
    pub(super) fn arguments(&mut self, args: &[Arg]) {
        let moves = args.iter().enumerate().map(|(index, &arg)| {
            let source = match arg {
                Arg::Reg(reg) => match self.place(reg) {
                    Place::Machine(machine) => Source::Machine(machine),
                    _ => Source::Other(arg),
                },
                _ => Source::Other(arg),
            };
            (index as u8 + 1, source)
        });
        let moves = moves.collect();
        self.parallel(moves);
    }

    /// Puts what a call returned where it belongs.
    pub(super) fn returned(&mut self, to: Option<Reg>) {
        if let Some(to) = to {
            match self.place(to) {
                Place::Machine(machine) => self.move_to(machine, FIRST),
                Place::Spilled(_) => self.write(to),
                Place::Unused => {}
            }
        }
    }

    /// Moves all at once: no register is overwritten before it has been read.
    pub(super) fn parallel(&mut self, mut moves: Vec<(u8, Source)>) {
        moves.retain(|&(to, source)| source != Source::Machine(to));
        let (mut registers, others): (Vec<_>, Vec<_>) = moves
            .into_iter()
            .partition(|(_, source)| matches!(source, Source::Machine(_)));
        while !registers.is_empty() {
            let is_read = |to: u8, all: &[(u8, Source)]| {
                all.iter().any(|&(_, source)| source == Source::Machine(to))
            };
            let ready = registers
                .iter()
                .position(|&(to, _)| !is_read(to, &registers));
            match ready {
                Some(index) => {
                    if let (to, Source::Machine(from)) = registers.swap_remove(index) {
                        self.push(bpf::mov(to, from));
                    }
                }
                // A circle: one of them waits in a register of its own.
                None => {
                    if let Source::Machine(from) = registers[0].1 {
                        self.push(bpf::mov(FIRST, from));
                        for (_, source) in &mut registers {
                            if *source == Source::Machine(from) {
                                *source = Source::Machine(FIRST);
                            }
                        }
                    }
                }
            }
        }
        for (to, source) in others {
            if let Source::Other(arg) = source {
                self.arg(to, arg);
            }
        }
    }

    pub(super) fn arg(&mut self, to: u8, arg: Arg) {
        match arg {
            Arg::Reg(reg) => {
                let from = self.read(Operand::Reg(reg), to);
                self.move_to(to, from);
            }
            Arg::Imm(value) => self.constant(to, value),
            Arg::Slot(slot, offset) => {
                self.push(bpf::mov(to, bpf::FRAME));
                let offset = self.slots[slot] + offset;
                self.push(bpf::alu_imm(Alu::Add, to, offset));
            }
            Arg::Map(map) => {
                self.reference(Reference::Map(map));
                let insns = bpf::load_imm64(to, bpf::PSEUDO_MAP_FD, 0, 0);
                self.out.instructions.extend(insns);
            }
            Arg::MapValue(map, offset) => {
                self.reference(Reference::MapValue(map));
                let insns = bpf::load_imm64(to, bpf::PSEUDO_MAP_VALUE, 0, offset as i32);
                self.out.instructions.extend(insns);
            }
            Arg::Function(function) => {
                let here = self.out.instructions.len();
                self.out.functions.push((here, function));
                let insns = bpf::load_imm64(to, bpf::PSEUDO_FUNC, 0, 0);
                self.out.instructions.extend(insns);
            }
        }
    }
}
