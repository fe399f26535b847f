//! One function, from operations on virtual registers to instructions.

use super::{
    Insn, Reference,
    allocate::{Allocation, Place, allocate},
    bpf,
    moves::Source,
};
use crate::{
    diagnostic::Span,
    ir::{Alu, Base, BlockId, Cond, End, Function, Op, Operand, Reg, Size},
};

/// For the value that is worked on.
pub(super) const FIRST: u8 = 0;
/// For a second one.
const SECOND: u8 = 5;

/// Bytes of stack that the kernel gives a program and all it calls.
const STACK: u32 = 512;

/// A function's instructions.
pub(super) struct Assembled {
    pub(super) instructions: Vec<Insn>,
    pub(super) references: Vec<(usize, Reference)>,
    /// Calls of functions and `ld_imm64` of their addresses, with the functions' numbers.
    pub(super) functions: Vec<(usize, usize)>,
    pub(super) spans: Vec<(usize, Span)>,
    /// Bytes of stack.
    pub(super) stack: u32,
}

/// Assembles a function.
pub(super) fn assemble(function: &mut Function) -> Result<Assembled, String> {
    let allocation = allocate(function)?;
    let mut offsets = Vec::new();
    let mut used = allocation.spilled * 8;
    for size in &function.slots {
        used += size.div_ceil(8) * 8;
        offsets.push(-(used as i32));
    }
    if used > STACK {
        return Err(format!(
            "it needs {used} bytes of stack, and the kernel gives {STACK}"
        ));
    }
    let mut assembler = Assembler {
        out: Assembled {
            instructions: Vec::new(),
            references: Vec::new(),
            functions: Vec::new(),
            spans: Vec::new(),
            stack: used,
        },
        allocation: &allocation,
        slots: &offsets,
        starts: vec![None; function.blocks.len()],
        jumps: Vec::new(),
    };
    // The kernel wants to know where each function begins in the source.
    assembler.at(function.first_span());
    assembler.parameters();
    for (index, &block) in allocation.order.iter().enumerate() {
        assembler.block(function, block, allocation.order.get(index + 1).copied());
    }
    assembler.link()?;
    Ok(assembler.out)
}

pub(super) struct Assembler<'a> {
    pub(super) out: Assembled,
    allocation: &'a Allocation,
    pub(super) slots: &'a [i32],
    starts: Vec<Option<usize>>,
    /// Jumps, and the blocks they lead to.
    jumps: Vec<(usize, BlockId)>,
}

