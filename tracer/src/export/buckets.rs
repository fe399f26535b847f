//! Where values of a distribution fell: in slots as they were counted, in classic buckets with upper bounds,
//! and in exponential buckets of native histograms.
//!
//! Values are whole numbers of the raw unit, such as nanoseconds. A slot includes both of its ends, and so does a
//! bound: a bound that is the upper end of a slot counts exactly what is at most as large as it.

use std::sync::Arc;

use super::family::Scale;

/// A range of values, both ends included, and how many fell in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The smallest value; [`i64::MIN`] where it is open.
    pub low: i64,
    /// The largest value; [`i64::MAX`] where it is open.
    pub high: i64,
    /// How many.
    pub count: u64,
}

/// How many values fell where: ascending, without overlap, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots(Vec<Slot>);

impl Slots {
    /// Adds values to a slot. Slots of one distribution are always cut in the same way.
    pub fn add(&mut self, slot: Slot) {
        if slot.count == 0 {
            return;
        }
        match self.0.binary_search_by_key(&slot.high, |slot| slot.high) {
            Ok(at) => self.0[at].count += slot.count,
            Err(at) => self.0.insert(at, slot),
        }
    }

    /// Adds another distribution of the same cut.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|slot| self.add(*slot));
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|slot| slot.count).sum()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter()
    }

    /// Hands over, for each bound, how many values are at most as large: what is in a slot that a bound cuts
    /// is counted at the next one, or only in all.
    pub fn cumulative(&self, bounds: &Bounds, mut each: impl FnMut(i64, u64)) {
        let mut slots = self.0.iter().peekable();
        let mut count = 0;
        for &bound in bounds.iter() {
            while let Some(slot) = slots.next_if(|slot| slot.high <= bound) {
                count += slot.count;
            }
            each(bound, count);
        }
    }

    /// The value that this share of all is at most as large as, by nearest rank: the middle of its slot. [`None`]
    /// of no values.
    pub fn quantile(&self, share: f64) -> Option<i128> {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let slot = self.0.iter().find(|slot| {
            seen += slot.count;
            seen >= rank
        });
        slot.map(|slot| slot.middle().into())
    }

    /// The buckets of a native histogram.
    pub fn native(&self, scale: Scale) -> Native {
        let mut native = Native::default();
        for slot in &self.0 {
            let middle = slot.middle();
            let value = scale.apply(middle.into());
            let side = match middle {
                0 => {
                    native.zeros += slot.count;
                    continue;
                }
                1.. => &mut native.positive,
                _ => &mut native.negative,
            };
            side.push((index_of(value.abs()), slot.count));
        }
        native.positive = in_order(native.positive);
        native.negative = in_order(native.negative);
        native
    }
}

impl Slot {
    /// The middle; of an open slot its closed end.
    fn middle(self) -> i64 {
        match (self.low, self.high) {
            (i64::MIN, high) => high,
            (low, i64::MAX) => low,
            (low, high) => low + (high - low) / 2,
        }
    }
}

/// Two slots may fall in one bucket, and those below zero come in descending order.
fn in_order(mut buckets: Vec<(i32, u64)>) -> Vec<(i32, u64)> {
    buckets.sort_unstable();
    let mut merged: Vec<(i32, u64)> = Vec::with_capacity(buckets.len());
    for (index, count) in buckets {
        match merged.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => merged.push((index, count)),
        }
    }
    merged
}

/// The buckets of a native histogram: their index, ascending, and how many values they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Native {
    /// Values that are 0.
    pub zeros: u64,
    /// Those above.
    pub positive: Vec<(i32, u64)>,
    /// Those below, by their absolute value.
    pub negative: Vec<(i32, u64)>,
}

/// The schema of native histograms: `2^SCHEMA` buckets to each power of two, each 1.1 % wide. With slots that
/// are off by 3.2 % at most, a value is told within 4.3 %. There are as many buckets as slots: finer
/// ones cost nothing.
pub const SCHEMA: i32 = 6;

/// The bucket that holds a positive value: bucket `i` reaches from `2^((i-1)/2^SCHEMA)`, which is not in it, to
/// `2^(i/2^SCHEMA)`, which is.
fn index_of(value: f64) -> i32 {
    (value.log2() * f64::from(1 << SCHEMA)).ceil() as i32
}

/// Upper bounds of classic buckets, ascending; that of all values, `+Inf`, is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds(Arc<[i64]>);

/// More bounds than this are thinned out.
const BOUNDS_MAX: usize = 1024;

impl Bounds {
    /// `per_octave` bounds (a power of two) to each power of two, from `2^low - 1` to `2^high - 1`: upper ends of
    /// slots that are at least as fine.
    pub fn exponential(per_octave: u32, low: u32, high: u32) -> Self {
        let parts = i64::from(per_octave);
        let within = |power: u32| {
            let start = 1i64 << power;
            let parts = (0..parts).filter(move |part| start * part % parts == 0);
            parts.map(move |part| start + start * part / i64::from(per_octave) - 1)
        };
        let mut bounds: Vec<i64> = (low..high).flat_map(within).collect();
        bounds.push((1i64 << high) - 1);
        Self::given(bounds)
    }

