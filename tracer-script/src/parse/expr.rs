//! Expressions, by precedence.

use super::{Parsed, Parser};
use crate::{
    ast::{BinaryOp, Call, Expr, ExprKind, UnaryOp},
    diagnostic::Span,
    lexer::Kind,
    literal,
};

/// Operators with two operands, from those that bind least.
pub(crate) const LEVELS: [&[(&str, BinaryOp)]; 10] = [
    &[("||", BinaryOp::Or)],
    &[("&&", BinaryOp::And)],
    &[("|", BinaryOp::BitOr)],
    &[("^", BinaryOp::BitXor)],
    &[("&", BinaryOp::BitAnd)],
    &[("==", BinaryOp::Eq), ("!=", BinaryOp::Ne)],
    &[
        ("<", BinaryOp::Lt),
        (">", BinaryOp::Gt),
        ("<=", BinaryOp::Le),
        (">=", BinaryOp::Ge),
    ],
    &[("<<", BinaryOp::Shl), (">>", BinaryOp::Shr)],
    &[("+", BinaryOp::Add), ("-", BinaryOp::Sub)],
    &[
        ("*", BinaryOp::Mul),
        ("/", BinaryOp::Div),
        ("%", BinaryOp::Mod),
    ],
];

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.nested(Self::ternary)
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.binary(0)?;
        let start = condition.span;
        if self.take_sign("?:") {
            let other = self.expr()?;
            let kind = ExprKind::Ternary(Box::new(condition), None, Box::new(other));
            return Ok(self.make(start, kind));
        }
        if !self.take_sign("?") {
            return Ok(condition);
        }
        if self.take_sign(":") {
            let other = self.expr()?;
            let kind = ExprKind::Ternary(Box::new(condition), None, Box::new(other));
            return Ok(self.make(start, kind));
        }
        let then = self.expr()?;
        self.expect(":")?;
        let other = self.expr()?;
        let kind = ExprKind::Ternary(Box::new(condition), Some(Box::new(then)), Box::new(other));
        Ok(self.make(start, kind))
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        // Each operator makes the tree one level deeper, though the text is flat.
        let mut length = 0;
        loop {
            let Kind::Sign(sign) = self.token.kind else {
                return Ok(left);
            };
            let Some(&(_, operator)) = operators.iter().find(|(text, _)| *text == sign) else {
                return Ok(left);
            };
            if sign == "/" && self.in_predicate && self.ends_predicate() {
                return Ok(left);
            }
            length += 1;
            if length > 1000 {
                let span = self.token.span;
                return self.fail(span, "too many operators in one expression");
            }
            let at = self.advance().span.start;
            self.script.marks.operators.push(at);
            let right = self.binary(level + 1)?;
            let start = left.span;
            left = self.make(
                start,
                ExprKind::Binary(operator, Box::new(left), Box::new(right)),
            );
        }
    }

    /// A slash is the end of a predicate where a block follows.
    fn ends_predicate(&self) -> bool {
        matches!(self.peek().kind, Kind::Sign("{"))
    }

    pub(super) fn unary(&mut self) -> Parsed<Expr> {
        let start = self.token.span;
        let operator = match self.token.kind {
            Kind::Sign("-") => UnaryOp::Neg,
            Kind::Sign("!") => UnaryOp::Not,
            Kind::Sign("~") => UnaryOp::BitNot,
            Kind::Sign("*") => UnaryOp::Deref,
            Kind::Sign("&") => UnaryOp::AddressOf,
            Kind::Sign(sign @ ("++" | "--")) => {
                self.advance();
                let target = self.nested(Self::unary)?;
                self.check_target(&target)?;
                let kind = ExprKind::IncDec {
                    target: Box::new(target),
                    increment: sign == "++",
                    postfix: false,
                };
                return Ok(self.make(start, kind));
            }
            Kind::Sign("(") => return self.nested(Self::parenthesis),
            _ => return self.postfix(),
        };
        self.advance();
        let operand = self.nested(Self::unary)?;
        Ok(self.make(start, ExprKind::Unary(operator, Box::new(operand))))
    }

    fn check_target(&mut self, target: &Expr) -> Parsed<()> {
        match target.kind {
            ExprKind::Var(_) | ExprKind::Map(..) | ExprKind::Ident(_) => Ok(()),
            _ => self.fail(
                target.span,
                "the ++ and -- operators must be applied to a map or variable",
            ),
        }
    }

    /// A cast, or what begins with a parenthesis.
    fn parenthesis(&mut self) -> Parsed<Expr> {
        let start = self.token.span;
        if self.looks_like_cast() {
            self.advance();
            let kind = self.nested(Self::type_name)?;
            self.expect(")")?;
            let operand = self.nested(Self::unary)?;
            return Ok(self.make(start, ExprKind::Cast(kind, Box::new(operand))));
        }
        let inner = self.grouped()?;
        self.postfixes(inner)
    }

    /// `(a)`, `(a, b)`, `(a = 1)` or `()`.
    fn grouped(&mut self) -> Parsed<Expr> {
        let start = self.expect("(")?;
        let in_predicate = std::mem::replace(&mut self.in_predicate, false);
        let result = self.grouped_inner(start);
        self.in_predicate = in_predicate;
        result
    }

    fn grouped_inner(&mut self, start: Span) -> Parsed<Expr> {
        if self.take_sign(")") {
            return Ok(self.make(start, ExprKind::Tuple(Vec::new())));
        }
        if self.token.kind == Kind::Word && self.peek().kind == Kind::Sign("=") {
            let mut fields: Vec<(String, Expr)> = Vec::new();
            while !self.is_sign(")") {
                let (name, span) = self.word("a field's name")?;
                if fields.iter().any(|(known, _)| *known == name) {
                    return self.fail(span, format!("duplicate field {name}"));
                }
                self.expect("=")?;
                fields.push((name, self.expr()?));
                if !self.take_sign(",") {
                    break;
                }
            }
            self.expect(")")?;
            return Ok(self.make(start, ExprKind::Record(fields)));
        }
        let first = self.expr()?;
        if !self.is_sign(",") {
            self.expect(")")?;
            return Ok(first);
        }
        let mut elements = vec![first];
        while self.take_sign(",") && !self.is_sign(")") {
            elements.push(self.expr()?);
        }
        self.expect(")")?;
        Ok(self.make(start, ExprKind::Tuple(elements)))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let primary = self.primary()?;
        self.postfixes(primary)
    }

    fn postfixes(&mut self, mut value: Expr) -> Parsed<Expr> {
        for _ in 0..1000 {
            let start = value.span;
            let Kind::Sign(sign) = self.token.kind else {
                return Ok(value);
            };
            let kind = match sign {
                "." | "->" => {
                    self.advance();
                    if self.token.kind == Kind::Number {
                        let index = self.number()?;
                        ExprKind::TupleIndex(Box::new(value), index as u32)
                    } else {
                        let (name, _) = self.word("a field's name")?;
                        ExprKind::Field(Box::new(value), name)
                    }
                }
                "[" => {
                    self.advance();
                    let index = self.inside(Self::expr)?;
                    self.expect("]")?;
                    ExprKind::Index(Box::new(value), Box::new(index))
                }
                "++" | "--" => {
                    self.advance();
                    self.check_target(&value)?;
                    ExprKind::IncDec {
                        target: Box::new(value),
                        increment: sign == "++",
                        postfix: true,
                    }
                }
                _ => return Ok(value),
            };
            value = self.make(start, kind);
        }
        let span = value.span;
        self.fail(span, "too many operators in one expression")
    }

    /// Inside brackets a slash divides again.
    pub(super) fn inside<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let in_predicate = std::mem::replace(&mut self.in_predicate, false);
        let result = self.nested(inner);
        self.in_predicate = in_predicate;
        result
    }

    pub(super) fn number(&mut self) -> Parsed<u64> {
        if self.token.kind != Kind::Number {
            return self.unexpected("expected a number");
        }
        let text = self.text();
        let span = self.advance().span;
        match literal::integer(text) {
            Ok(value) => Ok(value),
            Err(message) => self.fail(span, message),
        }
    }

    pub(super) fn string(&mut self) -> Parsed<Vec<u8>> {
        let text = self.text();
        let span = self.advance().span;
        match literal::unescape(&text.as_bytes()[1..text.len() - 1]) {
            Ok(bytes) => Ok(bytes),
            Err((at, message)) => {
                let start = span.start as usize + 1 + at;
                self.fail(Span::new(start, start + 2), message)
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.token.span;
        let kind = match self.token.kind {
            Kind::Number => ExprKind::Int(self.number()?),
            Kind::Str => ExprKind::Str(self.string()?),
            Kind::Positional => {
                let index = self.text()[1..].parse().unwrap_or(u32::MAX);
                self.advance();
                if index == 0 {
                    return self.fail(start, "invalid parameter: $0");
                }
                ExprKind::Positional(index)
            }
            Kind::PositionalCount => {
                self.advance();
                ExprKind::PositionalCount
            }
            Kind::Var => {
                let name = self.text().to_owned();
                self.advance();
                ExprKind::Var(name)
            }
            Kind::Map => {
                let name = self.text().to_owned();
                self.advance();
                let key = match self.is_sign("[") {
                    true => Some(Box::new(self.map_key()?)),
                    false => None,
                };
                ExprKind::Map(name, key)
            }
            Kind::Sign("{") => return self.nested(Self::block_expr),
            Kind::Sign("(") => return self.nested(Self::grouped),
            Kind::Word => return self.word_expr(),
            _ => return self.unexpected("expected an expression"),
        };
        Ok(self.make(start, kind))
    }

    /// `[a, b]`: several keys are one tuple.
    fn map_key(&mut self) -> Parsed<Expr> {
        let start = self.expect("[")?;
        let mut keys = self.inside(|parser| {
            let mut keys = vec![parser.expr()?];
            while parser.take_sign(",") {
                keys.push(parser.expr()?);
            }
            Ok(keys)
        })?;
        self.expect("]")?;
        match keys.len() {
            1 => Ok(keys.remove(0)),
            _ => Ok(self.make(start, ExprKind::Tuple(keys))),
        }
    }

    fn word_expr(&mut self) -> Parsed<Expr> {
        let start = self.token.span;
        let word = self.text();
        match word {
            "true" | "false" => {
                self.advance();
                return Ok(self.make(start, ExprKind::Bool(word == "true")));
            }
            "if" => return self.nested(Self::if_expr),
            "sizeof" => {
                self.advance();
                self.expect("(")?;
                let of = self.type_or_expr()?;
                self.expect(")")?;
                return Ok(self.make(start, ExprKind::Sizeof(Box::new(of))));
            }
            "offsetof" => return self.offsetof(),
            "typeof" | "struct" | "union" | "enum" => {
                let kind = self.type_name()?;
                return Ok(self.make(start, ExprKind::Type(kind)));
            }
            "comptime" => {
                self.advance();
                return self.nested(Self::unary);
            }
            _ => {}
        }
        let name_span = self.advance().span;
        if !self.is_sign("(") {
            return Ok(self.make(start, ExprKind::Ident(word.to_owned())));
        }
        self.advance();
        let args = self.inside(Self::arguments)?;
        self.expect(")")?;
        let call = Call {
            name: word.to_owned(),
            name_span,
            args,
        };
        Ok(self.make(start, ExprKind::Call(call)))
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        let mut args = Vec::new();
        while !self.is_sign(")") {
            args.push(self.expr()?);
            if !self.take_sign(",") {
                break;
            }
        }
        Ok(args)
    }

    fn if_expr(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        let condition = self.inside(Self::expr)?;
        let then = self.block_expr()?;
        let other = if self.take_word("else") {
            Some(Box::new(if self.is_word("if") {
                self.nested(Self::if_expr)?
            } else {
                self.block_expr()?
            }))
        } else {
            None
        };
        let kind = ExprKind::If(Box::new(condition), Box::new(then), other);
        Ok(self.make(start, kind))
    }

    fn offsetof(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect("(")?;
        let of = self.type_or_expr()?;
        self.expect(",")?;
        let mut path = vec![self.word("a field's name")?.0];
        while self.take_sign(".") {
            path.push(self.word("a field's name")?.0);
        }
        self.expect(")")?;
        Ok(self.make(start, ExprKind::Offsetof(Box::new(of), path)))
    }
}
