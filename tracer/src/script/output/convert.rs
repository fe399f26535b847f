//! Numbers as text: the conversions of `printf(3)`.

use tracer_script::format::Conversion;

/// What stands to the left and to the right of a conversion's text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Characters at least.
    pub width: usize,
    /// Text to the left, blanks to the right.
    pub left: bool,
    /// Zeros rather than blanks before a number.
    pub zero: bool,
    /// Digits of a number at least, or characters of a text at most.
    pub precision: Option<usize>,
}

/// Writes a number in decimal.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    out.extend(digits_of(number, 10, b'a', &mut digits));
}

/// Writes a number in decimal, with its sign where it is negative.
pub fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    decimal(out, number.unsigned_abs());
}

/// The digits of a number, written to the end of `buffer`; zero has one.
fn digits_of(mut number: u64, base: u64, ten: u8, buffer: &mut [u8]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        let digit = (number % base) as u8;
        buffer[at] = if digit < 10 {
            b'0' + digit
        } else {
            ten + digit - 10
        };
        number /= base;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// Writes a number by one of `%d %i %u %o %x %X`.
pub fn number(out: &mut Vec<u8>, conversion: &Conversion, room: Room, number: u64) {
    let mut buffer = [0; 22];
    let is_signed = matches!(conversion.kind, 'd' | 'i');
    let negative = is_signed && (number as i64) < 0;
    let magnitude = if negative {
        (number as i64).unsigned_abs()
    } else {
        number
    };
    let (base, ten) = match conversion.kind {
        'o' => (8, b'a'),
        'x' => (16, b'a'),
        'X' => (16, b'A'),
        _ => (10, b'a'),
    };
    let mut digits = digits_of(magnitude, base, ten, &mut buffer);
    if magnitude == 0 && room.precision == Some(0) {
        digits = b"";
    }
    let prefix: &[u8] = match conversion.kind {
        'd' | 'i' if negative => b"-",
        'd' | 'i' if conversion.plus => b"+",
        'd' | 'i' if conversion.blank => b" ",
        'x' if conversion.alternate && number != 0 => b"0x",
        'X' if conversion.alternate && number != 0 => b"0X",
        'o' if conversion.alternate && digits.first() != Some(&b'0') => b"0",
        _ => b"",
    };
    field(out, room, prefix, digits);
}

/// Writes a number's parts into its room.
fn field(out: &mut Vec<u8>, room: Room, prefix: &[u8], digits: &[u8]) {
    let mut zeros = room.precision.unwrap_or(0).saturating_sub(digits.len());
    let length = prefix.len() + zeros + digits.len();
    let mut fill = room.width.saturating_sub(length);
    if room.zero && !room.left && room.precision.is_none() {
        zeros += fill;
        fill = 0;
    }
    if !room.left {
        out.resize(out.len() + fill, b' ');
    }
    out.extend(prefix);
    out.resize(out.len() + zeros, b'0');
    out.extend(digits);
    if room.left {
        out.resize(out.len() + fill, b' ');
    }
}

/// Writes an address as `%p` does.
pub fn pointer(out: &mut Vec<u8>, room: Room, address: u64) {
    if address == 0 {
        return text(out, room, b"(nil)");
    }
    let mut buffer = [0; 16];
    let digits = digits_of(address, 16, b'a', &mut buffer);
    field(out, room, b"0x", digits);
}

/// Writes text, no more of it than the precision says.
pub fn text(out: &mut Vec<u8>, room: Room, text: &[u8]) {
    let text = &text[..room.precision.unwrap_or(usize::MAX).min(text.len())];
    out.extend(text);
    widen(out, room, text.len());
}

/// Puts blanks beside the last `length` bytes where they are less than the width.
pub fn widen(out: &mut Vec<u8>, room: Room, length: usize) {
    let fill = room.width.saturating_sub(length);
    if fill == 0 {
        return;
    }
    let start = out.len() - length;
    out.resize(out.len() + fill, b' ');
    if !room.left {
        out.copy_within(start..start + length, start + fill);
        out[start..start + fill].fill(b' ');
    }
}

/// Bytes of a buffer: those that can be printed as they are, the others as `\x01`.
pub fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b' '..=b'~' => out.push(byte),
            byte => hex_escape(out, byte),
        }
    }
}

/// Writes `\x61`.
pub fn hex_escape(out: &mut Vec<u8>, byte: u8) {
    out.extend(b"\\x");
    hex(out, byte);
}

/// Writes `61`.
pub fn hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}
