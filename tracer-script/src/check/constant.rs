//! Numbers that are known before the script runs.

use crate::{
    ast::BinaryOp,
    types::{INT, Type, UINT},
};

/// The smallest signed type that holds a number, or the unsigned one of 64 bits.
pub(super) fn literal_type(value: u64) -> Type {
    match value {
        0..=0x7f => Type::int(1, true),
        0x80..=0x7fff => Type::int(2, true),
        0x8000..=0x7fff_ffff => Type::int(4, true),
        0x8000_0000..=0x7fff_ffff_ffff_ffff => INT,
        _ => UINT,
    }
}

/// A parameter that is a number.
pub(super) fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = crate::literal::integer(digits).ok()? as i64;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Cuts a number to a type.
pub(crate) fn truncate(value: i64, kind: &Type, sizes: &dyn crate::types::Sizes) -> i64 {
    if *kind == Type::Bool {
        return i64::from(value != 0);
    }
    let size = kind.c_size(sizes);
    if size == 0 || size >= 8 {
        return value;
    }
    let shift = 64 - size * 8;
    if kind.is_signed() {
        value << shift >> shift
    } else {
        ((value as u64) << shift >> shift) as i64
    }
}

/// Calculates with constants.
pub(crate) fn fold(operator: BinaryOp, a: i64, b: i64, signed: bool) -> Option<i64> {
    use BinaryOp::*;
    let (ua, ub) = (a as u64, b as u64);
    let truth = |value: bool| Some(i64::from(value));
    match operator {
        Add => Some(a.wrapping_add(b)),
        Sub => Some(a.wrapping_sub(b)),
        Mul => Some(a.wrapping_mul(b)),
        Div if b == 0 => None,
        Mod if b == 0 => None,
        Div if signed => Some(a.wrapping_div(b)),
        Mod if signed => Some(a.wrapping_rem(b)),
        Div => Some((ua / ub) as i64),
        Mod => Some((ua % ub) as i64),
        Shl => Some(ua.checked_shl(u32::try_from(b).ok()?)? as i64),
        Shr => Some(ua.checked_shr(u32::try_from(b).ok()?)? as i64),
        BitOr => Some(a | b),
        BitAnd => Some(a & b),
        BitXor => Some(a ^ b),
        Or => truth(a != 0 || b != 0),
        And => truth(a != 0 && b != 0),
        Eq => truth(a == b),
        Ne => truth(a != b),
        Lt => truth(if signed { a < b } else { ua < ub }),
        Gt => truth(if signed { a > b } else { ua > ub }),
        Le => truth(if signed { a <= b } else { ua <= ub }),
        Ge => truth(if signed { a >= b } else { ua >= ub }),
    }
}
