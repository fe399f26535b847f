//! Types, and how they lie in memory.

use anyhow::Context as _;
use gimli::{AttributeValue, DebuggingInformationEntry, Unit};

use super::{Dwarf, Entry, Slice, function::reference, text};

/// What a type is, behind other names and qualifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value.
    Void,
    /// A truth value.
    Bool,
    /// An integer, or a character of more than a byte.
    Int {
        /// Bytes.
        bytes: u64,
        /// Whether it may be negative.
        signed: bool,
    },
    /// A character of one byte.
    Char {
        /// Whether it may be negative.
        signed: bool,
    },
    /// A number with a fraction.
    Float {
        /// Bytes.
        bytes: u64,
    },
    /// A pointer or a reference; [`None`] to nothing in particular.
    Pointer(Option<Entry>),
    /// An array.
    Array {
        /// Type of an element.
        element: Option<Entry>,
        /// How many in each dimension; 0 where that is not told.
        counts: Vec<u64>,
    },
    /// A structure, a class or a union.
    Struct {
        /// Its name, where it has one.
        name: Option<String>,
        /// All members lie at the start.
        union: bool,
        /// Bytes.
        bytes: u64,
        /// Whether functions are handed its address, as copying it takes code; [`None`] where that is not told.
        by_reference: Option<bool>,
        /// The definition.
        entry: Entry,
    },
    /// An enumeration.
    Enum {
        /// Its name, where it has one.
        name: Option<String>,
        /// Bytes.
        bytes: u64,
        /// Whether it may be negative.
        signed: bool,
        /// The definition.
        entry: Entry,
    },
    /// A function.
    Function,
    /// What scripts have no word for.
    Other,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; empty for one whose members belong to the outer structure.
    pub name: String,
    /// Its type.
    pub kind: Option<Entry>,
    /// Bytes from the start.
    pub offset: u64,
    /// For a bit field: the first bit from the start of the structure, and how many.
    pub bits: Option<(u64, u64)>,
}

/// A structure, a class or a union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// All members lie at the start.
    pub union: bool,
    /// Bytes.
    pub bytes: u64,
    /// Its members, what it inherits included.
    pub members: Vec<Member>,
}

/// Names and qualifiers before a type, at most: damaged data may go in circles.
const DEPTH: usize = 32;

pub(super) type Die<'a> = DebuggingInformationEntry<Slice<'a>>;

impl Dwarf {
    /// What a type is.
    pub fn kind(&self, kind: Option<Entry>) -> anyhow::Result<Kind> {
        let mut next = kind;
        for _ in 0..DEPTH {
            let Some(entry) = next else {
                return Ok(Kind::Void);
            };
            match self.at(entry, |dwarf, unit, die| shape(dwarf, unit, die, entry))? {
                Step::Alias(target) => next = target,
                Step::Is(kind) => return Ok(kind),
            }
        }
        Ok(Kind::Other)
    }

    /// A type as C writes it: `const char*`.
    pub fn written(&self, kind: Option<Entry>) -> anyhow::Result<String> {
        let mut behind = String::new();
        let mut next = kind;
        for _ in 0..DEPTH {
            let Some(entry) = next else {
                return Ok(format!("void{behind}"));
            };
            let (tag, name, target) = self.at(entry, |dwarf, unit, die| {
                let name = name_of(dwarf, unit, die)?;
                Ok((die.tag(), name, target(unit, die)))
            })?;
            let keyword = match tag {
                gimli::DW_TAG_structure_type => "struct ",
                gimli::DW_TAG_class_type => "class ",
                gimli::DW_TAG_union_type => "union ",
                gimli::DW_TAG_enumeration_type => "enum ",
                _ => "",
            };
            match (tag, name) {
                (gimli::DW_TAG_pointer_type, _) => behind.insert(0, '*'),
                (gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type, _) => {
                    behind.insert(0, '&')
                }
                (gimli::DW_TAG_const_type, _) => {
                    let inner = self.written(target)?;
                    return Ok(format!("const {inner}{behind}"));
                }
                (gimli::DW_TAG_array_type, _) => behind.push_str("[]"),
                (gimli::DW_TAG_subroutine_type, _) => return Ok(format!("func{behind}")),
                (_, Some(name)) => return Ok(format!("{keyword}{name}{behind}")),
                (_, None) if !keyword.is_empty() => return Ok(format!("{keyword}{{}}{behind}")),
                _ => {}
            }
            next = target;
        }
        Ok(format!("?{behind}"))
    }

