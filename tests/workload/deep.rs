//! Calls within calls whose stack is known. As Rust compiles them, they have no frame pointers, and use the register for
//! other things.

use std::{
    hint::black_box,
    os::unix::process::parent_id,
    thread,
    time::{Duration, Instant},
};

use super::number;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_deep_bottom(work: u64) -> u64 {
    let mut sum = u64::from(parent_id());
    for round in 0..work {
        sum = black_box(sum ^ round);
    }
    black_box(sum)
}

/// Calls itself twice.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_deep_again(depth: u64, work: u64) -> u64 {
    let below = match depth {
        0 => e2e_deep_bottom(work),
        _ => e2e_deep_again(black_box(depth - 1), work),
    };
    black_box(below).wrapping_add(depth)
}

/// Has a large frame, and many values that are needed behind the call.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_deep_large(work: u64) -> u64 {
    let numbers = black_box([work; 400]);
    let [a, b, c, d, e, f] = black_box([1u64, 2, 3, 4, 5, 6]);
    let below = e2e_deep_again(2, work);
    let kept = a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4) ^ (f << 5);
    black_box(numbers)[black_box(7)] ^ below ^ kept
}

/// Calls it from within the standard library.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn e2e_deep_top(work: u64) -> u64 {
    let mut numbers = black_box([1u64]);
    numbers
        .iter_mut()
        .for_each(|number| *number = e2e_deep_large(*number * work));
    black_box(numbers[0])
}

/// `deep SECONDS WORK`: goes down each millisecond for so long, and does so much there.
pub fn deep(arguments: &[&str]) {
    let (seconds, work) = (number(arguments, 0), number(arguments, 1));
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        black_box(e2e_deep_top(work));
        thread::sleep(Duration::from_millis(1));
    }
}
