//! From a script's maps to series. Counters and histograms grow by what came since the last look: a map that the
//! script empties, or a key that it deletes, does not set them back.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

use tracer_script::{
    program::{Image, Map},
    types::Aggregate,
};

use super::{
    hint::{Hint, Hints, Kind as HintedKind},
    unit::Unit,
};
use crate::{
    export::{
        buckets::{Bounds, Slot, Slots},
        family::Kind,
        group::{Cell, Column, Group, Owner, Row},
        name::{clean, family_name, label_name, sentence},
        rows::Options,
    },
    script::{
        output::{
            RawEntry, Stacks,
            measure::{Keys, Measure, Shape, bucket_range, measure},
        },
        session::{ScriptError, Session},
    },
};

/// All maps of a script that are metrics.
pub struct Maps {
    image: Rc<Image>,
    keys: Keys,
    label_bytes_max: usize,
    /// By the number of the map.
    exported: BTreeMap<usize, Exported>,
}

struct Exported {
    shape: Shape,
    /// The label `pid` among its labels, which tells whose a series is.
    pid: Option<usize>,
    group: Group,
    /// What the kernel's map held at the last look, by key and bucket.
    last: HashMap<(Vec<u8>, u32), (i128, u64)>,
    /// Labels of keys that the map has.
    labels: HashMap<Vec<u8>, Vec<Box<str>>>,
}

impl Maps {
    /// Of a script. Fails where a hint is for a map that the script does not have, or does not fit it.
    pub fn new(
        image: Rc<Image>,
        stacks: Stacks,
        maps: &[usize],
        hints: &Hints,
        options: &Options,
    ) -> Result<Self, String> {
        let name = |&index: &usize| image.maps[index].name.as_str();
        if let Some(unknown) = hints
            .keys()
            .find(|hinted| !maps.iter().map(name).any(|map| map == *hinted))
        {
            return Err(format!("there is a hint for {unknown}, and no such map"));
        }
        let mut exported = BTreeMap::new();
        for &index in maps {
            let map = &image.maps[index];
            let hint = hints.get(&map.name).cloned().unwrap_or_default();
            if hint.hidden {
                continue;
            }
            match Shape::of(map) {
                Some(shape) => {
                    exported.insert(index, Exported::new(&image, map, shape, &hint, options)?);
                }
                None => log::info!("{} is no metric: its values are no numbers", map.name),
            }
        }
        Ok(Self {
            keys: Keys::new(image.clone(), stacks),
            image,
            label_bytes_max: options.label_bytes_max,
            exported,
        })
    }

    /// The groups of series.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.exported
            .values_mut()
            .map(|exported| &mut exported.group)
    }

    /// Looks at all maps.
    pub fn look(&mut self, session: &Session, now: Instant) -> Result<(), ScriptError> {
        let maps: Vec<usize> = self.exported.keys().copied().collect();
        maps.into_iter()
            .try_for_each(|map| self.look_at(session, map, now))
    }

    /// Looks at one map. Of one that is no metric there is nothing to see.
    pub fn look_at(
        &mut self,
        session: &Session,
        map: usize,
        now: Instant,
    ) -> Result<(), ScriptError> {
        if self.exported.contains_key(&map) {
            let entries = session.entries(map)?;
            self.absorb(map, &entries, now);
        }
        Ok(())
    }

    /// Takes what a map holds.
    fn absorb(&mut self, index: usize, entries: &[RawEntry], now: Instant) {
        let Some(exported) = self.exported.get_mut(&index) else {
            return;
        };
        let map = &self.image.maps[index];
        let (keys, limit) = (&mut self.keys, self.label_bytes_max);
        let mut texts = |key: &[u8]| -> Vec<Box<str>> {
            keys.texts(map, key)
                .iter()
                .map(|text| clean(text, limit))
                .collect()
        };
        let shape = exported.shape;
        let measures = entries
            .iter()
            .filter_map(|entry| measure(map, shape, entry));
        exported.absorb(measures, &mut texts, now);
    }

    /// Sums series under `other` whose keys, or processes, have been gone for `keep`.
    pub fn expire(
        &mut self,
        now: Instant,
        keep: Duration,
        is_alive: &mut dyn FnMut(&Owner) -> bool,
    ) {
        for group in self.groups() {
            group.expire(now, keep, is_alive);
        }
    }
}

