//! Values as plain data, and how they come out of bytes.

use std::rc::Rc;

use tracer_script::{
    facts::{Field, Struct},
    program::Image,
    types::{Named, Sizes, Type, align},
};

use super::{aggregate, names::Names, symbols::Frame};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing that can be shown.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number that may be negative.
    Int(i64),
    /// A number that may not.
    Uint(u64),
    /// A number that people read as text: a pointer, an enumerator.
    Symbolic(String, i128),
    /// Text, not always UTF-8.
    Text(Vec<u8>),
    /// Bytes of a buffer.
    Bytes(Vec<u8>),
    /// A stack, the innermost frame first.
    Stack(Vec<Frame>),
    /// An array.
    Array(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A record or a structure.
    Record(Vec<(Rc<str>, Value)>),
}

/// The sizes of an image's structures.
pub struct ImageSizes<'a>(pub &'a Image);

impl ImageSizes<'_> {
    fn find(&self, name: &str) -> Option<&Rc<Struct>> {
        self.0.structs.iter().find(|one| &*one.name == name)
    }
}

impl Sizes for ImageSizes<'_> {
    fn struct_size(&self, name: &str) -> Option<u32> {
        self.find(name).map(|one| one.size)
    }

    fn struct_align(&self, name: &str) -> u32 {
        let fields = self
            .find(name)
            .map(|one| one.fields.as_slice())
            .unwrap_or_default();
        let aligns = fields.iter().map(|field| field.kind.c_align(self));
        aligns.max().unwrap_or(1)
    }
}

/// Makes values of bytes.
pub struct Decoder<'a> {
    /// Where structures and enumerations are looked up.
    pub image: &'a Image,
    /// Where it is asked what numbers stand for.
    pub names: &'a mut Names,
}

/// The number in the first bytes, eight at most, the lowest first. What is not there counts as zero.
pub fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

/// The bytes from `at` on, `len` of them; fewer where there are no more.
pub fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    &rest[..len.min(rest.len())]
}

/// The text before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    match memchr::memchr(0, bytes) {
        Some(end) => &bytes[..end],
        None => bytes,
    }
}

/// The low `bytes` of a number, with its sign where it has one.
pub fn narrow(number: u64, bytes: u32, signed: bool) -> u64 {
    let unused = 64 - 8 * bytes.clamp(1, 8);
    if signed {
        (((number << unused) as i64) >> unused) as u64
    } else {
        number << unused >> unused
    }
}

