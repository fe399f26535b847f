//! From the kernel's types (BTF) to those of scripts.

use std::rc::Rc;

use tracer_script::{
    facts::{Field, Part, Signature, Struct},
    types::{Space, Type},
};

use crate::kernel::btf::{Addition, Layers, Member, Shape};

/// Types within types are followed so deep, at most: damaged data may go in circles.
const DEPTH: u32 = 32;

/// The tag that `__user` leaves on what a pointer leads to: include/linux/compiler_types.h, Linux 5.17.
const USER_TAG: &str = "user";

/// A parameter: its name, and the number of its type.
pub(super) type Parameter = (Rc<str>, u32);

/// Types of the kernel, or of a module of it.
#[derive(Clone, Copy)]
pub(super) struct Types<'a> {
    pub(super) layers: Layers<'a>,
    /// The module; empty for the kernel itself.
    pub(super) module: &'a str,
}

impl Types<'_> {
    /// The type of this number, as scripts know it.
    pub(super) fn kind(&self, id: u32) -> Type {
        self.kind_at(id, DEPTH).0
    }

    /// With it whether the type is tagged as the user's.
    fn kind_at(&self, id: u32, depth: u32) -> (Type, bool) {
        let Some((depth, shape)) = depth.checked_sub(1).zip(self.layers.shape(id)) else {
            return (Type::Void, false);
        };
        let kind = match shape {
            Shape::Void | Shape::Other => Type::Void,
            Shape::Int { bool: true, .. } => Type::Bool,
            // Its bits, as there are no numbers with a fraction in scripts.
            Shape::Float { size } => integer(size, false),
            // Of what sign a character is depends on the kernel's version; for scripts it is as in C elsewhere.
            Shape::Int { name: "char", .. } => Type::int(1, true),
            Shape::Int { size, signed, .. } => integer(size, signed),
            Shape::Pointer(to) => {
                let (to, user) = self.kind_at(to, depth);
                let space = if user { Space::User } else { Space::Kernel };
                Type::pointer(to, space)
            }
            Shape::Array { element, count } => self.array(element, count, depth),
            Shape::Struct { name, union, .. } => Type::Struct(self.struct_key(id, name, union)),
            Shape::Enum { name, size, signed } => Type::Enum {
                name: self.enum_key(id, name),
                size: size.min(8) as u8,
                signed,
            },
            Shape::Alias { target, adds } => {
                let (kind, user) = self.kind_at(target, depth);
                return (kind, user || adds == Addition::Tag(USER_TAG));
            }
            Shape::Function(_) | Shape::Prototype(_) => Type::Func,
        };
        (kind, false)
    }

    fn array(&self, element: u32, count: u32, depth: u32) -> Type {
        match self.behind_aliases(element) {
            Some(Shape::Int { name: "char", .. }) => Type::Str(count),
            _ => Type::Array(Rc::new(self.kind_at(element, depth).0), count),
        }
    }

    fn behind_aliases(&self, mut id: u32) -> Option<Shape<'_>> {
        for _ in 0..DEPTH {
            match self.layers.shape(id)? {
                Shape::Alias { target, .. } => id = target,
                shape => return Some(shape),
            }
        }
        None
    }

    /// What a structure is known by: its name, or its number where it has none.
    fn struct_key(&self, id: u32, name: &str, union: bool) -> Rc<str> {
        let keyword = if union { "union" } else { "struct" };
        if name.is_empty() {
            format!("{keyword} {}", anonymous(id, self.module)).into()
        } else {
            format!("{keyword} {name}").into()
        }
    }

    fn enum_key(&self, id: u32, name: &str) -> Rc<str> {
        if name.is_empty() {
            anonymous(id, self.module).into()
        } else {
            name.into()
        }
    }

    /// The structure or union of this number; [`None`] for what is declared only.
    pub(super) fn structure(&self, id: u32) -> Option<Struct> {
        let Shape::Struct { name, size, union } = self.layers.shape(id)? else {
            return None;
        };
        let members = self.layers.members(id)?;
        let fields = members
            .into_iter()
            .map(|(name, member)| self.field(name, member));
        Some(Struct {
            name: self.struct_key(id, name, union),
            size,
            fields: fields.collect(),
        })
    }

    fn field(&self, name: &str, member: Member) -> Field {
        let kind = self.kind(member.type_id);
        // A bit field is read by the whole of its type, whose border is the last one before it.
        let unit = match (member.bits, &kind) {
            (Some(_), Type::Int { size, .. } | Type::Enum { size, .. }) => u32::from(*size).max(1),
            _ => 1,
        };
        Field {
            name: name.into(),
            kind,
            offset: member.offset_bits / 8 / unit * unit,
            bits: member.bits.map(|bits| (member.offset_bits, bits)),
        }
    }

    /// The enumeration of this number, with its enumerators.
    pub(super) fn enumeration(&self, id: u32) -> Option<(Type, Vec<(String, i64)>)> {
        let kind = self.kind(id);
        if !matches!(kind, Type::Enum { .. }) {
            return None;
        }
        let values = self.layers.enumerators(id)?;
        let named = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Some((kind, named.collect()))
    }

    /// The prototype of the function of this number.
    pub(super) fn signature(&self, id: u32) -> Option<Signature> {
        let (params, returns) = self.function(id)?;
        Some(self.handed_over(params, returns))
    }

    /// A signature whose parameters stand at the number of the word that they are handed over in. A structure of
    /// two words is followed by a parameter without a name. What is in memory takes none of the words, and moves all
    /// that comes behind the registers (System V ABI, AMD64 supplement, 3.2.3; the kernel's trampolines count the
    /// same).
    fn handed_over(&self, params: Vec<Parameter>, returns: u32) -> Signature {
        const REGISTERS: usize = 6;
        let mut found = Signature {
            params: Vec::new(),
            parts: Vec::new(),
            unreadable: Vec::new(),
            returns: self.kind(returns),
        };
        let mut moved = false;
        for (name, type_id) in params {
            let bytes = self.bytes(type_id);
            let words = bytes.div_ceil(8) as usize;
            let place = found.params.len();
            let in_memory = words > 2 || words == 2 && place + words > REGISTERS;
            moved |= in_memory;
            if in_memory || moved && place >= REGISTERS {
                let why =
                    "it is in memory, with or behind a structure that is handed over by value";
                found.unreadable.push((name, why.to_owned()));
                continue;
            }
            let kind = self.kind(type_id);
            if matches!(kind, Type::Struct(_)) {
                found
                    .parts
                    .push((name.clone(), Part::words(place as u32, bytes)));
            }
            found.params.push((name, kind));
            found
                .params
                .resize(place + words.max(1), ("".into(), Type::Void));
        }
        found
    }

    /// The bytes that a parameter of a type takes.
    fn bytes(&self, type_id: u32) -> u32 {
        match self.behind_aliases(type_id) {
            Some(Shape::Struct { size, .. } | Shape::Int { size, .. }) => size,
            _ => 8,
        }
    }

    /// The parameters of the function of this number, and the number of the type that it returns.
    pub(super) fn function(&self, id: u32) -> Option<(Vec<Parameter>, u32)> {
        match self.layers.shape(id)? {
            Shape::Function(prototype) => self.prototype(prototype),
            _ => None,
        }
    }

    /// The same of a prototype. Parameters without names are called `arg0`, `arg1`…
    fn prototype(&self, id: u32) -> Option<(Vec<Parameter>, u32)> {
        let Shape::Prototype(returns) = self.layers.shape(id)? else {
            return None;
        };
        let parameters = self.layers.parameters(id)?;
        let named = parameters
            .into_iter()
            // `...` has neither name nor type.
            .filter(|(name, type_id)| !name.is_empty() || *type_id != 0)
            .enumerate()
            .map(|(index, (name, type_id))| match name {
                "" => (format!("arg{index}").into(), type_id),
                name => (name.into(), type_id),
            });
        Some((named.collect(), returns))
    }

    /// The arguments of a raw tracepoint.
    pub(super) fn raw_tracepoint(&self, name: &str) -> Option<Signature> {
        const VOID: u32 = 0;
        Some(self.handed_over(self.raw_parameters(name)?, VOID))
    }

    /// The parameters of a raw tracepoint: those of the prototype that `btf_trace_<name>` points to
    /// (include/trace/bpf_probe.h) without the first one, the listener's own. It has no names; those of
    /// `__traceiter_<name>` or `__bpf_trace_<name>`, which take the same, are put in.
    pub(super) fn raw_parameters(&self, name: &str) -> Option<Vec<Parameter>> {
        let id = self.layers.find_typedef(&format!("btf_trace_{name}"))?;
        let Shape::Alias { target, .. } = self.layers.shape(id)? else {
            return None;
        };
        let Shape::Pointer(prototype) = self.layers.shape(target)? else {
            return None;
        };
        let (own, _) = self.prototype(prototype)?;
        let mut namesakes = ["__traceiter_", "__bpf_trace_"]
            .iter()
            .filter_map(|prefix| {
                let id = self.layers.find_function(&format!("{prefix}{name}"))?;
                Some(self.function(id)?.0)
            });
        let same = namesakes.find(|found| found.len() == own.len());
        // Without names the script's `arg0` is what is the second here.
        let renamed = own.iter().enumerate().map(|(index, (_, type_id))| {
            (format!("arg{}", index.saturating_sub(1)).into(), *type_id)
        });
        let params = same.unwrap_or_else(|| renamed.collect());
        Some(params.into_iter().skip(1).collect())
    }
}

/// What a type without a name is known by.
fn anonymous(id: u32, module: &str) -> String {
    if module.is_empty() {
        format!("(anonymous {id})")
    } else {
        format!("(anonymous {id} of {module})")
    }
}

/// The number and the module of a type without a name, by what it is known by.
pub(super) fn anonymous_id(key: &str) -> Option<(u32, &str)> {
    let inner = key.strip_prefix("(anonymous ")?.strip_suffix(')')?;
    let (id, module) = inner.split_once(" of ").unwrap_or((inner, ""));
    Some((id.parse().ok()?, module))
}

/// An integer of so many bytes. One that no register holds is an array of those that do.
fn integer(size: u32, signed: bool) -> Type {
    match size {
        0..=8 => Type::int(size as u8, signed),
        _ => Type::Array(Rc::new(Type::int(8, signed)), size / 8),
    }
}
