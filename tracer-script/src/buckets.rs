//! Buckets of histograms: which values each holds.

/// The most that `hist` divides a power of two by, as a power of two.
pub const BITS_MAX: u8 = 5;

/// The buckets of `hist(n, bits)`: number 0 holds what is negative, then one for each number below `2^bits`,
/// then `2^bits` for each power of two.
pub fn hist_count(bits: u8) -> u32 {
    2 + ((64 - u32::from(bits)) << bits) + (1 << bits) - 1
}

/// The bucket of a value.
pub fn hist_bucket(value: i64, bits: u8) -> u32 {
    if value < 0 {
        return 0;
    }
    let bits = u32::from(bits);
    let value = value as u64;
    if value < 1 << bits {
        return value as u32 + 1;
    }
    let exponent = 63 - value.leading_zeros();
    let part = (value >> (exponent - bits)) as u32 & ((1 << bits) - 1);
    1 + ((exponent - bits + 1) << bits) + part
}

/// What a bucket of `hist` holds: from the first value up to the second, which it does not hold. [`None`]
/// where it is open.
pub fn hist_range(bucket: u32, bits: u8) -> (Option<i64>, Option<i64>) {
    let bits = u32::from(bits);
    if bucket == 0 {
        return (None, Some(0));
    }
    let number = bucket - 1;
    if number < 1 << bits {
        return (Some(i64::from(number)), Some(i64::from(number) + 1));
    }
    let exponent = (number >> bits) + bits - 1;
    let part = u64::from(number & ((1 << bits) - 1));
    let step = 1u64 << (exponent - bits);
    let low = (1u64 << exponent) + part * step;
    (Some(low as i64), i64::try_from(low + step).ok())
}

/// How many values there are from `min` up to `max`.
pub(crate) fn width(min: i64, max: i64) -> u64 {
    max.wrapping_sub(min) as u64
}

/// The buckets of `lhist(n, min, max, step)`: number 0 holds what is less than `min`, the last one what is not
/// less than `max`.
pub fn lhist_count(min: i64, max: i64, step: i64) -> u32 {
    (width(min, max) / step as u64) as u32 + 2
}

/// What a bucket of `lhist` holds.
pub fn lhist_range(bucket: u32, min: i64, max: i64, step: i64) -> (Option<i64>, Option<i64>) {
    let last = lhist_count(min, max, step) - 1;
    match bucket {
        0 => (None, Some(min)),
        _ if bucket == last => (Some(max), None),
        _ => {
            // It fits in the end, though the width of all buckets may not.
            let low = min.wrapping_add(i64::from(bucket - 1).wrapping_mul(step));
            (Some(low), low.checked_add(step).or(Some(max)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_range_of_its_bucket() {
        for bits in 0..=BITS_MAX {
            let powers =
                (0..63).flat_map(|power| [(1i64 << power) - 1, 1 << power, (1 << power) + 1]);
            for value in powers.chain([i64::MIN, -1, 0, 77, 12345, i64::MAX]) {
                let bucket = hist_bucket(value, bits);
                let (low, high) = hist_range(bucket, bits);
                assert!(bucket < hist_count(bits));
                assert!(low.is_none_or(|low| low <= value), "{value} {bits}");
                assert!(high.is_none_or(|high| value < high), "{value} {bits}");
            }
        }
    }

    #[test]
    fn buckets_of_powers_of_two() {
        let ranges: Vec<_> = (0..5).map(|bucket| hist_range(bucket, 0)).collect();
        let range = |low: i64, high: i64| (Some(low), Some(high));
        assert_eq!(
            ranges,
            [
                (None, Some(0)),
                range(0, 1),
                range(1, 2),
                range(2, 4),
                range(4, 8)
            ]
        );
        assert_eq!(
            hist_range(hist_bucket(i64::MAX, 0), 0),
            (Some(1 << 62), None)
        );
    }

    #[test]
    fn linear_buckets() {
        assert_eq!(lhist_count(0, 10, 2), 7);
        assert_eq!(lhist_range(0, 0, 10, 2), (None, Some(0)));
        assert_eq!(lhist_range(1, 0, 10, 2), (Some(0), Some(2)));
        assert_eq!(lhist_range(6, 0, 10, 2), (Some(10), None));
    }
}
