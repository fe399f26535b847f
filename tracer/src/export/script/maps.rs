//! From a script's maps to series. Counters and histograms grow by what came since the last look: a map that the
//! script empties, or a key that it deletes, does not set them back.

use std::{
    collections::BTreeMap,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use tracer_script::{
    program::{Image, Map},
    types::Type,
};

use super::{
    column,
    hint::{Hint, Hints, Kind as HintedKind},
};
use crate::{
    export::{
        buckets::{Slot, Slots},
        family::Labels,
        group::{Cell, Group, Owner, Row},
        indexed::Indexed,
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
    /// Room for the next look.
    read: Read,
}

struct Exported {
    shape: Shape,
    /// The label `pid` among its labels, which tells whose a series is.
    pid: Option<usize>,
    group: Group,
    known: KnownKeys,
    /// How often the map was looked at.
    looks: u64,
}

/// What is known of a key.
struct Known {
    labels: Labels,
    owner: Option<Owner>,
    /// Where its series is.
    place: usize,
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
    fn clear(&mut self) {
        self.keys.clear();
        self.measures.clear();
    }

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
            let hinted = hints.get(&map.name);
            let hint = hinted.cloned().unwrap_or_default();
            if hint.hidden || hinted.is_none() && is_working_memory(&image, map) {
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
            read: Read::default(),
        })
    }

    /// The groups of series.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.exported
            .values_mut()
            .map(|exported| &mut exported.group)
    }

    /// Gives up all series, by the number of their map.
    pub fn give_up(&mut self) -> BTreeMap<usize, Group> {
        std::mem::take(&mut self.exported)
            .into_iter()
            .map(|(map, exported)| (map, exported.group))
            .collect()
    }

    /// Takes over the sums of the same script before: what only grows. What goes up and down is as it is.
    pub fn inherit(&mut self, before: BTreeMap<usize, Group>, now: Instant) {
        for (map, group) in before {
            if let Some(own) = self.exported.get_mut(&map)
                && !own.is_level()
            {
                own.group.inherit(group, now);
            }
        }
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
        let (shape, read) = (exported.shape, &mut self.read);
        read.clear();
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
        exported.absorb(read, &mut texts, now);
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

/// Numbers that a script deletes itself are what it works with, such as times of starts: they mean nothing to others.
fn is_working_memory(image: &Image, map: &Map) -> bool {
    let is_plain = matches!(map.value, Type::Int { .. } | Type::Bool);
    is_plain && image.deleted_maps.contains(&map.name)
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
            known: KnownKeys::default(),
            looks: 0,
        })
    }

    /// True where it goes up and down.
    fn is_level(&self) -> bool {
        matches!(self.shape, Shape::Level | Shape::Least | Shape::Greatest)
    }

    fn absorb(&mut self, read: &Read, texts: &mut dyn FnMut(&[u8]) -> Labels, now: Instant) {
        let is_level = self.is_level();
        if is_level {
            self.group.clear();
        }
        self.looks += 1;
        let pid = self.pid;
        for (position, (key, found)) in read.iter().enumerate() {
            let known = self.known.get(position, key, || meet(texts(key), pid, now));
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
            self.group.add_at(&mut known.place, row, now);
        }
        self.forget(now);
    }

    /// Forgets keys that were not found, and tells of the others that they are there: only a process that has gone
    /// ends their series.
    fn forget(&mut self, now: Instant) {
        self.known.forget_all_but(self.looks);
        for known in self.known.all.values_mut() {
            let is_due = now.saturating_duration_since(known.touched) >= TOUCH_PERIOD;
            if known.owner.is_none() && is_due {
                self.group.touch(&known.labels, now);
                known.touched = now;
            }
        }
    }
}

/// A key that was not known. `pid` is the label that tells whose it is.
fn meet(labels: Labels, pid: Option<usize>, now: Instant) -> Known {
    let pid = pid.and_then(|pid| labels[pid].parse().ok());
    Known {
        labels,
        owner: pid.map(Owner::Process),
        place: 0,
        look: 0,
        touched: now,
        // Most have one, and there are as many of these as keys in the kernel.
        buckets: Vec::with_capacity(1),
    }
}

/// Keys that the kernel's map held at the last look. It gives its entries in the same order as long as none comes or goes:
/// then each is found at its place, without a search.
#[derive(Default)]
struct KnownKeys {
    all: Indexed<Rc<[u8]>, Known>,
    /// Where each is among all, by the places of entries in the last look.
    order: Vec<usize>,
}

impl KnownKeys {
    /// The key of the entry that a look has found at `position`.
    fn get(&mut self, position: usize, key: &[u8], meet: impl FnOnce() -> Known) -> &mut Known {
        let is_it = |&place: &usize| self.all.key_at(place).is_some_and(|known| **known == *key);
        let likely = self.order.get(position).copied().filter(is_it);
        let place = match likely.or_else(|| self.all.place(key)) {
            Some(place) => place,
            None => self.all.push(key.into(), meet()),
        };
        match self.order.get_mut(position) {
            Some(known) => *known = place,
            None => self.order.push(place),
        }
        self.all.at_mut(place)
    }

    /// Forgets keys that this look has not found.
    fn forget_all_but(&mut self, look: u64) {
        self.all.take_out(|known| known.look != look);
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
