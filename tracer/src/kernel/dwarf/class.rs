//! Classes of C++, as far as functions are handed them.

use gimli::Unit;

use super::{Dwarf, Entry, Kind, Slice, function::reference, types::Die, types::name_of};

/// What a class tells of itself.
enum Class {
    /// It has code for making, copying or destroying objects.
    HasCode,
    /// It has none, but the types that it is made of may.
    MadeOf(Vec<Entry>),
}

impl Dwarf {
    /// Whether a class may have code for copying its objects, or one that it is made of, to `depth`: then functions may
    /// be handed their address instead.
    pub fn may_copy_by_code(&self, kind: Option<Entry>, depth: u32) -> anyhow::Result<bool> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(true);
        };
        let entry = match self.kind(kind)? {
            Kind::Struct { entry, .. } => entry,
            Kind::Array { element, .. } => return self.may_copy_by_code(element, depth),
            _ => return Ok(false),
        };
        match self.at(entry, class)? {
            Class::HasCode => Ok(true),
            Class::MadeOf(parts) => {
                for part in parts {
                    if self.may_copy_by_code(Some(part), depth)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn class<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
) -> gimli::Result<Class> {
    let own = name_of(dwarf, unit, die)?.unwrap_or_default();
    // The functions are called without the template's arguments.
    let own = own.split('<').next().unwrap_or_default().to_owned();
    let mut parts = Vec::new();
    let mut tree = unit.entries_tree(Some(die.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let child = child.entry();
        if child.has_attr(gimli::DW_AT_virtuality) {
            return Ok(Class::HasCode);
        }
        match child.tag() {
            gimli::DW_TAG_subprogram => {
                let name = name_of(dwarf, unit, child)?.unwrap_or_default();
                if name == own || name.starts_with('~') {
                    return Ok(Class::HasCode);
                }
            }
            gimli::DW_TAG_member | gimli::DW_TAG_inheritance => {
                let kind = child.attr_value(gimli::DW_AT_type);
                parts.extend(kind.and_then(|kind| reference(unit, &kind)));
            }
            _ => {}
        }
    }
    Ok(Class::MadeOf(parts))
}
