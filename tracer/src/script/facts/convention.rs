//! How functions of programs are handed values: in which of the registers for arguments, or how else.
//!
//! Source: System V ABI, AMD64 supplement, 3.2.3; AAPCS64, 6.8; for Rust `compiler/rustc_ty_utils/src/abi.rs` of rustc,
//! whose debug information does not tell what is `extern "C"`.

use tracer_script::facts::Part;

use super::debug::DEPTH;
use crate::kernel::dwarf::{Dwarf, Entry, Function, Kind, Language};

/// What fits into two registers is handed over in them.
const IN_REGISTERS_MAX: u64 = 16;

const WORD: u64 = 8;

/// How a value is handed to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// As one of the arguments that are counted.
    Whole,
    /// In parts, each as one of these arguments.
    Parts(Vec<Piece>),
    /// By its address, which is one of these arguments.
    Pointed,
    /// In so many of them, and not as something that can be read.
    Unread { arguments: usize, why: &'static str },
    /// On the stack, where it moves what else is there.
    Stacked,
    /// In no one knows how many of them.
    Unknown,
}

/// Bytes of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

const FRACTION: &str = "it is a number with a fraction, or has one";

/// How a function is handed a value of this type.
pub(super) fn passed(
    dwarf: &Dwarf,
    function: &Function,
    kind: Option<Entry>,
) -> anyhow::Result<Passed> {
    Ok(match dwarf.kind(kind)? {
        Kind::Float { .. } => Passed::Unread {
            arguments: 0,
            why: FRACTION,
        },
        Kind::Int { bytes, .. } if bytes > WORD => Passed::Unread {
            arguments: bytes.div_ceil(WORD) as usize,
            why: "it is larger than 64 bits",
        },
        Kind::Struct {
            by_reference: Some(true),
            ..
        } => Passed::Pointed,
        Kind::Struct {
            by_reference: None, ..
        } if function.language == Language::Cpp && dwarf.may_copy_by_code(kind, DEPTH)? => {
            Passed::Unknown
        }
        Kind::Struct { bytes, .. } if bytes > IN_REGISTERS_MAX => {
            match function.language == Language::Rust && function.mangled {
                true => Passed::Pointed,
                false => Passed::Stacked,
            }
        }
        Kind::Struct { bytes, .. } => {
            let mut inside = Inside {
                rust: function.language == Language::Rust,
                ..Inside::default()
            };
            if !inside.gather(dwarf, kind, 0, DEPTH)? {
                return Ok(Passed::Unknown);
            }
            if inside.scalars.is_empty() {
                return Ok(Passed::Unread {
                    arguments: 0,
                    why: "it is empty",
                });
            }
            match inside.rust {
                true => inside.by_both(bytes),
                false => inside.by_c(bytes),
            }
        }
        _ => Passed::Whole,
    })
}

/// The arguments before the first parameter: where a function writes what it returns in memory, it is told where by one.
/// [`None`] where the compiler does not tell.
pub(super) fn hidden(dwarf: &Dwarf, function: &Function) -> anyhow::Result<Option<usize>> {
    Ok(match dwarf.kind(function.returns)? {
        Kind::Struct { bytes, .. } if bytes > IN_REGISTERS_MAX => Some(1),
        Kind::Struct {
            by_reference: Some(true),
            ..
        } => Some(1),
        Kind::Struct {
            by_reference: None, ..
        } if function.language == Language::Cpp
            && dwarf.may_copy_by_code(function.returns, DEPTH)? =>
        {
            None
        }
        _ => Some(0),
    })
}

/// Where a parameter is, by the arguments that are counted.
#[derive(PartialEq, Eq)]
pub(super) enum Placed {
    /// It is this one.
    Whole(usize),
    /// This one is its address.
    Pointed(usize),
    /// It is put together.
    Parts(Vec<Part>),
}

const STACKED: &str = "it is on the stack, with or behind a structure that is handed over by value";
const UNKNOWN: &str =
    "it is a structure that is handed over by value, and the compiler does not tell how";
const BEHIND: &str =
    "it comes behind one of which the compiler does not tell how it is handed over";

/// Counts arguments, parameter by parameter.
pub(super) struct Counter {
    next: usize,
    registers: usize,
    /// What is on the stack is not where it is counted.
    moved: bool,
    /// No one knows how many arguments there have been.
    lost: bool,
}

