//! Time series: one number for each interval.

use std::collections::BTreeMap;

use tracer_script::types::SeriesKind;

use super::{
    aggregate,
    value::{Value, part, word},
};

/// How a series is made, as the script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nanoseconds of an interval.
    pub interval_ns: u64,
    /// Intervals that are shown at most.
    pub buckets: u32,
    /// What of the values in an interval is kept.
    pub how: SeriesKind,
    /// Whether values may be negative.
    pub signed: bool,
}

/// The numbers of a series by their intervals' numbers since the Unix epoch.
pub type Numbers = BTreeMap<u64, u64>;

/// A series as it is shown: when each interval begins, in nanoseconds since the Unix epoch, and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Nanoseconds of an interval.
    pub interval_ns: u64,
    /// The intervals in their order, with [`None`] where nothing was.
    pub points: Vec<(u64, Option<Number>)>,
}

/// A number with its sign.
pub type Number = i128;

/// Puts together the values of all CPUs. Each is three words: the interval's number, the number or the sum, and how
/// many values there were; for the last value, the time when it was set. With 0 for the last word there is no value.
pub fn merge<'v>(shape: Shape, values: impl Iterator<Item = &'v [u8]>) -> Numbers {
    let mut merged: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for value in values {
        let at = |index: usize| word(part(value, 8 * index, 8));
        let (interval, number, count) = (at(0), at(1), at(2));
        if count == 0 {
            continue;
        }
        let into = merged.entry(interval).or_insert((number, 0));
        let turn = if shape.signed { 1 << 63 } else { 0 };
        match shape.how {
            _ if into.1 == 0 => {}
            SeriesKind::Last if count > into.1 => into.0 = number,
            SeriesKind::Last => continue,
            SeriesKind::Sum | SeriesKind::Avg => into.0 = into.0.wrapping_add(number),
            SeriesKind::Max => into.0 = (into.0 ^ turn).max(number ^ turn) ^ turn,
            SeriesKind::Min => into.0 = (into.0 ^ turn).min(number ^ turn) ^ turn,
        }
        into.1 = match shape.how {
            SeriesKind::Last => count,
            _ => into.1 + count,
        };
    }
    let shown = merged.into_iter().map(|(interval, (number, count))| {
        let number = match (shape.how, shape.signed) {
            (SeriesKind::Avg, true) => (i128::from(number as i64) / i128::from(count)) as u64,
            (SeriesKind::Avg, false) => number / count,
            _ => number,
        };
        (interval, number)
    });
    shown.collect()
}

/// The intervals that are shown: those up to `last`, from the first one that has a number.
pub fn series(shape: Shape, numbers: &Numbers, last: u64) -> Series {
    let earliest = last.saturating_sub(u64::from(shape.buckets).saturating_sub(1));
    let first = numbers.range(earliest..).next().map(|(first, _)| *first);
    let intervals = first.into_iter().flat_map(|first| first..=last);
    let point = |interval: u64| {
        let number = numbers
            .get(&interval)
            .map(|number| aggregate::number(*number, shape.signed, 1).number);
        (interval.saturating_mul(shape.interval_ns), number)
    };
    Series {
        interval_ns: shape.interval_ns,
        points: intervals.map(point).collect(),
    }
}

/// The same as a value.
pub fn value(number: Option<Number>) -> Value {
    match number.map(i64::try_from) {
        Some(Ok(number)) => Value::Int(number),
        Some(Err(_)) => Value::Uint(number.unwrap_or(0) as u64),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: [i64; 3]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn merged(how: SeriesKind, values: &[[i64; 3]]) -> Vec<(u64, i64)> {
        let shape = Shape {
            interval_ns: 10,
            buckets: 3,
            how,
            signed: true,
        };
        let values: Vec<Vec<u8>> = values.iter().copied().map(bytes).collect();
        let numbers = merge(shape, values.iter().map(Vec::as_slice));
        numbers
            .iter()
            .map(|(at, number)| (*at, *number as i64))
            .collect()
    }

    #[test]
    fn intervals_are_put_together() {
        let values = [[5, 10, 1], [5, -2, 3], [6, 7, 1], [7, 9, 0]];
        assert_eq!(merged(SeriesKind::Sum, &values), [(5, 8), (6, 7)]);
        assert_eq!(merged(SeriesKind::Avg, &values), [(5, 2), (6, 7)]);
        assert_eq!(merged(SeriesKind::Max, &values), [(5, 10), (6, 7)]);
        assert_eq!(merged(SeriesKind::Min, &values), [(5, -2), (6, 7)]);
        assert_eq!(merged(SeriesKind::Last, &values), [(5, -2), (6, 7)]);
        assert_eq!(merged(SeriesKind::Last, &[[5, 1, 9], [5, 2, 8]]), [(5, 1)]);
    }

    #[test]
    fn only_the_last_intervals_are_shown() {
        let shape = Shape {
            interval_ns: 10,
            buckets: 3,
            how: SeriesKind::Sum,
            signed: false,
        };
        let numbers = Numbers::from([(1, 5), (7, 6), (9, 8)]);
        let shown = series(shape, &numbers, 9);
        assert_eq!(shown.points, [(70, Some(6)), (80, None), (90, Some(8))]);
        assert_eq!(series(shape, &numbers, 20).points, []);
    }
}
