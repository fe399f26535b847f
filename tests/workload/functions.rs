//! Known calls of functions, whose names are in the symbol table.

use std::{hint::black_box, time::Duration};

use super::number;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_leaf(value: u64) -> u64 {
    black_box(value + 1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_sleepy() -> u64 {
    std::thread::sleep(Duration::from_millis(20));
    black_box(1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_recursive(depth: u64) -> u64 {
    if depth <= 1 {
        black_box(1)
    } else {
        black_box(e2e_recursive(black_box(depth - 1)) + 1)
    }
}

/// What `e2e_described` is handed.
#[repr(C)]
pub struct Described {
    number: i32,
    long: u64,
    inner: Inner,
    text: *const u8,
    grid: [[u16; 3]; 2],
}

#[repr(C)]
struct Inner {
    bytes: [u8; 4],
    kind: Kind,
}

#[repr(u32)]
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "it stands for one of several")]
enum Kind {
    Small = 1,
    Large = 5,
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_described(letter: i8, part: f64, what: &Described, count: u16) -> u64 {
    let numbers = i64::from(what.number) + i64::from(letter) + i64::from(count);
    black_box(numbers.unsigned_abs() + part as u64)
}

/// It has no code of its own.
#[inline(always)]
fn e2e_inlined(value: u64) -> u64 {
    black_box(value ^ 5)
}

/// Known by its path only.
#[inline(never)]
fn named(value: u64) -> u64 {
    black_box(value * 2)
}

/// A structure of one number.
#[derive(Clone, Copy)]
struct Only(u64);

/// Takes structures by value: a text is one of an address and a length.
#[inline(never)]
fn handed(text: &str, only: Only, count: u16) -> u64 {
    let letters = text.bytes().map(u64::from).sum::<u64>();
    black_box(letters + only.0 + u64::from(count))
}

/// A line of the source that is reached once for each call of [`lined`].
const MARKED_LINE: u32 = line!() + 6;

#[inline(never)]
fn lined(value: u64) -> u64 {
    let doubled = black_box(value) * 2;
    black_box(doubled + 7)
}

/// `described N`: N calls of `e2e_described`, of `named`, of `lined` and of `handed`.
pub fn described(arguments: &[&str]) {
    let text = b"described\0".to_vec();
    let what = black_box(Described {
        number: -3,
        long: 1 << 40,
        inner: Inner {
            bytes: [1, 2, 3, 4],
            kind: Kind::Large,
        },
        text: text.as_ptr(),
        grid: [[1, 2, 3], [4, 5, 6]],
    });
    for value in 0..number(arguments, 0) {
        black_box(e2e_described(-1, 0.5, &what, 65535));
        black_box(named(e2e_inlined(value) ^ 5));
        black_box(lined(value));
        // In memory that has been written: what has only been mapped is not there for others to read.
        let (text, only, count) = black_box((String::from("handed over"), Only(value + 7), 5));
        black_box(handed(&text, only, count));
    }
}

/// `marked-line`: tells the line.
pub fn marked_line() {
    println!("{MARKED_LINE}");
}

/// `functions N`: N calls of `e2e_leaf`, 5 of `e2e_sleepy`.
pub fn functions(arguments: &[&str]) {
    (0..number(arguments, 0)).for_each(|index| {
        black_box(e2e_leaf(black_box(index)));
    });
    (0..5).for_each(|_| {
        black_box(e2e_sleepy());
    });
}

/// `recursion DEPTH N`: N calls of `e2e_recursive`, each DEPTH deep.
pub fn recursion(arguments: &[&str]) {
    let (depth, times) = (number(arguments, 0), number(arguments, 1));
    (0..times).for_each(|_| assert_eq!(e2e_recursive(black_box(depth)), depth));
}
