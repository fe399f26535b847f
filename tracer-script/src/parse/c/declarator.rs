//! Declarators: what stands around a name says what it is of a type: `*a[3]`, `(*f)(int)`.

use super::{
    super::{Parsed, Parser, SUFFIXES, TOO_MANY_SUFFIXES},
    Attributes,
};
use crate::{
    ast::{CType, Expr, TypeBase, TypeName, TypeSuffix},
    diagnostic::Span,
    lexer::Kind,
};

/// A name with its type.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: CType,
    pub(super) attributes: Attributes,
}

/// What a declarator makes of a type.
enum Step {
    Pointer,
    Array(Option<Box<Expr>>),
    Function,
}

impl Parser<'_> {
    /// Stars, the name, lengths of arrays and parameters of functions.
    pub(super) fn declarator(&mut self, base: CType) -> Parsed<Declared> {
        let start = self.token.span;
        let mut attributes = Attributes::default();
        let (name, steps) = self.nested(|parser| parser.steps(&mut attributes))?;
        if steps.len() > SUFFIXES {
            return self.fail(start, TOO_MANY_SUFFIXES);
        }
        attributes.add(self.attributes()?);
        let kind = steps
            .into_iter()
            .fold(base, |kind, step| applied(kind, step, start));
        Ok(Declared {
            name,
            kind,
            attributes,
        })
    }

    /// The name, and what is made of the type, in that order.
    fn steps(&mut self, attributes: &mut Attributes) -> Parsed<(String, Vec<Step>)> {
        let mut steps = Vec::new();
        attributes.add(self.attributes()?);
        while self.take_sign("*") {
            steps.push(Step::Pointer);
            attributes.add(self.attributes()?);
        }
        let (name, inner) = if self.is_nested_declarator() {
            self.advance();
            let inner = self.nested(|parser| parser.steps(attributes))?;
            self.expect(")")?;
            inner
        } else if self.token.kind == Kind::Word {
            (self.word("a name")?.0, Vec::new())
        } else if self.is_sign("*") || self.is_sign("[") || self.is_sign(")") || self.is_sign("(") {
            // A parameter or a type's own name may do without.
            (String::new(), Vec::new())
        } else {
            return self.unexpected("expected a name");
        };
        let mut behind = Vec::new();
        loop {
            if self.is_sign("[") {
                behind.push(Step::Array(self.length()?));
            } else if self.is_sign("(") {
                self.skip_balanced();
                behind.push(Step::Function);
            } else {
                break;
            }
        }
        // What is written first is the outermost.
        steps.extend(behind.into_iter().rev());
        steps.extend(inner);
        Ok((name, steps))
    }

    /// `(*name)`: a parenthesis that is not the beginning of parameters.
    fn is_nested_declarator(&self) -> bool {
        self.is_sign("(") && matches!(self.peek().kind, Kind::Sign("*" | "("))
    }

    fn length(&mut self) -> Parsed<Option<Box<Expr>>> {
        self.expect("[")?;
        self.qualifiers();
        let length = match self.is_sign("]") {
            true => None,
            false => Some(Box::new(self.nested(Self::expr)?)),
        };
        self.expect("]")?;
        Ok(length)
    }
}

fn applied(kind: CType, step: Step, span: Span) -> CType {
    let suffix = match step {
        Step::Pointer => TypeSuffix::Pointer,
        Step::Array(length) => TypeSuffix::Array(length),
        // What a function returns and takes says nothing about what is seen of it: its address.
        Step::Function => {
            return CType::Plain(TypeName {
                span,
                base: TypeBase::Function,
                suffixes: Vec::new(),
            });
        }
    };
    match kind {
        CType::Plain(mut name) => {
            name.suffixes.push(suffix);
            CType::Plain(name)
        }
        CType::Inline(structure, mut own) => {
            own.push(suffix);
            CType::Inline(structure, own)
        }
    }
}
