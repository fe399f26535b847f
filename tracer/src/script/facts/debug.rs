//! From the types of programs (DWARF) to those of scripts.
//!
//! A type is known by its name, its place among the debug information, and the file: programs that are traced
//! together may have different ones of one name.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use tracer_script::{
    facts::{Field, Part, Signature, Struct},
    types::{Space, Type},
};

use super::{
    Enumeration,
    convention::{Counter, Passed, Placed, hidden, passed},
};
use crate::kernel::{
    dwarf::{AtEntry, Dwarf, Entry, Function, Kind, Member},
    symbols,
};

/// Types within types are followed so deep, at most: damaged data may go in circles.
pub(super) const DEPTH: u32 = 16;

/// The debug information of programs, each read when it is first asked for.
#[derive(Default)]
pub struct Binaries {
    read: RefCell<BTreeMap<PathBuf, Option<Rc<Dwarf>>>>,
    /// The files that probes of the script are in.
    traced: RefCell<BTreeSet<PathBuf>>,
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

    /// Has names of types be looked for in a file, too.
    pub fn trace(&self, path: &Path) {
        self.traced.borrow_mut().insert(path.to_owned());
    }

    /// The function that begins at a place of a file, and the debug information that tells of it; [`None`] where
    /// nothing does.
    pub fn function(
        &self,
        path: &Path,
        offset: u64,
    ) -> anyhow::Result<Option<(Rc<Dwarf>, Function)>> {
        let (Some(dwarf), Some(address)) =
            (self.get(path)?, symbols::address_of_offset(path, offset)?)
        else {
            return Ok(None);
        };
        let found = dwarf.function(address)?;
        Ok(found.map(|function| (dwarf, function)))
    }

    /// The prototype of that function.
    pub fn signature(&self, path: &Path, offset: u64) -> anyhow::Result<Option<Signature>> {
        let found = self.function(path, offset)?;
        found
            .map(|(dwarf, function)| {
                let dwarf = &*dwarf;
                Types { dwarf, path }.signature(&function)
            })
            .transpose()
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
        self.find(|types| match types.dwarf.find_type(keyword, name)? {
            Some(entry) => look(types, entry),
            None => Ok(None),
        })
    }

    /// The type that a typedef of this name stands for.
    pub fn typedef(&self, name: &str) -> anyhow::Result<Option<Type>> {
        self.find(|types| match types.dwarf.find_type("typedef", name)? {
            Some(entry) => types.kind(Some(entry), DEPTH).map(Some),
            None => Ok(None),
        })
    }

    /// An enumerator of this name: its value, and its type.
    pub fn enumerator(&self, name: &str) -> anyhow::Result<Option<(i64, Type)>> {
        self.find(|types| match types.dwarf.find_enumerator(name)? {
            Some((entry, value)) => Ok(Some((value, types.kind(Some(entry), DEPTH)?))),
            None => Ok(None),
        })
    }

    /// Looks in all files that probes of the script are in.
    fn find<T>(
        &self,
        look: impl Fn(Types<'_>) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let traced = self.traced.borrow().clone();
        for path in &traced {
            let Some(dwarf) = self.get(path)? else {
                continue;
            };
            let dwarf = &*dwarf;
            if let Some(found) = look(Types { dwarf, path })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Why a parameter in some other register is not read.
const ELSEWHERE: &str = "the compiler hands it over in a register that holds no argument otherwise";

/// Sets a parameter at its number; those before it that are not known have no names.
fn set(params: &mut Vec<(Rc<str>, Type)>, place: usize, parameter: (Rc<str>, Type)) {
    if params.len() <= place {
        params.resize_with(place + 1, || (Rc::from(""), Type::Void));
    }
    params[place] = parameter;
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
    /// Parameters stand at the numbers of the registers that hold them: what is in none, or cannot be read, has no
    /// name.
    fn signature(&self, function: &Function) -> anyhow::Result<Signature> {
        let mut found = Signature {
            params: Vec::new(),
            parts: Vec::new(),
            unreadable: Vec::new(),
            returns: self.kind(function.returns, DEPTH)?,
        };
        let registers = self.dwarf.argument_registers();
        let mut counter = Counter::new(hidden(self.dwarf, function)?, registers);
        for parameter in &function.parameters {
            let name: Rc<str> = parameter.name.as_str().into();
            let held = match &parameter.at_entry {
                AtEntry::Removed => {
                    let why = "the compiler has removed it from this code";
                    found.unreadable.push((name, why.to_owned()));
                    continue;
                }
                AtEntry::Untold => {
                    let why = "the compiler does not tell where it is when this code begins";
                    found.unreadable.push((name, why.to_owned()));
                    counter.lose();
                    continue;
                }
                AtEntry::Register(register) => Some(vec![(*register, 8)]),
                AtEntry::Registers(parts) => Some(parts.clone()),
                AtEntry::ByConvention => None,
            };
            let passed = passed(self.dwarf, function, parameter.kind)?;
            let counted = counter.count(&passed);
            let placed = match held {
                Some(parts) => self.held(&passed, &parts),
                None => counted,
            };
            match placed {
                Ok(Placed::Whole(place)) => {
                    let kind = self.kind(parameter.kind, DEPTH)?;
                    set(&mut found.params, place, (name, kind));
                }
                Ok(Placed::Pointed(place)) => {
                    let kind = Type::pointer(self.kind(parameter.kind, DEPTH)?, Space::User);
                    set(&mut found.params, place, (name, kind));
                }
                Ok(Placed::Parts(parts)) => {
                    let kind = self.kind(parameter.kind, DEPTH)?;
                    let first = parts.first().map_or(0, |part| part.argument as usize);
                    set(&mut found.params, first, (name.clone(), kind));
                    found.parts.push((name, parts));
                }
                Err(why) => found.unreadable.push((name, why.to_owned())),
            }
        }
        Ok(found)
    }

    /// Where a value is that the compiler says to be in registers.
    fn held(&self, passed: &Passed, parts: &[(u16, u64)]) -> Result<Placed, &'static str> {
        if let Passed::Unread { why, .. } = passed {
            return Err(why);
        }
        let mut offset = 0;
        let mut found = Vec::new();
        for (register, bytes) in parts {
            let argument = self.dwarf.argument_in(*register).ok_or(ELSEWHERE)?;
            if !matches!(bytes, 1 | 2 | 4) && offset % 8 != 0 {
                return Err(ELSEWHERE);
            }
            found.push(Part {
                argument: argument as u32,
                offset,
                bytes: *bytes as u32,
            });
            offset += *bytes as u32;
        }
        match (passed, found.as_slice()) {
            (Passed::Whole, [only]) => Ok(Placed::Whole(only.argument as usize)),
            (Passed::Whole, _) => Err(ELSEWHERE),
            _ => Ok(Placed::Parts(found)),
        }
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
            Kind::Array { element, counts } => self.array(element, &counts, depth)?,
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

    /// An array of arrays has all its dimensions in one entry.
    fn array(&self, element: Option<Entry>, counts: &[u64], depth: u32) -> anyhow::Result<Type> {
        let mut counts = counts.iter().rev();
        let mut count = || u32::try_from(counts.next().copied().unwrap_or(0)).unwrap_or(0);
        let innermost = match self.dwarf.kind(element)? {
            Kind::Char { .. } => Type::Str(count()),
            _ => Type::Array(Rc::new(self.kind(element, depth)?), count()),
        };
        Ok(counts.fold(innermost, |inner, &count| {
            Type::Array(Rc::new(inner), u32::try_from(count).unwrap_or(0))
        }))
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
