//! What types are made of: members of structs, enumerators, parameters.

use super::{Btf, DEPTH, Type, kind};

/// Where a member lies in a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bits from the start of the struct.
    pub offset_bits: u32,
    /// Bits that it takes, for a bit field.
    pub bits: Option<u32>,
    type_id: u32,
}

impl Field {
    /// Bytes from the start of the struct; for a bit field, to the byte that it begins in.
    pub fn offset_bytes(&self) -> u32 {
        self.offset_bits / 8
    }
}

/// A member of a struct or union, as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where its name is among the strings.
    pub(super) name: u32,
    /// The number of its type.
    pub type_id: u32,
    /// Bits from the start of the struct.
    pub offset_bits: u32,
    /// Bits that it takes, for a bit field.
    pub bits: Option<u32>,
}

impl Btf {
    /// Where a member lies. The path may go through nested structs (`thread_info.status`), and past members
    /// of structs and unions that have no name. [`None`] where there is no such struct or member.
    pub fn member_offset(&self, structure: &str, path: &str) -> Option<Field> {
        let mut id = self.find(structure, &[kind::STRUCT, kind::UNION])?;
        let mut offset_bits = 0u32;
        let mut field = None;
        for name in path.split('.') {
            let member = self.member(self.resolve(id)?, name, DEPTH)?;
            offset_bits = offset_bits.checked_add(member.offset_bits)?;
            id = member.type_id;
            field = Some(Field {
                offset_bits,
                ..member
            });
        }
        field
    }

    fn member(&self, structure: Type, name: &str, depth: usize) -> Option<Field> {
        if depth == 0 || name.is_empty() {
            return None;
        }
        for member in self.members(structure) {
            let Member {
                type_id,
                offset_bits,
                bits,
                ..
            } = member?;
            let member_name = self.string(member?.name);
            if member_name == name.as_bytes() {
                return Some(Field {
                    offset_bits,
                    bits,
                    type_id,
                });
            }
            if member_name.is_empty()
                && let Some(inner) = self.resolve(type_id)
                && let Some(found) = self.member(inner, name, depth - 1)
            {
                return Some(Field {
                    offset_bits: offset_bits.checked_add(found.offset_bits)?,
                    ..found
                });
            }
        }
        None
    }

    /// The members of a struct or union; of other types none. [`None`] where the data ends in one.
    pub(super) fn members(&self, structure: Type) -> impl Iterator<Item = Option<Member>> {
        let composite = matches!(structure.kind, kind::STRUCT | kind::UNION);
        let count = if composite { structure.count } else { 0 };
        (0..count).map(move |index| {
            let at = structure.at + 12 + 12 * index;
            let offset = self.word(at + 8)?;
            // With the flag, the upper 8 bits are the size of a bit field.
            let (offset_bits, bits) = if structure.flag {
                (offset & 0xff_ffff, offset >> 24)
            } else {
                (offset, 0)
            };
            Some(Member {
                name: self.word(at)?,
                type_id: self.word(at + 4)?,
                offset_bits,
                bits: (bits != 0).then_some(bits),
            })
        })
    }

    /// The enumerators of an enumeration: where the name is among the strings, and the value.
    pub(super) fn values(&self, enumeration: Type) -> impl Iterator<Item = Option<(u32, i64)>> {
        let size = match enumeration.kind {
            kind::ENUM => 8,
            _ => 12,
        };
        let is_enum = matches!(enumeration.kind, kind::ENUM | kind::ENUM64);
        let count = if is_enum { enumeration.count } else { 0 };
        (0..count).map(move |index| {
            let at = enumeration.at + 12 + size * index;
            let low = self.word(at + 4)?;
            let value = match enumeration.kind {
                // The flag says that values are signed.
                kind::ENUM if enumeration.flag => i64::from(low as i32),
                kind::ENUM => i64::from(low),
                _ => (u64::from(self.word(at + 8)?) << 32 | u64::from(low)) as i64,
            };
            Some((self.word(at)?, value))
        })
    }

    /// The enumerators of an enumeration with their values.
    pub fn enumerators(&self, enumeration: &str) -> Option<Vec<(String, i64)>> {
        let id = self.find(enumeration, &[kind::ENUM, kind::ENUM64])?;
        let named = self.values(self.type_of(id)?).map(|value| {
            let (name, value) = value?;
            let name = String::from_utf8_lossy(self.string(name)).into_owned();
            Some((name, value))
        });
        named.collect()
    }

    /// The value of an enumerator.
    pub fn enum_value(&self, enumeration: &str, name: &str) -> Option<i64> {
        self.enumerators(enumeration)?
            .into_iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// The enumeration that has an enumerator whose name is at this offset of the strings, and its value.
    pub(super) fn enumerator_named(&self, name: u32) -> Option<(u32, i64)> {
        self.ids().find_map(|id| {
            let mut values = self.values(self.type_of(id)?).flatten();
            let (_, value) = values.find(|(of, _)| *of == name)?;
            Some((id, value))
        })
    }

    /// The parameters of a prototype: where the name is among the strings, and the number of the type.
    pub(super) fn parameters(&self, prototype: Type) -> impl Iterator<Item = Option<(u32, u32)>> {
        let is_prototype = prototype.kind == kind::FUNC_PROTO;
        let count = if is_prototype { prototype.count } else { 0 };
        (0..count).map(move |index| {
            let at = prototype.at + 12 + 8 * index;
            Some((self.word(at)?, self.word(at + 4)?))
        })
    }

    /// True where a type has this tag, such as the `bpf_kfunc` of functions that programs may call.
    pub(super) fn is_tagged(&self, id: u32, tag: u32) -> bool {
        self.ids().any(|tag_id| {
            self.type_of(tag_id).is_some_and(|found| {
                found.kind == kind::DECL_TAG && found.target == id && found.name == tag
            })
        })
    }
}
