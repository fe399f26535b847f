//! What the kernel side and user space share: map keys and values, event structs, histogram slots.
//!
//! Every struct here crosses the kernel border as plain bytes: `repr(C)`, no padding that is not
//! named, sizes asserted at compile time.
#![no_std]

pub mod aggregate;
pub mod block;
pub mod exec;
pub mod function;
pub mod hist;
pub mod loss;
pub mod open;
pub mod syscount;

/// Bytes of a task's name with its NUL: `TASK_COMM_LEN` of `include/linux/sched.h`.
pub const COMM_BYTES: usize = 16;