    /// The structure that an entry is; [`None`] where it is something else.
    pub fn structure(&self, entry: Entry) -> anyhow::Result<Option<Structure>> {
        let Kind::Struct {
            name,
            union,
            bytes,
            entry,
            ..
        } = self.kind(Some(entry))?
        else {
            return Ok(None);
        };
        let members = self.at(entry, |dwarf, unit, die| {
            let mut members = Vec::new();
            let mut tree = unit.entries_tree(Some(die.offset()))?;
            let mut children = tree.root()?.children();
            while let Some(child) = children.next()? {
                members.extend(member(dwarf, unit, child.entry())?);
            }
            Ok(members)
        })?;
        Ok(Some(Structure {
            name,
            union,
            bytes,
            members,
        }))
    }

    /// True for a type that is only declared where this entry is.
    pub fn is_declaration(&self, entry: Entry) -> anyhow::Result<bool> {
        self.at(
            entry,
            |_, _, die| Ok(die.has_attr(gimli::DW_AT_declaration)),
        )
    }

    /// The enumerators of an enumeration.
    pub fn enumerators(&self, entry: Entry) -> anyhow::Result<Vec<(String, i64)>> {
        self.at(entry, |dwarf, unit, die| {
            let mut found = Vec::new();
            let mut tree = unit.entries_tree(Some(die.offset()))?;
            let mut children = tree.root()?.children();
            while let Some(child) = children.next()? {
                found.extend(enumerator(dwarf, unit, child.entry())?);
            }
            Ok(found)
        })
    }

    /// Looks at an entry.
    pub(super) fn at<T>(
        &self,
        entry: Entry,
        look: impl for<'a> FnOnce(
            &gimli::Dwarf<Slice<'a>>,
            &Unit<Slice<'a>>,
            &Die<'a>,
        ) -> gimli::Result<T>,
    ) -> anyhow::Result<T> {
        let dwarf = self.read()?;
        let mut headers = dwarf.units();
        let run = || -> gimli::Result<Option<T>> {
            while let Some(header) = headers.next()? {
                let offset = gimli::DebugInfoOffset(entry);
                let Some(offset) = offset.to_unit_offset(&header) else {
                    continue;
                };
                let unit = dwarf.unit(header)?;
                let die = unit.entry(offset)?;
                return look(&dwarf, &unit, &die).map(Some);
            }
            Ok(None)
        };
        run()
            .with_context(|| self.damaged())?
            .with_context(|| self.damaged())
    }
}

/// The name and the value of an enumerator.
pub(super) fn enumerator<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
) -> gimli::Result<Option<(String, i64)>> {
    let value = die.attr_value(gimli::DW_AT_const_value);
    let value = value.and_then(|value| {
        let unsigned = value.udata_value().map(|value| value as i64);
        value.sdata_value().or(unsigned)
    });
    Ok(name_of(dwarf, unit, die)?.zip(value))
}

/// What an entry says of a type.
enum Step {
    /// It adds to another one.
    Alias(Option<Entry>),
    Is(Kind),
}

fn member<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
) -> gimli::Result<Option<Member>> {
    let inherited = die.tag() == gimli::DW_TAG_inheritance;
    if !inherited && die.tag() != gimli::DW_TAG_member {
        return Ok(None);
    }
    let number = |name| die.attr_value(name).and_then(|value| value.udata_value());
    // What belongs to the class and not to each object has no place.
    if die.has_attr(gimli::DW_AT_external) {
        return Ok(None);
    }
    let mut offset = number(gimli::DW_AT_data_member_location).unwrap_or(0);
    let bits = match number(gimli::DW_AT_bit_size) {
        None => None,
        Some(count) => {
            let first = match number(gimli::DW_AT_data_bit_offset) {
                Some(first) => first,
                // Before DWARF 4: counted from the highest bit of the member's type.
                None => {
                    let whole = number(gimli::DW_AT_byte_size).unwrap_or(4) * 8;
                    let above = number(gimli::DW_AT_bit_offset).unwrap_or(0);
                    (offset * 8 + whole).saturating_sub(above + count)
                }
            };
            offset = first / 8;
            Some((first, count))
        }
    };
    let name = match inherited {
        true => None,
        false => name_of(dwarf, unit, die)?,
    };
    Ok(Some(Member {
        name: name.unwrap_or_default(),
        kind: target(unit, die),
        offset,
        bits,
    }))
}

