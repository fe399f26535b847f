//! Types by name: those that the script defines, and those that the facts know.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use crate::{
    ast::{BinaryOp, Expr, ExprKind, TypeBase, TypeName, UnaryOp},
    facts::{Facts, Field, Struct},
    types::{Sizes, Space, Type, integer_type, user_type},
};

/// Bytes of a type, at most.
pub(super) const SIZE_MAX: u32 = 64 << 20;

/// The script's own definitions, and what was asked of the facts so far.
#[derive(Default)]
pub struct Env {
    pub(super) structs: RefCell<HashMap<Rc<str>, Rc<Struct>>>,
    pub(super) aligns: HashMap<Rc<str>, u32>,
    pub(super) enums: HashMap<String, (Type, Vec<(String, i64)>)>,
    pub(super) typedefs: HashMap<String, Type>,
    /// Enumerators and constants of the script.
    pub(super) constants: HashMap<String, (i64, Type)>,
}

impl Env {
    /// The type of a name without what stands behind.
    pub(super) fn base(&self, base: &TypeBase, facts: &dyn Facts) -> Option<Type> {
        match base {
            TypeBase::Struct(key) => self
                .structure(key, facts)
                .map(|found| Type::Struct(found.name.clone())),
            TypeBase::Enum(name) => self.enumeration(name, facts).map(|(kind, _)| kind),
            TypeBase::Named(name) => self.named(name, facts),
            TypeBase::Function => Some(Type::Func),
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
            .or_else(|| user_type(name))
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

    /// An enumerator, or a constant of the script, by its name.
    pub fn enumerator(&self, name: &str, facts: &dyn Facts) -> Option<(i64, Type)> {
        let own = self.constants.get(name).cloned();
        own.or_else(|| facts.enumerator(name))
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
        if let Some(&align) = self.env.aligns.get(name) {
            return align;
        }
        let Some(structure) = self.env.structure(name, self.facts) else {
            return 8;
        };
        let fields = structure
            .fields
            .iter()
            .map(|field| field.kind.c_align(self));
        let most = fields.max().unwrap_or(1).max(1);
        // A packed one is not as wide as a multiple of what its members would ask for.
        match structure.size % most {
            0 => most,
            _ => 1,
        }
    }
}

/// True for C's characters, of which an array is a string.
pub(super) fn is_text(base: &TypeBase) -> bool {
    matches!(base, TypeBase::Named(name) if name == "char" || name == "signed char")
}

/// What stands behind a type, lengths worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    Pointer,
    Array(u32),
}

/// Stars and lengths behind a type; an array of a `text`'s characters is a string.
pub(super) fn with_suffixes(base: Type, suffixes: &[Suffix], space: Space, text: bool) -> Type {
    suffixes.iter().fold(base, |inner, suffix| match *suffix {
        Suffix::Pointer => Type::pointer(inner, space),
        Suffix::Array(count) => match inner {
            Type::Int {
                size: 1,
                signed: true,
            } if text => Type::Str(count),
            _ => Type::Array(Rc::new(inner), count),
        },
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
