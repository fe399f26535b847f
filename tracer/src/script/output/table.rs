//! Maps as plain data: entries in the order in which they are shown.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use tracer_script::{
    program::Map,
    types::{Aggregate, Type, align},
};

use super::{
    RawEntry,
    aggregate::{self, Merged},
    histogram::{self, Rows},
    series::{self, Numbers, Series, Shape},
    value::{Decoder, Value, part, until_nul, word},
};

/// What a map's entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A value.
    Value(Value),
    /// A histogram.
    Histogram(Rows),
    /// A time series.
    Series(Series),
}

/// What a map holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Table {
    /// One value.
    Scalar(Cell),
    /// Entries.
    Keyed(Vec<(Value, Cell)>),
}

/// How much of a map is shown.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The last so many entries; 0 for all.
    pub top: u64,
    /// What numbers are divided by, 0 for 1.
    pub div: u64,
}

/// Makes a table of a map's entries. [`None`] where the map holds nothing.
pub fn build(
    decoder: &mut Decoder<'_>,
    map: &Map,
    entries: Vec<RawEntry>,
    limits: Limits,
) -> Option<Table> {
    let mut rows = match map.value {
        Type::Aggregate(kind @ (Aggregate::Hist(_) | Aggregate::LHist { .. })) => {
            histograms(decoder, map, kind, &entries, limits.div.max(1))
        }
        Type::Aggregate(Aggregate::TSeries {
            interval,
            buckets,
            how,
            signed,
        }) => {
            let shape = Shape {
                interval_ns: interval,
                buckets,
                how,
                signed,
            };
            all_series(decoder, map, shape, &entries)
        }
        _ => values(decoder, map, &entries, limits.div.max(1)),
    };
    // Entries of the same rank are in the order of their keys.
    rows.sort_by(|a, b| {
        let rank = a.rank.cmp(&b.rank);
        rank.then_with(|| compare(decoder, &map.key, &a.key, &b.key))
    });
    if map.key == Type::Void {
        return rows.into_iter().next().map(|row| Table::Scalar(row.cell));
    }
    let skip = match limits.top {
        0 => 0,
        top => rows.len().saturating_sub(top as usize),
    };
    let shown = rows.into_iter().skip(skip).map(|row| {
        let key = decoder.stored(&map.key, &row.key);
        (key, row.cell)
    });
    let shown: Vec<(Value, Cell)> = shown.collect();
    (!shown.is_empty()).then_some(Table::Keyed(shown))
}

/// An entry before it is in its place.
struct Row {
    key: Vec<u8>,
    /// What entries are ordered by first.
    rank: i128,
    cell: Cell,
}

/// Entries of one value each.
fn values(decoder: &mut Decoder<'_>, map: &Map, entries: &[RawEntry], div: u64) -> Vec<Row> {
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let is_set = |value: &&Vec<u8>| !map.presence || word(part(value, 0, 8)) != 0;
        let skip = if map.presence { 8 } else { 0 };
        let set = entry.values.iter().filter(is_set);
        let cpus: Vec<&[u8]> = set
            .map(|value| value.get(skip..).unwrap_or_default())
            .collect();
        let Some(first) = cpus.first() else {
            continue;
        };
        let (rank, value) = match &map.value {
            Type::Aggregate(kind) => {
                let Merged { number, value } = aggregate::merge(*kind, &cpus, div);
                (number, value)
            }
            Type::Int { signed, .. } => {
                let sum = cpus.iter().fold(0, |sum: u64, value| {
                    sum.wrapping_add(word(part(value, 0, 8)))
                });
                let Merged { number, value } = aggregate::number(sum, *signed, div);
                (number, value)
            }
            kind => match decoder.stored(kind, first) {
                Value::Symbolic(text, number) if matches!(kind, Type::Enum { .. }) => {
                    (number, Value::Symbolic(text, number))
                }
                value => (0, value),
            },
        };
        rows.push(Row {
            key: entry.key.clone(),
            rank,
            cell: Cell::Value(value),
        });
    }
    rows
}

