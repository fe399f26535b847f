//! What a series adds up, and how two of them become one.

use crate::export::{buckets::Slots, family::Sample};

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A count or a level: added.
    Sum(i128),
    /// The least is kept.
    Least(i128),
    /// The greatest is kept.
    Greatest(i128),
    /// A distribution, with the sum of its values.
    Histogram(Slots, i128),
    /// A count of values, and their sum.
    Summary(u64, i128),
}

impl Cell {
    /// Adds another one of the same kind. Those of one column are always of the same.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Sum(sum), Self::Sum(other)) => *sum += other,
            (Self::Least(least), Self::Least(other)) => *least = (*least).min(*other),
            (Self::Greatest(greatest), Self::Greatest(other)) => {
                *greatest = (*greatest).max(*other)
            }
            (Self::Histogram(slots, sum), Self::Histogram(other_slots, other_sum)) => {
                slots.merge(other_slots);
                *sum += other_sum;
            }
            (Self::Summary(count, sum), Self::Summary(other_count, other_sum)) => {
                *count += other_count;
                *sum += other_sum;
            }
            (cell, other) => debug_assert!(false, "{cell:?} and {other:?} are of one column"),
        }
    }

    /// As it is written.
    pub fn sample(&self) -> Sample {
        match self {
            Self::Sum(number) | Self::Least(number) | Self::Greatest(number) => {
                Sample::Number(*number)
            }
            Self::Histogram(slots, sum) => Sample::Histogram {
                slots: slots.clone(),
                sum: *sum,
            },
            Self::Summary(count, sum) => Sample::Summary {
                count: *count,
                sum: *sum,
            },
        }
    }
}
