//! Functions: their parameters, and what they return.

use anyhow::Context as _;
use gimli::{AttributeValue, DebuggingInformationEntry, Unit};

use super::{
    Dwarf, Entry, Slice,
    location::{AtEntry, at_entry},
    types::string_of,
};

/// A function of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its parameters, in order; of a method's, the object comes first.
    pub parameters: Vec<Parameter>,
    /// The type that it returns, [`None`] for nothing.
    pub returns: Option<Entry>,
    /// What it is written in.
    pub language: Language,
    /// Its name for the linker is made of that in the source, as it is not for other languages to call.
    pub mangled: bool,
}

/// A language, as far as it has a way of its own to call functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust.
    Rust,
    /// C++.
    Cpp,
    /// C, or what is called as C is.
    Other,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its type.
    pub kind: Option<Entry>,
    /// Where it is when the function begins.
    pub at_entry: AtEntry,
}

type Die<'a> = DebuggingInformationEntry<Slice<'a>>;

impl Dwarf {
    /// The function that begins at an address of the program's own numbering; [`None`] where none is known.
    pub fn function(&self, address: u64) -> anyhow::Result<Option<Function>> {
        let dwarf = self.read()?;
        let find = || -> gimli::Result<Option<Function>> {
            let Some(unit) = self.unit_at(&dwarf, address)? else {
                return Ok(None);
            };
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs()? {
                if entry.tag() == gimli::DW_TAG_subprogram
                    && begins_at(&dwarf, &unit, entry, address)?
                {
                    let entry = entry.clone();
                    return described(&dwarf, &unit, &entry, address).map(Some);
                }
            }
            Ok(None)
        };
        find().with_context(|| self.damaged())
    }
}

/// Code of a function that was also put into others is described by what all have in common, to which it
/// refers.
fn described<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    entry: &Die<'a>,
    address: u64,
) -> gimli::Result<Function> {
    // A copy for some callers may be called otherwise than all others are.
    let alone = entry.has_attr(gimli::DW_AT_abstract_origin)
        || attribute(unit, entry, gimli::DW_AT_external)?.is_none();
    let returns = match attribute(unit, entry, gimli::DW_AT_type)? {
        Some(value) => reference(unit, &value),
        None => None,
    };
    let mut parameters = Vec::new();
    let mut tree = unit.entries_tree(Some(entry.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let child = child.entry();
        if child.tag() != gimli::DW_TAG_formal_parameter {
            continue;
        }
        let name = match attribute(unit, child, gimli::DW_AT_name)? {
            Some(value) => string_of(dwarf, unit, value)?,
            None => String::new(),
        };
        let kind = attribute(unit, child, gimli::DW_AT_type)?;
        let kind = kind.and_then(|value| reference(unit, &value));
        let at_entry = at_entry(dwarf, unit, child, address, alone)?;
        parameters.push(Parameter {
            name,
            kind,
            at_entry,
        });
    }
    Ok(Function {
        parameters,
        returns,
        language: language(unit)?,
        mangled: attribute(unit, entry, gimli::DW_AT_linkage_name)?.is_some(),
    })
}

fn language(unit: &Unit<Slice<'_>>) -> gimli::Result<Language> {
    let mut tree = unit.entries_tree(None)?;
    let language = tree.root()?.entry().attr_value(gimli::DW_AT_language);
    let Some(AttributeValue::Language(language)) = language else {
        return Ok(Language::Other);
    };
    Ok(match language {
        gimli::DW_LANG_Rust => Language::Rust,
        gimli::DW_LANG_C_plus_plus
        | gimli::DW_LANG_C_plus_plus_03
        | gimli::DW_LANG_C_plus_plus_11
        | gimli::DW_LANG_C_plus_plus_14
        | gimli::DW_LANG_C_plus_plus_17
        | gimli::DW_LANG_C_plus_plus_20 => Language::Cpp,
        _ => Language::Other,
    })
}

/// An attribute of an entry, or of the one that it refers to for all that it does not say itself. That is
/// looked for in the same unit only.
pub(super) fn attribute<'a>(
    unit: &Unit<Slice<'a>>,
    entry: &Die<'a>,
    name: gimli::DwAt,
) -> gimli::Result<Option<AttributeValue<Slice<'a>>>> {
    /// From a definition to its declaration takes two steps.
    const STEPS: usize = 4;
    let mut entry = entry.clone();
    for _ in 0..STEPS {
        if let Some(value) = entry.attr_value(name) {
            return Ok(Some(value));
        }
        let origin = entry
            .attr_value(gimli::DW_AT_abstract_origin)
            .or_else(|| entry.attr_value(gimli::DW_AT_specification));
        let Some(AttributeValue::UnitRef(offset)) = origin else {
            return Ok(None);
        };
        entry = unit.entry(offset)?;
    }
    Ok(None)
}

/// The address that the code of a function begins at; [`None`] where it has none.
pub(super) fn start<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    entry: &Die<'a>,
) -> gimli::Result<Option<u64>> {
    for name in [gimli::DW_AT_entry_pc, gimli::DW_AT_low_pc] {
        if let Some(value) = entry.attr_value(name)
            && let Some(address) = dwarf.attr_address(unit, value)?
        {
            return Ok(Some(address));
        }
    }
    let first = dwarf.die_ranges(unit, entry)?.next()?;
    Ok(first.map(|range| range.begin))
}

fn begins_at<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    entry: &Die<'a>,
    address: u64,
) -> gimli::Result<bool> {
    let low = match entry.attr_value(gimli::DW_AT_low_pc) {
        Some(value) => dwarf.attr_address(unit, value)?,
        None => None,
    };
    if low.is_some() {
        return Ok(low == Some(address));
    }
    let mut ranges = dwarf.die_ranges(unit, entry)?;
    while let Some(range) = ranges.next()? {
        if range.begin == address {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The entry that a value refers to.
pub(super) fn reference(
    unit: &Unit<Slice<'_>>,
    value: &AttributeValue<Slice<'_>>,
) -> Option<Entry> {
    match value {
        AttributeValue::UnitRef(offset) => {
            let offset = offset.to_debug_info_offset(&unit.header)?;
            Some(offset.0)
        }
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        _ => None,
    }
}