    /// Those of `lhist(n, min, max, step)`, whose slots they are the upper ends of.
    pub fn linear(min: i64, max: i64, step: i64) -> Self {
        let steps = max.saturating_sub(min) / step.max(1);
        let bound = |index: i64| min + index * step - 1;
        Self::given((0..=steps).map(bound).collect())
    }

    fn given(mut bounds: Vec<i64>) -> Self {
        bounds.dedup();
        let keep_each = bounds.len().div_ceil(BOUNDS_MAX).max(1);
        Self(bounds.into_iter().step_by(keep_each).collect())
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &i64> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::hist::{SLOTS, slot_high, slot_low, slot_of};

    fn slots(values: &[u64]) -> Slots {
        let mut slots = Slots::default();
        for &value in values {
            let slot = slot_of(value);
            slots.add(Slot {
                low: slot_low(slot) as i64,
                high: i64::try_from(slot_high(slot)).unwrap_or(i64::MAX),
                count: 1,
            });
        }
        slots
    }

    fn cumulative(slots: &Slots, bounds: &Bounds) -> Vec<(i64, u64)> {
        let mut all = Vec::new();
        slots.cumulative(bounds, |bound, count| all.push((bound, count)));
        all
    }

    #[test]
    fn bounds_are_included() {
        let bounds = Bounds::exponential(1, 3, 6);
        let counted = cumulative(&slots(&[0, 7, 8, 15, 16, 63, 64, u64::MAX]), &bounds);
        assert_eq!(counted, [(7, 2), (15, 4), (31, 5), (63, 6)]);
    }

    #[test]
    fn bounds_are_ends_of_slots() {
        let highs: Vec<i64> = (0..SLOTS - 1).map(|slot| slot_high(slot) as i64).collect();
        for per_octave in [1, 2, 4, 8, 16] {
            let bounds = Bounds::exponential(per_octave, 0, 40);
            assert!(
                bounds.iter().all(|bound| highs.contains(bound)),
                "{per_octave}"
            );
            assert!(bounds.iter().is_sorted_by(|a, b| a < b), "{per_octave}");
        }
        let bounds: Vec<i64> = Bounds::exponential(2, 0, 4).iter().copied().collect();
        assert_eq!(bounds, [0, 1, 2, 3, 5, 7, 11, 15]);
    }

    #[test]
    fn linear_bounds_end_below_the_next_step() {
        let bounds: Vec<i64> = Bounds::linear(-10, 20, 10).iter().copied().collect();
        assert_eq!(bounds, [-11, -1, 9, 19]);
        assert!(Bounds::linear(0, i64::MAX, 1 << 40).len() <= BOUNDS_MAX);
    }

    #[test]
    fn what_no_bound_reaches_is_only_in_the_count() {
        let mut slots = slots(&[5]);
        slots.add(Slot {
            low: 100,
            high: i64::MAX,
            count: 3,
        });
        assert_eq!(
            cumulative(&slots, &Bounds::linear(0, 100, 50)),
            [(-1, 0), (49, 1), (99, 1)]
        );
        assert_eq!(slots.count(), 4);
    }

    /// The bounds of a bucket of the native histogram's schema.
    fn native_range(index: i32) -> (f64, f64) {
        let bound = |index: i32| (f64::from(index) / f64::from(1 << SCHEMA)).exp2();
        (bound(index - 1), bound(index))
    }

    #[test]
    fn native_buckets_tell_values_within_five_percent() {
        for slot in 1..SLOTS - 1 {
            for value in [slot_low(slot), slot_high(slot)] {
                let native = slots(&[value]).native(Scale::NANO);
                let [(index, 1)] = native.positive[..] else {
                    panic!("one bucket: {native:?}")
                };
                let (low, high) = native_range(index);
                let exact = value as f64 / 1e9;
                assert!(
                    low > exact * 0.957 && high < exact * 1.043,
                    "{exact}: {low} {high}"
                );
            }
        }
    }

    #[test]
    fn native_buckets_are_in_order() {
        let mut slots = slots(&[0, 0, 1, 1000]);
        for (low, high) in [(-20, -11), (-10, -1), (i64::MIN, -21)] {
            slots.add(Slot {
                low,
                high,
                count: 2,
            });
        }
        let native = slots.native(Scale::ONE);
        assert_eq!(native.zeros, 2);
        assert_eq!(
            native.positive.iter().map(|bucket| bucket.1).sum::<u64>(),
            2
        );
        assert!(native.negative.is_sorted());
        assert_eq!(native.negative.len(), 3);
        // A power of two is in the bucket that it ends.
        assert_eq!(index_of(1.0), 0);
        assert_eq!(index_of(2.0), 1 << SCHEMA);
    }
}