impl Exported {
    fn new(
        image: &Image,
        map: &Map,
        shape: Shape,
        hint: &Hint,
        options: &Options,
    ) -> Result<Self, String> {
        let shape = match (shape, hint.kind) {
            (Shape::Level, Some(HintedKind::Counter)) => Shape::Growing,
            (Shape::Growing, Some(HintedKind::Gauge)) => Shape::Level,
            (shape, _) => shape,
        };
        let labels = label_names(image, map, hint)?;
        let column = column(map, shape, hint, options);
        Ok(Self {
            shape,
            pid: labels.iter().position(|label| &**label == "pid"),
            group: Group::new(labels, vec![column], options.series_max, true),
            last: HashMap::new(),
            labels: HashMap::new(),
        })
    }

    fn absorb<'e>(
        &mut self,
        measures: impl Iterator<Item = Measure<'e>>,
        texts: &mut dyn FnMut(&[u8]) -> Vec<Box<str>>,
        now: Instant,
    ) {
        let is_level = matches!(self.shape, Shape::Level | Shape::Least | Shape::Greatest);
        if is_level {
            self.group.clear();
        }
        let (mut last, mut labels, mut grown) = (HashMap::new(), HashMap::new(), HashMap::new());
        for found in measures {
            let key = found.key.to_vec();
            let place = (key.clone(), found.bucket);
            let before = self.last.get(&place).copied().unwrap_or_default();
            last.insert(place, (found.sum, found.count));
            if !labels.contains_key(&key) {
                let known = self.labels.remove(&key).unwrap_or_else(|| texts(&key));
                labels.insert(key.clone(), known);
            }
            let cell = match is_level {
                true => Some(level(self.shape, found.sum)),
                false => growth(self.shape, &found, before),
            };
            let grown: &mut Option<Cell> = grown.entry(key).or_default();
            match (grown.as_mut(), cell) {
                (Some(sum), Some(cell)) => sum.merge(&cell),
                (None, cell) => *grown = cell,
                (Some(_), None) => {}
            }
        }
        for (key, cell) in grown {
            let labels: &Vec<Box<str>> = &labels[&key];
            let owner = self
                .pid
                .and_then(|pid| labels[pid].parse().ok())
                .map(Owner::Process);
            match cell {
                Some(cell) => {
                    let row = Row {
                        labels: labels.clone(),
                        owner,
                        cells: vec![cell],
                    };
                    self.group.add(row, now);
                }
                // Its key is there: only a process that has gone ends it.
                None if owner.is_none() => self.group.touch(labels, now),
                None => {}
            }
        }
        self.last = last;
        self.labels = labels;
    }
}

fn level(shape: Shape, number: i128) -> Cell {
    match shape {
        Shape::Least => Cell::Least(number),
        Shape::Greatest => Cell::Greatest(number),
        _ => Cell::Sum(number),
    }
}

/// What came since; all that there is where the script has set it back.
fn growth(shape: Shape, found: &Measure<'_>, before: (i128, u64)) -> Option<Cell> {
    let was_set_back = match shape {
        Shape::Growing => found.sum < before.0,
        _ => found.count < before.1,
    };
    let before = if was_set_back { (0, 0) } else { before };
    let (sum, count) = (found.sum - before.0, found.count - before.1);
    match shape {
        Shape::Histogram(kind) => (count > 0).then(|| {
            let (low, high) = bucket_range(kind, found.bucket);
            let mut slots = Slots::default();
            slots.add(Slot {
                low: low.unwrap_or(i64::MIN),
                high: high.unwrap_or(i64::MAX),
                count,
            });
            Cell::Histogram(slots, sum)
        }),
        Shape::Summary => (count > 0).then_some(Cell::Summary(count, sum)),
        _ => (sum > 0).then_some(Cell::Sum(sum)),
    }
}

fn label_names(image: &Image, map: &Map, hint: &Hint) -> Result<Vec<Box<str>>, String> {
    let parts = Keys::parts(map);
    if let Some(labels) = &hint.labels {
        return match labels.len() == parts {
            true => Ok(labels
                .iter()
                .map(|label| label_name(label).into())
                .collect()),
            false => Err(format!(
                "{} has keys of {parts} parts, and {} labels in its hint",
                map.name,
                labels.len()
            )),
        };
    }
    let known = image
        .key_names
        .iter()
        .find(|(name, names)| *name == map.name && names.len() == parts);
    Ok(match known {
        Some((_, names)) => names.iter().map(|name| label_name(name).into()).collect(),
        None => (1..=parts)
            .map(|part| format!("key{part}").into())
            .collect(),
    })
}