impl Assembler<'_> {
    pub(super) fn push(&mut self, insn: Insn) {
        self.out.instructions.push(insn);
    }

    pub(super) fn place(&self, reg: Reg) -> Place {
        self.allocation.places[reg as usize]
    }

    fn word(word: u32) -> i16 {
        -((word as i16 + 1) * 8)
    }

    /// Parameters come in registers 1 to 5, and go where they are kept. Where one that is not used as it comes
    /// would go, another may be.
    fn parameters(&mut self) {
        let mut moves = Vec::new();
        for &param in &self.allocation.params {
            let from = param as u8 + 1;
            match self.place(param) {
                Place::Unused => {}
                Place::Spilled(word) => {
                    self.push(bpf::store(bpf::FRAME, Self::word(word), from, Size::B64));
                }
                Place::Machine(to) => moves.push((to, Source::Machine(from))),
            }
        }
        self.parallel(moves);
    }

    /// The register that holds an operand's value: its own, or `temporary`.
    pub(super) fn read(&mut self, operand: Operand, temporary: u8) -> u8 {
        match operand {
            Operand::Imm(value) => {
                self.constant(temporary, value);
                temporary
            }
            Operand::Reg(reg) => match self.place(reg) {
                Place::Machine(machine) => machine,
                Place::Spilled(word) => {
                    self.push(bpf::load(
                        temporary,
                        bpf::FRAME,
                        Self::word(word),
                        Size::B64,
                    ));
                    temporary
                }
                // Read without ever having been written: any value will do.
                Place::Unused => {
                    self.push(bpf::mov_imm(temporary, 0));
                    temporary
                }
            },
        }
    }

    pub(super) fn constant(&mut self, to: u8, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.push(bpf::mov_imm(to, value)),
            Err(_) => {
                let insns = bpf::load_imm64(to, 0, value as i32, (value >> 32) as i32);
                self.out.instructions.extend(insns);
            }
        }
    }

    /// The register that a value is made in.
    fn target(&self, to: Reg) -> u8 {
        match self.place(to) {
            Place::Machine(machine) => machine,
            _ => FIRST,
        }
    }

    /// Puts what was made in [`Self::target`] where it belongs.
    pub(super) fn write(&mut self, to: Reg) {
        if let Place::Spilled(word) = self.place(to) {
            self.push(bpf::store(bpf::FRAME, Self::word(word), FIRST, Size::B64));
        }
    }

    pub(super) fn move_to(&mut self, to: u8, from: u8) {
        if to != from {
            self.push(bpf::mov(to, from));
        }
    }

    fn base(&mut self, base: Base, offset: i32, temporary: u8) -> (u8, i16) {
        match base {
            Base::Slot(slot) => (bpf::FRAME, (self.slots[slot] + offset) as i16),
            Base::Reg(reg) => {
                let machine = self.read(Operand::Reg(reg), temporary);
                match i16::try_from(offset) {
                    Ok(offset) => (machine, offset),
                    Err(_) => {
                        self.move_to(temporary, machine);
                        self.push(bpf::alu_imm(Alu::Add, temporary, offset));
                        (temporary, 0)
                    }
                }
            }
        }
    }

    fn block(&mut self, function: &Function, block: BlockId, next: Option<BlockId>) {
        self.starts[block] = Some(self.out.instructions.len());
        let block = &function.blocks[block];
        for (op, span) in &block.ops {
            self.at(*span);
            self.op(op);
        }
        self.at(block.end_span);
        self.end(&block.end, next);
    }

    fn at(&mut self, span: Span) {
        let here = self.out.instructions.len();
        match self.out.spans.last_mut() {
            Some((_, last)) if *last == span => {}
            Some((start, last)) if *start == here => *last = span,
            _ => self.out.spans.push((here, span)),
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Const(to, value) => {
                let machine = self.target(*to);
                self.constant(machine, *value);
                self.write(*to);
            }
            Op::Move(to, from) => {
                let machine = self.target(*to);
                let from = self.read(Operand::Reg(*from), machine);
                self.move_to(machine, from);
                self.write(*to);
            }
            Op::Alu(alu, to, left, right) => self.alu(*alu, *to, *left, *right),
            Op::Extend {
                to,
                from,
                bytes,
                signed,
            } => self.extend(*to, *from, *bytes, *signed),
            Op::Swap(to, from, bytes) => {
                let machine = self.target(*to);
                let from = self.read(Operand::Reg(*from), machine);
                self.move_to(machine, from);
                self.push(bpf::swap(machine, i32::from(*bytes) * 8));
                self.write(*to);
            }
            Op::Load(to, base, offset, size) => {
                let (base, offset) = self.base(*base, *offset, SECOND);
                let machine = self.target(*to);
                self.push(bpf::load(machine, base, offset, *size));
                self.write(*to);
            }
            Op::Store(base, offset, value, size) => {
                let (base, offset) = self.base(*base, *offset, SECOND);
                match value {
                    Operand::Imm(value) if i32::try_from(*value).is_ok() => {
                        self.push(bpf::store_imm(base, offset, *value as i32, *size));
                    }
                    _ => {
                        let value = self.read(*value, FIRST);
                        self.push(bpf::store(base, offset, value, *size));
                    }
                }
            }
            Op::Atomic(atomic, to, base, offset, value) => {
                let (base, offset) = self.base(*base, *offset, SECOND);
                let mut value = self.read(*value, FIRST);
                if to.is_some() {
                    self.move_to(FIRST, value);
                    value = FIRST;
                }
                self.push(bpf::atomic(*atomic, base, offset, value));
                if let Some(to) = to {
                    let machine = self.target(*to);
                    self.move_to(machine, FIRST);
                    self.write(*to);
                }
            }
            Op::Address(to, arg) => {
                let machine = self.target(*to);
                self.arg(machine, *arg);
                self.write(*to);
            }
            Op::Call(to, helper, args) => {
                self.arguments(args);
                self.push(bpf::call(*helper as u32));
                self.returned(*to);
            }
            Op::CallFunction(to, function, args) => {
                self.arguments(args);
                self.out
                    .functions
                    .push((self.out.instructions.len(), *function));
                self.push(bpf::call_function());
                self.returned(Some(*to));
            }
        }
    }

    fn alu(&mut self, alu: Alu, to: Reg, left: Operand, right: Operand) {
        let machine = self.target(to);
        let small = match right {
            Operand::Imm(value) => i32::try_from(value).ok(),
            Operand::Reg(_) => None,
        };
        if let Some(value) = small {
            let left = self.read(left, machine);
            self.move_to(machine, left);
            self.push(bpf::alu_imm(alu, machine, value));
        } else {
            let right = self.read(right, SECOND);
            // The left operand must not overwrite the right one.
            let work = if machine == right { FIRST } else { machine };
            let left = self.read(left, work);
            self.move_to(work, left);
            self.push(bpf::alu(alu, work, right));
            self.move_to(machine, work);
        }
        self.write(to);
    }

    fn extend(&mut self, to: Reg, from: Reg, bytes: u8, signed: bool) {
        let machine = self.target(to);
        let from = self.read(Operand::Reg(from), machine);
        match (bytes, signed) {
            (4, false) => self.push(bpf::mov32(machine, from)),
            (_, false) => {
                self.move_to(machine, from);
                let mask = (1i64 << (u32::from(bytes) * 8)) - 1;
                self.push(bpf::alu_imm(Alu::And, machine, mask as i32));
            }
            (_, true) => {
                self.move_to(machine, from);
                let shift = 64 - i32::from(bytes) * 8;
                self.push(bpf::alu_imm(Alu::Lsh, machine, shift));
                self.push(bpf::alu_imm(Alu::Arsh, machine, shift));
            }
        }
        self.write(to);
    }

    pub(super) fn reference(&mut self, reference: Reference) {
        let here = self.out.instructions.len();
        self.out.references.push((here, reference));
    }

    fn jump(&mut self, insn: Insn, to: BlockId) {
        self.jumps.push((self.out.instructions.len(), to));
        self.push(insn);
    }

    fn end(&mut self, end: &End, next: Option<BlockId>) {
        match end {
            End::Jump(to) => {
                if next != Some(*to) {
                    self.jump(bpf::jump(), *to);
                }
            }
            End::Return(value) => {
                let value = self.read(*value, FIRST);
                self.move_to(FIRST, value);
                self.push(bpf::exit());
            }
            End::Branch(cond, left, right, then, other) => {
                if next == Some(*then) {
                    self.branch(opposite(*cond), *left, *right, *other);
                } else {
                    self.branch(*cond, *left, *right, *then);
                    if next != Some(*other) {
                        self.jump(bpf::jump(), *other);
                    }
                }
            }
        }
    }

    fn branch(&mut self, cond: Cond, left: Operand, right: Operand, to: BlockId) {
        let left = self.read(left, FIRST);
        let insn = match right {
            Operand::Imm(value) if i32::try_from(value).is_ok() => {
                bpf::branch_imm(cond, left, value as i32)
            }
            _ => {
                let right = self.read(right, SECOND);
                bpf::branch(cond, left, right)
            }
        };
        self.jump(insn, to);
    }

    fn link(&mut self) -> Result<(), String> {
        for &(at, to) in &self.jumps {
            let target = self.starts[to].ok_or("a jump leads nowhere")?;
            let distance = target as i64 - at as i64 - 1;
            self.out.instructions[at].offset = i16::try_from(distance)
                .map_err(|_| "it is too long: a jump reaches 32,767 instructions".to_owned())?;
        }
        Ok(())
    }
}

fn opposite(cond: Cond) -> Cond {
    match cond {
        Cond::Eq => Cond::Ne,
        Cond::Ne => Cond::Eq,
        Cond::Gt => Cond::Le,
        Cond::Le => Cond::Gt,
        Cond::Ge => Cond::Lt,
        Cond::Lt => Cond::Ge,
        Cond::SGt => Cond::SLe,
        Cond::SLe => Cond::SGt,
        Cond::SGe => Cond::SLt,
        Cond::SLt => Cond::SGe,
    }
}
