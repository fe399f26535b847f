//! The format of `printf` and its kin, taken apart once.

/// A format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Text and conversions, in order.
    pub parts: Vec<Part>,
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(Vec<u8>),
    /// A conversion of the next argument.
    Conversion(Conversion),
}

/// `%-08.3lld`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// `-`
    pub left: bool,
    /// `+`
    pub plus: bool,
    /// A blank.
    pub blank: bool,
    /// `#`
    pub alternate: bool,
    /// `0`
    pub zero: bool,
    /// Characters at least.
    pub width: Option<usize>,
    /// The width is an argument of its own.
    pub width_argument: bool,
    /// Digits at least, or characters at most.
    pub precision: Option<usize>,
    /// The precision is an argument of its own.
    pub precision_argument: bool,
    /// Bytes that a modifier cuts the number to; 8 without one.
    pub size: u8,
    /// The letter.
    pub kind: char,
    /// `x` or `h` after `r`; `r` after `g`.
    pub variant: Option<char>,
    /// As it is written.
    pub text: String,
}

/// Takes a format apart. A percent sign that no conversion begins with is text.
pub fn parse(text: &[u8]) -> Format {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'%' {
            literal.push(text[at]);
            at += 1;
            continue;
        }
        if text.get(at + 1) == Some(&b'%') {
            literal.push(b'%');
            at += 2;
            continue;
        }
        let Some((conversion, length)) = conversion(&text[at..]) else {
            literal.push(b'%');
            at += 1;
            continue;
        };
        at += length;
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(Part::Conversion(conversion));
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Format { parts }
}

fn conversion(text: &[u8]) -> Option<(Conversion, usize)> {
    let mut out = Conversion {
        size: 8,
        ..Conversion::default()
    };
    let mut at = 1;
    while let Some(&flag) = text.get(at) {
        match flag {
            b'-' => out.left = true,
            b'+' => out.plus = true,
            b' ' => out.blank = true,
            b'#' => out.alternate = true,
            b'0' => out.zero = true,
            _ => break,
        }
        at += 1;
    }
    if text.get(at) == Some(&b'*') {
        out.width_argument = true;
        at += 1;
    } else {
        out.width = number(text, &mut at);
    }
    if text.get(at) == Some(&b'.') {
        at += 1;
        if text.get(at) == Some(&b'*') {
            out.precision_argument = true;
            at += 1;
        } else {
            out.precision = Some(number(text, &mut at).unwrap_or(0));
        }
    }
    let rest = &text[at..];
    for (modifier, size) in [
        ("hh", 1),
        ("h", 2),
        ("ll", 8),
        ("l", 8),
        ("L", 8),
        ("j", 8),
        ("z", 8),
        ("t", 8),
    ] {
        if rest.starts_with(modifier.as_bytes()) {
            out.size = size;
            at += modifier.len();
            break;
        }
    }
    match text.get(at) {
        Some(&kind) if b"diouxXcsp".contains(&kind) => out.kind = char::from(kind),
        Some(b'r') => {
            out.kind = 'r';
            if let Some(&variant @ (b'x' | b'h')) = text.get(at + 1) {
                out.variant = Some(char::from(variant));
                at += 1;
            }
        }
        Some(b'g') if text.get(at + 1) == Some(&b'r') => {
            out.kind = 'g';
            at += 1;
        }
        _ => return None,
    }
    at += 1;
    out.text = String::from_utf8_lossy(&text[..at]).into_owned();
    Some((out, at))
}

fn number(text: &[u8], at: &mut usize) -> Option<usize> {
    let digits = text[*at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let value = std::str::from_utf8(&text[*at..*at + digits])
        .ok()?
        .parse()
        .ok();
    *at += digits;
    // A field wider than that would only fill memory.
    value.map(|value: usize| value.min(65_536))
}

impl Format {
    /// How many arguments it takes.
    pub fn arguments(&self) -> usize {
        self.conversions()
            .map(|one| 1 + usize::from(one.width_argument) + usize::from(one.precision_argument))
            .sum()
    }

    /// Its conversions.
    pub fn conversions(&self) -> impl Iterator<Item = &Conversion> {
        self.parts.iter().filter_map(|part| match part {
            Part::Conversion(conversion) => Some(conversion),
            Part::Text(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let format = parse(b"a %-08.3lld%% %rx|%*s");
        assert_eq!(format.arguments(), 4);
        let conversions: Vec<_> = format.conversions().map(|one| one.text.as_str()).collect();
        assert_eq!(conversions, ["%-08.3lld", "%rx", "%*s"]);
        for text in ["%", "%q", "%5", "%ll", "%\n"] {
            let parts = vec![Part::Text(text.into())];
            assert_eq!(parse(text.as_bytes()), Format { parts });
        }
    }
}
