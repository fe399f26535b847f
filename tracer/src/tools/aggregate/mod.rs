//! The user side of what the kernel adds up.
//!
//! Nothing in the kernel is ever set back: an interval is the difference of two readings, so no count
//! can slip between a reading and a clearing.

mod rows;
mod totals;

pub use rows::Rows;
pub use totals::{Keys, NamedTally, Totals};

use crate::report::Distribution;

/// What was counted under one key.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many, with a duration or without.
    pub count: u64,
    /// Those that failed.
    pub errors: u64,
    /// Durations.
    pub durations: Distribution,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.durations.add(&other.durations);
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            count: self.count - earlier.count,
            errors: self.errors - earlier.errors,
            durations: self.durations.since(&earlier.durations),
        }
    }
}
