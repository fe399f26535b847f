//! Operands as the GNU assembler writes them for 64-bit Arm: `x0`, `w1`, `5`, `[sp, 8]`, `[x0, w1, sxtw 2]`.

use super::{
    Address, Distance, Index, Place, Register,
    operand::{Reason, UNKNOWN, sum},
};

pub(super) fn place(operand: &str, distance: Distance<'_>) -> Result<Place, Reason> {
    if let Some(inner) = operand.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(UNKNOWN)?;
        return memory(inner, distance).map(Place::Memory);
    }
    if matches!(operand, "xzr" | "wzr") {
        return Ok(Place::Constant(0));
    }
    if let Some(register) = register(operand) {
        return Ok(Place::Register(register));
    }
    let sum = sum(without_hash(operand), distance).map_err(|reason| match is_vector(operand) {
        true => "BPF programs see general registers only",
        false => reason,
    })?;
    Ok(match sum.from_marker {
        true => Place::Address(Address {
            base: Some(general("pc", 0)),
            index: None,
            displacement: sum.number,
        }),
        false => Place::Constant(sum.number),
    })
}

/// `base`, `base, displacement`, or `base, index, how much`.
fn memory(inner: &str, distance: Distance<'_>) -> Result<Address, Reason> {
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let base = Some(register(parts[0]).ok_or(UNKNOWN)?);
    let (index, displacement) = match parts[1..] {
        [] => (None, 0),
        [part] => match register(part) {
            Some(register) => (Some((register, "")), 0),
            None => (None, without_symbol(part, distance)?),
        },
        [part, shift] => {
            let register = register(part).ok_or(UNKNOWN)?;
            (Some((register, shift)), 0)
        }
        _ => return Err(UNKNOWN),
    };
    let index = index.map(|(register, shift)| scaled(register, shift));
    Ok(Address {
        base,
        index: index.transpose()?,
        displacement,
    })
}

fn without_symbol(text: &str, distance: Distance<'_>) -> Result<i64, Reason> {
    let sum = sum(without_hash(text), distance)?;
    match sum.from_marker {
        true => Err(UNKNOWN),
        false => Ok(sum.number),
    }
}

/// `lsl 3`, `sxtw 2`, `uxtw`: how the register is extended, and by how many bits it is shifted.
fn scaled(register: Register, text: &str) -> Result<Index, Reason> {
    let (how, bits) = text.split_once(' ').unwrap_or((text, "0"));
    let signed = match how {
        "" | "lsl" | "uxtw" | "uxtx" => false,
        "sxtw" | "sxtx" => true,
        _ => return Err(UNKNOWN),
    };
    let scale = match without_hash(bits.trim()) {
        "0" => 1,
        "1" => 2,
        "2" => 4,
        "3" => 8,
        _ => return Err(UNKNOWN),
    };
    Ok(Index {
        register,
        signed,
        scale,
    })
}

fn without_hash(text: &str) -> &str {
    text.strip_prefix('#').unwrap_or(text)
}

fn is_vector(operand: &str) -> bool {
    let mut bytes = operand.bytes();
    bytes.next().is_some_and(|first| b"bhsdqv".contains(&first))
        && operand.len() > 1
        && bytes.all(|byte| byte.is_ascii_digit())
}

fn general(member: &'static str, word: u8) -> Register {
    Register {
        member,
        word,
        first_bit: 0,
        bytes: 8,
    }
}

/// `struct user_pt_regs` of `arch/arm64/include/uapi/asm/ptrace.h`: 31 registers, `sp`, `pc`.
fn register(name: &str) -> Option<Register> {
    match name {
        "sp" | "wsp" => return Some(general("sp", 0)),
        "lr" => return Some(general("regs", 30)),
        _ => {}
    }
    let (bytes, number) = match name.strip_prefix('x') {
        Some(number) => (8, number),
        None => (4, name.strip_prefix('w')?),
    };
    let word: u8 = number.parse().ok().filter(|word| *word < 31)?;
    Some(Register {
        bytes,
        ..general("regs", word)
    })
}
