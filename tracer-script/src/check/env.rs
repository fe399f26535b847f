//! Types by name: those that the script defines, and those that the facts know.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use crate::{
    ast::{
        BinaryOp, CField, CStruct, CType, Expr, ExprKind, Script, TypeBase, TypeName, TypeSuffix,
        UnaryOp,
    },
    diagnostic::Diagnostics,
    facts::{Facts, Field, Struct},
    types::{Sizes, Space, Type, integer_type},
};

/// Bytes of a type, at most.
pub(super) const SIZE_MAX: u32 = 64 << 20;

/// The script's own definitions, and what was asked of the facts so far.
#[derive(Default)]
pub struct Env {
    structs: RefCell<HashMap<Rc<str>, Rc<Struct>>>,
    aligns: HashMap<Rc<str>, u32>,
    enums: HashMap<String, (Type, Vec<(String, i64)>)>,
    typedefs: HashMap<String, Type>,
}

impl Env {
    pub(super) fn new(script: &Script, facts: &dyn Facts, diagnostics: &mut Diagnostics) -> Self {
        let mut env = Self::default();
        for one in &script.c.enums {
            let signed = one.values.iter().any(|(_, value)| *value < 0);
            let wide = one
                .values
                .iter()
                .any(|(_, value)| u32::try_from(*value).is_err() && i32::try_from(*value).is_err());
            let kind = Type::Enum {
                name: one.name.as_str().into(),
                size: if wide { 8 } else { 4 },
                signed,
            };
            env.enums
                .insert(one.name.clone(), (kind, one.values.clone()));
        }
        for structure in &script.c.structs {
            env.define(structure, facts, diagnostics);
        }
        for (name, kind) in &script.c.typedefs {
            let kind = env.c_type(kind, facts, diagnostics);
            env.typedefs.insert(name.clone(), kind);
        }
        // A definition may name a type that a later one makes.
        for structure in &script.c.structs {
            env.define(structure, facts, diagnostics);
        }
        for structure in &script.c.structs {
            if env.has_itself(&structure.name) {
                let message = format!("{} would have itself as a part", structure.name);
                diagnostics.error(structure.span, message);
            }
        }
        env
    }

    /// Lays out a structure as C does.
    fn define(&mut self, structure: &CStruct, facts: &dyn Facts, diagnostics: &mut Diagnostics) {
        let mut layout = Layout::new(structure);
        for field in &structure.fields {
            let kind = self.c_type(&field.kind, facts, diagnostics);
            let sizes = EnvSizes { env: self, facts };
            let (size, align) = (kind.c_size(&sizes), kind.c_align(&sizes));
            if size > SIZE_MAX || layout.size > SIZE_MAX {
                let message = format!("{} is larger than {SIZE_MAX} bytes", structure.name);
                diagnostics.error(structure.span, message);
                break;
            }
            if field.bits.is_some_and(|bits| bits > size * 8) {
                let message = format!("{}: a bit field is wider than its type", structure.name);
                diagnostics.error(structure.span, message);
                break;
            }
            layout.add(field, kind, size, align);
        }
        let name: Rc<str> = structure.name.as_str().into();
        let (size, align, fields) = layout.finish();
        self.aligns.insert(name.clone(), align);
        self.structs
            .borrow_mut()
            .insert(name.clone(), Rc::new(Struct { name, size, fields }));
    }

    /// Whether a structure of the script is a part of itself, or of its parts.
    fn has_itself(&self, name: &str) -> bool {
        let structs = self.structs.borrow();
        let mut seen = HashSet::new();
        let mut waiting = vec![name];
        while let Some(structure) = waiting.pop().and_then(|key| structs.get(key)) {
            for field in &structure.fields {
                let mut kind = &field.kind;
                while let Type::Array(element, _) = kind {
                    kind = element;
                }
                match kind {
                    Type::Struct(key) if **key == *name => return true,
                    Type::Struct(key) if structs.contains_key(key) && seen.insert(key.clone()) => {
                        waiting.push(key);
                    }
                    _ => {}
                }
            }
        }
        false
    }

