//! Values as people read them: three digits and a unit, and no byte that could upset a terminal.

use std::io::Write as _;

use unicode_width::UnicodeWidthChar as _;

use crate::report::{Unit, Value};

/// A duration in nanoseconds: `812ns`, `12.4us`, `3.21ms`, `1.02s`, `2m05s`, `1h02m`.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => three_digits(ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => three_digits(ns as f64 / 1e6, "ms"),
        1_000_000_000..60_000_000_000 => three_digits(ns as f64 / 1e9, "s"),
        _ => {
            let seconds = ns / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            if hours == 0 {
                format!("{minutes}m{:02}s", seconds % 60)
            } else {
                format!("{hours}h{minutes:02}m")
            }
        }
    }
}

/// A size in bytes: `512B`, `4.00KiB`, `1.50MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 {
        scaled /= 1024.0;
        unit += 1;
    }
    three_digits(scaled, UNITS[unit])
}

fn three_digits(number: f64, unit: &str) -> String {
    if number < 9.995 {
        format!("{number:.2}{unit}")
    } else if number < 99.95 {
        format!("{number:.1}{unit}")
    } else {
        format!("{number:.0}{unit}")
    }
}

/// A number with its unit.
fn number(number: u64, unit: Unit) -> String {
    match unit {
        Unit::None | Unit::Count => number.to_string(),
        Unit::Nanoseconds => duration(number),
        Unit::Bytes => bytes(number),
        Unit::BytesPerSecond => format!("{}/s", bytes(number)),
        Unit::Timestamp => duration(number),
    }
}

/// A value alone.
pub fn plain(value: &Value, unit: Unit) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::U64(value) => number(*value, unit),
        Value::I64(value) => value.to_string(),
        Value::Text(text) => escape(text),
    }
}

/// Text with what is not printable, or not UTF-8, written as C does: a name can neither end a line nor move
/// the cursor. A backslash is doubled, so that no two names look the same.
pub fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                character if is_unprintable(character) => {
                    let mut bytes = [0; 4];
                    for byte in character.encode_utf8(&mut bytes).bytes() {
                        out.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                character => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Control characters, and those that reorder or hide text.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// How many columns of a terminal a text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().map(|c| c.width().unwrap_or(0)).sum()
    }
}

/// Writes a cell of at least `width` columns, numbers to the right. What is longer is not cut.
pub fn push_cell(line: &mut Vec<u8>, value: &Value, unit: Unit, columns: usize, right: bool) {
    let start = line.len();
    match value {
        Value::Text(text)
            if text
                .iter()
                .all(|byte| (b' '..0x7f).contains(byte) && *byte != b'\\') =>
        {
            line.extend(text);
        }
        Value::U64(number) if matches!(unit, Unit::None | Unit::Count) => {
            // Writing to a vector does not fail.
            let _ = write!(line, "{number}");
        }
        value => line.extend(plain(value, unit).as_bytes()),
    }
    let taken = std::str::from_utf8(&line[start..]).map_or(0, width);
    let padding = columns.saturating_sub(taken);
    line.resize(line.len() + padding, b' ');
    if right {
        line[start..].rotate_right(padding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let cases = [
            (0, "0ns"),
            (999, "999ns"),
            (1000, "1.00us"),
            (12_400, "12.4us"),
            (999_960, "1000us"),
            (3_210_000, "3.21ms"),
            (1_020_000_000, "1.02s"),
            (59_999_000_000, "60.0s"),
            (125_000_000_000, "2m05s"),
            (3_720_000_000_000, "1h02m"),
            (u64::MAX, "5124095h34m"),
        ];
        for (ns, expected) in cases {
            assert_eq!(duration(ns), expected);
        }
    }

    #[test]
    fn sizes_are_of_1024() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (4096, "4.00KiB"),
            (1 << 20, "1.00MiB"),
            (u64::MAX, "16.0EiB"),
        ];
        for (size, expected) in cases {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn nothing_upsets_a_terminal() {
        assert_eq!(escape(b"a\x1b[2Jb\n\\"), "a\\x1b[2Jb\\n\\\\");
        assert_eq!(escape(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(escape("grün".as_bytes()), "grün");
        assert_eq!(escape("\u{202e}".as_bytes()), "\\xe2\\x80\\xae");
    }

    #[test]
    fn cells_are_padded_by_what_they_take_on_the_screen() {
        let cell = |text: &str, columns, right| {
            let mut line = Vec::new();
            push_cell(&mut line, &text.into(), Unit::None, columns, right);
            String::from_utf8(line).expect("UTF-8")
        };
        assert_eq!(cell("ab", 4, false), "ab  ");
        assert_eq!(cell("ab", 4, true), "  ab");
        assert_eq!(cell("日本", 5, true), " 日本");
        assert_eq!(cell("longer", 4, false), "longer");
    }
}