/// The entry's key without its bucket, and the bucket's number.
fn split_bucket<'e>(map: &Map, key: &'e [u8]) -> (&'e [u8], u64) {
    if map.bucket_in_key {
        let (key, bucket) = key.split_at(key.len().saturating_sub(8));
        (key, word(bucket))
    } else {
        (&[], word(part(key, 0, 8)))
    }
}

/// Histograms, ordered by how many values each holds. One without a key that holds none is not there: as an array
/// it cannot tell whether it was ever set.
fn histograms(
    decoder: &Decoder<'_>,
    map: &Map,
    kind: Aggregate,
    entries: &[RawEntry],
    div: u64,
) -> Vec<Row> {
    let mut all: HashMap<&[u8], BTreeMap<u64, u64>> = HashMap::new();
    for entry in entries {
        let (key, bucket) = split_bucket(map, &entry.key);
        let counts = entry.values.iter().map(|value| word(part(value, 8, 8)));
        let count = counts.fold(0, u64::wrapping_add);
        *all.entry(key).or_default().entry(bucket).or_default() += count;
    }
    debug_assert!(map.key == Type::Void || decoder.stored_size(&map.key) <= map.key_size as usize);
    let rows = all.into_iter().map(|(key, counts)| Row {
        key: key.to_vec(),
        rank: counts.values().copied().map(i128::from).sum(),
        cell: Cell::Histogram(histogram::rows(kind, &counts, div)),
    });
    rows.filter(|row| map.key != Type::Void || row.rank > 0)
        .collect()
}

/// Time series, all up to the last interval of any of them.
fn all_series(decoder: &Decoder<'_>, map: &Map, shape: Shape, entries: &[RawEntry]) -> Vec<Row> {
    let mut all: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for entry in entries {
        let (key, _) = split_bucket(map, &entry.key);
        let values = entry.values.iter().map(Vec::as_slice);
        all.entry(key).or_default().extend(values);
    }
    debug_assert!(map.key == Type::Void || decoder.stored_size(&map.key) <= map.key_size as usize);
    let all = all.into_iter().map(|(key, values)| {
        let numbers = series::merge(shape, values.into_iter());
        (key, numbers)
    });
    let all: Vec<(&[u8], Numbers)> = all.filter(|(_, numbers)| !numbers.is_empty()).collect();
    let lasts = all
        .iter()
        .filter_map(|(_, numbers)| numbers.keys().next_back());
    let last = lasts.max().copied().unwrap_or(0);
    let rows = all.iter().map(|(key, numbers)| Row {
        key: key.to_vec(),
        rank: 0,
        cell: Cell::Series(series::series(shape, numbers, last)),
    });
    rows.collect()
}

/// The order of two keys: numbers by their size, strings by their letters, tuples part by part, all else by
/// its bytes.
fn compare(decoder: &Decoder<'_>, kind: &Type, a: &[u8], b: &[u8]) -> Ordering {
    match kind {
        Type::Str(_) => until_nul(a).cmp(until_nul(b)),
        Type::Tuple(kinds) => compare_parts(decoder, kinds.iter(), a, b),
        Type::Record(fields) => compare_parts(decoder, fields.iter().map(|(_, kind)| kind), a, b),
        kind if kind.is_scalar() => {
            let (a, b) = (word(part(a, 0, 8)), word(part(b, 0, 8)));
            if kind.is_signed() {
                (a as i64).cmp(&(b as i64))
            } else {
                a.cmp(&b)
            }
        }
        _ => a.cmp(b),
    }
}

fn compare_parts<'t>(
    decoder: &Decoder<'_>,
    kinds: impl Iterator<Item = &'t Type>,
    a: &[u8],
    b: &[u8],
) -> Ordering {
    let mut at = 0;
    for kind in kinds {
        let size = decoder.stored_size(kind);
        let order = compare(decoder, kind, part(a, at, size), part(b, at, size));
        if order != Ordering::Equal {
            return order;
        }
        at += align(size as u32) as usize;
    }
    Ordering::Equal
}
