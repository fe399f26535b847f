//! From a script's maps to series. Counters and histograms grow by what came since the last look: a map that the
//! script empties, or a key that it deletes, does not set them back.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use tracer_script::program::{Image, Map};

use super::{
    column,
    hint::{Hint, Hints, Kind as HintedKind},
};
use crate::{
    export::{
        buckets::{Slot, Slots},
        family::Labels,
        group::{Cell, Group, Owner, Row},
        name::clean,
        rows::Options,
    },
    script::{
        output::{
            Stacks,
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
    /// Keys that the kernel's map held at the last look.
    known: HashMap<Box<[u8]>, Known>,
    /// How often the map was looked at.
    looks: u64,
}

/// What is known of a key.
struct Known {
    labels: Labels,
    owner: Option<Owner>,
    /// The last look that found it.
    look: u64,
    /// When its series was last said to be of use.
    touched: Instant,
    buckets: Vec<Bucket>,
}

/// What a bucket of a key held; of maps without buckets there is one.
struct Bucket {
    number: u32,
    look: u64,
    sum: i128,
    count: u64,
}

/// That a key is still there is told of its series no more often.
const TOUCH_PERIOD: Duration = Duration::from_secs(5);

/// The entries of a map as numbers.
#[derive(Default)]
struct Read {
    keys: Vec<u8>,
    /// Where each one's key is, and what it holds.
    measures: Vec<(Range<usize>, Quantity)>,
}

/// What an entry holds, without its key.
#[derive(Clone, Copy)]
struct Quantity {
    bucket: u32,
    sum: i128,
    count: u64,
}

impl Read {
    fn add(&mut self, found: &Measure<'_>) {
        let start = self.keys.len();
        self.keys.extend(found.key);
        let quantity = Quantity {
            bucket: found.bucket,
            sum: found.sum,
            count: found.count,
        };
        self.measures.push((start..self.keys.len(), quantity));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], Quantity)> {
        let measures = self.measures.iter();
        measures.map(|(range, quantity)| (&self.keys[range.clone()], *quantity))
    }
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
        let Some(exported) = self.exported.get_mut(&map) else {
            return Ok(());
        };
        let described = &self.image.maps[map];
        let (shape, mut read) = (exported.shape, Read::default());
        session.for_each_entry(map, &mut |entry| {
            if let Some(found) = measure(described, shape, entry) {
                read.add(&found);
            }
        })?;
        let (keys, limit) = (&mut self.keys, self.label_bytes_max);
        let mut texts = |key: &[u8]| -> Labels {
            let texts = keys.texts(described, key);
            texts.iter().map(|text| clean(text, limit)).collect()
        };
        exported.absorb(&read, &mut texts, now);
        Ok(())
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
        let labels = column::label_names(image, map, hint)?;
        let column = column::column(map, shape, hint, options);
        Ok(Self {
            shape,
            pid: labels.iter().position(|label| &**label == "pid"),
            group: Group::new(labels, vec![column], options.series_max, true),
            known: HashMap::new(),
            looks: 0,
        })
    }

    fn absorb(&mut self, read: &Read, texts: &mut dyn FnMut(&[u8]) -> Labels, now: Instant) {
        let is_level = matches!(self.shape, Shape::Level | Shape::Least | Shape::Greatest);
        if is_level {
            self.group.clear();
        }
        self.looks += 1;
        for (key, found) in read.iter() {
            if !self.known.contains_key(key) {
                let known = self.meet(texts(key), now);
                self.known.insert(key.into(), known);
            }
            let Some(known) = self.known.get_mut(key) else {
                continue;
            };
            let before = known.exchange(found, self.looks);
            let cell = match is_level {
                true => Some(level(self.shape, found.sum)),
                false => growth(self.shape, found, before),
            };
            let Some(cell) = cell else { continue };
            known.touched = now;
            let row = Row {
                labels: known.labels.clone(),
                owner: known.owner.clone(),
                cells: vec![cell],
            };
            self.group.add(row, now);
        }
        self.forget(now);
    }

    fn meet(&self, labels: Labels, now: Instant) -> Known {
        let pid = self.pid.and_then(|pid| labels[pid].parse().ok());
        Known {
            labels,
            owner: pid.map(Owner::Process),
            look: 0,
            touched: now,
            buckets: Vec::new(),
        }
    }

    /// Forgets keys that were not found, and tells of the others that they are there: only a process that has gone
    /// ends their series.
    fn forget(&mut self, now: Instant) {
        let Self {
            known,
            group,
            looks,
            ..
        } = self;
        known.retain(|_, known| {
            let is_due = now.saturating_duration_since(known.touched) >= TOUCH_PERIOD;
            if known.look == *looks && known.owner.is_none() && is_due {
                group.touch(&known.labels, now);
                known.touched = now;
            }
            known.look == *looks
        });
    }
}

impl Known {
    /// Remembers what a bucket holds, and gives back its sum and count of the look before: nothing where that did not
    /// find it.
    fn exchange(&mut self, found: Quantity, look: u64) -> (i128, u64) {
        self.look = look;
        let now = Bucket {
            number: found.bucket,
            look,
            sum: found.sum,
            count: found.count,
        };
        let place = self
            .buckets
            .binary_search_by_key(&found.bucket, |bucket| bucket.number);
        match place {
            Ok(at) => {
                let before = std::mem::replace(&mut self.buckets[at], now);
                match before.look + 1 == look {
                    true => (before.sum, before.count),
                    false => (0, 0),
                }
            }
            Err(at) => {
                self.buckets.insert(at, now);
                (0, 0)
            }
        }
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
fn growth(shape: Shape, found: Quantity, before: (i128, u64)) -> Option<Cell> {
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

#[cfg(test)]
mod tests;
