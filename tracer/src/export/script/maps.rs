//! From a script's maps to series. Counters and histograms grow by what came since the last look: a map that the
//! script empties, or a key that it deletes, does not set them back.

use std::{
    collections::{BTreeMap, HashMap},
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
        group::{Cell, Group, Owner, Row},
        name::clean,
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
        let labels = column::label_names(image, map, hint)?;
        let column = column::column(map, shape, hint, options);
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

#[cfg(test)]
mod tests;
