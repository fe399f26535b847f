//! Numbers and strings as they are written.

/// Reads an integer: decimal, octal, hexadecimal, with `_`, an exponent, a suffix of C's, or a unit of
/// time. The error says what is wrong.
pub fn integer(text: &str) -> Result<u64, String> {
    let too_large = || format!("invalid number: {text}: it does not fit into 64 bits");
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        let end = hex
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        let (hex, suffix) = hex.split_at(end);
        if hex.is_empty() {
            return Err(format!("invalid number: {text}"));
        }
        check_suffix(text, suffix)?;
        return u64::from_str_radix(hex, 16).map_err(|_| too_large());
    }
    let end = lower
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let (number, suffix) = lower.split_at(end);
    if let Some(exponent) = suffix.strip_prefix('e') {
        return scientific(text, number, exponent);
    }
    if number.len() > 1 && number.starts_with('0') {
        check_suffix(text, suffix)?;
        return u64::from_str_radix(number, 8).map_err(|_| format!("invalid number: {text}"));
    }
    let value: u64 = number.parse().map_err(|_| too_large())?;
    let unit: u64 = match suffix {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => {
            check_suffix(text, suffix)?;
            1
        }
    };
    value.checked_mul(unit).ok_or_else(too_large)
}

fn scientific(text: &str, coefficient: &str, exponent: &str) -> Result<u64, String> {
    let digits = exponent
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(exponent.len());
    let (exponent, suffix) = exponent.split_at(digits);
    check_suffix(text, suffix)?;
    let bad = || format!("invalid number: {text}");
    let coefficient: u64 = coefficient.parse().map_err(|_| bad())?;
    if !(1..=9).contains(&coefficient) {
        return Err(format!(
            "coefficient part of scientific literal must be 1-9: {text}"
        ));
    }
    let exponent: u32 = exponent.parse().map_err(|_| bad())?;
    10u64
        .checked_pow(exponent)
        .and_then(|power| power.checked_mul(coefficient))
        .ok_or_else(|| format!("invalid number: {text}: it does not fit into 64 bits"))
}

fn check_suffix(text: &str, suffix: &str) -> Result<(), String> {
    match suffix {
        "" | "u" | "ul" | "ull" | "l" | "ll" | "lu" | "llu" => Ok(()),
        _ => Err(format!(
            "invalid integer suffix '{suffix}' in number: {text}"
        )),
    }
}

/// Resolves the escapes of a string. The error says which is wrong and where in the text it begins.
pub fn unescape(text: &[u8]) -> Result<Vec<u8>, (usize, String)> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let start = at;
        at += 2;
        match text.get(start + 1) {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'"') => out.push(b'"'),
            Some(b'\\') => out.push(b'\\'),
            Some(b'x') => {
                let digits = text[at..]
                    .iter()
                    .take(2)
                    .take_while(|byte| byte.is_ascii_hexdigit())
                    .count();
                let value = std::str::from_utf8(&text[at..at + digits])
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(value.ok_or((start, "invalid hexadecimal escape".to_owned()))?);
                at += digits;
            }
            Some(b'0'..=b'7') => {
                at -= 1;
                let digits = text[at..]
                    .iter()
                    .take(3)
                    .take_while(|byte| (b'0'..=b'7').contains(byte))
                    .count();
                let value = text[at..at + digits]
                    .iter()
                    .fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                out.push(
                    u8::try_from(value)
                        .map_err(|_| (start, "octal escape does not fit into a byte".to_owned()))?,
                );
                at += digits;
            }
            Some(other) => {
                return Err((
                    start,
                    format!("invalid escape character '\\{}'", char::from(*other)),
                ));
            }
            None => return Err((start, "unterminated escape".to_owned())),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let cases: [(&str, u64); 10] = [
            ("42", 42),
            ("0x1F", 31),
            ("0123", 83),
            ("2e3", 2000),
            ("1_000_000", 1_000_000),
            ("5ms", 5_000_000),
            ("1m", 60_000_000_000),
            ("7ull", 7),
            ("0", 0),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["0b101", "18446744073709551616", "12e3", "089", "3x", "0x"] {
            assert!(integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(
            unescape(br#"a\n\t\x41\101\\\""#),
            Ok(b"a\n\tAA\\\"".to_vec())
        );
        assert!(unescape(br"\q").is_err());
        assert!(unescape(br"\400").is_err());
    }
}
