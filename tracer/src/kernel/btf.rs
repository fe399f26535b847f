//! The kernel's own type information (BTF), read without copying it: where members lie in structs, what
//! enumerators are worth, which functions and tracepoints there are.
//!
//! Format: `Documentation/bpf/btf.rst`. One pass over all types notes where each begins (126,000 of them take
//! under a millisecond); a look-up by name is another pass over these. Every number that is read is checked:
//! damaged data gives errors, or finds nothing.

use std::{fs, io, ops::Deref, path::Path};

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
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
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
        let name = path.display().to_string();
        // Since Linux 6.16 the file can be mapped: nothing is copied then. Before, reading it takes some 4 ms.
        if let Ok(mapping) = Mapping::of(path)
            && let Ok(btf) = Self::from_data(Data::Mapped(mapping))
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
        Self::parse(data).map_err(|reason| BtfError::Format { path: name, reason })
    }

    /// Takes apart what was read. The error says what is wrong with it.
    pub fn parse(data: Vec<u8>) -> Result<Self, &'static str> {
        Self::from_data(Data::Read(data))
    }

    fn from_data(data: Data) -> Result<Self, &'static str> {
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
        })
    }

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
        let composite = matches!(structure.kind, kind::STRUCT | kind::UNION);
        if depth == 0 || name.is_empty() || !composite {
            return None;
        }
        for index in 0..structure.count {
            let at = structure.at + 12 + 12 * index;
            let (name_offset, type_id, offset) =
                (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            // With the flag, the upper 8 bits are the size of a bit field.
            let (offset_bits, bits) = if structure.flag {
                (offset & 0xff_ffff, offset >> 24)
            } else {
                (offset, 0)
            };
            let field = Field {
                offset_bits,
                bits: (bits != 0).then_some(bits),
                type_id,
            };
            let member_name = self.string(name_offset);
            if member_name == name.as_bytes() {
                return Some(field);
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

    /// The enumerators of an enumeration with their values.
    pub fn enumerators(&self, enumeration: &str) -> Option<Vec<(String, i64)>> {
        let id = self.find(enumeration, &[kind::ENUM, kind::ENUM64])?;
        let found = self.type_of(id)?;
        let size = if found.kind == kind::ENUM { 8 } else { 12 };
        let enumerator = |index: usize| {
            let at = found.at + 12 + size * index;
            let low = self.word(at + 4)?;
            let value = match found.kind {
                // The flag says that values are signed.
                kind::ENUM if found.flag => i64::from(low as i32),
                kind::ENUM => i64::from(low),
                _ => (u64::from(self.word(at + 8)?) << 32 | u64::from(low)) as i64,
            };
            Some((
                String::from_utf8_lossy(self.string(self.word(at)?)).into_owned(),
                value,
            ))
        };
        (0..found.count).map(enumerator).collect()
    }

    /// The value of an enumerator.
    pub fn enum_value(&self, enumeration: &str, name: &str) -> Option<i64> {
        self.enumerators(enumeration)?
            .into_iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
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

    fn names(&self, wanted: u32) -> impl Iterator<Item = &str> {
        let types = (1..self.types.len() as u32).filter_map(|id| self.type_of(id));
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
        let name = self.string_offset(name)?;
        let is_it = |id: &u32| {
            self.type_of(*id)
                .is_some_and(|found| found.name == name && kinds.contains(&found.kind))
        };
        (1..self.types.len() as u32).find(is_it)
    }

    /// Where a string begins in the section of strings.
    fn string_offset(&self, name: &str) -> Option<u32> {
        // Each string stands between two NULs; the section begins with one.
        let whole = [b"\0", name.as_bytes(), b"\0"].concat();
        let section = &self.data[self.strings..self.strings_end];
        let at = memchr::memmem::find(section, &whole)?;
        (!name.is_empty()).then_some(at as u32 + 1)
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
        if id == 0 {
            return None;
        }
        read_type(&self.data, *self.types.get(id as usize)? as usize)
    }

    fn word(&self, at: usize) -> Option<u32> {
        read_u32(&self.data, at)
    }

    /// The string at this offset; empty where there is none.
    fn string(&self, offset: u32) -> &[u8] {
        let section = &self.data[self.strings..self.strings_end];
        let rest = section.get(offset as usize..).unwrap_or_default();
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
mod tests {
    use super::*;

    /// Assembles BTF from the words of its types and from its strings.
    fn assemble(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let bytes = size_of_val(types) as u32;
        let header = [
            u32::from_ne_bytes([0x9f, 0xeb, 1, 0]),
            24,
            0,
            bytes,
            bytes,
            strings.len() as u32,
        ];
        let words = header
            .iter()
            .chain(types)
            .flat_map(|word| word.to_ne_bytes());
        words.chain(strings.iter().copied()).collect()
    }

    const FLAG: u32 = 1 << 31;

    /// ```c
    /// struct outer { int a; struct { int b; union { int c; int d; }; }; const inner_t e; int f:3; };
    /// typedef struct inner inner_t; struct inner { int g; };
    /// enum color { RED = 1, BLUE = -1 };
    /// ```
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0outer\0a\0b\0c\0d\0e\0f\0g\0inner\0inner_t\0color\0RED\0BLUE\0";
        let name = |wanted: &str| {
            let mut at = 0;
            for string in strings.split(|&byte| byte == 0) {
                if string == wanted.as_bytes() {
                    return at;
                }
                at += string.len() as u32 + 1;
            }
            panic!("{wanted} is no string");
        };
        let of = |kind: u32, count: u32| kind << 24 | count;
        let types = [
            &[name("int"), of(kind::INT, 0), 4, 32][..],
            // 2: the union
            &[0, of(kind::UNION, 2), 4, name("c"), 1, 0, name("d"), 1, 0],
            // 3: the struct without a name
            &[0, of(kind::STRUCT, 2), 8, name("b"), 1, 0, 0, 2, 32],
            // 4, 5, 6: inner, inner_t, const inner_t
            &[name("inner"), of(kind::STRUCT, 1), 4, name("g"), 1, 0],
            &[name("inner_t"), of(kind::TYPEDEF, 0), 4],
            &[0, of(kind::CONST, 0), 5],
            // 7: outer, with a bit field
            &[name("outer"), of(kind::STRUCT, 4) | FLAG, 20],
            &[
                name("a"),
                1,
                0,
                0,
                3,
                32,
                name("e"),
                6,
                96,
                name("f"),
                1,
                3 << 24 | 128,
            ],
            // 8: the enumeration, of signed values
            &[
                name("color"),
                of(kind::ENUM, 2) | FLAG,
                4,
                name("RED"),
                1,
                name("BLUE"),
                -1i32 as u32,
            ],
        ]
        .concat();
        assemble(&types, strings)
    }

    fn offset(btf: &Btf, path: &str) -> Option<u32> {
        btf.member_offset("outer", path)
            .map(|field| field.offset_bytes())
    }

    #[test]
    fn members_are_found_through_nested_and_nameless_structs() {
        let btf = Btf::parse(sample()).expect("well-formed");
        let offsets = ["a", "b", "c", "d", "e", "e.g", "f"].map(|path| offset(&btf, path));
        assert_eq!(offsets, [0, 4, 8, 8, 12, 12, 16].map(Some));
        assert_eq!(
            btf.member_offset("outer", "f").and_then(|field| field.bits),
            Some(3)
        );
        assert_eq!(
            (
                offset(&btf, "nothing"),
                offset(&btf, "a.b"),
                offset(&btf, "")
            ),
            (None, None, None)
        );
    }

    #[test]
    fn enumerators_keep_their_sign() {
        let btf = Btf::parse(sample()).expect("well-formed");
        assert_eq!(btf.enum_value("color", "BLUE"), Some(-1));
        assert_eq!(btf.enum_value("color", "RED"), Some(1));
        assert_eq!(btf.enum_value("color", "GREEN"), None);
    }

    #[test]
    fn damaged_data_is_refused_or_finds_nothing() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(
                Btf::parse(whole[..length].to_vec()).is_err(),
                "{length} bytes"
            );
        }
        // Every byte in turn, turned over: whatever comes out, it comes without a panic.
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                if let Ok(btf) = Btf::parse(damaged) {
                    let _ = (
                        offset(&btf, "e.g"),
                        offset(&btf, "f"),
                        btf.enum_value("color", "BLUE"),
                    );
                    let _ = btf.raw_tracepoints();
                }
            }
        }
    }

    #[test]
    fn circles_end() {
        let strings = b"\0s\0";
        // A struct whose nameless member is itself, and a typedef of itself.
        let types = [
            1,
            kind::STRUCT << 24 | 1,
            4,
            0,
            1,
            0,
            1,
            kind::TYPEDEF << 24,
            2,
        ];
        let btf = Btf::parse(assemble(&types, strings)).expect("well-formed");
        assert_eq!(btf.member_offset("s", "x"), None);
    }

    #[test]
    fn the_running_kernel_is_understood() {
        let Ok(btf) = Btf::vmlinux() else {
            return eprintln!("SKIPPED: {VMLINUX} cannot be read here");
        };
        assert!(btf.len() > 10_000);
        assert_eq!(
            btf.member_offset("list_head", "prev")
                .map(|field| field.offset_bytes()),
            Some(8)
        );
        assert!(btf.member_offset("task_struct", "se.exec_start").is_some());
        assert_eq!(btf.raw_tracepoint_parameters("sys_enter"), Some(2));
        assert!(btf.raw_tracepoints().len() > 100);
    }
}
