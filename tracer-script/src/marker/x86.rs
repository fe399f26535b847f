//! Operands as the GNU assembler writes them for x86: `%eax`, `$5`, `-8(%rbp,%rcx,4)`, `name+4(%rip)`.

use super::{
    Address, Distance, Index, Place, Register,
    operand::{Reason, Sum, UNKNOWN, sum},
};

/// Registers with names of their own: the member of `struct pt_regs`, and the names of 8, 4, 2 bytes and 1 byte, and
/// of the second byte.
const NAMED: [(&str, [&str; 5]); 8] = [
    ("ax", ["rax", "eax", "ax", "al", "ah"]),
    ("bx", ["rbx", "ebx", "bx", "bl", "bh"]),
    ("cx", ["rcx", "ecx", "cx", "cl", "ch"]),
    ("dx", ["rdx", "edx", "dx", "dl", "dh"]),
    ("si", ["rsi", "esi", "si", "sil", ""]),
    ("di", ["rdi", "edi", "di", "dil", ""]),
    ("bp", ["rbp", "ebp", "bp", "bpl", ""]),
    ("sp", ["rsp", "esp", "sp", "spl", ""]),
];

/// Registers with numbers: `%r8`, `%r8d`, `%r8w`, `%r8b`.
const NUMBERED: [&str; 8] = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

const INSTRUCTION: Register = Register {
    member: "ip",
    word: 0,
    first_bit: 0,
    bytes: 8,
};

pub(super) fn place(operand: &str, distance: Distance<'_>) -> Result<Place, Reason> {
    if let Some(value) = operand.strip_prefix('$') {
        let sum = sum(value, distance)?;
        return Ok(match sum.from_marker {
            true => Place::Address(at_marker(sum)),
            false => Place::Constant(sum.number),
        });
    }
    if operand.starts_with("%fs:") || operand.starts_with("%gs:") {
        return Err("memory of a thread is counted from a register that no BPF program sees");
    }
    if let Some(name) = operand.strip_prefix('%') {
        return Ok(Place::Register(register(name)?));
    }
    memory(operand, distance).map(Place::Memory)
}

fn at_marker(sum: Sum) -> Address {
    Address {
        base: Some(INSTRUCTION),
        index: None,
        displacement: sum.number,
    }
}

/// `displacement(base,index,scale)`, each of which may be left out.
fn memory(operand: &str, distance: Distance<'_>) -> Result<Address, Reason> {
    let Some((displacement, inner)) = operand.split_once('(') else {
        let sum = sum(operand, distance)?;
        return match sum.from_marker {
            true => Ok(at_marker(sum)),
            false => Err(UNKNOWN),
        };
    };
    let sum = sum(displacement, distance)?;
    let inner = inner.strip_suffix(')').ok_or(UNKNOWN)?;
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let (base, index, scale) = match parts.as_slice() {
        [base] => (*base, "", ""),
        [base, index] => (*base, *index, ""),
        [base, index, scale] => (*base, *index, *scale),
        _ => return Err(UNKNOWN),
    };
    if base == "%rip" {
        // Counted from the next instruction, which an assembler works out for symbols.
        return match sum.from_marker && index.is_empty() {
            true => Ok(at_marker(sum)),
            false => Err(UNKNOWN),
        };
    }
    let scale = match scale {
        "" => 1,
        "1" | "2" | "4" | "8" => scale.parse().map_err(|_| UNKNOWN)?,
        _ => return Err(UNKNOWN),
    };
    let mut base = address_part(base)?;
    let mut index = address_part(index)?.map(|register| plain_index(register, scale));
    if sum.from_marker {
        // The marker takes the base's place.
        index = match (base, index) {
            (None, index) => index,
            (Some(base), None) => Some(plain_index(base, 1)),
            (Some(_), Some(_)) => return Err(UNKNOWN),
        };
        base = Some(INSTRUCTION);
    }
    Ok(Address {
        base,
        index,
        displacement: sum.number,
    })
}

fn plain_index(register: Register, scale: u8) -> Index {
    Index {
        register,
        signed: false,
        scale,
    }
}

fn address_part(text: &str) -> Result<Option<Register>, Reason> {
    match text.strip_prefix('%') {
        Some(name) => register(name).map(Some),
        None if text.is_empty() => Ok(None),
        None => Err(UNKNOWN),
    }
}

fn register(name: &str) -> Result<Register, Reason> {
    const BYTES: [(u8, u8); 5] = [(8, 0), (4, 0), (2, 0), (1, 0), (1, 8)];
    for (member, names) in NAMED {
        let found = names.iter().position(|known| *known == name);
        if let Some(at) = found.filter(|_| !name.is_empty()) {
            let (bytes, first_bit) = BYTES[at];
            return Ok(Register {
                member,
                word: 0,
                first_bit,
                bytes,
            });
        }
    }
    for member in NUMBERED {
        let bytes = match name.strip_prefix(member) {
            Some("") => 8,
            Some("d") => 4,
            Some("w") => 2,
            Some("b") => 1,
            _ => continue,
        };
        return Ok(Register {
            member,
            word: 0,
            first_bit: 0,
            bytes,
        });
    }
    Err("BPF programs see general registers only")
}
