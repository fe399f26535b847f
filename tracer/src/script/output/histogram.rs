//! Histograms: what of their buckets is shown, and how buckets are called.

use std::collections::BTreeMap;

use tracer_script::{buckets, types::Aggregate};

/// A border of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The number. That of the last bucket is one more than the greatest `i64`.
    pub number: i128,
    /// For people, with a suffix for powers of 1024.
    pub label: String,
    /// The label is the number itself.
    pub plain: bool,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The least that it holds; [`None`] where it is open.
    pub low: Option<Bound>,
    /// What is too much for it; [`None`] where it is open.
    pub high: Option<Bound>,
    /// How many values it holds.
    pub count: u64,
}

/// The buckets from the first to the last that is not empty.
pub type Rows = Vec<Row>;

/// The rows of a histogram's buckets, by their numbers. `div` divides the counts of `hist`, not those of `lhist`.
pub fn rows(kind: Aggregate, counts: &BTreeMap<u64, u64>, div: u64) -> Rows {
    let mut filled = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(bucket, _)| *bucket);
    let Some(first) = filled.next() else {
        return Vec::new();
    };
    let last = filled.next_back().unwrap_or(first);
    let row = |bucket: u64| {
        let (low, high) = bounds(kind, bucket as u32);
        let count = counts.get(&bucket).copied().unwrap_or(0);
        let div = if matches!(kind, Aggregate::Hist(_)) {
            div
        } else {
            1
        };
        Row {
            low,
            high,
            count: count / div,
        }
    };
    (first..=last.min(u64::from(u32::MAX))).map(row).collect()
}

fn bounds(kind: Aggregate, bucket: u32) -> (Option<Bound>, Option<Bound>) {
    match kind {
        Aggregate::Hist(bits) => {
            let low = bucket.checked_sub(1).map(|number| hist_bound(number, bits));
            (low, Some(hist_bound(bucket, bits)))
        }
        Aggregate::LHist { min, max, step } => {
            let (low, high) = buckets::lhist_range(bucket, min, max, step);
            let bound = |number| lhist_bound(number, step);
            (low.map(bound), high.map(bound))
        }
        _ => (None, None),
    }
}

/// The border below the bucket with the number `index + 1` of `hist`: for each power of two from `2^bits` on
/// there are `2^bits` of them. What is wider than one number has the suffix of the largest power of 1024 that
/// its width reaches.
fn hist_bound(index: u32, bits: u8) -> Bound {
    let bits = u32::from(bits);
    let parts = 1u64 << bits;
    if u64::from(index) <= 2 * parts {
        return plain(index.into());
    }
    let power = (index >> bits) - 1;
    let factor = parts + (u64::from(index) & (parts - 1));
    let suffix = ["", "K", "M", "G", "T", "P", "E"][(power / 10).min(6) as usize];
    let shown = factor << (power % 10);
    Bound {
        number: i128::from(factor) << power,
        label: format!("{shown}{suffix}"),
        plain: false,
    }
}

fn lhist_bound(number: i64, step: i64) -> Bound {
    const KILO: i64 = 1024;
    const MEGA: i64 = 1024 * 1024;
    if step % KILO != 0 {
        return plain(number);
    }
    let label = if number != 0 && number % MEGA == 0 {
        format!("{}M", number / MEGA)
    } else if number != 0 && number % KILO == 0 {
        format!("{}K", number / KILO)
    } else {
        number.to_string()
    };
    Bound {
        number: number.into(),
        label,
        plain: false,
    }
}

fn plain(number: i64) -> Bound {
    Bound {
        number: number.into(),
        label: number.to_string(),
        plain: true,
    }
}

impl Row {
    /// What the bucket holds, for people.
    pub fn label(&self) -> String {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) if low.plain && high.plain && low.number + 1 == high.number => {
                format!("[{}]", low.label)
            }
            (Some(low), Some(high)) => format!("[{}, {})", low.label, high.label),
            (None, Some(high)) => format!("(..., {})", high.label),
            (Some(low), None) => format!("[{}, ...)", low.label),
            (None, None) => "(..., ...)".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_agree_with_the_buckets() {
        for bits in 0..=buckets::BITS_MAX {
            for bucket in 0..=buckets::hist_bucket(i64::MAX, bits) {
                let (low, high) = bounds(Aggregate::Hist(bits), bucket);
                let (known_low, known_high) = buckets::hist_range(bucket, bits);
                assert_eq!(low.map(|low| low.number), known_low.map(i128::from));
                // Where the next one would begin beyond the greatest number.
                let high = high.map(|high| high.number).filter(|high| *high < 1 << 63);
                assert_eq!(high, known_high.map(i128::from), "{bits} {bucket}");
            }
        }
    }

    #[test]
    fn labels_have_suffixes() {
        let label = |value: i64, bits: u8| {
            let bucket = buckets::hist_bucket(value, bits);
            let (low, high) = bounds(Aggregate::Hist(bits), bucket);
            let row = Row {
                low,
                high,
                count: 0,
            };
            row.label()
        };
        assert_eq!(label(-1, 0), "(..., 0)");
        assert_eq!(label(1, 0), "[1]");
        assert_eq!(label(2, 0), "[2, 4)");
        assert_eq!(label(1023, 0), "[512, 1K)");
        assert_eq!(label(i64::MAX, 0), "[4E, 8E)");
        assert_eq!(label(7, 2), "[7]");
        assert_eq!(label(8, 2), "[8, 10)");
        assert_eq!(label(5000, 2), "[4K, 5K)");
    }
}
