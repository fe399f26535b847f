//! What the kernel adds up: per-CPU values, so that no update is ever lost to another CPU.
//!
//! Few keys, each with a whole histogram in an array: [`Row`]. Many keys, each with its totals in one
//! hash and only the slots that were hit in another: [`Totals`] and [`SlotKey`].

use crate::{COMM_BYTES, hist::Hist};

/// One key of few: its histogram, on one CPU. Two rows may bear the same key, where two CPUs met it
/// first at the same time: user space adds them up.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Row {
    /// Whose row this is, once `used` is set.
    pub key: u64,
    /// Nonzero from the first value on.
    pub used: u64,
    /// Those that have an end but no duration, such as `exit_group`.
    pub untimed: u64,
    /// Those that failed.
    pub errors: u64,
    /// Durations.
    pub hist: Hist,
}

/// The row of all keys that found no room.
pub const OTHER_ROW: u32 = 0;

/// One key of many: its totals, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// How many.
    pub count: u64,
    /// Those that failed.
    pub errors: u64,
    /// Sum of all values.
    pub sum: u64,
    /// The largest value.
    pub max: u64,
    /// The cgroup of the task that came first on this CPU.
    pub cgroup: u64,
    /// The name of that task; zero where none came.
    pub comm: [u8; COMM_BYTES],
}

/// One slot of one key's histogram.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotKey {
    /// The key.
    pub key: u64,
    /// The slot.
    pub slot: u32,
    /// Zero.
    pub padding: u32,
}

const _: () = assert!(size_of::<Totals>() == 56);
const _: () = assert!(size_of::<SlotKey>() == 16);
