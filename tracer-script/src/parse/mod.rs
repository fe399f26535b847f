//! Tokens to tree. It never fails: what it cannot read becomes a diagnostic, and it goes on behind it.

mod c;
mod expr;
mod place;
mod stmt;
mod top;
mod type_name;

use std::{collections::HashSet, ops::Range};

use crate::{
    ast::{Expr, ExprId, ExprKind, Script},
    diagnostic::{Diagnostics, Span},
    lexer::{self, Kind, Token},
    preprocess::Text,
};

pub(crate) use expr::LEVELS;

/// Blocks and expressions nest no deeper.
const DEPTH: u32 = 128;

/// Stars and lengths behind a type, at most.
const SUFFIXES: usize = 16;
const TOO_MANY_SUFFIXES: &str = "a type has more than 16 stars and lengths";

/// What could not be read has been told; the caller goes on where it knows its way.
pub(crate) struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Reads a script as it stands. `params` are the positional parameters, which may stand in the heads of probes.
pub fn parse(source: &str, params: &[String], diagnostics: &mut Diagnostics) -> Script {
    let mut script = Script::default();
    add(&mut script, &Text::verbatim(source, 0), params, diagnostics);
    script
}

/// Reads what came of preprocessing, and adds it to a script. All places are those in the sources.
pub(crate) fn add(
    script: &mut Script,
    text: &Text,
    params: &[String],
    diagnostics: &mut Diagnostics,
) {
    let mut told = Diagnostics::default();
    let mut parser = Parser::new(text, params, script.exprs, &mut told);
    parser.script();
    let mut read = parser.script;
    read.exprs = parser.exprs;
    told.place(|span| text.place(span));
    diagnostics.extend(told);
    place::script(&mut read, text);
    script.append(read);
}

struct Parser<'a> {
    source: &'a str,
    /// Parts that come from headers.
    headers: &'a [Range<usize>],
    params: &'a [String],
    diagnostics: &'a mut Diagnostics,
    /// The token that is looked at.
    token: Token,
    /// Where the one before ends.
    last_end: u32,
    exprs: ExprId,
    depth: u32,
    /// Inside `/…/`, where a slash before a brace is the end.
    in_predicate: bool,
    script: Script,
    /// What is read comes from a header.
    in_header: bool,
    /// Other names of types, so far.
    typedefs: HashSet<String>,
    /// A declaration of C ended with a function's body, which no semicolon follows.
    last_was_body: bool,
}

impl<'a> Parser<'a> {
    fn new(
        text: &'a Text,
        params: &'a [String],
        exprs: ExprId,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        let source = text.source.as_str();
        Self {
            token: lexer::next(source, 0),
            source,
            headers: &text.headers,
            params,
            diagnostics,
            last_end: 0,
            exprs,
            depth: 0,
            in_predicate: false,
            script: Script::default(),
            in_header: false,
            typedefs: HashSet::new(),
            last_was_body: false,
        }
    }

    fn text(&self) -> &'a str {
        self.text_of(self.token.span)
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.source[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) -> Token {
        let next = lexer::next(self.source, self.token.span.end as usize);
        self.last_end = self.token.span.end;
        std::mem::replace(&mut self.token, next)
    }

    /// Goes on reading tokens at `at`.
    fn go_to(&mut self, at: usize) {
        self.last_end = at as u32;
        self.token = lexer::next(self.source, at);
    }

    /// The token after the one that is looked at.
    fn peek(&self) -> Token {
        lexer::next(self.source, self.token.span.end as usize)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token.kind, Kind::Sign(found) if found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        self.token.kind == Kind::Word && self.text() == word
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_it = self.is_sign(sign);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn expect(&mut self, sign: &str) -> Parsed<Span> {
        if self.is_sign(sign) {
            return Ok(self.advance().span);
        }
        self.unexpected(&format!("expected {sign}"))
    }

    fn word(&mut self, what: &str) -> Parsed<(String, Span)> {
        if self.token.kind == Kind::Word {
            let text = self.text().to_owned();
            return Ok((text, self.advance().span));
        }
        self.unexpected(&format!("expected {what}"))
    }

    fn unexpected<T>(&mut self, expected: &str) -> Parsed<T> {
        let span = self.token.span;
        let message = match &self.token.kind {
            Kind::End => format!("syntax error, unexpected end of file, {expected}"),
            Kind::Unterminated(what) => format!("unterminated {what}"),
            _ => format!("syntax error, unexpected {}, {expected}", self.text()),
        };
        self.diagnostics.error(span, message);
        Err(Failed)
    }

    fn fail<T>(&mut self, span: Span, message: impl Into<String>) -> Parsed<T> {
        self.diagnostics.error(span, message);
        Err(Failed)
    }

    fn next_id(&mut self) -> ExprId {
        self.exprs += 1;
        self.exprs - 1
    }

    fn make(&mut self, start: Span, kind: ExprKind) -> Expr {
        let span = Span {
            start: start.start,
            end: self.last_end.max(start.end),
        };
        Expr {
            id: self.next_id(),
            span,
            kind,
        }
    }

    /// Runs `inner` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH {
            let span = self.token.span;
            return self.fail(span, format!("nested more than {DEPTH} levels deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}

#[cfg(test)]
mod tests;
