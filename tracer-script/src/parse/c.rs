//! C's declarations: structures, unions, enumerations and other names of types.

use super::{Parsed, Parser, SUFFIXES, TOO_MANY_SUFFIXES, expr::constant};
use crate::{
    ast::{CEnum, CField, CStruct, CType, TypeBase, TypeName, TypeSuffix},
    diagnostic::Span,
    lexer::Kind,
};

impl Parser<'_> {
    pub(super) fn c_definition(&mut self) -> Parsed<()> {
        match self.text() {
            "typedef" => {
                self.advance();
                let base = self.c_type()?;
                let (name, kind) = self.declarator(base)?;
                self.script.c.typedefs.push((name, kind));
            }
            "enum" => {
                self.enumeration()?;
            }
            _ => {
                let base = self.c_type()?;
                if let CType::Inline(structure, _) = base {
                    self.script.c.structs.push(structure);
                }
            }
        }
        self.expect(";")?;
        Ok(())
    }

    /// The type before a declarator.
    fn c_type(&mut self) -> Parsed<CType> {
        while self.is_word("const") || self.is_word("volatile") {
            self.advance();
        }
        if self.is_word("struct") || self.is_word("union") {
            let next = self.peek();
            let after = crate::lexer::next(self.source, next.span.end as usize);
            let defined_here = matches!(next.kind, Kind::Sign("{"))
                || next.kind == Kind::Word
                    && (after.kind == Kind::Sign("{")
                        || self.text_of(next.span) == "__attribute__");
            if defined_here {
                return Ok(CType::Inline(self.nested(Self::structure)?, Vec::new()));
            }
        }
        if self.is_word("enum") {
            let name = self.enumeration()?;
            let base = TypeBase::Enum(name);
            let span = self.token.span;
            return Ok(CType::Plain(TypeName {
                span,
                base,
                suffixes: Vec::new(),
            }));
        }
        let mut name = self.c_base()?;
        while self.is_word("const") || self.is_word("volatile") {
            self.advance();
        }
        name.suffixes.clear();
        Ok(CType::Plain(name))
    }

    /// A type without stars: these belong to the declarators.
    fn c_base(&mut self) -> Parsed<TypeName> {
        let start = self.token.span;
        let base = match self.text() {
            keyword @ ("struct" | "union") => {
                self.advance();
                TypeBase::Struct(format!("{keyword} {}", self.word("a name")?.0))
            }
            _ => {
                let mut words = vec![self.word("a type")?.0];
                while self.token.kind == Kind::Word
                    && matches!(
                        words.last().map(String::as_str),
                        Some("unsigned" | "signed" | "long" | "short")
                    )
                    && matches!(self.text(), "int" | "long" | "char" | "short")
                {
                    words.push(self.word("a type")?.0);
                }
                TypeBase::Named(words.join(" "))
            }
        };
        Ok(TypeName {
            span: start,
            base,
            suffixes: Vec::new(),
        })
    }

    /// Stars, the name and lengths of arrays. A pointer to a function is a pointer to something.
    fn declarator(&mut self, base: CType) -> Parsed<(String, CType)> {
        let mut suffixes = Vec::new();
        while self.take_sign("*") {
            while self.is_word("const") || self.is_word("volatile") {
                self.advance();
            }
            suffixes.push(TypeSuffix::Pointer);
        }
        let stars = suffixes.len();
        if self.is_sign("(") {
            return self.function_pointer();
        }
        let (name, span) = self.word("a name")?;
        while self.take_sign("[") {
            let length = match self.is_sign("]") {
                true => 0,
                false => {
                    let value = self.expr()?;
                    match constant(&value) {
                        Some(length) => length,
                        None => {
                            return self
                                .fail(value.span, "the length of an array must be a number");
                        }
                    }
                }
            };
            self.expect("]")?;
            suffixes.push(TypeSuffix::Array(Some(length)));
        }
        if suffixes.len() > SUFFIXES {
            return self.fail(span, TOO_MANY_SUFFIXES);
        }
        // What is written first is the outermost.
        suffixes[stars..].reverse();
        Ok((name, with_suffixes(base, suffixes)))
    }

    /// `(*name)(…)`
    fn function_pointer(&mut self) -> Parsed<(String, CType)> {
        self.expect("(")?;
        self.expect("*")?;
        let (name, span) = self.word("a name")?;
        self.expect(")")?;
        self.expect("(")?;
        let mut open = 1;
        while open > 0 {
            match self.token.kind {
                Kind::Sign("(") => open += 1,
                Kind::Sign(")") => open -= 1,
                Kind::End => return self.unexpected("expected )"),
                _ => {}
            }
            self.advance();
        }
        let kind = CType::Plain(TypeName {
            span,
            base: TypeBase::Named("void".to_owned()),
            suffixes: vec![TypeSuffix::Pointer],
        });
        Ok((name, kind))
    }

    fn attributes(&mut self) -> Parsed<bool> {
        let mut packed = false;
        while self.take_word("__attribute__") {
            let start = self.token.span;
            let mut open = 0;
            loop {
                match self.token.kind {
                    Kind::Sign("(") => open += 1,
                    Kind::Sign(")") => open -= 1,
                    Kind::End => return self.unexpected("expected )"),
                    _ => {}
                }
                self.advance();
                if open == 0 {
                    break;
                }
            }
            let text = &self.source[start.start as usize..self.last_end as usize];
            packed |= text.contains("packed");
        }
        Ok(packed)
    }

    fn structure(&mut self) -> Parsed<CStruct> {
        let start = self.token.span;
        let keyword = self.word("struct")?.0;
        let mut packed = self.attributes()?;
        let name = match self.token.kind {
            Kind::Word => self.word("a name")?.0,
            _ => {
                self.anonymous += 1;
                format!("(anonymous {})", self.anonymous)
            }
        };
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.take_sign("}") {
            let base = self.c_type()?;
            if self.take_sign(";") {
                fields.push(CField {
                    name: String::new(),
                    kind: base,
                    bits: None,
                });
                continue;
            }
            loop {
                let (name, kind) = if self.is_sign(":") {
                    (String::new(), base.clone())
                } else {
                    self.declarator(base.clone())?
                };
                let bits = match self.take_sign(":") {
                    true => Some(self.bits()?),
                    false => None,
                };
                fields.push(CField { name, kind, bits });
                if !self.take_sign(",") {
                    break;
                }
            }
            self.attributes()?;
            self.expect(";")?;
        }
        packed |= self.attributes()?;
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        Ok(CStruct {
            span,
            union: keyword == "union",
            name: format!("{keyword} {name}"),
            fields,
            packed,
        })
    }

    fn bits(&mut self) -> Parsed<u32> {
        let span = self.token.span;
        match self.number()? {
            bits @ 0..=64 => Ok(bits as u32),
            _ => self.fail(span, "a bit field has at most 64 bits"),
        }
    }

    /// Reads `enum name { … }` or `enum name`, and gives the name back.
    fn enumeration(&mut self) -> Parsed<String> {
        self.advance();
        let name = match self.token.kind {
            Kind::Word => self.word("a name")?.0,
            _ => {
                self.anonymous += 1;
                format!("(anonymous {})", self.anonymous)
            }
        };
        if !self.take_sign("{") {
            return Ok(name);
        }
        let mut values: Vec<(String, i64)> = Vec::new();
        let mut next = 0i64;
        while !self.is_sign("}") {
            let (word, _) = self.word("a name")?;
            if self.take_sign("=") {
                let value = self.expr()?;
                next = match (constant(&value), &value.kind) {
                    (Some(value), _) => value as i64,
                    (None, crate::ast::ExprKind::Ident(other)) => {
                        let known = values.iter().find(|(name, _)| name == other);
                        match known {
                            Some((_, value)) => *value,
                            None => return self.fail(value.span, "not a number"),
                        }
                    }
                    _ => return self.fail(value.span, "not a number"),
                };
            }
            values.push((word, next));
            next = next.wrapping_add(1);
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect("}")?;
        self.script.c.enums.push(CEnum {
            name: name.clone(),
            values,
        });
        Ok(name)
    }
}

fn with_suffixes(base: CType, suffixes: Vec<TypeSuffix>) -> CType {
    match base {
        CType::Plain(mut name) => {
            name.suffixes.extend(suffixes);
            CType::Plain(name)
        }
        CType::Inline(structure, mut own) => {
            own.extend(suffixes);
            CType::Inline(structure, own)
        }
    }
}
