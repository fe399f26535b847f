//! How stacks are followed through code without frame pointers: from the call frame information of programs and
//! libraries (`.eh_frame`) to rows that are searched by address.
//!
//! Sources: the DWARF standard, version 5, section 6.4; System V ABI for x86-64, sections 3.7 and 4.2.4; for `.eh_frame`
//! the Linux Standard Base, part "Exception Frames".

mod rule;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fs::File, ops::Range, path::Path};

use anyhow::Context as _;
use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EhFrame, EndianSlice, LittleEndian,
    UnwindContext, UnwindSection as _,
};
use object::{Object, ObjectSection as _, ObjectSegment as _, ReadCache, SegmentFlags, elf};
use tracer_script::unwind::Rule;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// What is mapped begins at a page: something else of the file may lie before the code.
const PAGE: u64 = 4096;

/// From an address on, how the caller's frame is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The address, from the file's own [`Table::base`] on.
    pub address: u32,
    /// The rule.
    pub rule: Rule,
}

/// A part of a file that is loaded as code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// Where it begins in the file, in bytes.
    offset: u64,
    /// The address that the file gives it.
    address: u64,
    /// Its bytes.
    size: u64,
}

/// The call frame information of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The address that those of rows are counted from: that of the first page with code, as the file gives it.
    pub base: u64,
    /// By their addresses. What no one tells of has rows that say so.
    pub rows: Vec<Row>,
    segments: Vec<Segment>,
}

impl Table {
    /// That of a file. It has no rows where the file has no such information.
    ///
    /// The error says that a file cannot be read, is not one of a program, or is damaged.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let read = || -> anyhow::Result<Self> {
            let cache = ReadCache::new(File::open(path)?);
            Self::of_object(&object::File::parse(&cache)?)
        };
        read().with_context(|| format!("cannot read how {} unwinds", path.display()))
    }

    /// That of a file that lies in memory, as the kernel's `[vdso]` does.
    pub fn of_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        Self::of_object(&object::File::parse(bytes)?)
    }

    fn of_object<'a>(file: &impl Object<'a>) -> anyhow::Result<Self> {
        let segments: Vec<Segment> = file
            .segments()
            .filter(is_code)
            .map(|segment| {
                let (offset, size) = segment.file_range();
                let address = segment.address();
                Segment {
                    offset,
                    address,
                    size,
                }
            })
            .collect();
        let first = segments.iter().map(|segment| segment.address).min();
        let base = first.unwrap_or(0) & !(PAGE - 1);
        let rows = match file.section_by_name(".eh_frame") {
            Some(section) => rows_of(section.data()?, section.address(), base)?,
            None => Vec::new(),
        };
        Ok(Self {
            base,
            rows,
            segments,
        })
    }

    /// What the address of a mapping of the file is less than memory's: `offset` is where it begins in the file.
    /// [`None`] where no code lies there.
    pub fn address_at(&self, offset: u64) -> Option<u64> {
        let segments = self.segments.iter();
        let within = |one: &&Segment| {
            (one.offset & !(PAGE - 1)..one.offset.saturating_add(one.size)).contains(&offset)
        };
        let found = segments.filter(within).max_by_key(|one| one.offset)?;
        Some(
            found
                .address
                .wrapping_add(offset)
                .wrapping_sub(found.offset),
        )
    }
}

fn is_code<'a>(segment: &impl object::ObjectSegment<'a>) -> bool {
    match segment.flags() {
        SegmentFlags::Elf { p_flags } => p_flags & elf::PF_X != 0,
        _ => false,
    }
}

/// What one function's information covers: its addresses, and its rows among those of all.
struct Function {
    start: u64,
    end: u64,
    rows: Range<usize>,
}

/// All rows of a section that lies at an address.
fn rows_of(data: &[u8], address: u64, base: u64) -> anyhow::Result<Vec<Row>> {
    let section = EhFrame::new(data, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut known: HashMap<usize, CommonInformationEntry<Slice<'_>>> = HashMap::new();
    let mut context = UnwindContext::new();
    let (mut functions, mut rows) = (Vec::new(), Vec::new());
    let mut entries = section.entries(&bases);
    while let Some(entry) = entries.next()? {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let fde = partial.parse(|section, bases, offset| {
            if let Some(found) = known.get(&offset.0) {
                return Ok(found.clone());
            }
            let found = section.cie_from_offset(bases, offset)?;
            known.insert(offset.0, found.clone());
            Ok(found)
        })?;
        let first = rows.len();
        let mut table = fde.rows(&section, &bases, &mut context)?;
        while let Some(row) = table.next_row()? {
            rows.push((row.start_address(), rule::of(row, &fde, &section)?));
        }
        functions.push(Function {
            start: fde.initial_address(),
            end: fde.end_address(),
            rows: first..rows.len(),
        });
    }
    Ok(joined(functions, &rows, base))
}

/// The rows of all functions by their addresses, with others between that say that nothing is known.
fn joined(mut functions: Vec<Function>, rows: &[(u64, Rule)], base: u64) -> Vec<Row> {
    // Code that the linker has left out keeps its information, at the address 0.
    functions.retain(|one| one.start >= base.max(1) && !one.rows.is_empty());
    functions.sort_by_key(|one| one.start);
    let mut joined: Vec<Row> = Vec::new();
    let mut end = base;
    for function in functions {
        let between = (function.start > end).then_some((end, Rule::Unknown));
        let own = rows[function.rows].iter().copied();
        for (address, rule) in between.into_iter().chain(own) {
            let Ok(address) = u32::try_from(address - base) else {
                return joined;
            };
            match joined.last_mut() {
                Some(last) if last.address == address => last.rule = rule,
                Some(last) if last.rule == rule || last.address > address => {}
                _ => joined.push(Row { address, rule }),
            }
        }
        end = end.max(function.end);
    }
    if let Ok(address) = u32::try_from(end - base) {
        let rule = Rule::Unknown;
        joined.push(Row { address, rule });
    }
    joined
}
