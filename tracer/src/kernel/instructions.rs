//! Where machine instructions begin: a breakpoint within one would change what the program does.
//!
//! Source: Intel's manual, volume 2, appendix A (opcode maps), for 64-bit mode.

use object::Architecture;

/// True where an instruction begins `offset` bytes behind the first one of `code`. [`None`] where that cannot be
/// told: for another kind of processor, or for what is no known instruction.
pub fn begins_at(machine: Architecture, code: &[u8], offset: usize) -> Option<bool> {
    match machine {
        Architecture::X86_64 => {
            let mut at = 0;
            while at < offset {
                at += length(code.get(at..)?)?;
            }
            Some(at == offset)
        }
        Architecture::Aarch64 => Some(offset.is_multiple_of(4)),
        _ => None,
    }
}

/// What stands behind an opcode.
#[derive(Clone, Copy)]
enum Behind {
    Nothing,
    /// So many bytes.
    Bytes(usize),
    /// Four bytes, or two with the prefix for 16 bits.
    Word,
    /// As [`Behind::Word`], and eight bytes where the instruction is wide.
    Full,
    /// An address: eight bytes, or four with the prefix for short ones.
    Address,
    /// Operands in a byte and what that asks for, then so many bytes.
    Operands(usize),
    /// The same, then a word.
    OperandsAndWord,
    /// The same, then so many bytes (0 for a word) where the operation is one of the first two.
    Test(usize),
}

/// The prefixes of an instruction.
#[derive(Default)]
struct Prefixes {
    short_operand: bool,
    short_address: bool,
    wide: bool,
}

/// Bytes of the x86-64 instruction at the start of `code`, [`None`] for none that is known.
fn length(code: &[u8]) -> Option<usize> {
    /// The processor takes no longer ones.
    const MAX: usize = 15;
    let (prefixes, start) = prefixes(code);
    let opcode = *code.get(start)?;
    let (behind, at) = match opcode {
        0x0f => two_bytes(code, start)?,
        0xc5 => (extended(1, *code.get(start + 2)?), start + 3),
        0xc4 => {
            let map = code.get(start + 1)? & 0x1f;
            (extended(map, *code.get(start + 3)?), start + 4)
        }
        // With another operation it begins instructions of AMD's own.
        0x8f if code.get(start + 1)? & 0x38 != 0 => return None,
        0x62 => {
            let map = code.get(start + 1)? & 7;
            (extended(map, *code.get(start + 4)?), start + 5)
        }
        _ => (one_byte(opcode)?, start + 1),
    };
    let length = at + operand_bytes(behind, &prefixes, code.get(at..)?)?;
    (length <= MAX).then_some(length)
}

fn prefixes(code: &[u8]) -> (Prefixes, usize) {
    let mut found = Prefixes::default();
    let mut at = 0;
    while let Some(byte) = code.get(at) {
        match byte {
            0x66 => found.short_operand = true,
            0x67 => found.short_address = true,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 | 0xf2 | 0xf3 => {}
            _ => break,
        }
        at += 1;
    }
    if let Some(byte @ 0x40..=0x4f) = code.get(at) {
        found.wide = byte & 8 != 0;
        at += 1;
    }
    (found, at)
}

fn one_byte(opcode: u8) -> Option<Behind> {
    use Behind::*;
    Some(match opcode {
        0x00..=0x3f => match opcode & 7 {
            0..4 => Operands(0),
            4 => Bytes(1),
            5 => Word,
            _ => return None,
        },
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => Operands(0),
        0x69 | 0x81 | 0xc7 => OperandsAndWord,
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => Operands(1),
        0x68 | 0xa9 => Word,
        0xb8..=0xbf => Full,
        0xa0..=0xa3 => Address,
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => Bytes(1),
        0xc2 | 0xca => Bytes(2),
        0xc8 => Bytes(3),
        0xe8 | 0xe9 => Bytes(4),
        0xf6 => Test(1),
        0xf7 => Test(0),
        0x60..=0x62 | 0x82 | 0x9a | 0xc4 | 0xc5 | 0xce | 0xd4..=0xd6 | 0xea => return None,
        _ => Nothing,
    })
}

