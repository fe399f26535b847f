//! Patterns with `*`, `?` and `[ ]`, over bytes, as shells have them for names.

/// A pattern.
#[derive(Clone, Debug)]
pub struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Any,
    Some,
    Set {
        ranges: Vec<(u8, u8)>,
        negated: bool,
    },
}

impl Glob {
    /// Reads a pattern. A `[` without its `]` stands for itself, as does everything that is not `*`, `?`
    /// or a set.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = behind;
            let part = match first {
                b'*' => Part::Some,
                b'?' => Part::Any,
                b'[' => match read_set(behind) {
                    Some((set, after)) => {
                        rest = after;
                        set
                    }
                    None => Part::Byte(b'['),
                },
                byte => Part::Byte(*byte),
            };
            // Two stars in a row mean no more than one.
            if part != Part::Some || parts.last() != Some(&Part::Some) {
                parts.push(part);
            }
        }
        Self(parts)
    }

    /// True where the pattern is a plain name.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Byte(_)))
    }

    /// True where the whole of `text` matches. Takes time in proportion to the lengths of both multiplied, at
    /// most.
    pub fn matches(&self, text: &[u8]) -> bool {
        let parts = &self.0;
        let (mut at, mut part) = (0, 0);
        // The last star, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match parts.get(part) {
                Some(Part::Some) => {
                    star = Some((part, at));
                    part += 1;
                }
                Some(single) if single.takes(text[at]) => {
                    at += 1;
                    part += 1;
                }
                _ => {
                    let Some((star_part, taken)) = star else {
                        return false;
                    };
                    star = Some((star_part, taken + 1));
                    (at, part) = (taken + 1, star_part + 1);
                }
            }
        }
        parts[part..].iter().all(|part| *part == Part::Some)
    }
}

impl Part {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::Any => true,
            Self::Some => false,
            Self::Set { ranges, negated } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&byte))
                    != *negated
            }
        }
    }
}

/// Reads a set behind its `[`, and gives what is behind its `]`.
fn read_set(text: &[u8]) -> Option<(Part, &[u8])> {
    let (negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        match rest {
            // A `]` that comes first stands for itself.
            [b']', after @ ..] if !ranges.is_empty() => {
                return Some((Part::Set { ranges, negated }, after));
            }
            [low, b'-', high, after @ ..] if *high != b']' => {
                ranges.push((*low, *high));
                rest = after;
            }
            [byte, after @ ..] => {
                ranges.push((*byte, *byte));
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let cases = [
            ("vfs_*", "vfs_read", true),
            ("vfs_*", "xvfs_read", false),
            ("*", "", true),
            ("**a**", "bab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[abc", "[abc", true),
            ("a-b", "a-b", true),
            ("*.so*", "libc.so.6", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                Glob::new(pattern).matches(text.as_bytes()),
                expected,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_they_must() {
        let pattern = Glob::new(&"*a".repeat(50));
        assert!(!pattern.matches(&[b'a'; 49]));
        assert!(!pattern.matches(&[vec![b'a'; 5000], vec![b'b']].concat()));
    }
}