    fn c_type(&mut self, kind: &CType, facts: &dyn Facts, diagnostics: &mut Diagnostics) -> Type {
        match kind {
            CType::Inline(structure, suffixes) => {
                self.define(structure, facts, diagnostics);
                let base = Type::Struct(structure.name.as_str().into());
                with_suffixes(base, suffixes, Space::Any, false)
            }
            CType::Plain(name) => {
                let base = match &name.base {
                    TypeBase::Struct(key) => Some(Type::Struct(key.as_str().into())),
                    TypeBase::Named(word) if word == "void" => Some(Type::Void),
                    _ => self.base(&name.base, facts),
                };
                let Some(base) = base else {
                    diagnostics.error(name.span, "unknown type name in a C definition");
                    return Type::int(8, false);
                };
                with_suffixes(base, &name.suffixes, Space::Any, is_text(&name.base))
            }
        }
    }

    /// The type of a name without what stands behind.
    pub(super) fn base(&self, base: &TypeBase, facts: &dyn Facts) -> Option<Type> {
        match base {
            TypeBase::Struct(key) => self
                .structure(key, facts)
                .map(|found| Type::Struct(found.name.clone())),
            TypeBase::Enum(name) => self.enumeration(name, facts).map(|(kind, _)| kind),
            TypeBase::Named(name) => self.named(name, facts),
            TypeBase::Typeof(_) | TypeBase::Tuple(_) => None,
        }
    }

    fn named(&self, name: &str, facts: &dyn Facts) -> Option<Type> {
        if name == "void" {
            return Some(Type::Void);
        }
        if name == "bool" || name == "_Bool" {
            return Some(Type::Bool);
        }
        integer_type(name)
            .or_else(|| self.typedefs.get(name).cloned())
            .or_else(|| facts.typedef(name))
            // bpftrace takes `(foo *)x` for `(struct foo *)x`.
            .or_else(|| {
                ["struct", "union"].iter().find_map(|keyword| {
                    self.structure(&format!("{keyword} {name}"), facts)
                        .map(|found| Type::Struct(found.name.clone()))
                })
            })
            .or_else(|| self.enumeration(name, facts).map(|(kind, _)| kind))
    }

    /// A structure by its key.
    pub fn structure(&self, key: &str, facts: &dyn Facts) -> Option<Rc<Struct>> {
        if let Some(found) = self.structs.borrow().get(key) {
            return Some(found.clone());
        }
        let found = facts.structure(key)?;
        let mut structs = self.structs.borrow_mut();
        structs.insert(key.into(), found.clone());
        structs.insert(found.name.clone(), found.clone());
        Some(found)
    }

    /// An enumeration by its name.
    pub fn enumeration(&self, name: &str, facts: &dyn Facts) -> Option<(Type, Vec<(String, i64)>)> {
        self.enums
            .get(name)
            .cloned()
            .or_else(|| facts.enumeration(name))
    }

    /// An enumerator by its name.
    pub fn enumerator(&self, name: &str, facts: &dyn Facts) -> Option<(i64, Type)> {
        let own = self.enums.values().find_map(|(kind, values)| {
            let (_, value) = values.iter().find(|(known, _)| known == name)?;
            Some((*value, kind.clone()))
        });
        own.or_else(|| facts.enumerator(name)).or_else(|| {
            let value = crate::headers::constant(name)?;
            Some((value, crate::types::INT))
        })
    }

    /// A member of a structure, members of anonymous ones within included.
    pub fn field(&self, structure: &Struct, name: &str, facts: &dyn Facts) -> Option<Field> {
        self.field_at_depth(structure, name, facts, 16)
    }

    fn field_at_depth(
        &self,
        structure: &Struct,
        name: &str,
        facts: &dyn Facts,
        depth: u32,
    ) -> Option<Field> {
        if depth == 0 {
            return None;
        }
        if let Some(found) = structure.fields.iter().find(|field| &*field.name == name) {
            return Some(found.clone());
        }
        structure.fields.iter().find_map(|outer| {
            let Type::Struct(key) = &outer.kind else {
                return None;
            };
            if !outer.name.is_empty() {
                return None;
            }
            let inner = self.structure(key, facts)?;
            let mut found = self.field_at_depth(&inner, name, facts, depth - 1)?;
            found.offset += outer.offset;
            if let Some((start, _)) = &mut found.bits {
                *start += outer.offset * 8;
            }
            Some(found)
        })
    }

