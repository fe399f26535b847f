//! What the operands of both instruction sets have in common: sums of numbers and symbols.

use super::Distance;

/// Why an operand is not understood.
pub(super) type Reason = &'static str;

pub(super) const UNKNOWN: Reason = "this form of an operand is not known";
pub(super) const UNKNOWN_SYMBOL: Reason = "the file has no such symbol";

/// A sum: `8`, `-0x10`, `name`, `name+4`, `8+name`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) number: i64,
    /// One of the parts is a symbol: the number is counted from the marker.
    pub(super) from_marker: bool,
}

pub(super) fn sum(text: &str, distance: Distance<'_>) -> Result<Sum, Reason> {
    let mut found = Sum::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (negative, part) = match rest.strip_prefix('-') {
            Some(part) => (true, part),
            None => (false, rest.strip_prefix('+').unwrap_or(rest)),
        };
        let end = part.find(['+', '-']).unwrap_or(part.len());
        let (part, behind) = part.split_at(end);
        rest = behind;
        let part = part.trim();
        let value = match number(part) {
            Some(value) => value,
            None if part.is_empty() || negative || found.from_marker => return Err(UNKNOWN),
            None => {
                found.from_marker = true;
                distance(part).ok_or(UNKNOWN_SYMBOL)?
            }
        };
        let value = if negative {
            value.wrapping_neg()
        } else {
            value
        };
        found.number = found.number.wrapping_add(value);
    }
    Ok(found)
}

/// A number without a sign, of up to 64 bits.
fn number(text: &str) -> Option<i64> {
    let value: u64 = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    Some(value as i64)
}