impl Counter {
    /// `hidden` arguments come before the first parameter.
    pub(super) fn new(hidden: Option<usize>, registers: usize) -> Self {
        Self {
            next: hidden.unwrap_or(0),
            registers,
            moved: false,
            lost: hidden.is_none(),
        }
    }

    /// There was a parameter that may have taken arguments.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// Where the next parameter is by the convention for calls; the reason where it cannot be read there.
    pub(super) fn count(&mut self, passed: &Passed) -> Result<Placed, &'static str> {
        let first = self.next;
        let (placed, taken) = match passed {
            Passed::Whole => (Ok(Placed::Whole(first)), 1),
            Passed::Pointed => (Ok(Placed::Pointed(first)), 1),
            Passed::Parts(pieces) if first + pieces.len() <= self.registers => {
                let part = |(index, piece): (usize, &Piece)| Part {
                    argument: (first + index) as u32,
                    offset: piece.offset as u32,
                    bytes: piece.bytes as u32,
                };
                let parts = pieces.iter().enumerate().map(part).collect();
                (Ok(Placed::Parts(parts)), pieces.len())
            }
            Passed::Unread { arguments, why } => (Err(*why), *arguments),
            Passed::Parts(_) | Passed::Stacked => {
                self.moved = true;
                (Err(STACKED), 0)
            }
            Passed::Unknown => (Err(UNKNOWN), 0),
        };
        self.next += taken;
        let lost = self.lost;
        self.lost |= *passed == Passed::Unknown;
        match placed {
            Ok(_) if lost => Err(BEHIND),
            Ok(_) if self.moved && self.next > self.registers => Err(STACKED),
            placed => placed,
        }
    }
}

/// What a structure is made of at last.
#[derive(Default)]
struct Inside {
    scalars: Vec<Scalar>,
    /// There is an array or a union among it.
    has_lists: bool,
    rust: bool,
}

struct Scalar {
    at: Piece,
    fraction: bool,
}

impl Inside {
    /// Adds what is in a value of this type. False where that is not known.
    fn gather(
        &mut self,
        dwarf: &Dwarf,
        kind: Option<Entry>,
        offset: u64,
        depth: u32,
    ) -> anyhow::Result<bool> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(false);
        };
        let kind_of = dwarf.kind(kind)?;
        let bytes = size(&kind_of);
        match kind_of {
            Kind::Void | Kind::Function | Kind::Other => return Ok(false),
            Kind::Array { element, counts } => {
                self.has_lists = true;
                let step = size(&dwarf.kind(element)?);
                let count: u64 = counts.iter().product();
                if step == 0 || count * step > IN_REGISTERS_MAX {
                    return Ok(count == 0);
                }
                for index in 0..count {
                    if !self.gather(dwarf, element, offset + index * step, depth)? {
                        return Ok(false);
                    }
                }
            }
            Kind::Struct { union, entry, .. } => {
                self.has_lists |= union;
                let members = dwarf
                    .structure(entry)?
                    .map_or(Vec::new(), |one| one.members);
                // One of several, which Rust tells otherwise; in C++ what is empty has a byte.
                if members.is_empty() && bytes > u64::from(!self.rust) {
                    return Ok(false);
                }
                for member in members {
                    if !self.gather(dwarf, member.kind, offset + member.offset, depth)? {
                        return Ok(false);
                    }
                }
            }
            scalar => self.scalars.push(Scalar {
                at: Piece { offset, bytes },
                fraction: matches!(scalar, Kind::Float { .. }),
            }),
        }
        Ok(true)
    }

    /// As both say; what that of C has beyond the numbers are gaps.
    fn by_both(&self, bytes: u64) -> Passed {
        match (self.by_rust(bytes), self.by_c(bytes)) {
            (Passed::Parts(own), Passed::Parts(words))
                if own.len() == words.len()
                    && own
                        .iter()
                        .zip(&words)
                        .all(|(own, word)| own.offset == word.offset) =>
            {
                Passed::Parts(own)
            }
            (own, other) if own == other => own,
            _ => Passed::Unknown,
        }
    }

    /// By words, those with numbers only that have a fraction in registers of their own.
    fn by_c(&self, bytes: u64) -> Passed {
        if self.scalars.iter().any(|one| one.at.bytes > WORD) {
            return Passed::Unknown;
        }
        let word = |word: u64| Piece {
            offset: word * WORD,
            bytes: (bytes - word * WORD).min(WORD),
        };
        let words: Vec<Piece> = (0..bytes.div_ceil(WORD)).map(word).collect();
        let is_whole = |word: &&Piece| {
            let mut within = self.scalars.iter().filter(|one| {
                one.at.offset < word.offset + WORD && word.offset < one.at.offset + one.at.bytes
            });
            within.any(|one| !one.fraction)
        };
        let whole = words.iter().filter(is_whole).count();
        match whole == words.len() {
            true => Passed::Parts(words),
            false => Passed::Unread {
                arguments: whole,
                why: FRACTION,
            },
        }
    }

    /// One or two numbers each by itself, else up to 8 bytes together.
    fn by_rust(&self, bytes: u64) -> Passed {
        if self.scalars.iter().any(|one| one.at.bytes > WORD) {
            return Passed::Unknown;
        }
        if self.has_lists || self.scalars.len() > 2 {
            return match bytes {
                ..=WORD => Passed::Parts(vec![Piece { offset: 0, bytes }]),
                _ => Passed::Pointed,
            };
        }
        let whole = self.scalars.iter().filter(|one| !one.fraction);
        match whole.clone().count() == self.scalars.len() {
            true => Passed::Parts(whole.map(|one| one.at).collect()),
            false => Passed::Unread {
                arguments: whole.count(),
                why: FRACTION,
            },
        }
    }
}

