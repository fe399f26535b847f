//! Arguments of static markers (USDT): a marker's note says as text in which registers, where in memory, or as which
//! constants they are to be found when the program comes by.
//!
//! Source: `sys/sdt.h` of SystemTap, and its page "UserSpaceProbeImplementation".

mod aarch64;
mod operand;
mod x86;

#[cfg(test)]
mod tests;

/// Instruction sets that notes are read of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86, of 64 bits and of 32.
    X86,
    /// 64-bit Arm.
    Aarch64,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Argument {
    /// 1, 2, 4 or 8.
    pub bytes: u8,
    /// Whether it may be negative.
    pub signed: bool,
    /// Where it is.
    pub place: Place,
}

/// Where an argument is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// It is always this.
    Constant(i64),
    /// In a register.
    Register(Register),
    /// In the memory of the program.
    Memory(Address),
    /// It is this address itself.
    Address(Address),
    /// Where no program can read it: the note's own words, and why.
    OutOfReach(String),
}

/// A register, as the kernel keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The member of `struct pt_regs`.
    pub member: &'static str,
    /// Which of the member's words, where that has several.
    pub word: u8,
    /// The first bit: 8 for x86's `%ah` and its kin.
    pub first_bit: u8,
    /// How many bytes the name stands for.
    pub bytes: u8,
}

/// An address: the sum of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it is counted from.
    pub base: Option<Register>,
    /// What is added in multiples.
    pub index: Option<Index>,
    /// What is added as it is.
    pub displacement: i64,
}

/// A register of which a multiple is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index {
    /// The register.
    pub register: Register,
    /// Whether it may be negative; matters where it has fewer than 8 bytes.
    pub signed: bool,
    /// Times this: 1, 2, 4 or 8.
    pub scale: u8,
}

/// Bytes from the marker to a symbol of its file, by name; [`None`] where there is none such. Its place in memory
/// follows from where the program is when it comes by.
pub type Distance<'a> = &'a dyn Fn(&str) -> Option<i64>;

/// Reads the arguments of a note: `-4@%eax 8@-16(%rbp)`. What cannot be understood is out of reach.
pub fn arguments(text: &str, machine: Machine, distance: Distance<'_>) -> Vec<Argument> {
    let words = words(text).into_iter();
    words
        .map(|word| argument(word, machine, distance))
        .collect()
}

/// Splits at blanks, but for those within brackets.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut depth = 0;
    let mut start = None;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            _ => {}
        }
        let parts = c.is_whitespace() && depth <= 0;
        match start {
            None if !parts => start = Some(at),
            Some(from) if parts => {
                words.push(&text[from..at]);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| &text[from..]));
    words
}

fn argument(word: &str, machine: Machine, distance: Distance<'_>) -> Argument {
    // The oldest notes give no sizes.
    let (size, operand) = word.split_once('@').unwrap_or(("8", word));
    let unreadable = |why: &str| Argument {
        bytes: 8,
        signed: false,
        place: Place::OutOfReach(format!("{word}: {why}")),
    };
    if size.ends_with('f') {
        return unreadable("numbers with a fraction are kept where no BPF program sees them");
    }
    let Ok(size @ (1 | 2 | 4 | 8 | -1 | -2 | -4 | -8)) = size.parse::<i8>() else {
        return unreadable("this is no size of an argument");
    };
    let place = match machine {
        Machine::X86 => x86::place(operand, distance),
        Machine::Aarch64 => aarch64::place(operand, distance),
    };
    match place {
        Ok(place) => Argument {
            bytes: size.unsigned_abs(),
            signed: size < 0,
            place,
        },
        Err(why) => unreadable(why),
    }
}
