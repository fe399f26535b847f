//! What stands outside of blocks: probes, configuration, declarations.

use super::{Parsed, Parser};
use crate::{
    ast::{AttachPoint, Function, Macro, MacroParam, MapDecl, Param, Probe},
    diagnostic::Span,
    lexer::Kind,
};

/// Providers whose places are files: a slash is part of them.
const WITH_PATHS: [&str; 8] = [
    "uprobe",
    "uretprobe",
    "usdt",
    "u",
    "ur",
    "U",
    "ustatic",
    "iter",
];

impl Parser<'_> {
    pub(super) fn script(&mut self) {
        while self.token.kind != Kind::End {
            if let Some(end) = self.header_end() {
                self.header(end);
                continue;
            }
            if self.take_sign(";") {
                continue;
            }
            if self.item().is_err() {
                self.skip_item();
            }
        }
    }

    fn item(&mut self) -> Parsed<()> {
        if let Kind::Unterminated(_) = self.token.kind {
            return self.unexpected("expected a probe");
        }
        if self.token.kind == Kind::Word {
            let next = self.peek();
            match (self.text(), &next.kind) {
                ("config", Kind::Sign("=" | "{")) => return self.config(),
                ("import", Kind::Str) => {
                    self.import()?;
                    self.expect(";")?;
                    return Ok(());
                }
                ("let", Kind::Map) => return self.map_declaration(),
                ("macro", Kind::Word) => return self.macro_definition(),
                ("fn", Kind::Word) => return self.function(),
                (_, Kind::Word | Kind::Sign("{")) if self.at_c_definition() => {
                    return self.c_definition();
                }
                _ => {}
            }
        }
        self.probe()
    }

    /// Goes past what could not be read: to the end of its block.
    fn skip_item(&mut self) {
        let mut open = 0;
        loop {
            match self.token.kind {
                Kind::End | Kind::Unterminated(_) => {
                    self.go_to(self.source.len());
                    return;
                }
                Kind::Sign("{") => open += 1,
                Kind::Sign("}") => {
                    self.advance();
                    if open <= 1 {
                        return;
                    }
                    open -= 1;
                    continue;
                }
                _ => {}
            }
            self.advance();
        }
    }

    fn config(&mut self) -> Parsed<()> {
        self.advance();
        self.take_sign("=");
        self.expect("{")?;
        while !self.take_sign("}") {
            if self.take_sign(";") {
                continue;
            }
            let (key, span) = self.word("a config variable")?;
            self.expect("=")?;
            let value = match self.token.kind {
                Kind::Str => String::from_utf8_lossy(&self.string()?).into_owned(),
                Kind::Number => self.number()?.to_string(),
                Kind::Word => self.word("a value")?.0,
                _ => return self.unexpected("expected a value"),
            };
            let span = Span {
                start: span.start,
                end: self.last_end,
            };
            self.script.config.push((key, value, span));
            if !self.is_sign("}") {
                self.expect(";")?;
            }
        }
        Ok(())
    }

    /// `import "file"`, without what ends it.
    pub(super) fn import(&mut self) -> Parsed<()> {
        self.advance();
        let span = self.token.span;
        let path = String::from_utf8_lossy(&self.string()?).into_owned();
        self.script.imports.push((path, span));
        Ok(())
    }

    fn map_declaration(&mut self) -> Parsed<()> {
        let start = self.advance().span;
        let name = self.text().to_owned();
        self.advance();
        self.expect("=")?;
        let (kind, _) = self.word("a kind of map")?;
        let mut args = Vec::new();
        if self.take_sign("(") {
            while !self.is_sign(")") {
                args.push(self.expr()?);
                if !self.take_sign(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        self.expect(";")?;
        self.script.maps.push(MapDecl {
            span,
            name,
            kind,
            args,
        });
        Ok(())
    }

    fn macro_definition(&mut self) -> Parsed<()> {
        let start = self.advance().span;
        let (name, _) = self.word("a name")?;
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.is_sign(")") {
            let text = self.text().to_owned();
            params.push(match self.token.kind {
                Kind::Var => MacroParam::Var(text),
                Kind::Map => MacroParam::Map(text),
                Kind::Word => MacroParam::Expr(text),
                _ => return self.unexpected("expected a parameter"),
            });
            self.advance();
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect(")")?;
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        let body = self.block_expr()?;
        self.script.macros.push(Macro {
            span,
            name,
            params,
            body,
        });
        Ok(())
    }

    /// `fn name($a: type, …): type { … }`
    fn function(&mut self) -> Parsed<()> {
        let start = self.advance().span;
        let (name, _) = self.word("a name")?;
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.is_sign(")") {
            if self.token.kind != Kind::Var {
                return self.unexpected("expected a variable");
            }
            let name = self.text().to_owned();
            self.advance();
            self.expect(":")?;
            let kind = self.type_name()?;
            let id = self.next_id();
            params.push(Param { name, kind, id });
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect(")")?;
        let returns = match self.take_sign(":") {
            true => Some(self.type_name()?),
            false => None,
        };
        let span = Span {
            start: start.start,
            end: self.last_end,
        };
        let body = self.block()?;
        self.script.functions.push(Function {
            span,
            name,
            params,
            returns,
            body,
        });
        Ok(())
    }

    fn probe(&mut self) -> Parsed<()> {
        let start = self.token.span.start;
        let mut points = Vec::new();
        loop {
            points.push(self.attach_point()?);
            if !self.take_sign(",") {
                break;
            }
            if self.is_sign("{") || self.is_sign("/") {
                break;
            }
        }
        let predicate = if self.is_sign("/") {
            let slash = self.advance().span.start;
            self.script.marks.slashes.push(slash);
            self.in_predicate = true;
            let predicate = self.expr();
            self.in_predicate = false;
            let predicate = predicate?;
            let slash = self.expect("/")?.start;
            self.script.marks.slashes.push(slash);
            Some(predicate)
        } else {
            None
        };
        let span = Span {
            start,
            end: self.last_end,
        };
        let body = self.block()?;
        self.script.probes.push(Probe {
            span,
            points,
            predicate,
            body,
        });
        Ok(())
    }

    fn attach_point(&mut self) -> Parsed<AttachPoint> {
        let start = self.token.span.start as usize;
        let end = start + self.raw_length(start);
        let span = Span::new(start, end.max(start + 1).min(self.source.len()));
        if start == end {
            return self.unexpected("expected a probe");
        }
        let mut text = self.source[start..end].to_owned();
        self.go_to(end);
        self.script.marks.heads.push(span);
        // `name=provider:…`
        if let Some((name, rest)) = text.split_once('=')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !rest.is_empty()
        {
            text = rest.to_owned();
        }
        let text = self.put_in_params(&text, span)?;
        let parts = split_parts(&text);
        Ok(AttachPoint { span, text, parts })
    }

    /// How long an attach point is: up to a blank, a comma, a block or a predicate, but for what is quoted.
    fn raw_length(&self, start: usize) -> usize {
        let rest = &self.source.as_bytes()[start..];
        let provider = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let provider = &self.source[start..start + provider];
        let has_path = WITH_PATHS.contains(&provider);
        let mut quoted = false;
        for (at, &byte) in rest.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b',' | b'{' | b';' | b'}' => return at,
                b'/' if !has_path || at == 0 => return at,
                _ if byte.is_ascii_whitespace() => return at,
                _ => {}
            }
        }
        rest.len()
    }

    /// Puts positional parameters in the place of `$1`.
    fn put_in_params(&mut self, text: &str, span: Span) -> Parsed<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let digits = rest[at + 1..]
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len() - at - 1);
            let number = &rest[at + 1..at + 1 + digits];
            rest = &rest[at + 1 + digits..];
            if number.is_empty() {
                out.push('$');
                continue;
            }
            let index: usize = number.parse().unwrap_or(0);
            match index
                .checked_sub(1)
                .and_then(|index| self.params.get(index))
            {
                Some(value) => out.push_str(value),
                None => {
                    return self.fail(
                        span,
                        format!("the probe needs the parameter ${number}, which is not given"),
                    );
                }
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The parts between colons, quotes taken off; a colon within quotes does not part.
pub fn split_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ':' if !quoted => parts.push(String::new()),
            _ => parts.last_mut().expect("one at least").push(c),
        }
    }
    parts
}
