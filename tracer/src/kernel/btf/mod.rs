//! The kernel's own type information (BTF), read without copying it: where members lie in structs, what
//! enumerators are worth, which functions and tracepoints there are.
//!
//! Format: `Documentation/bpf/btf.rst`. One pass over all types notes where each begins (126,000 of them take
//! under a millisecond); a look-up by name is another pass over these. Every number that is read is checked:
//! damaged data gives errors, or finds nothing.
//!
//! The types of a module are a BTF of their own, whose numbers and strings go on where the kernel's end: see
//! [`Layers`].

mod layers;
mod members;
mod modules;

use std::{fs, io, ops::Deref, path::Path};

pub use layers::{Addition, Layers, Shape};
pub use members::{Field, Member};
pub use modules::Modules;

use super::sys::Mapping;

/// Where the kernel offers the types that are built into it.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why type information could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}{hint}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// What is there is not BTF, or not of a form that is known.
    #[error("{path} is not usable as BTF: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Kinds of types: `BTF_KIND_*` of `include/uapi/linux/btf.h`.
mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
    pub const LAST: u32 = 19;
}

const HEADER_BYTES: usize = 24;
const MAGIC: u32 = 0xeb9f;

/// Types within types are followed so deep, at most: damaged data may go in circles.
const DEPTH: usize = 32;

/// Types, and the names they refer to.
pub struct Btf {
    data: Data,
    /// Where each type begins; that of number 0, which is `void`, is not used.
    types: Vec<u32>,
    strings: usize,
    strings_end: usize,
    below: Below,
}

/// What belongs to the BTF that this one stands on: nothing, for the kernel's own.
#[derive(Clone, Copy, Default)]
struct Below {
    /// Its types have the numbers up to this one.
    types: u32,
    /// Bytes of its strings.
    strings: u32,
}

/// The bytes: in our memory, or the kernel's own pages where it lends them.
enum Data {
    Read(Vec<u8>),
    Mapped(Mapping),
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(data) => data,
            Self::Mapped(data) => data,
        }
    }
}

/// A type's own words.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    count: usize,
    flag: bool,
    /// The size, or the type that this one refers to.
    target: u32,
}

impl Btf {
    /// Reads the running kernel's.
    pub fn vmlinux() -> Result<Self, BtfError> {
        Self::read(Path::new(VMLINUX))
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        Self::read_above(path, Below::default())
    }

    fn read_above(path: &Path, below: Below) -> Result<Self, BtfError> {
        let name = path.display().to_string();
        // Since Linux 6.16 the file can be mapped: nothing is copied then. Before, reading it takes some 4 ms.
        if let Ok(mapping) = Mapping::of(path)
            && let Ok(btf) = Self::from_data(Data::Mapped(mapping), below)
        {
            return Ok(btf);
        }
        let data = fs::read(path).map_err(|source| BtfError::Read {
            path: name.clone(),
            hint: match source.kind() {
                io::ErrorKind::NotFound => "; the kernel must be built with CONFIG_DEBUG_INFO_BTF",
                _ => "",
            },
            source,
        })?;
        Self::from_data(Data::Read(data), below)
            .map_err(|reason| BtfError::Format { path: name, reason })
    }

