//! The instructions of BPF, by name. Source: `Documentation/bpf/standardization/instruction-set.rst`.

use super::Insn;
use crate::ir::{Alu, Atomic, Cond, Size};

/// The stack's end, which is read only.
pub(super) const FRAME: u8 = 10;

const LD: u8 = 0x00;
const LDX: u8 = 0x01;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const JMP: u8 = 0x05;
const ALU32: u8 = 0x04;
const ALU64: u8 = 0x07;
const MEM: u8 = 0x60;
const ATOMIC: u8 = 0xc0;
const REG: u8 = 0x08;

/// `BPF_PSEUDO_*` of `include/uapi/linux/bpf.h`.
pub(super) const PSEUDO_MAP_FD: u8 = 1;
pub(super) const PSEUDO_MAP_VALUE: u8 = 2;
pub(super) const PSEUDO_FUNC: u8 = 4;
const PSEUDO_CALL: u8 = 1;

fn insn(code: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Insn {
    Insn {
        code,
        registers: dst | src << 4,
        offset,
        imm,
    }
}

pub(super) fn mov(dst: u8, src: u8) -> Insn {
    insn(ALU64 | REG | 0xb0, dst, src, 0, 0)
}

pub(super) fn mov_imm(dst: u8, imm: i32) -> Insn {
    insn(ALU64 | 0xb0, dst, 0, 0, imm)
}

/// The low 32 bits, the upper ones cleared.
pub(super) fn mov32(dst: u8, src: u8) -> Insn {
    insn(ALU32 | REG | 0xb0, dst, src, 0, 0)
}

fn alu_code(alu: Alu) -> u8 {
    match alu {
        Alu::Add => 0x00,
        Alu::Sub => 0x10,
        Alu::Mul => 0x20,
        Alu::Div => 0x30,
        Alu::Or => 0x40,
        Alu::And => 0x50,
        Alu::Lsh => 0x60,
        Alu::Rsh => 0x70,
        Alu::Mod => 0x90,
        Alu::Xor => 0xa0,
        Alu::Arsh => 0xc0,
    }
}

pub(super) fn alu(alu: Alu, dst: u8, src: u8) -> Insn {
    insn(ALU64 | REG | alu_code(alu), dst, src, 0, 0)
}

pub(super) fn alu_imm(alu: Alu, dst: u8, imm: i32) -> Insn {
    insn(ALU64 | alu_code(alu), dst, 0, 0, imm)
}

/// Turns the order of bytes around: `BPF_END` to the order that is not this machine's.
pub(super) fn swap(dst: u8, bits: i32) -> Insn {
    let to_big = if cfg!(target_endian = "little") {
        REG
    } else {
        0
    };
    insn(ALU32 | 0xd0 | to_big, dst, 0, 0, bits)
}

fn size_code(size: Size) -> u8 {
    match size {
        Size::B32 => 0x00,
        Size::B16 => 0x08,
        Size::B8 => 0x10,
        Size::B64 => 0x18,
    }
}

pub(super) fn load(dst: u8, base: u8, offset: i16, size: Size) -> Insn {
    insn(LDX | MEM | size_code(size), dst, base, offset, 0)
}

pub(super) fn store(base: u8, offset: i16, src: u8, size: Size) -> Insn {
    insn(STX | MEM | size_code(size), base, src, offset, 0)
}

pub(super) fn store_imm(base: u8, offset: i16, imm: i32, size: Size) -> Insn {
    insn(ST | MEM | size_code(size), base, 0, offset, imm)
}

pub(super) fn atomic(atomic: Atomic, base: u8, offset: i16, src: u8) -> Insn {
    let operation = match atomic {
        Atomic::Add => 0x00,
        Atomic::FetchAdd => 0x01,
        Atomic::Exchange => 0xe1,
    };
    insn(
        STX | ATOMIC | size_code(Size::B64),
        base,
        src,
        offset,
        operation,
    )
}

/// `ld_imm64`: two instructions.
pub(super) fn load_imm64(dst: u8, pseudo: u8, low: i32, high: i32) -> [Insn; 2] {
    [
        insn(LD | size_code(Size::B64), dst, pseudo, 0, low),
        insn(0, 0, 0, 0, high),
    ]
}

pub(super) fn jump() -> Insn {
    insn(JMP, 0, 0, 0, 0)
}

fn cond_code(cond: Cond) -> u8 {
    match cond {
        Cond::Eq => 0x10,
        Cond::Gt => 0x20,
        Cond::Ge => 0x30,
        Cond::Ne => 0x50,
        Cond::SGt => 0x60,
        Cond::SGe => 0x70,
        Cond::Lt => 0xa0,
        Cond::Le => 0xb0,
        Cond::SLt => 0xc0,
        Cond::SLe => 0xd0,
    }
}

pub(super) fn branch(cond: Cond, left: u8, right: u8) -> Insn {
    insn(JMP | REG | cond_code(cond), left, right, 0, 0)
}

pub(super) fn branch_imm(cond: Cond, left: u8, imm: i32) -> Insn {
    insn(JMP | cond_code(cond), left, 0, 0, imm)
}

pub(super) fn call(helper: u32) -> Insn {
    insn(JMP | 0x80, 0, 0, 0, helper as i32)
}

/// Calls a function of the program; the constant is its distance, put in later.
pub(super) fn call_function() -> Insn {
    insn(JMP | 0x80, 0, PSEUDO_CALL, 0, 0)
}

pub(super) fn exit() -> Insn {
    insn(JMP | 0x90, 0, 0, 0, 0)
}

/// True for an instruction that takes two places.
pub(super) fn is_wide(insn: &Insn) -> bool {
    insn.code == LD | size_code(Size::B64)
}

/// What an instruction does, in the words of the kernel's own listing.
pub(super) fn describe(insn: &Insn) -> String {
    let (dst, src) = (insn.registers & 15, insn.registers >> 4);
    let (code, offset, imm) = (insn.code, insn.offset, insn.imm);
    let size = ["u32", "u16", "u8", "u64"][usize::from(code >> 3 & 3)];
    let right = if code & REG != 0 {
        format!("r{src}")
    } else {
        imm.to_string()
    };
    match code & 7 {
        LD => format!("r{dst} = ({src}) {imm:#x} ll"),
        LDX => format!("r{dst} = *({size} *)(r{src} {offset:+})"),
        ST => format!("*({size} *)(r{dst} {offset:+}) = {imm}"),
        STX if code & 0xe0 == ATOMIC => {
            format!("lock *({size} *)(r{dst} {offset:+}) op {imm:#x} r{src}")
        }
        STX => format!("*({size} *)(r{dst} {offset:+}) = r{src}"),
        JMP => match code & 0xf0 {
            0x00 => format!("goto {offset:+}"),
            0x80 if src == PSEUDO_CALL => format!("call pc{imm:+}"),
            0x80 => format!("call {imm}"),
            0x90 => "exit".to_owned(),
            other => format!("if r{dst} {} {right} goto {offset:+}", comparison(other)),
        },
        class => {
            let register = if class == ALU64 { "r" } else { "w" };
            match code & 0xf0 {
                0xb0 => format!("{register}{dst} = {right}"),
                0xd0 => format!("r{dst} = swap{imm} r{dst}"),
                other => format!("{register}{dst} {}= {right}", operation(other)),
            }
        }
    }
}

fn comparison(code: u8) -> &'static str {
    match code {
        0x10 => "==",
        0x20 => ">",
        0x30 => ">=",
        0x50 => "!=",
        0x60 => "s>",
        0x70 => "s>=",
        0xa0 => "<",
        0xb0 => "<=",
        0xc0 => "s<",
        _ => "s<=",
    }
}

fn operation(code: u8) -> &'static str {
    match code {
        0x00 => "+",
        0x10 => "-",
        0x20 => "*",
        0x30 => "/",
        0x40 => "|",
        0x50 => "&",
        0x60 => "<<",
        0x70 => ">>",
        0x90 => "%",
        0xa0 => "^",
        _ => "s>>",
    }
}
