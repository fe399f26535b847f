//! Static markers (USDT) of programs and libraries: what their notes tell.
//!
//! Source: `sys/sdt.h` of SystemTap, and its page "UserSpaceProbeImplementation": notes of the owner `stapsdt` and
//! of type 3 in the section `.note.stapsdt`, each with three addresses, two names and the arguments' text.

use std::{ffi::CStr, fs::File, path::Path};

use object::{
    Architecture, Object as _, ObjectSection as _, ObjectSymbol as _, ReadCache, ReadRef,
};
use tracer_script::marker::{Argument, Machine, arguments};

use super::symbols::{file_offset, segments};

/// A place of a marker: one marker may have several, each with its arguments elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whose it is.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Where in the file the count of those who look at it lies: it does nothing while that is zero. 0 where it has
    /// none.
    pub semaphore: u64,
    /// Where its arguments are.
    pub arguments: Vec<Argument>,
}

const SECTION: &str = ".note.stapsdt";
/// Where the notes' addresses are counted from, should a program be laid out anew after it was linked (`prelink`).
const BASE_SECTION: &str = ".stapsdt.base";
const OWNER: &[u8] = b"stapsdt\0";
const KIND: u32 = 3;

/// The markers of a file, in the order of its notes. The error says that the file is not one of a program.
pub fn markers(path: &Path) -> anyhow::Result<Vec<Marker>> {
    // Libraries are large, and their notes small: only what is looked at is read.
    let cache = ReadCache::new(File::open(path)?);
    let file = object::File::parse(&cache)?;
    let Some(section) = file.section_by_name(SECTION) else {
        return Ok(Vec::new());
    };
    let layout = Layout::of(&file);
    let notes = notes(section.data()?, layout.is_little_endian);
    Ok(notes
        .filter_map(|note| layout.marker(&file, note))
        .collect())
}

/// The descriptions of a section's notes: `Elf64_Nhdr` of `man 5 elf`, parts aligned to 4 bytes.
fn notes(mut data: &[u8], little_endian: bool) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let word = |at: usize| number(data, at * 4, 4, little_endian);
            let (owner, length, kind) = (word(0)? as usize, word(1)? as usize, word(2)? as u32);
            let start = 12 + owner.next_multiple_of(4);
            let (name, description) = (
                data.get(12..12 + owner)?,
                data.get(start..start.checked_add(length)?)?,
            );
            let end = start + length.next_multiple_of(4);
            data = data.get(end..).unwrap_or_default();
            if name == OWNER && kind == KIND {
                return Some(description);
            }
        }
    })
}

fn number(data: &[u8], at: usize, bytes: usize, little_endian: bool) -> Option<u64> {
    let bytes = data.get(at..at + bytes)?.iter();
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(match little_endian {
        true => bytes.rev().fold(0, join),
        false => bytes.fold(0, join),
    })
}

/// What all notes of a file are read by.
struct Layout {
    is_little_endian: bool,
    /// Bytes of an address.
    address: usize,
    machine: Option<Machine>,
    base: Option<u64>,
    segments: Vec<(u64, u64, u64)>,
}

impl Layout {
    fn of<'a>(file: &object::File<'a, impl ReadRef<'a>>) -> Self {
        let base = file.section_by_name(BASE_SECTION);
        Self {
            is_little_endian: file.is_little_endian(),
            address: if file.is_64() { 8 } else { 4 },
            machine: match file.architecture() {
                Architecture::X86_64 | Architecture::X86_64_X32 | Architecture::I386 => {
                    Some(Machine::X86)
                }
                Architecture::Aarch64 => Some(Machine::Aarch64),
                _ => None,
            },
            base: base.map(|section| section.address()),
            segments: segments(file),
        }
    }

    /// [`None`] for a note that is cut short, or whose place is nowhere in the file.
    fn marker<'a>(&self, file: &object::File<'a, impl ReadRef<'a>>, note: &[u8]) -> Option<Marker> {
        let address = |index| {
            number(
                note,
                index * self.address,
                self.address,
                self.is_little_endian,
            )
        };
        let (place, base, semaphore) = (address(0)?, address(1)?, address(2)?);
        let moved = self.base.map_or(0, |now| now.wrapping_sub(base));
        let place = place.wrapping_add(moved);
        let mut rest = note.get(3 * self.address..)?;
        let mut text = || {
            let text = CStr::from_bytes_until_nul(rest).ok()?;
            rest = &rest[text.count_bytes() + 1..];
            Some(text.to_string_lossy().into_owned())
        };
        let (provider, name, operands) = (text()?, text()?, text()?);
        let distance = |name: &str| {
            let mut symbols = file.symbols().chain(file.dynamic_symbols());
            let found = symbols.find(|one| one.is_definition() && one.name() == Ok(name))?;
            Some(found.address().wrapping_sub(place) as i64)
        };
        Some(Marker {
            provider,
            name,
            offset: file_offset(&self.segments, place)?,
            semaphore: match semaphore {
                0 => 0,
                address => file_offset(&self.segments, address.wrapping_add(moved))?,
            },
            arguments: match self.machine {
                Some(machine) => arguments(&operands, machine, &distance),
                None => Vec::new(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, description: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [owner.len() as u32, description.len() as u32, kind] {
            note.extend(word.to_le_bytes());
        }
        for part in [owner, description] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn notes_of_others_are_passed_over() {
        let data = [
            note(OWNER, KIND, b"first"),
            note(b"GNU\0", KIND, b"other"),
            note(OWNER, 4, b"other"),
            note(OWNER, KIND, b"second"),
        ]
        .concat();
        let found: Vec<&[u8]> = notes(&data, true).collect();
        assert_eq!(found, [b"first".as_slice(), b"second"]);
    }

    #[test]
    fn damaged_notes_end_the_list() {
        let whole = [note(OWNER, KIND, b"first"), note(OWNER, KIND, b"second")].concat();
        for length in 0..whole.len() {
            let count = notes(&whole[..length], true).count();
            assert!(count <= 2, "{length}");
        }
        let mut huge = note(OWNER, KIND, b"first");
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(notes(&huge, true).count(), 0);
    }

    #[test]
    fn words_are_read_in_both_orders() {
        let data = [1, 2, 3, 4];
        assert_eq!(number(&data, 0, 4, true), Some(0x0403_0201));
        assert_eq!(number(&data, 0, 4, false), Some(0x0102_0304));
        assert_eq!(number(&data, 1, 4, true), None);
    }

    #[test]
    fn what_has_no_notes_has_no_markers() {
        let own = std::env::current_exe().expect("own path");
        assert_eq!(markers(&own).expect("a program"), []);
        assert!(markers(Path::new("/etc/passwd")).is_err());
    }
}