fn shape<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
    entry: Entry,
) -> gimli::Result<Step> {
    let bytes = die
        .attr_value(gimli::DW_AT_byte_size)
        .and_then(|value| value.udata_value())
        .unwrap_or(0);
    Ok(Step::Is(match die.tag() {
        gimli::DW_TAG_base_type => base(die, bytes),
        gimli::DW_TAG_pointer_type
        | gimli::DW_TAG_reference_type
        | gimli::DW_TAG_rvalue_reference_type
        | gimli::DW_TAG_ptr_to_member_type => Kind::Pointer(target(unit, die)),
        gimli::DW_TAG_array_type => Kind::Array {
            element: target(unit, die),
            counts: counts(unit, die)?,
        },
        gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_union_type => {
            Kind::Struct {
                name: name_of(dwarf, unit, die)?,
                union: die.tag() == gimli::DW_TAG_union_type,
                bytes,
                by_reference: by_reference(die),
                entry,
            }
        }
        gimli::DW_TAG_enumeration_type => Kind::Enum {
            name: name_of(dwarf, unit, die)?,
            bytes: if bytes == 0 { 4 } else { bytes },
            signed: has_negative(unit, die)?,
            entry,
        },
        gimli::DW_TAG_subroutine_type => Kind::Function,
        gimli::DW_TAG_typedef
        | gimli::DW_TAG_const_type
        | gimli::DW_TAG_volatile_type
        | gimli::DW_TAG_restrict_type
        | gimli::DW_TAG_atomic_type => return Ok(Step::Alias(target(unit, die))),
        gimli::DW_TAG_unspecified_type => Kind::Void,
        _ => Kind::Other,
    }))
}

fn by_reference(die: &Die<'_>) -> Option<bool> {
    match die.attr_value(gimli::DW_AT_calling_convention) {
        Some(AttributeValue::CallingConvention(gimli::DW_CC_pass_by_reference)) => Some(true),
        Some(AttributeValue::CallingConvention(gimli::DW_CC_pass_by_value)) => Some(false),
        _ => None,
    }
}

fn base(die: &Die<'_>, bytes: u64) -> Kind {
    let Some(AttributeValue::Encoding(encoding)) = die.attr_value(gimli::DW_AT_encoding) else {
        return Kind::Other;
    };
    match encoding {
        gimli::DW_ATE_boolean => Kind::Bool,
        gimli::DW_ATE_signed_char if bytes == 1 => Kind::Char { signed: true },
        gimli::DW_ATE_unsigned_char if bytes == 1 => Kind::Char { signed: false },
        gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => Kind::Int {
            bytes,
            signed: true,
        },
        gimli::DW_ATE_unsigned
        | gimli::DW_ATE_unsigned_char
        | gimli::DW_ATE_UTF
        | gimli::DW_ATE_address => Kind::Int {
            bytes,
            signed: false,
        },
        gimli::DW_ATE_float | gimli::DW_ATE_complex_float | gimli::DW_ATE_decimal_float => {
            Kind::Float { bytes }
        }
        _ => Kind::Other,
    }
}

/// The type that an entry adds to, or is made of.
fn target(unit: &Unit<Slice<'_>>, die: &Die<'_>) -> Option<Entry> {
    reference(unit, &die.attr_value(gimli::DW_AT_type)?)
}

/// Elements of an array, in each of its dimensions.
fn counts(unit: &Unit<Slice<'_>>, die: &Die<'_>) -> gimli::Result<Vec<u64>> {
    let mut counts = Vec::new();
    let mut tree = unit.entries_tree(Some(die.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let child = child.entry();
        let number = |name| child.attr_value(name).and_then(|value| value.udata_value());
        if child.tag() != gimli::DW_TAG_subrange_type {
            continue;
        }
        let last = number(gimli::DW_AT_upper_bound).map(|last| last.wrapping_add(1));
        counts.push(number(gimli::DW_AT_count).or(last).unwrap_or(0));
    }
    Ok(counts)
}

fn has_negative(unit: &Unit<Slice<'_>>, die: &Die<'_>) -> gimli::Result<bool> {
    let mut tree = unit.entries_tree(Some(die.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let value = child.entry().attr_value(gimli::DW_AT_const_value);
        if value
            .and_then(|value| value.sdata_value())
            .is_some_and(|value| value < 0)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name that an entry has itself.
pub(super) fn name_of<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
) -> gimli::Result<Option<String>> {
    let name = die.attr_value(gimli::DW_AT_name);
    name.map(|value| string_of(dwarf, unit, value)).transpose()
}

pub(super) fn string_of<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    value: AttributeValue<Slice<'a>>,
) -> gimli::Result<String> {
    Ok(text(dwarf.attr_string(unit, value)?).into_owned())
}
