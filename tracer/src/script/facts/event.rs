//! The fields of a tracepoint's event, out of its `format` file.
//!
//! A field's type stands there as C text; how large it is and whether it is signed stands beside it.

use std::rc::Rc;

use tracer_script::{
    facts::{EventField, Facts},
    types::{Space, Type, integer_type},
};

use crate::kernel::{Kernel, tracepoint::Field};

/// Words of C that say nothing about how a value lies in memory.
const QUALIFIERS: [&str; 12] = [
    "const",
    "volatile",
    "restrict",
    "__user",
    "__kernel",
    "__rcu",
    "__percpu",
    "__iomem",
    "__force",
    "__seg_gs",
    "__seg_fs",
    "__bitwise",
];

/// The category whose pointers lead into the calling process, and whose fields are registers.
const SYSCALLS: &str = "syscalls";

/// The fields of an event's own, in order. A field that lies elsewhere in the event (`__data_loc`) has the type
/// of what it leads to, a string or an array, of 0 elements: how many there are each event tells. Those of the
/// rare kind that counts from the field's own place (`__rel_loc`) are left out.
///
/// The error says what is wrong with tracefs, or that there is no such event.
pub(super) fn fields(
    facts: &dyn Facts,
    kernel: &Kernel,
    category: &str,
    name: &str,
) -> Result<Vec<EventField>, String> {
    let tracefs = kernel.tracefs().map_err(|error| format!("{error:#}"))?;
    let format = tracefs
        .format(category, name)
        .map_err(|error| error.to_string())?;
    let parse = |field: &Field| event_field(facts, category, field);
    Ok(format.own_fields().filter_map(parse).collect())
}

fn event_field(facts: &dyn Facts, category: &str, field: &Field) -> Option<EventField> {
    let text = field.kind.as_str();
    if text.starts_with("__rel_loc ") {
        return None;
    }
    let (data_loc, text) = match text.strip_prefix("__data_loc ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let user = category == SYSCALLS;
    let declared = Declared::parse(facts, text, if user { Space::User } else { Space::Kernel });
    let kind = match (data_loc, declared.array) {
        (true, _) => declared.elements(|_| 0),
        (false, true) => declared.elements(|element| field.size / size(facts, element).max(1)),
        (false, false) => single(facts, declared.kind, field, user),
    };
    let size = match (&kind, data_loc) {
        // Of a register that holds less, only so much means something.
        (Type::Int { size, .. }, false) => u32::from(*size),
        _ => field.size,
    };
    Some(EventField {
        name: field.name.as_str().into(),
        kind,
        offset: field.offset,
        size,
        data_loc,
    })
}

/// A type as it is written.
struct Declared {
    /// [`None`] where it is not known.
    kind: Option<Type>,
    array: bool,
    /// Several of it are text.
    char: bool,
}

impl Declared {
    fn parse(facts: &dyn Facts, text: &str, space: Space) -> Self {
        let array = text.contains('[');
        let text = text.split('[').next().unwrap_or(text);
        let stars = text.matches('*').count();
        let name: Vec<&str> = text
            .split([' ', '*'])
            .filter(|word| !word.is_empty() && !QUALIFIERS.contains(word))
            .collect();
        let name = name.join(" ");
        let mut kind = named(facts, &name, space);
        if stars > 0 {
            // Whatever it leads to, it is a pointer.
            let mut pointer = kind.unwrap_or(Type::Void);
            for _ in 0..stars {
                pointer = Type::pointer(pointer, space);
            }
            kind = Some(pointer);
        }
        Self {
            kind,
            array,
            char: name == "char" && stars == 0,
        }
    }

    /// The type of several, as many as `count` tells.
    fn elements(self, count: impl Fn(&Type) -> u32) -> Type {
        let element = self.kind.unwrap_or(Type::int(1, false));
        let count = count(&element);
        if self.char {
            Type::Str(count)
        } else {
            Type::Array(Rc::new(element), count)
        }
    }
}

fn named(facts: &dyn Facts, name: &str, space: Space) -> Option<Type> {
    match name.split_once(' ') {
        Some(("struct" | "union", _)) => return Some(Type::Struct(name.into())),
        Some(("enum", enumeration)) => return Some(facts.enumeration(enumeration)?.0),
        _ => {}
    }
    match name {
        "void" => Some(Type::Void),
        "bool" | "_Bool" => Some(Type::Bool),
        name => integer_type(name).or_else(|| match facts.typedef(name)? {
            Type::Ptr(to, _) => Some(Type::Ptr(to, space)),
            other => Some(other),
        }),
    }
}

/// The type of a value that is one. For numbers, what the file says of size and sign is the truth, but for the
/// arguments of system calls: each has a register's size there, of which an `int` uses the lower half.
fn single(facts: &dyn Facts, declared: Option<Type>, field: &Field, user: bool) -> Type {
    let bytes = field.size;
    match declared {
        Some(Type::Int { size, signed }) if user && u32::from(size) < bytes => {
            Type::Int { size, signed }
        }
        Some(Type::Bool) if bytes == 1 => Type::Bool,
        Some(Type::Enum { name, signed, .. }) if is_number(bytes) => Type::Enum {
            name,
            size: bytes as u8,
            signed,
        },
        Some(kind @ (Type::Ptr(..) | Type::Struct(_) | Type::Array(..) | Type::Str(_)))
            if size(facts, &kind) == bytes =>
        {
            kind
        }
        _ if is_number(bytes) => Type::int(bytes as u8, field.signed),
        _ => Type::Array(Rc::new(Type::int(1, false)), bytes),
    }
}

fn is_number(bytes: u32) -> bool {
    matches!(bytes, 1 | 2 | 4 | 8)
}

/// Bytes of a value in C; 0 where that is not known.
fn size(facts: &dyn Facts, kind: &Type) -> u32 {
    match kind {
        Type::Bool => 1,
        Type::Int { size, .. } | Type::Enum { size, .. } => u32::from(*size),
        Type::Ptr(..) => 8,
        Type::Struct(key) => facts.structure(key).map_or(0, |found| found.size),
        Type::Array(element, count) => size(facts, element).saturating_mul(*count),
        Type::Str(count) => *count,
        _ => 0,
    }
}
