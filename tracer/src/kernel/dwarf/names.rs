//! What is known by a name of the source: all units are gone through until it is found.

use anyhow::Context as _;
use gimli::AttributeValue;

use super::{
    Dwarf, Entry,
    function::{attribute, start},
    types::{enumerator, name_of, string_of},
};

impl Dwarf {
    /// The definition of a structure (or class), a union, an enumeration or a typedef by its name: the first that there is.
    pub fn find_type(&self, keyword: &str, name: &str) -> anyhow::Result<Option<Entry>> {
        let wanted: &[gimli::DwTag] = match keyword {
            "union" => &[gimli::DW_TAG_union_type],
            "enum" => &[gimli::DW_TAG_enumeration_type],
            "typedef" => &[gimli::DW_TAG_typedef],
            _ => &[gimli::DW_TAG_structure_type, gimli::DW_TAG_class_type],
        };
        let dwarf = self.read()?;
        let mut found = None;
        let look = self.find_unit(&dwarf, |unit| {
            let mut entries = unit.entries();
            while let Some(die) = entries.next_dfs()? {
                if wanted.contains(&die.tag())
                    && !die.has_attr(gimli::DW_AT_declaration)
                    && name_of(&dwarf, unit, die)?.as_deref() == Some(name)
                {
                    let offset = die.offset().to_debug_info_offset(&unit.header);
                    found = offset.map(|offset| offset.0);
                    return Ok(true);
                }
            }
            Ok(false)
        });
        look.with_context(|| self.damaged())?;
        Ok(found)
    }

    /// The enumeration that has an enumerator of this name, and its value: the first that there is.
    pub fn find_enumerator(&self, name: &str) -> anyhow::Result<Option<(Entry, i64)>> {
        let dwarf = self.read()?;
        let mut found = None;
        let look = self.find_unit(&dwarf, |unit| {
            let mut entries = unit.entries();
            let mut within = None;
            while let Some(die) = entries.next_dfs()? {
                if die.tag() == gimli::DW_TAG_enumeration_type {
                    within = die.offset().to_debug_info_offset(&unit.header);
                }
                if die.tag() == gimli::DW_TAG_enumerator
                    && let Some(within) = within
                    && let Some((known, value)) = enumerator(&dwarf, unit, die)?
                    && known == name
                {
                    found = Some((within.0, value));
                    return Ok(true);
                }
            }
            Ok(false)
        });
        look.with_context(|| self.damaged())?;
        Ok(found)
    }

    /// Where the code of functions of the source begins whose names are wanted, in the program's own numbering, with these
    /// names: of each function itself and, with `inlined`, of each place where it was put into another.
    pub fn functions_called(
        &self,
        inlined: bool,
        wanted: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<(u64, String)>> {
        let dwarf = self.read()?;
        let mut found = Vec::new();
        let look = self.find_unit(&dwarf, |unit| {
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs()? {
                let is_wanted = match entry.tag() {
                    gimli::DW_TAG_subprogram => true,
                    gimli::DW_TAG_inlined_subroutine => inlined,
                    _ => false,
                };
                if is_wanted
                    && let Some(name) = attribute(unit, entry, gimli::DW_AT_name)?
                    && let name = string_of(&dwarf, unit, name)?
                    && wanted(&name)
                    && let Some(address) = start(&dwarf, unit, entry)?
                    // What the linker has thrown away begins at zero.
                    && address != 0
                {
                    found.push((address, name));
                }
            }
            Ok(false)
        });
        look.with_context(|| self.damaged())?;
        Ok(found)
    }

    /// True where a function of this name was put into others.
    pub fn is_inlined(&self, name: &str) -> anyhow::Result<bool> {
        let dwarf = self.read()?;
        let found = self.find_unit(&dwarf, |unit| {
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs()? {
                if entry.tag() == gimli::DW_TAG_subprogram
                    && let Some(AttributeValue::Inline(
                        gimli::DW_INL_inlined | gimli::DW_INL_declared_inlined,
                    )) = entry.attr_value(gimli::DW_AT_inline)
                    && name_of(&dwarf, unit, entry)?.as_deref() == Some(name)
                {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        Ok(found.with_context(|| self.damaged())?.is_some())
    }
}
