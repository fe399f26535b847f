//! From the types of programs (DWARF) to those of scripts.
//!
//! A type is known by its name, its place among the debug information, and the file: programs that are traced
//! together may have different ones of one name.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use tracer_script::{
    facts::{Field, Signature, Struct},
    types::{Space, Type},
};

use super::Enumeration;
use crate::kernel::dwarf::{Dwarf, Entry, Function, Kind, Member};

/// Types within types are followed so deep, at most: damaged data may go in circles.
const DEPTH: u32 = 16;

/// What fits into two registers is handed over in them: System V ABI, AAPCS64.
const IN_REGISTERS_MAX: u64 = 16;

/// The debug information of programs, each read when it is first asked for.
#[derive(Default)]
pub struct Binaries {
    read: RefCell<BTreeMap<PathBuf, Option<Rc<Dwarf>>>>,
}

impl Binaries {
    /// That of a file; [`None`] where there is none.
    pub fn get(&self, path: &Path) -> anyhow::Result<Option<Rc<Dwarf>>> {
        if let Some(known) = self.read.borrow().get(path) {
            return Ok(known.clone());
        }
        let found = Dwarf::of(path)?.map(Rc::new);
        self.read
            .borrow_mut()
            .insert(path.to_owned(), found.clone());
        Ok(found)
    }

    /// The prototype of the function that begins at an address of a file.
    pub fn signature(&self, path: &Path, address: u64) -> anyhow::Result<Option<Signature>> {
        let Some(dwarf) = self.get(path)? else {
            return Ok(None);
        };
        let Some(function) = dwarf.function(address)? else {
            return Ok(None);
        };
        Types {
            dwarf: &dwarf,
            path,
        }
        .signature(&function)
        .map(Some)
    }

    /// A structure or union: by what a type of ours is known by, or by the name that it has in the source of a
    /// program that the script is about.
    pub fn structure(&self, key: &str) -> anyhow::Result<Option<Struct>> {
        self.look_up(key, |types, entry| types.structure(entry))
    }

    /// An enumeration, likewise: its type and its enumerators.
    pub fn enumeration(&self, key: &str) -> anyhow::Result<Option<Enumeration>> {
        let key = format!("enum {key}");
        self.look_up(&key, |types, entry| {
            let kind = types.kind(Some(entry), DEPTH)?;
            let values = types.dwarf.enumerators(entry)?;
            Ok(matches!(kind, Type::Enum { .. }).then_some((kind, values)))
        })
    }

    fn look_up<T>(
        &self,
        key: &str,
        look: impl Fn(Types<'_>, Entry) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        if let Some((entry, path)) = place_of(key) {
            let path = Path::new(path);
            return match self.get(path)? {
                Some(dwarf) => look(
                    Types {
                        dwarf: &dwarf,
                        path,
                    },
                    entry,
                ),
                None => Ok(None),
            };
        }
        let Some((keyword, name)) = key.split_once(' ') else {
            return Ok(None);
        };
        let known = self.read.borrow().clone();
        for (path, dwarf) in &known {
            if let Some(dwarf) = dwarf
                && let Some(entry) = dwarf.find_type(keyword, name)?
            {
                return look(Types { dwarf, path }, entry);
            }
        }
        Ok(None)
    }
}

/// What a type is known by: `struct point (0x2f of /bin/app)`.
fn key(keyword: &str, name: Option<&str>, entry: Entry, path: &Path) -> Rc<str> {
    let words = [keyword, name.unwrap_or_default()];
    let words = words.iter().filter(|word| !word.is_empty());
    let mut key: String = words.flat_map(|word| [word, " "]).collect();
    key.push_str(&format!("({entry:#x} of {})", path.display()));
    key.into()
}

/// The place that a key names.
fn place_of(key: &str) -> Option<(Entry, &str)> {
    let (_, inner) = key.strip_suffix(')')?.split_once("(0x")?;
    let (digits, path) = inner.split_once(" of ")?;
    Some((Entry::from_str_radix(digits, 16).ok()?, path))
}

/// The types of a program.
#[derive(Clone, Copy)]
struct Types<'a> {
    dwarf: &'a Dwarf,
    path: &'a Path,
}

