//! Names of types, and telling them from values.

use super::{Parsed, Parser, SUFFIXES, TOO_MANY_SUFFIXES};
use crate::{
    ast::{TypeBase, TypeName, TypeOrExpr, TypeSuffix},
    diagnostic::Span,
    lexer::{self, Kind},
    types::is_type_name,
};

impl Parser<'_> {
    pub(super) fn type_or_expr(&mut self) -> Parsed<TypeOrExpr> {
        let is_type = self.token.kind == Kind::Word
            && match self.text() {
                "struct" | "union" | "enum" | "typeof" | "unsigned" | "const" => true,
                word => {
                    (is_type_name(word) || self.is_typedef(word))
                        && !matches!(self.peek().kind, Kind::Sign("(" | "." | "->"))
                }
            };
        if is_type {
            return Ok(TypeOrExpr::Type(self.type_name()?));
        }
        Ok(TypeOrExpr::Expr(self.inside(Self::expr)?))
    }

    pub(super) fn type_name(&mut self) -> Parsed<TypeName> {
        let start = self.token.span;
        let base = self.type_base()?;
        let mut suffixes = Vec::new();
        loop {
            if self.take_sign("*") {
                suffixes.push(TypeSuffix::Pointer);
            } else if self.is_sign("[") {
                self.advance();
                let length = match self.is_sign("]") {
                    true => None,
                    false => Some(Box::new(self.inside(Self::expr)?)),
                };
                self.expect("]")?;
                suffixes.push(TypeSuffix::Array(length));
            } else if !self.take_word("const") {
                break;
            }
            if suffixes.len() > SUFFIXES {
                return self.fail(start.to(self.token.span), TOO_MANY_SUFFIXES);
            }
        }
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        Ok(TypeName {
            span,
            base,
            suffixes,
        })
    }

    pub(super) fn type_base(&mut self) -> Parsed<TypeBase> {
        if self.is_sign("(") {
            self.advance();
            let mut elements = Vec::new();
            while !self.is_sign(")") {
                elements.push(self.nested(Self::type_name)?);
                if !self.take_sign(",") {
                    break;
                }
            }
            self.expect(")")?;
            return Ok(TypeBase::Tuple(elements));
        }
        while self.is_word("const") || self.is_word("volatile") {
            self.advance();
        }
        let (word, _) = self.word("a type")?;
        match word.as_str() {
            "struct" | "union" => {
                let (name, _) = self.word("a name")?;
                Ok(TypeBase::Struct(format!("{word} {name}")))
            }
            "enum" => Ok(TypeBase::Enum(self.word("a name")?.0)),
            "typeof" => {
                self.expect("(")?;
                let of = self.nested(Self::type_or_expr)?;
                self.expect(")")?;
                Ok(TypeBase::Typeof(Box::new(of)))
            }
            _ => {
                // C's names of several words.
                let mut name = word;
                while is_part_of_c_type(&name)
                    && self.token.kind == Kind::Word
                    && is_part_of_c_type(self.text())
                {
                    name.push(' ');
                    name.push_str(self.text());
                    self.advance();
                }
                Ok(TypeBase::Named(name))
            }
        }
    }

    /// `(type)`, followed by something that a value begins with.
    pub(super) fn looks_like_cast(&self) -> bool {
        let mut at = self.token.span.end as usize;
        let mut take = || {
            let token = lexer::next(self.source, at);
            at = token.span.end as usize;
            token
        };
        let first = take();
        if first.kind != Kind::Word {
            return false;
        }
        let known = match self.text_of(first.span) {
            "struct" | "union" | "enum" | "typeof" | "const" | "unsigned" | "signed" => {
                return true;
            }
            word => is_type_name(word) || self.is_typedef(word),
        };
        let mut token = take();
        let mut pointer = false;
        while matches!(token.kind, Kind::Sign("*" | "[" | "]") | Kind::Number)
            || known && token.kind == Kind::Word
        {
            pointer |= token.kind == Kind::Sign("*");
            token = take();
        }
        if token.kind != Kind::Sign(")") {
            return false;
        }
        let next = take();
        if known {
            return !matches!(next.kind, Kind::End);
        }
        // An unknown word: a cast where no operator could follow a value.
        let value = matches!(
            next.kind,
            Kind::Word | Kind::Var | Kind::Map | Kind::Number | Kind::Positional | Kind::Str
        );
        let is_keyword = next.kind == Kind::Word && self.text_of(next.span) == "else";
        value && !is_keyword || pointer && next.kind == Kind::Sign("(")
    }

    fn is_typedef(&self, word: &str) -> bool {
        self.typedefs.contains(word)
    }
}

pub(super) fn is_part_of_c_type(words: &str) -> bool {
    words.split(' ').all(|word| {
        matches!(
            word,
            "unsigned" | "signed" | "char" | "short" | "int" | "long" | "double" | "__signed__"
        )
    })
}
