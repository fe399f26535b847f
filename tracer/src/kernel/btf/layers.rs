//! The kernel's types with those of one module above them, seen as one: numbers lead through both.

use super::{Btf, Member, Type, kind};

/// The kernel's types, and those of a module, whose numbers and strings go on where the kernel's end.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    kernel: &'a Btf,
    module: Option<&'a Btf>,
}

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// `void`
    Void,
    /// An integer.
    Int {
        /// `char`, `unsigned int`…
        name: &'a str,
        /// Bytes.
        size: u32,
        /// Whether it may be negative.
        signed: bool,
        /// A truth value.
        bool: bool,
    },
    /// A number with a fraction.
    Float {
        /// Bytes.
        size: u32,
    },
    /// A pointer to the type of this number.
    Pointer(u32),
    /// An array.
    Array {
        /// The number of the elements' type.
        element: u32,
        /// How many.
        count: u32,
    },
    /// A struct or union.
    Struct {
        /// Its name; empty where it has none.
        name: &'a str,
        /// Bytes; 0 where it is declared only.
        size: u32,
        /// A union.
        union: bool,
    },
    /// An enumeration.
    Enum {
        /// Its name; empty where it has none.
        name: &'a str,
        /// Bytes.
        size: u32,
        /// Whether it may be negative.
        signed: bool,
    },
    /// What only adds to another type.
    Alias {
        /// The number of the type behind it.
        target: u32,
        /// What it adds.
        adds: Addition<'a>,
    },
    /// A function: the number of its prototype.
    Function(u32),
    /// A prototype: the number of the type that is returned.
    Prototype(u32),
    /// A variable, a section, a tag of a declaration.
    Other,
}

