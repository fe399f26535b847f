//! What maps add up, put together from all CPUs.

use std::rc::Rc;

use tracer_script::types::Aggregate;

use super::value::{Value, part, word};

/// A number of a map, whatever its sign.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What entries are ordered by: the number, the average for `avg` and `stats`; not divided.
    pub number: i128,
    /// What is shown, divided.
    pub value: Value,
}

/// One word of a value of one CPU.
fn at(bytes: &[u8], index: usize) -> u64 {
    word(part(bytes, 8 * index, 8))
}

fn sum(cpus: &[&[u8]], index: usize) -> u64 {
    cpus.iter()
        .fold(0, |sum: u64, bytes| sum.wrapping_add(at(bytes, index)))
}

/// A number of a map by its sign, divided for showing it. `div` is not 0.
pub fn number(number: u64, signed: bool, div: u64) -> Merged {
    if signed {
        let number = number as i64;
        let quotient = i128::from(number) / i128::from(div);
        Merged {
            number: number.into(),
            value: Value::Int(quotient as i64),
        }
    } else {
        Merged {
            number: number.into(),
            value: Value::Uint(number / div),
        }
    }
}

/// The value of what `kind` adds up, of one CPU or of all; histograms have none. The layouts are those of
/// [`Aggregate::size`].
pub fn merge(kind: Aggregate, cpus: &[&[u8]], div: u64) -> Merged {
    match kind {
        Aggregate::Count => number(sum(cpus, 0), false, div),
        Aggregate::Sum(signed) => number(sum(cpus, 0), signed, div),
        Aggregate::Min(signed) => number(extreme(cpus, signed, false), signed, div),
        Aggregate::Max(signed) => number(extreme(cpus, signed, true), signed, div),
        Aggregate::Avg(signed) => number(average(cpus, signed), signed, div),
        Aggregate::Stats(signed) => {
            let average = number(average(cpus, signed), signed, div);
            let fields = [
                ("count", number(sum(cpus, 1), signed, 1).value),
                ("average", average.value),
                ("total", number(sum(cpus, 0), signed, 1).value),
            ];
            let fields = fields
                .into_iter()
                .map(|(name, value)| (Rc::from(name), value));
            Merged {
                number: average.number,
                value: Value::Record(fields.collect()),
            }
        }
        Aggregate::Hist(_) | Aggregate::LHist { .. } | Aggregate::TSeries { .. } => Merged {
            number: 0,
            value: Value::Null,
        },
    }
}

/// The same as a value alone.
pub fn value(kind: Aggregate, cpus: &[&[u8]], div: u64) -> Value {
    merge(kind, cpus, div).value
}

/// The least or the greatest of the CPUs where it is set; 0 where it is set on none.
fn extreme(cpus: &[&[u8]], signed: bool, greatest: bool) -> u64 {
    let set = cpus
        .iter()
        .filter(|bytes| at(bytes, 1) != 0)
        .map(|bytes| at(bytes, 0));
    // With its sign turned over, a signed number is in order as one without.
    let turn = if signed { 1 << 63 } else { 0 };
    let ordered = set.map(|number| number ^ turn);
    let found = if greatest {
        ordered.max()
    } else {
        ordered.min()
    };
    found.map_or(0, |number| number ^ turn)
}

/// The sum divided by the count, towards zero.
fn average(cpus: &[&[u8]], signed: bool) -> u64 {
    let (sum, count) = (sum(cpus, 0), sum(cpus, 1));
    if count == 0 {
        return 0;
    }
    if signed {
        (i128::from(sum as i64) / i128::from(count)) as u64
    } else {
        sum / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(words: &[i64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn merged(kind: Aggregate, cpus: &[&[i64]], div: u64) -> Merged {
        let cpus: Vec<Vec<u8>> = cpus.iter().map(|words| cpu(words)).collect();
        let cpus: Vec<&[u8]> = cpus.iter().map(Vec::as_slice).collect();
        merge(kind, &cpus, div)
    }

    #[test]
    fn cpus_are_put_together() {
        let value = |kind, cpus: &[&[i64]]| merged(kind, cpus, 1).value;
        assert_eq!(value(Aggregate::Count, &[&[2], &[3]]), Value::Uint(5));
        assert_eq!(value(Aggregate::Sum(true), &[&[2], &[-3]]), Value::Int(-1));
        // Where it is not set, the 0 does not count.
        let cpus: &[&[i64]] = &[&[7, 1], &[0, 0], &[9, 1]];
        assert_eq!(value(Aggregate::Min(false), cpus), Value::Uint(7));
        let cpus: &[&[i64]] = &[&[-7, 1], &[0, 0], &[-9, 1]];
        assert_eq!(value(Aggregate::Max(true), cpus), Value::Int(-7));
        assert_eq!(value(Aggregate::Min(true), cpus), Value::Int(-9));
        assert_eq!(value(Aggregate::Max(true), &[&[0, 0]]), Value::Int(0));
        assert_eq!(
            value(Aggregate::Avg(true), &[&[-5, 1], &[-2, 1]]),
            Value::Int(-3)
        );
        assert_eq!(value(Aggregate::Avg(false), &[&[0, 0]]), Value::Uint(0));
    }

    #[test]
    fn the_order_is_that_of_the_whole_number() {
        let value = merged(Aggregate::Sum(true), &[&[-25]], 10);
        assert_eq!((value.number, value.value), (-25, Value::Int(-2)));
        let stats = merged(Aggregate::Stats(false), &[&[9, 1], &[6, 1]], 2);
        assert_eq!(stats.number, 7);
    }
}