impl Types<'_> {
    /// Parameters stand at the numbers of the registers that hold them: what is in none, or cannot be read as a
    /// whole, has no name.
    fn signature(&self, function: &Function) -> anyhow::Result<Signature> {
        let unnamed = || (Rc::from(""), Type::Void);
        let mut params = Vec::new();
        // What is too large for registers is written to where a hidden first parameter points.
        if let Kind::Struct { bytes, .. } = self.dwarf.kind(function.returns)?
            && bytes > IN_REGISTERS_MAX
        {
            params.push(unnamed());
        }
        for parameter in &function.parameters {
            match self.dwarf.kind(parameter.kind)? {
                Kind::Float { .. } => {}
                Kind::Struct { bytes, .. } | Kind::Int { bytes, .. } if bytes > 8 => {
                    let registers = match bytes {
                        ..=IN_REGISTERS_MAX => bytes.div_ceil(8),
                        _ => 0,
                    };
                    params.extend((0..registers).map(|_| unnamed()));
                }
                Kind::Struct { .. } => params.push(unnamed()),
                _ => {
                    let kind = self.kind(parameter.kind, DEPTH)?;
                    params.push((parameter.name.as_str().into(), kind));
                }
            }
        }
        Ok(Signature {
            params,
            returns: self.kind(function.returns, DEPTH)?,
        })
    }

    fn kind(&self, entry: Option<Entry>, depth: u32) -> anyhow::Result<Type> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(Type::Void);
        };
        Ok(match self.dwarf.kind(entry)? {
            Kind::Void | Kind::Other => Type::Void,
            Kind::Bool => Type::Bool,
            Kind::Int { bytes, signed } => integer(bytes, signed),
            Kind::Char { signed } => Type::int(1, signed),
            // Its bits, as there are no numbers with a fraction in scripts.
            Kind::Float { bytes } => integer(bytes, false),
            Kind::Pointer(to) => Type::pointer(self.kind(to, depth)?, Space::User),
            Kind::Array { element, count } => self.array(element, count, depth)?,
            Kind::Struct {
                name, union, entry, ..
            } => {
                let keyword = if union { "union" } else { "struct" };
                let entry = self.definition(keyword, name.as_deref(), entry)?;
                Type::Struct(key(keyword, name.as_deref(), entry, self.path))
            }
            Kind::Enum {
                name,
                bytes,
                signed,
                entry,
            } => Type::Enum {
                name: key("", name.as_deref(), entry, self.path),
                size: bytes.clamp(1, 8) as u8,
                signed,
            },
            Kind::Function => Type::Func,
        })
    }

    /// Where a type is only declared, another part of the program may define it.
    fn definition(&self, keyword: &str, name: Option<&str>, entry: Entry) -> anyhow::Result<Entry> {
        match (self.dwarf.is_declaration(entry)?, name) {
            (true, Some(name)) => {
                let found = self.dwarf.find_type(keyword, name)?;
                Ok(found.unwrap_or(entry))
            }
            _ => Ok(entry),
        }
    }

    fn array(&self, element: Option<Entry>, count: u64, depth: u32) -> anyhow::Result<Type> {
        let count = u32::try_from(count).unwrap_or(0);
        Ok(match self.dwarf.kind(element)? {
            Kind::Char { .. } => Type::Str(count),
            _ => Type::Array(Rc::new(self.kind(element, depth)?), count),
        })
    }

    fn structure(&self, entry: Entry) -> anyhow::Result<Option<Struct>> {
        let Some(found) = self.dwarf.structure(entry)? else {
            return Ok(None);
        };
        let keyword = if found.union { "union" } else { "struct" };
        let fields = found.members.iter().map(|member| self.field(member));
        Ok(Some(Struct {
            name: key(keyword, found.name.as_deref(), entry, self.path),
            size: u32::try_from(found.bytes).unwrap_or(u32::MAX),
            fields: fields.collect::<anyhow::Result<_>>()?,
        }))
    }

    fn field(&self, member: &Member) -> anyhow::Result<Field> {
        let kind = self.kind(member.kind, DEPTH)?;
        // A bit field is read by the whole of its type, whose border is the last one before it.
        let unit = match (member.bits, &kind) {
            (Some(_), Type::Int { size, .. } | Type::Enum { size, .. }) => u32::from(*size).max(1),
            _ => 1,
        };
        let offset = u32::try_from(member.offset).unwrap_or(u32::MAX);
        Ok(Field {
            name: member.name.as_str().into(),
            kind,
            offset: offset / unit * unit,
            bits: member
                .bits
                .map(|(first, count)| (first as u32, count as u32)),
        })
    }
}

/// An integer of so many bytes. One that no register holds is an array of those that do.
fn integer(bytes: u64, signed: bool) -> Type {
    match bytes {
        0..=8 => Type::int(bytes as u8, signed),
        _ => Type::Array(Rc::new(Type::int(8, signed)), bytes as u32 / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_back_to_their_places() {
        let path = Path::new("/srv/a (1)/app of mine");
        let named = key("struct", Some("point"), 0x2f, path);
        assert_eq!(&*named, "struct point (0x2f of /srv/a (1)/app of mine)");
        assert_eq!(place_of(&named), Some((0x2f, "/srv/a (1)/app of mine")));
        let unnamed = key("", None, 0x30, path);
        assert_eq!(place_of(&unnamed), Some((0x30, "/srv/a (1)/app of mine")));
        assert_eq!(place_of("struct point"), None);
        assert_eq!(place_of("struct (anonymous 5 of xfs)"), None);
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let binaries = Binaries::default();
        assert_eq!(
            binaries.structure("struct point").expect("none was read"),
            None
        );
        assert!(binaries.get(Path::new("/no/such/file")).is_err());
    }
}