/// What is put to a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition<'a> {
    /// Another name.
    Name(&'a str),
    /// `const`, `volatile` or `restrict`.
    Qualifier(&'static str),
    /// A tag: `__user` leaves `user`.
    Tag(&'a str),
}

impl<'a> Layers<'a> {
    /// The kernel's own types, with a module's where one is given: names are then looked for among the module's
    /// own types only.
    pub fn new(kernel: &'a Btf, module: Option<&'a Btf>) -> Self {
        Self { kernel, module }
    }

    /// A struct or union by its name.
    pub fn find_struct(&self, name: &str, union: bool) -> Option<u32> {
        let wanted = if union { kind::UNION } else { kind::STRUCT };
        self.find(name, &[wanted])
    }

    /// An enumeration by its name.
    pub fn find_enum(&self, name: &str) -> Option<u32> {
        self.find(name, &[kind::ENUM, kind::ENUM64])
    }

    /// Another name of a type.
    pub fn find_typedef(&self, name: &str) -> Option<u32> {
        self.find(name, &[kind::TYPEDEF])
    }

    /// A function by its name.
    pub fn find_function(&self, name: &str) -> Option<u32> {
        self.find(name, &[kind::FUNC])
    }

    /// A variable: the number of its type. Of those of the kernel, BTF has what each CPU has of its own, and from
    /// Linux 6.13 on all that are global.
    pub fn find_variable(&self, name: &str) -> Option<u32> {
        let id = self.find(name, &[kind::VAR])?;
        Some(self.owner(id)?.type_of(id)?.target)
    }

    /// An enumerator: the number of its enumeration, and its value.
    pub fn find_enumerator(&self, name: &str) -> Option<(u32, i64)> {
        self.search(name, |btf, offset| btf.enumerator_named(offset))
    }

    /// The names of all raw tracepoints.
    pub fn raw_tracepoints(&self) -> Vec<String> {
        self.names(&[kind::TYPEDEF])
            .filter_map(|name| name.strip_prefix("btf_trace_"))
            .map(str::to_owned)
            .collect()
    }

    /// The names of all structs, or unions.
    pub fn structs(&self, union: bool) -> impl Iterator<Item = &'a str> {
        let wanted: &[u32] = if union {
            &[kind::UNION]
        } else {
            &[kind::STRUCT]
        };
        self.names(wanted)
    }

    /// The names of all enumerations.
    pub fn enums(&self) -> impl Iterator<Item = &'a str> {
        self.names(&[kind::ENUM, kind::ENUM64])
    }

    fn names(&self, kinds: &'static [u32]) -> impl Iterator<Item = &'a str> {
        let layers = *self;
        let own = self.module.unwrap_or(self.kernel);
        let types = own.ids().filter_map(|id| own.type_of(id));
        types
            .filter(|found| kinds.contains(&found.kind))
            .map(move |found| layers.text(found.name))
            .filter(|name| !name.is_empty())
    }

    /// True where a function is marked with this tag; [`None`] where nothing is: kernels before Linux 6.9 mark
    /// no functions.
    pub fn is_tagged(&self, id: u32, tag: &str) -> Option<bool> {
        let offset = self.kernel.string_offset(tag)?;
        let owner = self.owner(id)?;
        Some(owner.is_tagged(id, offset))
    }

    fn find(&self, name: &str, kinds: &[u32]) -> Option<u32> {
        self.search(name, |btf, offset| btf.find_named(offset, kinds))
    }

    /// The names of a module's types are among its own strings, or the kernel's where these have them.
    fn search<T>(&self, name: &str, look: impl Fn(&Btf, u32) -> Option<T>) -> Option<T> {
        let shared = self.kernel.string_offset(name);
        let Some(module) = self.module else {
            return look(self.kernel, shared?);
        };
        shared
            .and_then(|offset| look(module, offset))
            .or_else(|| look(module, module.string_offset(name)?))
    }

    /// What the type of this number is.
    pub fn shape(&self, id: u32) -> Option<Shape<'a>> {
        if id == 0 {
            return Some(Shape::Void);
        }
        let owner = self.owner(id)?;
        let found = owner.type_of(id)?;
        let name = self.text(found.name);
        Some(match found.kind {
            kind::INT => integer(owner, found, name)?,
            kind::FLOAT => Shape::Float { size: found.target },
            kind::PTR => Shape::Pointer(found.target),
            kind::ARRAY => Shape::Array {
                element: owner.word(found.at + 12)?,
                count: owner.word(found.at + 20)?,
            },
            kind::STRUCT | kind::UNION => Shape::Struct {
                name,
                size: found.target,
                union: found.kind == kind::UNION,
            },
            // The flag of what is declared only says that it is a union.
            kind::FWD => Shape::Struct {
                name,
                size: 0,
                union: found.flag,
            },
            kind::ENUM | kind::ENUM64 => Shape::Enum {
                name,
                size: found.target,
                signed: found.flag,
            },
            kind::TYPEDEF => alias(found, Addition::Name(name)),
            kind::VOLATILE => alias(found, Addition::Qualifier("volatile")),
            kind::CONST => alias(found, Addition::Qualifier("const")),
            kind::RESTRICT => alias(found, Addition::Qualifier("restrict")),
            kind::TYPE_TAG => alias(found, Addition::Tag(name)),
            kind::FUNC => Shape::Function(found.target),
            kind::FUNC_PROTO => Shape::Prototype(found.target),
            _ => Shape::Other,
        })
    }

    /// The members of a struct or union, each with its name, which may be empty.
    pub fn members(&self, id: u32) -> Option<Vec<(&'a str, Member)>> {
        let owner = self.owner(id)?;
        let named = owner.members(owner.type_of(id)?).map(|member| {
            let member = member?;
            Some((self.text(member.name), member))
        });
        named.collect()
    }

    /// The enumerators of an enumeration with their values.
    pub fn enumerators(&self, id: u32) -> Option<Vec<(&'a str, i64)>> {
        let owner = self.owner(id)?;
        let named = owner.values(owner.type_of(id)?).map(|value| {
            let (name, value) = value?;
            Some((self.text(name), value))
        });
        named.collect()
    }

    /// The parameters of a prototype: the name, which may be empty, and the number of the type.
    pub fn parameters(&self, id: u32) -> Option<Vec<(&'a str, u32)>> {
        let owner = self.owner(id)?;
        let named = owner.parameters(owner.type_of(id)?).map(|parameter| {
            let (name, type_id) = parameter?;
            Some((self.text(name), type_id))
        });
        named.collect()
    }

    fn owner(&self, id: u32) -> Option<&'a Btf> {
        if id <= self.kernel.as_below().types {
            Some(self.kernel)
        } else {
            self.module
        }
    }

    fn text(&self, offset: u32) -> &'a str {
        let owner = if offset < self.kernel.as_below().strings {
            Some(self.kernel)
        } else {
            self.module
        };
        let bytes = owner.map_or(&[][..], |btf| btf.string(offset));
        // C's names are ASCII; what is not is no name.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

fn alias<'a>(found: Type, adds: Addition<'a>) -> Shape<'a> {
    Shape::Alias {
        target: found.target,
        adds,
    }
}

fn integer<'a>(owner: &Btf, found: Type, name: &'a str) -> Option<Shape<'a>> {
    // `BTF_INT_SIGNED` and `BTF_INT_BOOL` of include/uapi/linux/btf.h.
    const SIGNED: u32 = 1;
    const BOOL: u32 = 4;
    let encoding = owner.word(found.at + 12)? >> 24 & 0xf;
    Some(Shape::Int {
        name,
        size: found.target,
        signed: encoding & SIGNED != 0,
        bool: encoding & BOOL != 0,
    })
}