fn column(map: &Map, shape: Shape, hint: &Hint, options: &Options) -> Column {
    let own_name = map.name.trim_start_matches('@');
    let hinted = hint.unit.as_deref().and_then(Unit::by_name);
    // What is counted has no unit, whatever its name ends in.
    let counts = matches!(
        map.value,
        tracer_script::types::Type::Aggregate(Aggregate::Count)
    );
    let (stem, told) = match counts {
        true => (own_name, None),
        false => Unit::of_name(own_name),
    };
    let unit = hinted.or(told).unwrap_or(Unit::NONE);
    let stem = match (stem, unit.base.name) {
        ("", "seconds") => "duration",
        ("", "") => "values",
        (stem, _) => stem,
    };
    let name = hint.name.as_deref().unwrap_or(stem);
    let help = hint
        .help
        .clone()
        .unwrap_or_else(|| format!("Map {} of the script", map.name));
    Column {
        name: family_name(&[&options.prefix, name], unit.base.name).into(),
        help: sentence(&help).into(),
        unit: unit.base.name.into(),
        kind: match shape {
            Shape::Growing => Kind::Counter,
            Shape::Level | Shape::Least | Shape::Greatest => Kind::Gauge,
            Shape::Summary => Kind::Summary,
            Shape::Histogram(_) => Kind::Histogram,
        },
        scale: unit.base.scale,
        bounds: bounds(shape, unit, options),
    }
}

