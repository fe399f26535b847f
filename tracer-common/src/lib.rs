//! What the kernel side and user space share: map keys and values, event structs, histogram slots.
//!
//! Every struct here crosses the kernel border as plain bytes: `repr(C)`, no padding that is not
//! named, sizes asserted at compile time.
#![no_std]

pub mod hist;
pub mod loss;
