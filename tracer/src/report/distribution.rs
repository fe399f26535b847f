//! Distributions in log-linear slots: what the kernel side counts in, added up and read.

use tracer_common::hist::{slot_high, slot_low, slot_of};

use super::{Bucket, Histogram, Unit, Value};

/// How many values fell in each slot of [`tracer_common::hist`], with their sum and the largest.
///
/// Only slots that were hit take memory: a thousand processes have a thousand of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Slot and count, ascending, none of them 0.
    slots: Vec<(u16, u64)>,
    sum: u64,
    max: u64,
}

impl Distribution {
    /// From a count for each slot.
    pub fn new(counts: impl IntoIterator<Item = u64>, sum: u64, max: u64) -> Self {
        let counts = counts.into_iter().enumerate();
        let slots = counts
            .filter(|(_, count)| *count > 0)
            .map(|(slot, count)| (slot as u16, count))
            .collect();
        Self { slots, sum, max }
    }

    /// From slots and their counts, in any order, each slot once.
    pub fn of_slots(mut slots: Vec<(u16, u64)>, sum: u64, max: u64) -> Self {
        slots.retain(|(_, count)| *count > 0);
        slots.sort_unstable();
        slots.shrink_to_fit();
        Self { slots, sum, max }
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.count_slot(slot_of(value) as u16, 1);
        self.sum = self.sum.wrapping_add(value);
        self.max = self.max.max(value);
    }

    fn count_slot(&mut self, slot: u16, count: u64) {
        match self.slots.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(at) => self.slots[at].1 += count,
            Err(at) => self.slots.insert(at, (slot, count)),
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for &(slot, count) in &other.slots {
            self.count_slot(slot, count);
        }
        self.sum = self.sum.wrapping_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// What came since `earlier`, an older state of the same distribution. Its largest value is exact where
    /// it is the largest of all; otherwise it is the bound of its slot.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |slot: u16| {
            let at = earlier.slots.binary_search_by_key(&slot, |(slot, _)| *slot);
            at.map_or(0, |at| earlier.slots[at].1)
        };
        let since = |&(slot, count): &(u16, u64)| (slot, count.saturating_sub(before(slot)));
        let slots: Vec<(u16, u64)> = self
            .slots
            .iter()
            .map(since)
            .filter(|(_, count)| *count > 0)
            .collect();
        let max = slots
            .last()
            .map_or(0, |(slot, _)| slot_high(usize::from(*slot)).min(self.max));
        Self {
            slots,
            sum: self.sum.wrapping_sub(earlier.sum),
            max,
        }
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.slots.iter().map(|(_, count)| count).sum()
    }

    /// Their sum, exact.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The largest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// True where there is no value.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The mean; 0 of no values.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count()).unwrap_or(0)
    }

    /// The value that so many of 100 values are at most; 0 of no values. Off by 3.2 % at most, as it is the
    /// middle of a slot.
    pub fn percentile(&self, percent: f64) -> u64 {
        percentile(&self.buckets(), percent, self.max)
    }

    /// The slots that were hit.
    pub fn hit_slots(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|(slot, _)| usize::from(*slot))
    }

    fn buckets(&self) -> Vec<Bucket> {
        let bucket = |&(slot, count): &(u16, u64)| {
            let slot = usize::from(slot);
            Bucket {
                low: slot_low(slot),
                high: slot_high(slot),
                count,
            }
        };
        self.slots.iter().map(bucket).collect()
    }

    /// As a part of a report.
    pub fn histogram(
        &self,
        name: &'static str,
        title: &str,
        labels: Vec<(&'static str, Value)>,
        unit: Unit,
    ) -> Histogram {
        let title = title.to_owned();
        Histogram {
            name,
            title,
            labels,
            unit,
            buckets: self.buckets(),
            sum: self.sum,
            max: self.max,
        }
    }
}

impl Histogram {
    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The mean; 0 of no values.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count()).unwrap_or(0)
    }

    /// The value that so many of 100 values are at most; 0 of no values.
    pub fn percentile(&self, percent: f64) -> u64 {
        percentile(&self.buckets, percent, self.max)
    }
}

/// The middle of the bucket that holds the value of this rank (nearest rank), the largest value at most.
fn percentile(buckets: &[Bucket], percent: f64, max: u64) -> u64 {
    let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    let rank = ((count as f64 * percent / 100.0).ceil() as u64).clamp(1, count.max(1));
    let mut seen = 0;
    for bucket in buckets {
        seen += bucket.count;
        if seen >= rank {
            let middle = bucket.low + (bucket.high.min(max).max(bucket.low) - bucket.low) / 2;
            return middle.min(max);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cheap generator of numbers that look random: xorshift64.
    fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    fn of(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::default();
        values.iter().for_each(|value| distribution.record(*value));
        distribution
    }

    #[test]
    fn percentiles_are_within_five_percent() {
        for seed in 1..50 {
            // Spread over many octaves, as latencies are, below where the last slot begins.
            let mut values: Vec<u64> = numbers(seed)
                .take(2000)
                .map(|n| (n >> 22) >> (n % 40))
                .collect();
            let distribution = of(&values);
            values.sort_unstable();
            for percent in [1.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                let rank = ((values.len() as f64 * percent / 100.0).ceil() as usize).max(1);
                let (exact, told) = (
                    values[rank - 1] as f64,
                    distribution.percentile(percent) as f64,
                );
                assert!(
                    (exact - told).abs() <= exact * 0.05 + 0.5,
                    "p{percent}: {told}, exactly {exact}"
                );
            }
        }
    }

    #[test]
    fn differences_add_up() {
        let early = of(&[1, 5, 1000]);
        let mut all = early.clone();
        let late = of(&[7, 900, 1000]);
        all.add(&late);
        let since = all.since(&early);
        assert_eq!((since.count(), since.sum()), (3, 1907));
        assert_eq!(since.max(), 1000);
        assert_eq!(all.since(&all).count(), 0);
        assert_eq!(all.since(&Distribution::default()), all);
    }

    #[test]
    fn the_largest_of_an_interval_stays_in_its_slot() {
        let early = of(&[1_000_000]);
        let mut all = early.clone();
        all.add(&of(&[1000]));
        let max = all.since(&early).max();
        assert!((1000..1064).contains(&max), "{max}");
    }

    #[test]
    fn nothing_has_no_percentile() {
        let nothing = Distribution::default();
        assert_eq!(
            (nothing.percentile(50.0), nothing.mean(), nothing.max()),
            (0, 0, 0)
        );
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let distribution = of(&[u64::MAX, u64::MAX]);
        assert_eq!(distribution.max(), u64::MAX);
        assert!(distribution.percentile(50.0) > 1 << 42);
    }
}
