//! What C's definitions of a script define: structures as C lays them out, enumerations, constants.

use std::{collections::HashSet, rc::Rc};

use super::{
    constant::truncate,
    env::{Env, SIZE_MAX, Suffix, is_text, with_suffixes},
};
use crate::{
    ast::{CDefinition, CEnum, CField, CItem, CStruct, CType, Expr, Script, TypeBase, TypeSuffix},
    diagnostic::{Diagnostics, Span},
    facts::{Facts, Field, Struct},
    types::{Space, Type},
};

/// Why something cannot be defined, and where.
type Defined<T> = Result<T, (Span, String)>;

impl Env {
    /// What a script defines.
    pub(super) fn new(script: &Script, facts: &dyn Facts, diagnostics: &mut Diagnostics) -> Self {
        let mut definer = Definer {
            env: Self::default(),
            facts,
        };
        let mut in_script = Vec::new();
        for definition in &script.c.items {
            let CDefinition {
                span,
                item,
                in_header,
            } = definition;
            match definer.item(item, *span) {
                Ok(()) => {}
                Err((place, reason)) if *in_header => {
                    let message = format!("a declaration of a header is left out: {reason}");
                    diagnostics.note(place, message);
                }
                Err((place, reason)) => diagnostics.error(place, reason),
            }
            if let CItem::Struct(structure) = item {
                in_script.push(structure);
            }
        }
        for structure in in_script {
            if definer.env.has_itself(&structure.name) {
                let message = format!("{} would have itself as a part", structure.name);
                diagnostics.error(structure.span, message);
            }
        }
        definer.env
    }

