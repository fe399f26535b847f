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
