//! What `#if` asks.

use super::expand::Defines;
use crate::{
    ast::BinaryOp,
    check,
    lexer::{self, Kind, Token},
    literal,
};

/// Operators with two operands, from those that bind least.
const LEVELS: [&[(&str, BinaryOp)]; 10] = crate::parse::LEVELS;

/// Parentheses and signs within each other, at most.
const DEPTH: u32 = 64;

/// Whether the condition holds; the error says what cannot be understood.
pub(super) fn holds(text: &str, defines: &Defines) -> Result<bool, String> {
    let known = answered(text, defines);
    let expanded = defines.all(&known)?;
    let mut reader = Reader {
        text: &expanded,
        token: lexer::next(&expanded, 0),
        depth: 0,
    };
    let value = reader.choice()?;
    match reader.token.kind {
        Kind::End => Ok(value != 0),
        _ => Err(reader.unexpected()),
    }
}

/// With `defined(X)` answered.
fn answered(text: &str, defines: &Defines) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("defined") {
        let behind = &rest[at + "defined".len()..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let inside = rest[..at].ends_with(is_word) || behind.starts_with(is_word);
        out.push_str(&rest[..at]);
        if inside {
            out.push_str("defined");
            rest = behind;
            continue;
        }
        let start = behind.trim_start_matches([' ', '\t', '(']);
        let name = super::expand::word(start);
        let end = start[name.len()..].trim_start();
        let closed = behind.trim_start().starts_with('(');
        rest = match end.strip_prefix(')') {
            Some(end) if closed => end,
            _ => end,
        };
        out.push_str(if defines.contains(name) { " 1 " } else { " 0 " });
    }
    out + rest
}

struct Reader<'a> {
    text: &'a str,
    token: Token,
    depth: u32,
}

impl Reader<'_> {
    fn unexpected(&self) -> String {
        let span = self.token.span;
        match &self.text[span.start as usize..span.end as usize] {
            "" => "the condition ends too early".to_owned(),
            found => format!("the condition cannot be understood at {found}"),
        }
    }

    fn advance(&mut self) {
        self.token = lexer::next(self.text, self.token.span.end as usize);
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.token.kind, Kind::Sign(found) if found == sign);
        if found {
            self.advance();
        }
        found
    }

    fn choice(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let then = self.choice()?;
        if !self.take(":") {
            return Err(self.unexpected());
        }
        let other = self.choice()?;
        Ok(if condition != 0 { then } else { other })
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            let found = operators.iter().find(|(sign, _)| self.take(sign));
            let Some(&(_, operator)) = found else {
                return Ok(left);
            };
            let right = self.binary(level + 1)?;
            left = check::fold(operator, left, right, true)
                .ok_or("the condition divides by zero, or shifts too far")?;
        }
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the condition nests too deeply".to_owned());
        }
        let value = self.unary_inner();
        self.depth -= 1;
        value
    }

    fn unary_inner(&mut self) -> Result<i64, String> {
        if self.take("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.take("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.take("~") {
            return Ok(!self.unary()?);
        }
        if self.take("+") {
            return self.unary();
        }
        if self.take("(") {
            let value = self.choice()?;
            if !self.take(")") {
                return Err(self.unexpected());
            }
            return Ok(value);
        }
        let span = self.token.span;
        let text = &self.text[span.start as usize..span.end as usize];
        match self.token.kind {
            Kind::Number => {
                self.advance();
                Ok(literal::integer(text)? as i64)
            }
            // What is not defined counts as zero, as in C; so does what it would be called with.
            Kind::Word => {
                self.advance();
                if self.take("(") {
                    self.skip_call();
                }
                Ok(0)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn skip_call(&mut self) {
        let mut open = 1;
        while open > 0 && self.token.kind != Kind::End {
            match self.token.kind {
                Kind::Sign("(") => open += 1,
                Kind::Sign(")") => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::expand::Define;

    #[test]
    fn conditions_are_worked_out() {
        let mut defines = Defines::default();
        for (name, body) in [("A", "2"), ("EMPTY", ""), ("B", "A + 1")] {
            let (params, body) = (None, body.to_owned());
            defines.insert(name, Define { params, body });
        }
        for (text, wanted) in [
            ("1", true),
            ("0", false),
            ("defined(A) && !defined(C)", true),
            ("defined A", true),
            ("defined ( C ) || defined EMPTY", true),
            ("A == 2 && B == 3", true),
            ("A * 2 + 1 > 5", false),
            ("UNKNOWN", false),
            ("IS_ENABLED(CONFIG_X) == 0", true),
            ("A ? 0 : 1", false),
            ("(1 << 4) == 0x10L", true),
        ] {
            assert_eq!(holds(text, &defines), Ok(wanted), "{text}");
        }
        for text in ["", "1 +", "(1", "1 1", "1 / 0"] {
            assert!(holds(text, &defines).is_err(), "{text}");
        }
    }
}