impl Decoder<'_> {
    /// Bytes of a type in keys, values and records.
    pub fn stored_size(&self, kind: &Type) -> usize {
        match kind {
            Type::Str(size) => *size as usize,
            Type::Int { .. } => 8,
            kind => kind.stored_size(&ImageSizes(self.image)) as usize,
        }
    }

    /// A value as it lies in keys, values and records.
    pub fn stored(&mut self, kind: &Type, bytes: &[u8]) -> Value {
        match kind {
            Type::Array(..) | Type::Struct(_) => self.in_c(kind, bytes),
            Type::Unknown | Type::Void | Type::StackModeName(_) | Type::Args => Value::Null,
            Type::Str(size) => Value::Text(self.string(*size, bytes)),
            Type::Buf(_) => Value::Bytes(buffer(bytes).to_vec()),
            Type::Tuple(parts) => Value::Tuple(self.parts(parts.iter(), bytes)),
            Type::Record(fields) => {
                let values = self.parts(fields.iter().map(|(_, kind)| kind), bytes);
                let names = fields.iter().map(|(name, _)| Rc::clone(name));
                Value::Record(names.zip(values).collect())
            }
            Type::Stack { user, mode, limit } => {
                let frames = self.names.frames(word(bytes), *limit);
                let pid = word(part(bytes, 8, 4)) as u32;
                let process = user.then_some(pid);
                Value::Stack(self.names.symbols.stack(&frames, process, *mode))
            }
            Type::USym => {
                let pid = word(part(bytes, 8, 4)) as u32;
                text(self.names.symbols.user(word(bytes), pid))
            }
            Type::Inet => text(inet(word(bytes), part(bytes, 8, 16))),
            Type::Mac => text(mac(bytes)),
            Type::Aggregate(kind) => aggregate::value(*kind, &[bytes], 1),
            kind => self.scalar(kind, word(bytes)),
        }
    }

    fn parts<'t>(&mut self, kinds: impl Iterator<Item = &'t Type>, bytes: &[u8]) -> Vec<Value> {
        let mut at = 0;
        let mut values = Vec::new();
        for kind in kinds {
            let size = self.stored_size(kind);
            values.push(self.stored(kind, part(bytes, at, size)));
            at += align(size as u32) as usize;
        }
        values
    }

    /// A value as it lies in structures and arrays.
    fn in_c(&mut self, kind: &Type, bytes: &[u8]) -> Value {
        match kind {
            Type::Array(element, count) => {
                let size = element.c_size(&ImageSizes(self.image)) as usize;
                let elements = (0..*count as usize)
                    .map(|index| self.in_c(element, part(bytes, index * size, size)));
                Value::Array(elements.collect())
            }
            Type::Struct(name) => {
                let mut fields = Vec::new();
                if let Some(structure) = ImageSizes(self.image).find(name).cloned() {
                    self.fields(&structure, bytes, &mut fields);
                }
                Value::Record(fields)
            }
            Type::Bool | Type::Int { .. } | Type::Enum { .. } => {
                let size = kind.c_size(&ImageSizes(self.image));
                let number = word(part(bytes, 0, size as usize));
                self.scalar(kind, narrow(number, size, kind.is_signed()))
            }
            kind => self.stored(kind, bytes),
        }
    }

    /// Adds the members of a structure; those of one without a name belong to the outer one.
    fn fields(&mut self, structure: &Struct, bytes: &[u8], out: &mut Vec<(Rc<str>, Value)>) {
        for field in &structure.fields {
            let size = field.kind.c_size(&ImageSizes(self.image)) as usize;
            let own = part(bytes, field.offset as usize, size);
            if let (true, Type::Struct(name)) = (field.name.is_empty(), &field.kind) {
                if let Some(inner) = ImageSizes(self.image).find(name).cloned() {
                    self.fields(&inner, own, out);
                }
                continue;
            }
            let value = match field.bits {
                Some(bits) => self.scalar(&field.kind, bit_field(field, bits, bytes)),
                None => self.in_c(&field.kind, own),
            };
            out.push((Rc::clone(&field.name), value));
        }
    }

    /// What fits into a register.
    pub fn scalar(&mut self, kind: &Type, number: u64) -> Value {
        match kind {
            Type::Bool => Value::Bool(number != 0),
            Type::Int { signed: true, .. } => Value::Int(number as i64),
            Type::Int { .. } => Value::Uint(number),
            Type::Enum { name, signed, .. } => {
                let whole = if *signed {
                    i128::from(number as i64)
                } else {
                    i128::from(number)
                };
                Value::Symbolic(self.enumerator(name, number, whole), whole)
            }
            // The kernel's addresses have the highest bit set; whose the others are is not known.
            kind if kind.is_function_pointer() && (number as i64) < 0 => {
                Value::Symbolic(self.names.symbols.kernel(number), number.into())
            }
            Type::Ptr(..) | Type::Func => Value::Symbolic(format!("{number:#x}"), number.into()),
            Type::KSym => text(self.names.symbols.kernel(number)),
            Type::Named(Named::Probe) => {
                let names = &self.image.probe_names;
                text(names.get(number as usize).cloned().unwrap_or_default())
            }
            Type::Named(named) => text(self.names.named(*named, number)),
            Type::CgroupPath(filter) => text(self.names.cgroup_path(number, filter)),
            Type::Timestamp(format) => Value::Text(self.names.timestamp(format, number)),
            _ => Value::Null,
        }
    }

    fn enumerator(&self, name: &str, number: u64, whole: i128) -> String {
        let enums = &self.image.enums;
        let enumeration = enums.iter().find(|(known, _)| &**known == name);
        let found = enumeration.and_then(|(_, all)| {
            all.iter()
                .find(|(_, value)| *value as u64 == number || i128::from(*value) == whole)
        });
        found.map_or_else(|| whole.to_string(), |(name, _)| name.clone())
    }

    /// A string, with what tells that it was cut where it was.
    pub fn string(&self, size: u32, bytes: &[u8]) -> Vec<u8> {
        let mut string = until_nul(part(bytes, 0, size as usize)).to_vec();
        string.extend(self.trailer(string.len()));
        string
    }

    /// What follows a string of this length: it was cut where it is as long as strings may be.
    pub fn trailer(&self, length: usize) -> &[u8] {
        let config = &self.image.config;
        if length as u64 + 1 >= config.max_strlen {
            config.str_trunc_trailer.as_bytes()
        } else {
            b""
        }
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into().into_bytes())
}

/// The bytes of a buffer behind their number.
pub fn buffer(bytes: &[u8]) -> &[u8] {
    part(bytes, 4, word(part(bytes, 0, 4)) as usize)
}

fn bit_field(field: &Field, (first, count): (u32, u32), bytes: &[u8]) -> u64 {
    let whole = part(bytes, first as usize / 8, 9);
    let wide = u128::from(word(part(whole, 0, 8))) | u128::from(word(part(whole, 8, 1))) << 64;
    let number = (wide >> (first % 8)) as u64;
    let unused = 64 - count.clamp(1, 64);
    if field.kind.is_signed() {
        (((number << unused) as i64) >> unused) as u64
    } else {
        number << unused >> unused
    }
}

/// `inet_ntop(3)`: an address of a family that is not one of the internet's is empty.
fn inet(family: u64, bytes: &[u8]) -> String {
    match (family, bytes.first_chunk::<4>(), bytes.first_chunk::<16>()) {
        (2, Some(v4), _) => std::net::Ipv4Addr::from(*v4).to_string(),
        (10, _, Some(v6)) => std::net::Ipv6Addr::from(*v6).to_string(),
        _ => String::new(),
    }
}

fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = part(bytes, 0, 6)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    parts.join(":")
}