    /// Sizes of structures, by these definitions and the facts.
    pub fn sizes<'a>(&'a self, facts: &'a dyn Facts) -> EnvSizes<'a> {
        EnvSizes { env: self, facts }
    }
}

/// See [`Env::sizes`].
pub struct EnvSizes<'a> {
    env: &'a Env,
    facts: &'a dyn Facts,
}

impl Sizes for EnvSizes<'_> {
    fn struct_size(&self, name: &str) -> Option<u32> {
        self.env
            .structure(name, self.facts)
            .map(|structure| structure.size)
    }

    fn struct_align(&self, name: &str) -> u32 {
        self.env.aligns.get(name).copied().unwrap_or(8)
    }
}

/// True for C's characters, of which an array is a string.
pub(super) fn is_text(base: &TypeBase) -> bool {
    matches!(base, TypeBase::Named(name) if name == "char" || name == "signed char")
}

/// Stars and lengths behind a type; an array of a `text`'s characters is a string.
pub(super) fn with_suffixes(base: Type, suffixes: &[TypeSuffix], space: Space, text: bool) -> Type {
    suffixes.iter().fold(base, |inner, suffix| match suffix {
        TypeSuffix::Pointer => Type::pointer(inner, space),
        TypeSuffix::Array(count) => {
            let count = count.unwrap_or(0) as u32;
            match inner {
                Type::Int {
                    size: 1,
                    signed: true,
                } if text => Type::Str(count),
                _ => Type::Array(Rc::new(inner), count),
            }
        }
    })
}

/// A number that is written as such.
pub(super) fn literal(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Int(value) => i64::try_from(*value).ok(),
        ExprKind::Unary(UnaryOp::Neg, inner) => literal(inner)?.checked_neg(),
        ExprKind::Binary(BinaryOp::Mul, left, right) => literal(left)?.checked_mul(literal(right)?),
        _ => None,
    }
}

/// The type that a script writes, where nothing but names is needed to tell it.
pub(super) fn plain(name: &TypeName, env: &Env, facts: &dyn Facts) -> Option<Type> {
    env.base(&name.base, facts)
}

struct Layout {
    union: bool,
    packed: bool,
    fields: Vec<Field>,
    /// Bits so far.
    bits: u32,
    size: u32,
    align: u32,
}

impl Layout {
    fn new(structure: &CStruct) -> Self {
        Self {
            union: structure.union,
            packed: structure.packed,
            fields: Vec::new(),
            bits: 0,
            size: 0,
            align: 1,
        }
    }

    fn add(&mut self, field: &CField, kind: Type, size: u32, align: u32) {
        let align = if self.packed { 1 } else { align.max(1) };
        self.align = self.align.max(align);
        if self.union {
            self.bits = 0;
        }
        let name = field.name.as_str().into();
        if let Some(bits) = field.bits {
            let unit = size.max(1) * 8;
            // A bit field does not cross a border of its type's size.
            if bits == 0 || self.bits / unit != (self.bits + bits - 1) / unit {
                self.bits = self.bits.div_ceil(unit) * unit;
            }
            let offset = self.bits / unit * size.max(1);
            self.fields.push(Field {
                name,
                kind,
                offset,
                bits: Some((self.bits, bits)),
            });
            self.bits += bits;
        } else {
            let offset = self.bits.div_ceil(8).div_ceil(align) * align;
            self.fields.push(Field {
                name,
                kind,
                offset,
                bits: None,
            });
            self.bits = offset.saturating_add(size).saturating_mul(8);
        }
        self.size = self.size.max(self.bits.div_ceil(8));
    }

    fn finish(self) -> (u32, u32, Vec<Field>) {
        let size = self.size.div_ceil(self.align) * self.align;
        (size, self.align, self.fields)
    }
}