/// Bounds that are the upper ends of the script's own buckets.
fn bounds(shape: Shape, unit: Unit, options: &Options) -> Bounds {
    match shape {
        Shape::Histogram(Aggregate::Hist(bits)) => {
            let per_octave = options.buckets_per_octave.min(1 << bits);
            Bounds::exponential(per_octave, unit.powers.0, unit.powers.1)
        }
        Shape::Histogram(Aggregate::LHist { min, max, step }) => Bounds::linear(min, max, step),
        _ => Bounds::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{config::Series, family::Sample};
    use tracer_script::{
        program::{MapKind, MapRole},
        types::Type,
    };

    const INT: Type = Type::Int {
        size: 8,
        signed: true,
    };

    fn exported(name: &str, key: Type, value: Type, hint: Hint) -> Result<Exported, String> {
        let map = Map {
            name: name.to_owned(),
            role: MapRole::Script,
            kind: MapKind::PercpuHash,
            key,
            value,
            key_size: 8,
            value_size: 8,
            entries: 10,
            bucket_in_key: false,
            presence: false,
        };
        let image = Image {
            key_names: vec![("@k".to_owned(), vec!["pid".to_owned()])],
            ..Image::default()
        };
        let shape = Shape::of(&map).expect("numbers");
        let options = Series::default().options("p".to_owned());
        Exported::new(&image, &map, shape, &hint, &options)
    }

    fn of(kind: Aggregate) -> Exported {
        exported("@k", INT, Type::Aggregate(kind), Hint::default()).expect("it fits")
    }

    /// Has it look at entries: key, bucket, sum and count.
    fn look(exported: &mut Exported, entries: &[(u8, u32, i128, u64)], now: Instant) {
        let keys: Vec<[u8; 1]> = entries.iter().map(|entry| [entry.0]).collect();
        let measures = entries
            .iter()
            .zip(&keys)
            .map(|(&(_, bucket, sum, count), key)| Measure {
                key,
                bucket,
                sum,
                count,
            });
        exported.absorb(measures, &mut |key| vec![key[0].to_string().into()], now);
    }

    /// What all series come to: labels, count, and sum.
    fn found(exported: &Exported) -> Vec<(String, u64, i128)> {
        let families = exported.group.families();
        let one = |series: &crate::export::family::Series| {
            let (count, sum) = match &series.sample {
                Sample::Number(number) => (0, *number),
                Sample::Histogram { slots, sum } => (slots.count(), *sum),
                Sample::Summary { count, sum } => (*count, *sum),
                Sample::Float(_) => panic!("no map has one"),
            };
            (series.labels[0].to_string(), count, sum)
        };
        families[0].series.iter().map(one).collect()
    }

    fn expected(found: &[(&str, u64, i128)]) -> Vec<(String, u64, i128)> {
        found
            .iter()
            .map(|&(label, count, sum)| (label.to_owned(), count, sum))
            .collect()
    }

    #[test]
    fn what_a_script_takes_away_is_kept() {
        let (mut counts, now) = (of(Aggregate::Count), Instant::now());
        look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], now);
        look(&mut counts, &[(1, 0, 6, 0), (2, 0, 7, 0)], now);
        assert_eq!(found(&counts), expected(&[("1", 0, 6), ("2", 0, 7)]));
        // Emptied and counted up anew, deleted, and deleted and counted up beyond what it was.
        look(&mut counts, &[(1, 0, 2, 0)], now);
        look(&mut counts, &[(1, 0, 2, 0), (2, 0, 9, 0)], now);
        assert_eq!(found(&counts), expected(&[("1", 0, 8), ("2", 0, 16)]));
    }

    #[test]
    fn buckets_add_up_whether_they_grow_or_not() {
        let (mut hist, now) = (of(Aggregate::Hist(0)), Instant::now());
        look(
            &mut hist,
            &[(1, 1, 0, 0), (1, 3, 5, 2), (1, 4, 0, 0), (1, 5, 9, 1)],
            now,
        );
        look(
            &mut hist,
            &[(1, 1, 0, 0), (1, 3, 8, 3), (1, 5, 9, 1), (1, 6, 0, 0)],
            now,
        );
        assert_eq!(found(&hist), expected(&[("1", 4, 17)]));
        let mut stats = of(Aggregate::Stats(true));
        look(&mut stats, &[(1, 0, -5, 2)], now);
        look(&mut stats, &[(1, 0, -9, 3)], now);
        assert_eq!(found(&stats), expected(&[("1", 3, -9)]));
    }

    #[test]
    fn levels_are_as_they_are() {
        let (mut level, now) = (of(Aggregate::Max(true)), Instant::now());
        look(&mut level, &[(1, 0, 9, 0), (2, 0, 4, 0)], now);
        look(&mut level, &[(1, 0, 3, 0)], now);
        assert_eq!(found(&level), expected(&[("1", 0, 3)]));
    }

    #[test]
    fn series_of_processes_end_though_their_keys_stay() {
        let (mut counts, start) = (of(Aggregate::Count), Instant::now());
        look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], start);
        let later = start + Duration::from_secs(400);
        look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], later);
        let keep = Duration::from_secs(300);
        counts
            .group
            .expire(later, keep, &mut |owner| *owner == Owner::Process(2));
        look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], later);
        assert_eq!(found(&counts), expected(&[("2", 0, 7), ("other", 0, 5)]));
    }

    #[test]
    fn names_and_units_come_from_the_script_or_its_hints() {
        let column = |name: &str, kind, hint: Hint| {
            let made = exported(name, INT, Type::Aggregate(kind), hint).expect("it fits");
            let column = &made.group.columns()[0];
            (column.name.to_string(), column.kind, column.scale.exponent)
        };
        let hist = Aggregate::Hist(2);
        assert_eq!(
            column("@k", Aggregate::Count, Hint::default()),
            ("p_k".to_owned(), Kind::Counter, 0)
        );
        assert_eq!(
            column("@read_us", hist, Hint::default()),
            ("p_read_seconds".to_owned(), Kind::Histogram, -6)
        );
        assert_eq!(
            column("@ns", hist, Hint::default()),
            ("p_duration_seconds".to_owned(), Kind::Histogram, -9)
        );
        assert_eq!(
            column("@", Aggregate::Sum(true), Hint::default()),
            ("p_values".to_owned(), Kind::Gauge, 0)
        );
        let hint = Hint {
            name: Some("x".to_owned()),
            unit: Some("ms".to_owned()),
            kind: Some(HintedKind::Counter),
            ..Hint::default()
        };
        assert_eq!(
            column("@k", Aggregate::Sum(true), hint),
            ("p_x_seconds".to_owned(), Kind::Counter, -3)
        );
        let labels = Hint {
            labels: Some(vec!["a".to_owned(), "b".to_owned()]),
            ..Hint::default()
        };
        let wrong = exported("@k", INT, Type::Aggregate(Aggregate::Count), labels).err();
        assert_eq!(
            wrong.as_deref(),
            Some("@k has keys of 1 parts, and 2 labels in its hint")
        );
    }
}