/// Bytes of a type; 0 where that is not known.
fn size(kind: &Kind) -> u64 {
    match kind {
        Kind::Bool | Kind::Char { .. } => 1,
        Kind::Int { bytes, .. }
        | Kind::Float { bytes }
        | Kind::Struct { bytes, .. }
        | Kind::Enum { bytes, .. } => *bytes,
        Kind::Pointer(_) => WORD,
        Kind::Void | Kind::Array { .. } | Kind::Function | Kind::Other => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(scalars: &[(u64, u64, bool)]) -> Inside {
        let scalar = |&(offset, bytes, fraction): &(u64, u64, bool)| Scalar {
            at: Piece { offset, bytes },
            fraction,
        };
        Inside {
            scalars: scalars.iter().map(scalar).collect(),
            ..Inside::default()
        }
    }

    fn parts(pieces: &[(u64, u64)]) -> Passed {
        let piece = |&(offset, bytes): &(u64, u64)| Piece { offset, bytes };
        Passed::Parts(pieces.iter().map(piece).collect())
    }

    #[test]
    fn what_c_and_rust_hand_over_alike_is_known() {
        let text = inside(&[(0, 8, false), (8, 8, false)]);
        assert_eq!(text.by_both(16), parts(&[(0, 8), (8, 8)]));
        let with_a_gap = inside(&[(0, 8, false), (8, 4, false)]);
        assert_eq!(with_a_gap.by_both(16), parts(&[(0, 8), (8, 4)]));
        let small = inside(&[(0, 4, false), (4, 4, false)]);
        assert_eq!(small.by_c(8), parts(&[(0, 8)]));
        assert_eq!(small.by_rust(8), parts(&[(0, 4), (4, 4)]));
        assert_eq!(small.by_both(8), Passed::Unknown);
    }

    #[test]
    fn fractions_are_in_other_registers() {
        let mixed = inside(&[(0, 8, true), (8, 8, false)]);
        let one = Passed::Unread {
            arguments: 1,
            why: FRACTION,
        };
        assert_eq!(mixed.by_both(16), one);
        // A number beside it in its word takes both along.
        let together = inside(&[(0, 4, true), (4, 4, false)]);
        assert_eq!(together.by_c(8), parts(&[(0, 8)]));
    }

    #[test]
    fn what_does_not_fit_moves_the_stack_only() {
        let mut counter = Counter::new(Some(1), 6);
        let whole = |argument| Ok(Placed::Whole(argument));
        assert!(counter.count(&Passed::Stacked) == Err(STACKED));
        for argument in 1..6 {
            assert!(counter.count(&Passed::Whole) == whole(argument));
        }
        assert!(counter.count(&Passed::Whole) == Err(STACKED));
    }

    #[test]
    fn nothing_is_known_behind_what_is_not_told() {
        let mut counter = Counter::new(Some(0), 6);
        assert!(counter.count(&Passed::Whole) == Ok(Placed::Whole(0)));
        assert!(counter.count(&Passed::Unknown) == Err(UNKNOWN));
        assert!(counter.count(&Passed::Whole) == Err(BEHIND));
    }
}
