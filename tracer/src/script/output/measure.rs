//! Maps as numbers, for those who do reckoning of their own with them: metrics.

use std::rc::Rc;

use tracer_script::{
    buckets,
    program::{Image, Map},
    types::{Aggregate, Type},
};

use super::{
    RawEntry, Stacks, aggregate,
    names::Names,
    text::{self, Spacing},
    value::{Decoder, Value, part, word},
};

/// What kind of numbers a map holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Numbers that only grow, unless the script sets them back: `count`, `sum` of what has no sign.
    Growing,
    /// Numbers that go up and down: `sum` of what has one, and plain numbers.
    Level,
    /// `min`
    Least,
    /// `max`
    Greatest,
    /// A count of values and their sum: `avg` and `stats`.
    Summary,
    /// Buckets, each with a count of values and their sum: `hist` and `lhist`.
    Histogram(Aggregate),
}

impl Shape {
    /// That of a map; [`None`] where its values are no numbers.
    pub fn of(map: &Map) -> Option<Self> {
        Some(match &map.value {
            Type::Aggregate(kind) => match kind {
                Aggregate::Count | Aggregate::Sum(false) => Self::Growing,
                Aggregate::Sum(true) => Self::Level,
                Aggregate::Min(_) => Self::Least,
                Aggregate::Max(_) => Self::Greatest,
                Aggregate::Avg(_) | Aggregate::Stats(_) => Self::Summary,
                Aggregate::Hist(_) | Aggregate::LHist { .. } => Self::Histogram(*kind),
                Aggregate::TSeries { .. } => return None,
            },
            Type::Int { .. } | Type::Bool => Self::Level,
            _ => return None,
        })
    }
}

/// What an entry of a map holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure<'e> {
    /// The entry's key, without the number of a bucket.
    pub key: &'e [u8],
    /// The bucket; 0 where the map has none.
    pub bucket: u32,
    /// The number, or the sum of the values.
    pub sum: i128,
    /// How many values; 0 where that is not counted.
    pub count: u64,
}

/// What an entry of a map with numbers holds; [`None`] where it holds nothing yet.
pub fn measure<'e>(map: &Map, shape: Shape, entry: &'e RawEntry) -> Option<Measure<'e>> {
    let skip = if map.presence { 8 } else { 0 };
    let is_set = |value: &&Vec<u8>| !map.presence || word(part(value, 0, 8)) != 0;
    let set = entry.values.iter().filter(is_set);
    let cpus = set.map(|value| value.get(skip..).unwrap_or_default());
    cpus.clone().next()?;
    let words = |index: usize| {
        let words = cpus.clone().map(|cpu| word(part(cpu, 8 * index, 8)));
        words.fold(0, u64::wrapping_add)
    };
    let (key, bucket) = match shape {
        Shape::Histogram(_) if map.bucket_in_key => {
            let (key, bucket) = entry.key.split_at(entry.key.len().saturating_sub(8));
            (key, word(bucket) as u32)
        }
        Shape::Histogram(_) => (&[][..], word(part(&entry.key, 0, 8)) as u32),
        _ => (entry.key.as_slice(), 0),
    };
    let (sum, count) = match shape {
        Shape::Growing => (words(0).into(), 0),
        Shape::Summary | Shape::Histogram(_) => (with_sign(words(0), is_signed(map)), words(1)),
        Shape::Least | Shape::Greatest => {
            let Type::Aggregate(kind) = map.value else {
                return None;
            };
            // Where it is set on no CPU, no value has come.
            if words(1) == 0 {
                return None;
            }
            let cpus: Vec<&[u8]> = cpus.collect();
            (aggregate::merge(kind, &cpus, 1).number, 0)
        }
        Shape::Level => (with_sign(words(0), is_signed(map)), 0),
    };
    Some(Measure {
        key,
        bucket,
        sum,
        count,
    })
}

fn with_sign(number: u64, signed: bool) -> i128 {
    if signed {
        i128::from(number as i64)
    } else {
        number.into()
    }
}

fn is_signed(map: &Map) -> bool {
    match map.value {
        Type::Int { signed, .. } => signed,
        Type::Aggregate(
            Aggregate::Sum(signed) | Aggregate::Avg(signed) | Aggregate::Stats(signed),
        ) => signed,
        // Their values are signed, whatever is put in.
        Type::Aggregate(Aggregate::Hist(_) | Aggregate::LHist { .. }) => true,
        _ => false,
    }
}

/// The smallest and the largest value of a bucket; [`None`] where it is open.
pub fn bucket_range(kind: Aggregate, bucket: u32) -> (Option<i64>, Option<i64>) {
    let (low, end) = match kind {
        Aggregate::Hist(bits) => buckets::hist_range(bucket, bits),
        Aggregate::LHist { min, max, step } => buckets::lhist_range(bucket, min, max, step),
        _ => (None, None),
    };
    (low, end.map(|end| end - 1))
}

