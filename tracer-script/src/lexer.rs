//! Source text to tokens, one at a time: what stands in the head of a probe is read by other rules, so the
//! parser says where to go on.

use crate::diagnostic::Span;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word, keywords included.
    Word,
    /// `$name`
    Var,
    /// `@name`
    Map,
    /// `$1`
    Positional,
    /// `$#`
    PositionalCount,
    /// A number, whether or not it is well-formed.
    Number,
    /// A string, quotes included.
    Str,
    /// A sign, such as `+=`.
    Sign(&'static str),
    /// A character that begins no token.
    Unknown,
    /// A string or a comment without its end.
    Unterminated(&'static str),
    /// The end of the source.
    End,
}

/// A token: what it is and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where.
    pub span: Span,
}

/// Longer ones first, so that the longest is taken.
const SIGNS: [&str; 47] = [
    "<<=", ">>=", "...", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>",
    "<=", ">=", "==", "!=", "&&", "||", "->", "..", "?:", "+", "-", "*", "/", "%", "&", "|", "^",
    "<", ">", "=", "!", "~", "(", ")", "{", "}", "[", "]", ",", ";", ":", "?",
];

/// The next token from `at` on.
pub fn next(source: &str, at: usize) -> Token {
    let bytes = source.as_bytes();
    let start = match skip_blanks(source, at) {
        Ok(start) => start,
        Err(start) => {
            return token(Kind::Unterminated("comment"), start, bytes.len());
        }
    };
    let Some(&first) = bytes.get(start) else {
        return token(Kind::End, bytes.len(), bytes.len());
    };
    let rest = &bytes[start..];
    match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => token(Kind::Word, start, start + word(rest)),
        b'0'..=b'9' => token(Kind::Number, start, start + number(rest)),
        b'"' => match string(rest) {
            Some(length) => token(Kind::Str, start, start + length),
            None => token(Kind::Unterminated("string"), start, bytes.len()),
        },
        b'@' => token(Kind::Map, start, start + 1 + word(&rest[1..])),
        b'$' => match rest.get(1) {
            Some(b'#') => token(Kind::PositionalCount, start, start + 2),
            Some(b'0'..=b'9') => {
                let digits = rest[1..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                token(Kind::Positional, start, start + 1 + digits)
            }
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                token(Kind::Var, start, start + 1 + word(&rest[1..]))
            }
            _ => token(Kind::Unknown, start, start + 1),
        },
        b'.' if !rest.starts_with(b"..") => token(Kind::Sign("."), start, start + 1),
        _ => match SIGNS.iter().find(|sign| rest.starts_with(sign.as_bytes())) {
            Some(sign) => token(Kind::Sign(sign), start, start + sign.len()),
            None => {
                let length = source[start..].chars().next().map_or(1, char::len_utf8);
                token(Kind::Unknown, start, start + length)
            }
        },
    }
}

fn token(kind: Kind, start: usize, end: usize) -> Token {
    Token {
        kind,
        span: Span::new(start, end),
    }
}

/// Where the next token begins, past blanks and comments; where a comment does not end, where it begins.
pub fn skip_blanks(source: &str, mut at: usize) -> Result<usize, usize> {
    let bytes = source.as_bytes();
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_whitespace() => at += 1,
            Some(b'/') if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(bytes.len() - at);
            }
            Some(b'/') if bytes.get(at + 1) == Some(&b'*') => match source[at + 2..].find("*/") {
                Some(length) => at += 2 + length + 2,
                None => return Err(at),
            },
            _ => return Ok(at),
        }
    }
}

fn word(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count()
}

/// A number takes all letters and digits behind it, so that a wrong suffix is shown whole.
fn number(bytes: &[u8]) -> usize {
    word(bytes)
}

fn string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(source: &str) -> Vec<String> {
        let mut at = 0;
        let mut out = Vec::new();
        loop {
            let token = next(source, at);
            if token.kind == Kind::End {
                return out;
            }
            at = token.span.end as usize;
            out.push(source[token.span.start as usize..at].to_owned());
        }
    }

    #[test]
    fn tokens() {
        assert_eq!(
            all("@a[$x, 0x1f]<<=1..2 /*c*/ a->b // end\n$1 $# \"q\\\"\""),
            [
                "@a",
                "[",
                "$x",
                ",",
                "0x1f",
                "]",
                "<<=",
                "1",
                "..",
                "2",
                "a",
                "->",
                "b",
                "$1",
                "$#",
                "\"q\\\"\""
            ]
        );
    }
}
