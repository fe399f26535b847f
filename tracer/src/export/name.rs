//! Names and label values as Prometheus takes them.

use crate::report::{Unit, Value};

use super::family::Scale;

/// A base unit, and how raw numbers come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseUnit {
    /// What names end in; empty for none.
    pub name: &'static str,
    /// From raw numbers to it.
    pub scale: Scale,
}

impl From<Unit> for BaseUnit {
    fn from(unit: Unit) -> Self {
        let (name, scale) = match unit {
            Unit::None | Unit::Count => ("", Scale::ONE),
            Unit::Nanoseconds => ("seconds", Scale::NANO),
            Unit::Bytes => ("bytes", Scale::ONE),
            Unit::BytesPerSecond => ("bytes_per_second", Scale::ONE),
            Unit::Timestamp => ("timestamp_seconds", Scale::NANO),
        };
        Self { name, scale }
    }
}

/// A family's name: its parts joined by `_`, the unit behind where they do not end in it. A last part `total`
/// is left out: counters' samples get that anyway.
pub fn family_name(parts: &[&str], unit: &str) -> String {
    let mut name = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('_');
        }
        name.push_str(part);
    }
    let mut name = metric_name(&name);
    let stem = name.strip_suffix("_total").map(str::len);
    name.truncate(stem.unwrap_or(name.len()));
    let ends_in_unit = name
        .strip_suffix(unit)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    if !unit.is_empty() && !ends_in_unit {
        name.push('_');
        name.push_str(unit);
    }
    name
}

/// Lower case, `[a-z_:][a-z0-9_:]*`, with `_` for all else.
pub fn metric_name(text: &str) -> String {
    identifier(text, |character| character == ':')
}

/// `[a-z_][a-z0-9_]*`, with `_` for all else; not `le` and `quantile`, which have a meaning of their own, and
/// without the leading `__` of names that Prometheus keeps for itself.
pub fn label_name(text: &str) -> String {
    let name = identifier(text, |_| false);
    let stripped = name.trim_start_matches('_');
    match stripped {
        "" => "key".to_owned(),
        "le" | "quantile" => format!("key_{stripped}"),
        _ if name.starts_with("__") => format!("_{stripped}"),
        _ => name,
    }
}

fn identifier(text: &str, also: impl Fn(char) -> bool) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || also(character);
    let mut name: String = text
        .chars()
        .map(|character| {
            if allowed(character) {
                character.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// A label's value: without control characters, at most `limit` bytes with what marks that it was cut; empty, as
/// a label that is not there, for what is not known.
pub fn label_value(value: &Value, limit: usize) -> Box<str> {
    match value {
        Value::Null => "".into(),
        Value::Bool(value) => value.to_string().into(),
        Value::U64(number) => number.to_string().into(),
        Value::I64(number) => number.to_string().into(),
        Value::Text(text) => clean(text, limit),
    }
}

/// What stands in place of what was cut.
const CUT: &str = "...";

/// Text as a label's value: U+FFFD for what is not UTF-8, `?` for control characters, and cut to the limit.
pub fn clean(text: &[u8], limit: usize) -> Box<str> {
    let text = String::from_utf8_lossy(text);
    let mut clean: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect();
    if clean.len() > limit {
        let mut end = limit.saturating_sub(CUT.len());
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        clean.truncate(end);
        clean.push_str(CUT);
    }
    clean.into()
}

/// Meaning in a sentence, as HELP has it: a capital first, a full stop last.
pub fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), characters.as_str()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_unit_once_and_no_total() {
        assert_eq!(
            family_name(&["tracer", "syscount", "calls"], ""),
            "tracer_syscount_calls"
        );
        assert_eq!(
            family_name(&["tracer", "syscount", "total"], "seconds"),
            "tracer_syscount_seconds"
        );
        assert_eq!(family_name(&["read_bytes"], "bytes"), "read_bytes");
        assert_eq!(family_name(&["", "megabytes"], "bytes"), "megabytes_bytes");
        assert_eq!(family_name(&["x", "a-B.c"], ""), "x_a_b_c");
        assert_eq!(family_name(&["9x"], ""), "_9x");
    }

    #[test]
    fn labels_are_not_those_of_prometheus() {
        for (given, name) in [
            ("comm", "comm"),
            ("args.fd", "args_fd"),
            ("le", "key_le"),
            ("__name__", "_name__"),
            ("1", "_1"),
            ("", "key"),
            ("é", "key"),
        ] {
            assert_eq!(label_name(given), name);
        }
    }

    #[test]
    fn values_are_clean_and_short() {
        assert_eq!(&*clean(b"a\nb\x00\x1b[1m\xff", 100), "a?b??[1m\u{fffd}");
        assert_eq!(&*clean("ééééé".as_bytes(), 8), "éé...");
        assert_eq!(&*clean(b"12345678", 8), "12345678");
        assert_eq!(clean("\u{10ffff}".repeat(100).as_bytes(), 128).len(), 127);
        assert_eq!(&*label_value(&Value::Null, 10), "");
        assert_eq!(&*label_value(&Value::I64(-5), 10), "-5");
    }

    #[test]
    fn help_is_a_sentence() {
        assert_eq!(sentence("calls that failed"), "Calls that failed.");
        assert_eq!(sentence(" It is. "), "It is.");
        assert_eq!(sentence(""), "");
    }
}