    /// Whether a structure of the script is a part of itself, or of its parts.
    fn has_itself(&self, name: &str) -> bool {
        let structs = self.structs.borrow();
        let mut seen = HashSet::new();
        let mut waiting = vec![name];
        while let Some(structure) = waiting.pop().and_then(|key| structs.get(key)) {
            for field in &structure.fields {
                match element_of(&field.kind) {
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
}

struct Definer<'a> {
    env: Env,
    facts: &'a dyn Facts,
}

impl Definer<'_> {
    fn item(&mut self, item: &CItem, span: Span) -> Defined<()> {
        match item {
            CItem::Struct(structure) => self.structure(structure),
            CItem::Enum(one) => self.enumeration(one),
            CItem::Typedef(name, kind) => {
                let kind = self.c_type(kind)?;
                self.env.typedefs.insert(name.clone(), kind);
                Ok(())
            }
            CItem::Constant(name, kind, value) => {
                let kind = self.c_type(kind)?;
                if !kind.is_integer() {
                    let message =
                        format!("only constants that are numbers can be defined, not {kind}");
                    return Err((span, message));
                }
                let value = self.number(value)?;
                let value = truncate(value, &kind, &self.env.sizes(self.facts));
                self.env.constants.insert(name.clone(), (value, kind));
                Ok(())
            }
        }
    }

    fn number(&self, expr: &Expr) -> Defined<i64> {
        let found = self.env.evaluate(expr, self.facts);
        found.ok_or_else(|| (expr.span, "this is not a constant number".to_owned()))
    }

    fn enumeration(&mut self, one: &CEnum) -> Defined<()> {
        let key: Rc<str> = one.name.as_str().into();
        let mut values = Vec::new();
        let mut next = 0i64;
        for (name, value) in &one.values {
            if let Some(value) = value {
                next = self.number(value)?;
            }
            values.push((name.clone(), next));
            // Those that follow may be told by it.
            let kind = enum_type(&key, &values, one.packed);
            self.env.constants.insert(name.clone(), (next, kind));
            next = next.wrapping_add(1);
        }
        let kind = enum_type(&key, &values, one.packed);
        for (name, value) in &values {
            let constant = (*value, kind.clone());
            self.env.constants.insert(name.clone(), constant);
        }
        self.env.enums.insert(one.name.clone(), (kind, values));
        Ok(())
    }

    /// Lays out a structure as C does.
    fn structure(&mut self, structure: &CStruct) -> Defined<()> {
        let mut layout = Layout::new(structure, self.alignment(structure.align.as_ref())?);
        for field in &structure.fields {
            let kind = self.c_type(&field.kind)?;
            self.member(structure, field, kind, &mut layout)?;
        }
        let name: Rc<str> = structure.name.as_str().into();
        let (size, align, fields) = layout.finish();
        if size > SIZE_MAX {
            return Err((structure.span, too_large(&name)));
        }
        self.env.aligns.insert(name.clone(), align);
        let structure = Rc::new(Struct {
            name: name.clone(),
            size,
            fields,
        });
        self.env.structs.borrow_mut().insert(name, structure);
        Ok(())
    }

    fn member(
        &self,
        structure: &CStruct,
        field: &CField,
        kind: Type,
        layout: &mut Layout,
    ) -> Defined<()> {
        let place = field_span(field).unwrap_or(structure.span);
        if let Type::Struct(key) = element_of(&kind)
            && self.env.structure(key, self.facts).is_none()
        {
            let message = match **key == *structure.name {
                true => format!("{key} would have itself as a part"),
                false => format!("the size of {key} is not known"),
            };
            return Err((place, message));
        }
        let sizes = self.env.sizes(self.facts);
        let (size, mut align) = (kind.c_size(&sizes), kind.c_align(&sizes));
        if size > SIZE_MAX || layout.size > SIZE_MAX {
            return Err((place, too_large(&structure.name)));
        }
        let bits = match &field.bits {
            None => None,
            Some(bits) => match self.number(bits)? {
                number if !kind.is_integer() => {
                    return Err((bits.span, format!("{kind} has no {number} bits")));
                }
                number if (0..=i64::from(size) * 8).contains(&number) => Some(number as u32),
                _ => return Err((bits.span, "a bit field is wider than its type".to_owned())),
            },
        };
        if field.packed {
            align = 1;
        }
        let wanted = self.alignment(field.align.as_ref())?;
        layout.add(&field.name, kind, size, align, wanted, bits);
        Ok(())
    }

    /// What `aligned` says; 1 without it.
    fn alignment(&self, align: Option<&Expr>) -> Defined<u32> {
        let Some(align) = align else {
            return Ok(1);
        };
        match self.number(align)? {
            number if (1..=4096).contains(&number) && number & (number - 1) == 0 => {
                Ok(number as u32)
            }
            _ => Err((
                align.span,
                "an alignment is a power of two up to 4096".to_owned(),
            )),
        }
    }

    fn c_type(&mut self, kind: &CType) -> Defined<Type> {
        match kind {
            CType::Inline(structure, suffixes) => {
                self.structure(structure)?;
                let base = Type::Struct(structure.name.as_str().into());
                let suffixes = self.suffixes(suffixes)?;
                Ok(with_suffixes(base, &suffixes, Space::Any, false))
            }
            CType::Plain(name) => {
                let base = match &name.base {
                    // What a pointer leads to may be defined later.
                    TypeBase::Struct(key) => Some(Type::Struct(key.as_str().into())),
                    TypeBase::Named(word) => {
                        named_bits(word).or_else(|| self.env.base(&name.base, self.facts))
                    }
                    base => self.env.base(base, self.facts),
                };
                let Some(base) = base else {
                    let what = match &name.base {
                        TypeBase::Named(word) => word.clone(),
                        TypeBase::Enum(word) => format!("enum {word}"),
                        _ => "this type".to_owned(),
                    };
                    return Err((
                        name.span,
                        format!("unknown type name in a C definition: {what}"),
                    ));
                };
                let suffixes = self.suffixes(&name.suffixes)?;
                Ok(with_suffixes(
                    base,
                    &suffixes,
                    Space::Any,
                    is_text(&name.base),
                ))
            }
        }
    }

    fn suffixes(&self, suffixes: &[TypeSuffix]) -> Defined<Vec<Suffix>> {
        let one = |suffix: &TypeSuffix| match suffix {
            TypeSuffix::Pointer => Ok(Suffix::Pointer),
            TypeSuffix::Array(None) => Ok(Suffix::Array(0)),
            TypeSuffix::Array(Some(length)) => {
                let count = self.number(length)?;
                match u32::try_from(count) {
                    Ok(count) => Ok(Suffix::Array(count)),
                    Err(_) => Err((
                        length.span,
                        format!("an array of {count} elements is larger than {SIZE_MAX} bytes"),
                    )),
                }
            }
        };
        suffixes.iter().map(one).collect()
    }
}

/// What an array is of, or the type itself.
fn element_of(mut kind: &Type) -> &Type {
    while let Type::Array(element, _) = kind {
        kind = element;
    }
    kind
}

/// Where a member's type stands.
fn field_span(field: &CField) -> Option<Span> {
    match &field.kind {
        CType::Plain(name) => Some(name.span),
        CType::Inline(structure, _) => Some(structure.span),
    }
}

fn too_large(name: &str) -> String {
    format!("{name} is larger than {SIZE_MAX} bytes")
}

/// Numbers with a fraction are seen as their bits; those that no register holds as arrays.
fn named_bits(word: &str) -> Option<Type> {
    let words = |size| Type::Array(Rc::new(Type::int(8, false)), size);
    Some(match word {
        "float" | "_Float32" => Type::int(4, false),
        "double" | "_Float64" => Type::int(8, false),
        "long double" | "__int128" | "__uint128_t" | "__int128_t" | "_Float128" => words(2),
        _ => return None,
    })
}

/// The type of an enumeration: an `int` where all values fit, as with gcc.
fn enum_type(name: &Rc<str>, values: &[(String, i64)], packed: bool) -> Type {
    let signed = values.iter().any(|(_, value)| *value < 0);
    let bits = |value: i64| match signed {
        true => 65 - (value ^ value >> 63).leading_zeros(),
        false => 64 - value.leading_zeros(),
    };
    let most = values.iter().map(|&(_, value)| bits(value)).max();
    let size = match most.unwrap_or(0) {
        0..=8 if packed => 1,
        9..=16 if packed => 2,
        0..=32 => 4,
        _ => 8,
    };
    Type::Enum {
        name: name.clone(),
        size,
        signed,
    }
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
    fn new(structure: &CStruct, align: u32) -> Self {
        Self {
            union: structure.union,
            packed: structure.packed,
            fields: Vec::new(),
            bits: 0,
            size: 0,
            align,
        }
    }

    /// Adds a member; `wanted` is the alignment that it asks for besides that of its type.
    fn add(
        &mut self,
        name: &str,
        kind: Type,
        size: u32,
        align: u32,
        wanted: u32,
        bits: Option<u32>,
    ) {
        let align = if self.packed { 1 } else { align.max(1) }.max(wanted);
        if self.union {
            self.bits = 0;
        }
        match bits {
            Some(bits) => self.add_bits(name, kind, size, align, bits),
            None => {
                self.align = self.align.max(align);
                let offset = self.bits.div_ceil(8).next_multiple_of(align);
                self.push(name, kind, offset, None);
                self.bits = offset.saturating_add(size).saturating_mul(8);
            }
        }
        self.size = self.size.max(self.bits.div_ceil(8));
    }

    fn add_bits(&mut self, name: &str, kind: Type, size: u32, align: u32, bits: u32) {
        let unit = size.max(1) * 8;
        // A bit field does not cross a border of its type's size, unless the structure is packed.
        let crosses = bits > 0 && self.bits / unit != (self.bits + bits - 1) / unit;
        if bits == 0 || crosses && !self.packed {
            self.bits = self.bits.next_multiple_of(unit);
        }
        // One without name asks for no alignment (System V ABI, 3.1.2).
        if !name.is_empty() {
            self.align = self.align.max(align);
            let offset = self.bits / unit * size.max(1);
            self.push(name, kind, offset, Some((self.bits, bits)));
        }
        self.bits += bits;
    }

    fn push(&mut self, name: &str, kind: Type, offset: u32, bits: Option<(u32, u32)>) {
        self.fields.push(Field {
            name: name.into(),
            kind,
            offset,
            bits,
        });
    }

    fn finish(self) -> (u32, u32, Vec<Field>) {
        let size = self.size.next_multiple_of(self.align);
        (size, self.align, self.fields)
    }
}