/// Opcodes behind `0f`, and where what belongs to them begins.
fn two_bytes(code: &[u8], start: usize) -> Option<(Behind, usize)> {
    use Behind::*;
    let opcode = *code.get(start + 1)?;
    let behind = match opcode {
        0x38 => return Some((Operands(0), start + 3)),
        0x3a => return Some((Operands(1), start + 3)),
        0x04 | 0x0a | 0x0c | 0x24..=0x27 | 0x36 | 0x39 | 0x3b..=0x3f | 0xa6 | 0xa7 => return None,
        // Two of AMD's have operands of another kind behind these.
        0x78 | 0x79 => return None,
        0x05..=0x09
        | 0x0b
        | 0x0e
        | 0x30..=0x37
        | 0x77
        | 0xa0..=0xa2
        | 0xa8..=0xaa
        | 0xc8..=0xcf => Nothing,
        0x80..=0x8f => Bytes(4),
        0x0f | 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => Operands(1),
        _ => Operands(0),
    };
    Some((behind, start + 2))
}

/// Opcodes behind a VEX or EVEX prefix, which names their map.
fn extended(map: u8, opcode: u8) -> Behind {
    match (map, opcode) {
        (1, 0x77) => Behind::Nothing,
        (1, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6) | (3, _) => Behind::Operands(1),
        _ => Behind::Operands(0),
    }
}

fn operand_bytes(behind: Behind, prefixes: &Prefixes, code: &[u8]) -> Option<usize> {
    let word = match prefixes.short_operand && !prefixes.wide {
        true => 2,
        false => 4,
    };
    Some(match behind {
        Behind::Nothing => 0,
        Behind::Bytes(bytes) => bytes,
        Behind::Word => word,
        Behind::Full if prefixes.wide => 8,
        Behind::Full => word,
        Behind::Address if prefixes.short_address => 4,
        Behind::Address => 8,
        Behind::Operands(bytes) => operands(code)? + bytes,
        Behind::OperandsAndWord => operands(code)? + word,
        Behind::Test(bytes) => {
            let constant = match (code.first()? >> 3 & 7, bytes) {
                (0 | 1, 0) => word,
                (0 | 1, bytes) => bytes,
                _ => 0,
            };
            operands(code)? + constant
        }
    })
}

/// ModRM, SIB and displacement.
fn operands(code: &[u8]) -> Option<usize> {
    let first = *code.first()?;
    let (mode, memory) = (first >> 6, first & 7);
    if mode == 3 {
        return Some(1);
    }
    let (bytes, base) = match memory {
        4 => (2, code.get(1)? & 7),
        memory => (1, memory),
    };
    let displacement = match (mode, base) {
        (0, 5) | (2, _) => 4,
        (1, _) => 1,
        _ => 0,
    };
    Some(bytes + displacement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_their_lengths() {
        // As GNU as writes them.
        for (code, length) in [
            (&[0x55][..], 1),                                     // push %rbp
            (&[0x48, 0x89, 0xe5], 3),                             // mov %rsp,%rbp
            (&[0xf3, 0x0f, 0x1e, 0xfa], 4),                       // endbr64
            (&[0x48, 0x8b, 0x05, 1, 2, 3, 4], 7),                 // mov 0x4030201(%rip),%rax
            (&[0x48, 0x8d, 0x44, 0x24, 8], 5),                    // lea 8(%rsp),%rax
            (&[0x8b, 0x04, 0x25, 0, 0x10, 0, 0], 7),              // mov 0x1000,%eax
            (&[0x66, 0xc7, 0x07, 1, 2], 5),                       // movw $0x201,(%rdi)
            (&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], 10),          // movabs
            (&[0xf6, 0x07, 1], 3),                                // testb $1,(%rdi)
            (&[0xf7, 0xd8], 2),                                   // neg %eax
            (&[0x0f, 0x84, 0, 1, 0, 0], 6),                       // je
            (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], 10), // nopw
            (&[0xc5, 0xf8, 0x77], 3),                             // vzeroupper
            (&[0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1], 6),              // vextracti128 $1
            (&[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x44, 0x24, 1], 8),  // vmovups 0x40(%rsp),%zmm0
            (&[0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8], 6),              // palignr $8
        ] {
            assert_eq!(super::length(code), Some(length), "{code:02x?}");
            assert_eq!(
                super::length(&code[..length - 1]).filter(|&found| found < length),
                None
            );
        }
        assert_eq!(super::length(&[0x06]), None);
    }

    #[test]
    fn places_within_instructions_are_none() {
        let code = [0x55, 0x48, 0x89, 0xe5, 0xc3];
        let begins = |offset| begins_at(Architecture::X86_64, &code, offset);
        assert_eq!([0, 1, 4].map(begins), [Some(true); 3]);
        assert_eq!([2, 3].map(begins), [Some(false); 2]);
        assert_eq!(begins(9), None);
        assert_eq!(begins_at(Architecture::Aarch64, &[], 8), Some(true));
        assert_eq!(begins_at(Architecture::Aarch64, &[], 6), Some(false));
    }
}
