//! Structures, unions and enumerations.

use super::super::{Parsed, Parser};
use crate::{
    ast::{CEnum, CField, CItem, CStruct, CType},
    diagnostic::Span,
    lexer::Kind,
};

impl Parser<'_> {
    pub(super) fn structure(&mut self) -> Parsed<CStruct> {
        let start = self.token.span;
        let keyword = self.word("struct")?.0;
        let mut attributes = self.attributes()?;
        let name = match self.token.kind {
            Kind::Word => self.word("a name")?.0,
            _ => self.unnamed(),
        };
        attributes.add(self.attributes()?);
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.take_sign("}") {
            if self.take_sign(";") {
                continue;
            }
            self.members(&mut fields)?;
        }
        attributes.add(self.attributes()?);
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        Ok(CStruct {
            span,
            union: keyword == "union",
            name: format!("{keyword} {name}"),
            fields,
            packed: attributes.packed,
            align: attributes.align,
        })
    }

    /// `int a, *b, c : 3;`
    fn members(&mut self, fields: &mut Vec<CField>) -> Parsed<()> {
        let (base, _) = self.c_type()?;
        if self.take_sign(";") {
            // Members of a structure without name belong to the outer one; a named one is only defined here.
            if let CType::Inline(structure, _) = &base
                && !structure.name.contains("(unnamed")
            {
                let span = structure.span;
                self.define(CItem::Struct(structure.clone()), span);
                return Ok(());
            }
            fields.push(CField {
                name: String::new(),
                kind: base,
                bits: None,
                packed: false,
                align: None,
            });
            return Ok(());
        }
        loop {
            let field = self.member(base.clone())?;
            fields.push(field);
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect(";")?;
        Ok(())
    }

    fn member(&mut self, base: CType) -> Parsed<CField> {
        let mut field = CField {
            name: String::new(),
            kind: base.clone(),
            bits: None,
            packed: false,
            align: None,
        };
        if !self.is_sign(":") {
            let declared = self.declarator(base)?;
            field.name = declared.name;
            field.kind = declared.kind;
            field.packed = declared.attributes.packed;
            field.align = declared.attributes.align;
        }
        if self.take_sign(":") {
            field.bits = Some(self.nested(Self::expr)?);
            let attributes = self.attributes()?;
            field.packed |= attributes.packed;
            field.align = attributes.align.or(field.align);
        }
        Ok(field)
    }

    /// Reads `enum name { … }` or `enum name`, and gives the name back.
    pub(super) fn enumeration(&mut self) -> Parsed<String> {
        let start = self.advance().span;
        let mut packed = self.attributes()?.packed;
        let name = match self.token.kind {
            Kind::Word => self.word("a name")?.0,
            _ => self.unnamed(),
        };
        if !self.take_sign("{") {
            return Ok(name);
        }
        let mut values = Vec::new();
        while !self.is_sign("}") {
            let (word, _) = self.word("a name")?;
            self.attributes()?;
            let value = match self.take_sign("=") {
                true => Some(self.nested(Self::expr)?),
                false => None,
            };
            values.push((word, value));
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect("}")?;
        packed |= self.attributes()?.packed;
        let one = CEnum {
            name: name.clone(),
            values,
            packed,
        };
        self.define(CItem::Enum(one), start);
        Ok(name)
    }

    /// What a type without name is known by.
    fn unnamed(&mut self) -> String {
        format!("(unnamed {})", self.next_id())
    }
}
