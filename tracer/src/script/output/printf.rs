//! `printf`: from a format and the bytes of its arguments to text.

use tracer_script::{
    format::{Conversion, Format, Part},
    types::{Type, align},
};

use super::{
    convert::{self, Room},
    gfp, text,
    value::{Decoder, Value, buffer, narrow, part, until_nul, word},
};

/// The arguments of an action: each begins at a multiple of 8.
pub struct Args<'a> {
    types: std::slice::Iter<'a, Type>,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Args<'a> {
    /// The arguments of these types.
    pub fn new(types: &'a [Type], bytes: &'a [u8]) -> Self {
        Self {
            types: types.iter(),
            bytes,
            at: 0,
        }
    }

    /// The next one's type and bytes.
    pub fn next(&mut self, decoder: &Decoder<'_>) -> Option<(&'a Type, &'a [u8])> {
        let kind = self.types.next()?;
        let size = decoder.stored_size(kind);
        let bytes = part(self.bytes, self.at, size);
        self.at += align(size as u32) as usize;
        Some((kind, bytes))
    }

    /// The next one as a number.
    fn number(&mut self, decoder: &Decoder<'_>) -> i64 {
        self.next(decoder)
            .map_or(0, |(_, bytes)| word(bytes) as i64)
    }
}

/// Writes a format with its arguments.
pub fn write(
    out: &mut Vec<u8>,
    decoder: &mut Decoder<'_>,
    format: &Format,
    types: &[Type],
    bytes: &[u8],
) {
    let mut args = Args::new(types, bytes);
    for part in &format.parts {
        match part {
            Part::Text(text) => out.extend(text),
            Part::Conversion(conversion) => {
                let room = room(conversion, &mut args, decoder);
                if let Some((kind, bytes)) = args.next(decoder) {
                    convert(out, decoder, conversion, room, kind, bytes);
                }
            }
        }
    }
}

/// The room of a conversion. A negative width as an argument means left, and a negative precision none.
fn room(conversion: &Conversion, args: &mut Args<'_>, decoder: &Decoder<'_>) -> Room {
    let mut room = Room {
        width: conversion.width.unwrap_or(0),
        left: conversion.left,
        zero: conversion.zero,
        precision: conversion.precision,
    };
    // A field wider than that would only fill memory.
    let bounded = |number: u64| number.min(65_536) as usize;
    if conversion.width_argument {
        let width = args.number(decoder);
        room.left |= width < 0;
        room.width = bounded(width.unsigned_abs());
    }
    if conversion.precision_argument {
        room.precision = u64::try_from(args.number(decoder)).ok().map(bounded);
    }
    room
}

fn convert(
    out: &mut Vec<u8>,
    decoder: &mut Decoder<'_>,
    conversion: &Conversion,
    room: Room,
    kind: &Type,
    bytes: &[u8],
) {
    match conversion.kind {
        's' => string(out, decoder, room, kind, bytes),
        'r' => raw(out, conversion, room, kind, bytes),
        'c' => {
            // A NUL ends the text of a conversion, so that one as a character is none.
            let byte = number(decoder, kind, bytes) as u8;
            let one = [byte];
            convert::text(out, room, until_nul(&one));
        }
        'p' => convert::pointer(out, room, number(decoder, kind, bytes)),
        'g' => {
            let flags = gfp::names(number(decoder, kind, bytes));
            convert::text(out, room, flags.as_bytes());
        }
        _ => {
            let number = number(decoder, kind, bytes);
            convert::number(out, conversion, room, sized(conversion, kind, number));
        }
    }
}

/// An argument as one number.
fn number(decoder: &mut Decoder<'_>, kind: &Type, bytes: &[u8]) -> u64 {
    match kind {
        Type::Aggregate(_) => match decoder.stored(kind, bytes) {
            Value::Int(number) => number as u64,
            Value::Uint(number) => number,
            _ => 0,
        },
        _ => word(bytes),
    }
}

/// What a modifier cuts a number to. Without one it is whole, but a negative number of 32 bits or less that is
/// shown without its sign has 32 bits, as in C.
fn sized(conversion: &Conversion, kind: &Type, number: u64) -> u64 {
    let is_signed = matches!(conversion.kind, 'd' | 'i');
    if conversion.size < 8 {
        return narrow(number, conversion.size.into(), is_signed);
    }
    let small = matches!(
        kind,
        Type::Int { size: ..=4, .. } | Type::Enum { size: ..=4, .. }
    );
    let has_modifier = conversion.text.contains(['l', 'L', 'j', 'z', 't']);
    if !is_signed && small && !has_modifier && (number as i64) < 0 {
        return narrow(number, 4, false);
    }
    number
}

/// `%s`: strings without a detour, all else as it is printed by itself.
fn string(out: &mut Vec<u8>, decoder: &mut Decoder<'_>, room: Room, kind: &Type, bytes: &[u8]) {
    let start = out.len();
    match kind {
        Type::Str(_) => {
            let string = until_nul(bytes);
            out.extend(string);
            out.extend(decoder.trailer(string.len()));
        }
        kind => {
            let value = decoder.stored(kind, bytes);
            text::value(out, &value, text::Spacing::Wide);
        }
    }
    if let Some(precision) = room.precision {
        out.truncate(start + precision.min(out.len() - start));
    }
    let length = out.len() - start;
    convert::widen(out, room, length);
}

/// `%r`, `%rx`, `%rh`: the bytes of a buffer or a string.
fn raw(out: &mut Vec<u8>, conversion: &Conversion, room: Room, kind: &Type, bytes: &[u8]) {
    let bytes = match kind {
        Type::Buf(_) => buffer(bytes),
        _ => until_nul(bytes),
    };
    let start = out.len();
    match conversion.variant {
        Some('x') => bytes
            .iter()
            .for_each(|&byte| convert::hex_escape(out, byte)),
        Some('h') => {
            for (index, &byte) in bytes.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                convert::hex(out, byte);
            }
        }
        _ => convert::escaped(out, bytes),
    }
    let length = out.len() - start;
    convert::widen(out, room, length);
}
