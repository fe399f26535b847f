//! Type information as it is put together: `Documentation/bpf/btf.rst`.

/// What `.BTF` and `.BTF.ext` begin with: `BTF_MAGIC` and `BTF_VERSION`, with no flags.
pub const BEGINNING: u32 = 0xeb9f | 1 << 16;

const HEADER_WORDS: usize = 6;
const HEADER_BYTES: u32 = HEADER_WORDS as u32 * 4;

/// Kinds of types, at their place in the second word of `struct btf_type`.
pub mod kind {
    #![expect(missing_docs, reason = "they are named as BTF_KIND_*")]
    pub const INT: u32 = 1 << 24;
    pub const PTR: u32 = 2 << 24;
    pub const ARRAY: u32 = 3 << 24;
    pub const STRUCT: u32 = 4 << 24;
    pub const FUNC: u32 = 12 << 24;
    pub const FUNC_PROTO: u32 = 13 << 24;
    pub const VAR: u32 = 14 << 24;
    pub const DATASEC: u32 = 15 << 24;
}

/// `BTF_INT_SIGNED`, as the word behind an integer has it.
pub const SIGNED: u32 = 1 << 24;

/// Types and strings. Types are numbered from 1 on; 0 is `void`, and the string 0 is empty.
#[derive(Debug)]
pub struct TypeInfo {
    types: Vec<u32>,
    count: u32,
    strings: Vec<u8>,
}

/// What is added to the numbers of appended types and strings.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// To those of types.
    pub types: u32,
    /// To those of strings.
    pub strings: u32,
}

impl Default for TypeInfo {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            count: 0,
            strings: vec![0],
        }
    }
}

impl TypeInfo {
    /// Adds a string, and gives back its number.
    pub fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend(text.bytes().filter(|&byte| byte != 0));
        self.strings.push(0);
        at
    }

    /// Adds a type, `struct btf_type` and what follows it, and gives back its number.
    pub fn add(&mut self, words: &[u32]) -> u32 {
        self.types.extend(words);
        self.count += 1;
        self.count
    }

    /// Adds what [`Self::finish`] made of a program's functions. [`None`] where it is not of that form.
    pub fn append(&mut self, made: &[u8]) -> Option<Shift> {
        let word = |at: usize| {
            let bytes = made.get(at * 4..at * 4 + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        let shift = Shift {
            types: self.count,
            strings: self.strings.len() as u32,
        };
        let end = HEADER_WORDS + word(3)? as usize / 4;
        let words: Option<Vec<u32>> = (HEADER_WORDS..end).map(word).collect();
        let mut words = words?;
        let moved = |number: &mut u32, by: u32| {
            if *number != 0 {
                *number += by;
            }
        };
        let mut at = 0;
        while at < words.len() {
            let info = words[at + 1];
            let members = (info & 0xffff) as usize;
            moved(&mut words[at], shift.strings);
            let words_behind = match info & 0x1f00_0000 {
                kind::INT => 1,
                kind::PTR | kind::FUNC => {
                    moved(&mut words[at + 2], shift.types);
                    0
                }
                kind::FUNC_PROTO => {
                    moved(&mut words[at + 2], shift.types);
                    for member in words[at + 3..].chunks_exact_mut(2).take(members) {
                        moved(&mut member[0], shift.strings);
                        moved(&mut member[1], shift.types);
                    }
                    members * 2
                }
                _ => return None,
            };
            at += 3 + words_behind;
            self.count += 1;
        }
        self.types.extend(words);
        self.strings.extend(made.get(end * 4..)?);
        Some(shift)
    }

    /// As `BPF_BTF_LOAD` takes it, and as the section `.BTF` holds it.
    pub fn finish(self) -> Vec<u8> {
        let types_bytes = self.types.len() as u32 * 4;
        let header = [
            BEGINNING,
            HEADER_BYTES,
            0,
            types_bytes,
            types_bytes,
            self.strings.len() as u32,
        ];
        let words = header.iter().chain(&self.types);
        let mut out: Vec<u8> = words.flat_map(|word| word.to_ne_bytes()).collect();
        out.extend(self.strings);
        out
    }
}