/// Makes text of keys.
pub struct Keys {
    image: Rc<Image>,
    names: Names,
}

impl Keys {
    /// Of the maps of an image.
    pub fn new(image: Rc<Image>, stacks: Stacks) -> Self {
        let names = Names::new(&image.config, stacks);
        Self { image, names }
    }

    /// How many parts the keys of a map have: none where it holds one value only.
    pub fn parts(map: &Map) -> usize {
        match &map.key {
            Type::Void => 0,
            Type::Tuple(parts) => parts.len(),
            _ => 1,
        }
    }

    /// The parts of a key as text. Frames of a stack are apart by `;`, the innermost first.
    pub fn texts(&mut self, map: &Map, key: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = Decoder {
            image: &self.image,
            names: &mut self.names,
        };
        match (&map.key, decoder.stored(&map.key, key)) {
            (Type::Void, _) => Vec::new(),
            (_, Value::Tuple(parts)) => parts.iter().map(text).collect(),
            (_, value) => vec![text(&value)],
        }
    }
}

fn text(value: &Value) -> Vec<u8> {
    let Value::Stack(frames) = value else {
        let mut out = Vec::new();
        text::value(&mut out, value, Spacing::Tight);
        return out;
    };
    let frames: Vec<&str> = frames.iter().map(|frame| frame.text.as_str()).collect();
    frames.join(";").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::session::assembled;
    use tracer_script::program::{MapKind, MapRole};

    fn map(key: Type, value: Type) -> Map {
        Map {
            key,
            value,
            ..assembled::map("@m", MapRole::Script, MapKind::PercpuHash, (8, 8, 10))
        }
    }

    fn entry(key: &[u64], cpus: &[&[i64]]) -> RawEntry {
        RawEntry {
            key: key.iter().flat_map(|word| word.to_le_bytes()).collect(),
            values: cpus
                .iter()
                .map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
                .collect(),
        }
    }

    fn measured(map: &Map, entry: &RawEntry) -> Option<(u32, i128, u64)> {
        let shape = Shape::of(map).expect("numbers");
        measure(map, shape, entry).map(|found| (found.bucket, found.sum, found.count))
    }

    #[test]
    fn cpus_are_put_together() {
        let key = Type::Int {
            size: 8,
            signed: false,
        };
        let of = |kind, cpus: &[&[i64]]| {
            measured(&map(key.clone(), Type::Aggregate(kind)), &entry(&[1], cpus))
        };
        assert_eq!(of(Aggregate::Count, &[&[2], &[3]]), Some((0, 5, 0)));
        assert_eq!(of(Aggregate::Sum(true), &[&[2], &[-3]]), Some((0, -1, 0)));
        assert_eq!(
            of(Aggregate::Avg(true), &[&[-2, 1], &[-3, 2]]),
            Some((0, -5, 3))
        );
        assert_eq!(
            of(Aggregate::Max(false), &[&[9, 1], &[10, 0]]),
            Some((0, 9, 0))
        );
        assert_eq!(of(Aggregate::Min(true), &[&[9, 0], &[10, 0]]), None);
    }

    #[test]
    fn buckets_stand_behind_the_key() {
        let kind = Aggregate::Hist(0);
        let mut keyed = map(Type::KSym, Type::Aggregate(kind));
        keyed.bucket_in_key = true;
        let found = entry(&[7, 3], &[&[9, 2]]);
        assert_eq!(measured(&keyed, &found), Some((3, 9, 2)));
        let shape = Shape::Histogram(kind);
        let key = measure(&keyed, shape, &found).expect("it is set").key;
        assert_eq!(key, 7u64.to_le_bytes());
        assert_eq!(bucket_range(kind, 0), (None, Some(-1)));
        assert_eq!(bucket_range(kind, 3), (Some(2), Some(3)));
        let linear = Aggregate::LHist {
            min: 0,
            max: 20,
            step: 10,
        };
        assert_eq!(bucket_range(linear, 2), (Some(10), Some(19)));
        assert_eq!(bucket_range(linear, 3), (Some(20), None));
    }

    #[test]
    fn a_map_without_keys_holds_nothing_before_it_is_set() {
        let mut single = map(
            Type::Void,
            Type::Int {
                size: 8,
                signed: true,
            },
        );
        single.presence = true;
        assert_eq!(measured(&single, &entry(&[], &[&[0, 5]])), None);
        assert_eq!(
            measured(&single, &entry(&[], &[&[1, -5]])),
            Some((0, -5, 0))
        );
    }
}