    /// Takes apart what was read. The error says what is wrong with it.
    pub fn parse(data: Vec<u8>) -> Result<Self, &'static str> {
        Self::from_data(Data::Read(data), Below::default())
    }

    fn from_data(data: Data, below: Below) -> Result<Self, &'static str> {
        let word = |at: usize| read_u32(&data, at).ok_or("it is cut short");
        if word(0)? & 0xffff != MAGIC {
            return Err("it does not begin as BTF of this machine's byte order does");
        }
        let header = word(4)? as usize;
        let (types, types_bytes) = (word(8)? as usize, word(12)? as usize);
        let (strings, strings_bytes) = (word(16)? as usize, word(20)? as usize);
        let section = |offset: usize, bytes: usize| {
            let start = header.checked_add(offset)?;
            let end = start.checked_add(bytes)?;
            (header >= HEADER_BYTES && end <= data.len()).then_some((start, end))
        };
        let (types_start, types_end) =
            section(types, types_bytes).ok_or("its types are cut short")?;
        let (strings, strings_end) =
            section(strings, strings_bytes).ok_or("its strings are cut short")?;
        let types = index_types(&data[..types_end], types_start)?;
        Ok(Self {
            data,
            types,
            strings,
            strings_end,
            below,
        })
    }

    /// What a module's types stand on, where they stand on these.
    fn as_below(&self) -> Below {
        Below {
            types: self.below.types + self.len() as u32,
            strings: self.below.strings + (self.strings_end - self.strings) as u32,
        }
    }

    /// The numbers of its own types.
    fn ids(&self) -> impl Iterator<Item = u32> {
        let first = self.below.types + 1;
        first..first + self.len() as u32
    }

    /// The id of the type that every tracepoint has: `btf_trace_<name>` (`include/trace/bpf_probe.h`).
    pub fn raw_tracepoint(&self, name: &str) -> Option<u32> {
        self.find(&format!("btf_trace_{name}"), &[kind::TYPEDEF])
    }

    /// How many arguments a tracepoint has, without the first one of its prototype, the listener's own.
    pub fn raw_tracepoint_parameters(&self, name: &str) -> Option<u32> {
        // A typedef of a pointer to the prototype.
        let pointer = self.type_of(self.raw_tracepoint(name)?)?.target;
        let prototype = self.resolve(self.type_of(pointer)?.target)?;
        (prototype.kind == kind::FUNC_PROTO).then(|| (prototype.count as u32).saturating_sub(1))
    }

    /// The names of all raw tracepoints.
    pub fn raw_tracepoints(&self) -> Vec<String> {
        self.names(kind::TYPEDEF)
            .filter_map(|name| name.strip_prefix("btf_trace_").map(str::to_owned))
            .collect()
    }

    /// The id of a function.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.find(name, &[kind::FUNC])
    }

    /// The names of all functions.
    pub fn functions(&self) -> impl Iterator<Item = String> {
        self.names(kind::FUNC).map(str::to_owned)
    }

    fn names(&self, wanted: u32) -> impl Iterator<Item = &str> {
        let types = self.ids().filter_map(|id| self.type_of(id));
        let of_kind = types.filter(move |found| found.kind == wanted);
        of_kind.filter_map(|found| std::str::from_utf8(self.string(found.name)).ok())
    }

    /// How many types there are.
    pub fn len(&self) -> usize {
        self.types.len() - 1
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first type of this name and one of these kinds. The name is looked for among the strings, each of
    /// which is there once; the types then only need their numbers compared.
    fn find(&self, name: &str, kinds: &[u32]) -> Option<u32> {
        self.find_named(self.string_offset(name)?, kinds)
    }

    /// The first type whose name is at this offset of the strings.
    fn find_named(&self, name: u32, kinds: &[u32]) -> Option<u32> {
        let is_it = |id: &u32| {
            self.type_of(*id)
                .is_some_and(|found| found.name == name && kinds.contains(&found.kind))
        };
        self.ids().find(is_it)
    }

    /// Where a string begins in the section of strings.
    fn string_offset(&self, name: &str) -> Option<u32> {
        // Each string stands between two NULs; the kernel's section begins with one, a module's does not.
        let whole = [b"\0", name.as_bytes(), b"\0"].concat();
        let section = &self.data[self.strings..self.strings_end];
        let at = if section.starts_with(&whole[1..]) {
            0
        } else {
            memchr::memmem::find(section, &whole)? as u32 + 1
        };
        (!name.is_empty()).then_some(self.below.strings + at)
    }

    /// The type behind names and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        use kind::{CONST, RESTRICT, TYPE_TAG, TYPEDEF, VOLATILE};
        for _ in 0..DEPTH {
            let found = self.type_of(id)?;
            if !matches!(found.kind, TYPEDEF | CONST | VOLATILE | RESTRICT | TYPE_TAG) {
                return Some(found);
            }
            id = found.target;
        }
        None
    }

    fn type_of(&self, id: u32) -> Option<Type> {
        let own = id.checked_sub(self.below.types)?;
        if own == 0 {
            return None;
        }
        read_type(&self.data, *self.types.get(own as usize)? as usize)
    }

    fn word(&self, at: usize) -> Option<u32> {
        read_u32(&self.data, at)
    }

    /// The string at this offset; empty where there is none.
    fn string(&self, offset: u32) -> &[u8] {
        let section = &self.data[self.strings..self.strings_end];
        let rest = offset
            .checked_sub(self.below.strings)
            .and_then(|own| section.get(own as usize..))
            .unwrap_or_default();
        rest.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn read_type(data: &[u8], at: usize) -> Option<Type> {
    let info = read_u32(data, at.checked_add(4)?)?;
    Some(Type {
        at,
        name: read_u32(data, at)?,
        kind: info >> 24 & 0x1f,
        count: (info & 0xffff) as usize,
        flag: info >> 31 != 0,
        target: read_u32(data, at + 8)?,
    })
}

/// Where each type begins. Types follow one another without a gap; how long one is depends on its kind.
fn index_types(data: &[u8], start: usize) -> Result<Vec<u32>, &'static str> {
    let mut types = vec![0];
    let mut at = start;
    while at < data.len() {
        let found = read_type(data, at).ok_or("its last type is cut short")?;
        types.push(at as u32);
        let rest = match found.kind {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * found.count,
            kind::ENUM | kind::FUNC_PROTO => 8 * found.count,
            kind::PTR..=kind::LAST => 0,
            _ => return Err("it has a kind of type that is not known"),
        };
        at += 12 + rest;
    }
    if at != data.len() {
        return Err("its last type is cut short");
    }
    Ok(types)
}

#[cfg(test)]
mod tests;
