//! Series that grow: sets of labels, each with the same columns of values. Their number is bounded, and what finds
//! no room, or whose process or container has gone, is summed under `other`: no sum is ever lost.

mod cell;

pub use cell::Cell;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    family::{Family, Labels, Metric, Series},
    indexed::Indexed,
};

/// The value of every label of the series that sums what has none of its own.
pub const OTHER: &str = "other";

/// Owners that a series remembers: the last ones.
const OWNERS_MAX: usize = 8;

/// What a series lives and dies with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process.
    Process(u32),
    /// A cgroup, by its path.
    Cgroup(Box<str>),
}

/// So many series are told in the order of their labels; more are told in the order in which they came, which is that of
/// memory.
const SORTED_MAX: usize = 1000;

struct Entry {
    cells: Vec<Cell>,
    touched: Instant,
    owners: Vec<Owner>,
}

/// Series of one set of label names.
pub struct Group {
    label_names: Arc<[Box<str>]>,
    columns: Vec<Metric>,
    room: usize,
    /// Series that are not added to for long go even where it is not known whose they are.
    mortal: bool,
    entries: Indexed<Labels, Entry>,
    other: Option<Entry>,
    folded: u64,
}

/// A row to be added to a group.
pub struct Row {
    /// The labels' values, as many as the group has names.
    pub labels: Labels,
    /// Whose it is, where that is known.
    pub owner: Option<Owner>,
    /// One value a column.
    pub cells: Vec<Cell>,
}

impl Group {
    /// Without series. `room` is how many it keeps at most, beside `other`; `mortal` says whether those without a
    /// known owner go, too, when they are not added to for long.
    pub fn new(
        label_names: Vec<Box<str>>,
        columns: Vec<Metric>,
        room: usize,
        mortal: bool,
    ) -> Self {
        Self {
            label_names: label_names.into(),
            columns,
            room: room.max(1),
            mortal,
            entries: Indexed::default(),
            other: None,
            folded: 0,
        }
    }

    /// The columns.
    pub fn columns(&self) -> &[Metric] {
        &self.columns
    }

    /// The labels' names.
    pub fn label_names(&self) -> &[Box<str>] {
        &self.label_names
    }

    /// How many series there are, `other` included.
    pub fn len(&self) -> usize {
        self.entries.count() + usize::from(self.other.is_some())
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows were added to `other` as there was no room for their labels.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// True where there is a series of these labels.
    pub fn contains(&self, labels: &[Box<str>]) -> bool {
        self.entries.place(labels).is_some()
    }

    /// Adds a row to its series, or to `other` where there is no room for another one.
    pub fn add(&mut self, row: Row, now: Instant) {
        self.add_at(&mut 0, row, now);
    }

    /// The same for one who comes again with the same labels: `place` is kept in between, and makes it quick.
    pub fn add_at(&mut self, place: &mut usize, row: Row, now: Instant) {
        let Row {
            labels,
            owner,
            cells,
        } = row;
        if is_other(&labels) {
            return merge(&mut self.other, cells, now);
        }
        let known = self.entries.key_at(*place);
        let found = match known.is_some_and(|known| Arc::ptr_eq(known, &labels)) {
            true => Some(*place),
            false => self.entries.place(&labels),
        };
        if let Some(found) = found {
            *place = found;
            self.entries.at_mut(found).add(&cells, owner, now);
        } else if self.entries.count() >= self.room {
            self.folded += 1;
            merge(&mut self.other, cells, now);
        } else {
            let entry = Entry {
                cells,
                touched: now,
                owners: owner.into_iter().collect(),
            };
            *place = self.entries.push(labels, entry);
        }
    }

    fn get_mut(&mut self, labels: &[Box<str>]) -> Option<&mut Entry> {
        let place = self.entries.place(labels)?;
        Some(self.entries.at_mut(place))
    }

    /// Takes over the sums of another group of the same columns: of one that was there before.
    pub fn inherit(&mut self, before: Self, now: Instant) {
        self.folded += before.folded;
        for (labels, entry) in before.entries.into_entries() {
            let Entry { cells, owners, .. } = entry;
            let mut owners = owners.into_iter();
            self.restore(labels.clone(), owners.next(), cells, now);
            if let Some(own) = self.get_mut(&labels) {
                owners.for_each(|owner| own.owned_by(owner));
            }
        }
        if let Some(other) = before.other {
            merge(&mut self.other, other.cells, now);
        }
    }

    /// Adds a row; one that finds no room is no new one.
    fn restore(&mut self, labels: Labels, owner: Option<Owner>, cells: Vec<Cell>, now: Instant) {
        let folded = self.folded;
        let row = Row {
            labels,
            owner,
            cells,
        };
        self.add(row, now);
        self.folded = folded;
    }

    /// The series of these labels is still of use, though nothing was added to it.
    pub fn touch(&mut self, labels: &[Box<str>], now: Instant) {
        if let Some(entry) = self.get_mut(labels) {
            entry.touched = now;
        }
    }

    /// Forgets all series: of levels, which are read anew each time.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.other = None;
    }

    /// Sums series under `other` that were not added to for `idle` and whose owners have gone.
    pub fn expire(
        &mut self,
        now: Instant,
        idle: Duration,
        is_alive: &mut dyn FnMut(&Owner) -> bool,
    ) {
        if self.label_names.is_empty() {
            return;
        }
        let gone = self.entries.take_out(|entry| {
            let is_idle = now.saturating_duration_since(entry.touched) >= idle;
            is_idle
                && match entry.owners.as_slice() {
                    [] => self.mortal,
                    owners => !owners.iter().any(&mut *is_alive),
                }
        });
        for entry in gone {
            merge(&mut self.other, entry.cells, now);
        }
    }

    /// The families as they are, one a column.
    pub fn families(&self) -> Vec<Family> {
        let family = |(index, metric): (usize, &Metric)| Family {
            metric: metric.clone(),
            label_names: self.label_names.clone(),
            series: self.series(index),
        };
        self.columns.iter().enumerate().map(family).collect()
    }

    fn series(&self, column: usize) -> Vec<Series> {
        let mut labelled: Vec<&(Labels, Entry)> = self.entries.iter().collect();
        if labelled.len() <= SORTED_MAX {
            labelled.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        }
        let labelled = labelled
            .into_iter()
            .map(|(labels, entry)| (labels.clone(), entry));
        let other = self.other.iter().map(|entry| (self.other_labels(), entry));
        labelled
            .chain(other)
            .map(|(labels, entry)| Series {
                labels,
                sample: entry.cells[column].sample(),
            })
            .collect()
    }

    fn other_labels(&self) -> Labels {
        self.label_names.iter().map(|_| OTHER.into()).collect()
    }
}

impl Entry {
    fn add(&mut self, cells: &[Cell], owner: Option<Owner>, now: Instant) {
        self.touched = now;
        self.cells
            .iter_mut()
            .zip(cells)
            .for_each(|(cell, added)| cell.merge(added));
        if let Some(owner) = owner {
            self.owned_by(owner);
        }
    }

    fn owned_by(&mut self, owner: Owner) {
        if !self.owners.contains(&owner) {
            if self.owners.len() >= OWNERS_MAX {
                self.owners.remove(0);
            }
            self.owners.push(owner);
        }
    }
}

/// What a tool has summed under `other` itself: the first label says so, and the rest says nothing.
fn is_other(labels: &[Box<str>]) -> bool {
    match labels {
        [first, rest @ ..] => {
            &**first == OTHER && rest.iter().all(|rest| rest.is_empty() || &**rest == OTHER)
        }
        [] => false,
    }
}

fn merge(other: &mut Option<Entry>, cells: Vec<Cell>, now: Instant) {
    match other {
        Some(entry) => entry.add(&cells, None, now),
        None => {
            *other = Some(Entry {
                cells,
                touched: now,
                owners: Vec::new(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{
        buckets::Bounds,
        family::{Kind, Sample, Scale},
    };

    fn group(room: usize, mortal: bool) -> Group {
        let column = Metric {
            name: "calls".into(),
            help: "".into(),
            unit: "".into(),
            kind: Kind::Counter,
            scale: Scale::ONE,
            bounds: Bounds::default(),
        };
        Group::new(
            vec!["comm".into(), "container".into()],
            vec![column],
            room,
            mortal,
        )
    }

    fn row(comm: &str, count: i128, owner: Option<u32>) -> Row {
        Row {
            labels: [comm.into(), "".into()].into(),
            owner: owner.map(Owner::Process),
            cells: vec![Cell::Sum(count)],
        }
    }

    fn counts(group: &Group) -> Vec<(String, i128)> {
        let [family] = &group.families()[..] else {
            panic!("one column")
        };
        let count = |series: &Series| match series.sample {
            Sample::Number(count) => (series.labels[0].to_string(), count),
            ref other => panic!("{other:?}"),
        };
        family.series.iter().map(count).collect()
    }

    fn expected(counts: &[(&str, i128)]) -> Vec<(String, i128)> {
        counts
            .iter()
            .map(|&(comm, count)| (comm.to_owned(), count))
            .collect()
    }

    #[test]
    fn what_finds_no_room_is_summed() {
        let (mut group, now) = (group(2, false), Instant::now());
        for (comm, count) in [
            ("b", 1),
            ("a", 2),
            ("c", 4),
            ("b", 8),
            ("d", 16),
            ("other", 32),
        ] {
            group.add(row(comm, count, None), now);
        }
        assert_eq!(
            counts(&group),
            expected(&[("a", 2), ("b", 9), ("other", 52)])
        );
        assert_eq!((group.folded(), group.len()), (2, 3));
        let families = group.families();
        let other = families[0].series.last().expect("there is one");
        assert!(other.labels.iter().all(|label| &**label == OTHER));
    }

    #[test]
    fn series_end_when_their_owners_have() {
        let (mut group, start) = (group(10, false), Instant::now());
        group.add(row("gone", 1, Some(1)), start);
        group.add(row("lives", 2, Some(1)), start);
        group.add(row("lives", 2, Some(2)), start);
        group.add(row("unknown", 4, None), start);
        let (idle, later) = (Duration::from_secs(60), start + Duration::from_secs(61));
        group.add(row("busy", 8, Some(1)), later);
        let mut asked = 0;
        let mut is_alive = |owner: &Owner| {
            asked += 1;
            *owner == Owner::Process(2)
        };
        group.expire(start + Duration::from_secs(59), idle, &mut is_alive);
        assert_eq!(group.len(), 4);
        group.expire(later, idle, &mut is_alive);
        let left = [("busy", 8), ("lives", 4), ("unknown", 4), ("other", 1)];
        assert_eq!(counts(&group), expected(&left));
        assert_eq!(asked, 3);
        // One that comes again begins anew; the sum of all never shrinks.
        group.add(row("gone", 1, Some(1)), later);
        assert_eq!(
            counts(&group).iter().map(|(_, count)| count).sum::<i128>(),
            18
        );
    }

    #[test]
    fn sums_of_a_group_before_are_kept() {
        let (mut before, mut group, now) = (group(2, false), group(2, false), Instant::now());
        for (comm, count) in [("a", 1), ("b", 2), ("c", 4)] {
            before.add(row(comm, count, Some(1)), now);
        }
        group.add(row("d", 8, None), now);
        group.add(row("b", 16, Some(2)), now);
        group.inherit(before, now);
        assert_eq!(
            counts(&group),
            expected(&[("b", 18), ("d", 8), ("other", 5)])
        );
        assert_eq!(group.folded(), 1);
        let mut asked = Vec::new();
        group.expire(now, Duration::ZERO, &mut |owner| {
            asked.push(owner.clone());
            false
        });
        assert_eq!(asked, [Owner::Process(2), Owner::Process(1)]);
    }

    #[test]
    fn mortal_series_end_when_they_are_idle() {
        let (mut group, start) = (group(10, true), Instant::now());
        group.add(row("idle", 1, None), start);
        group.add(row("touched", 2, None), start);
        let later = start + Duration::from_secs(61);
        group.touch(&["touched".into(), "".into()], later);
        group.expire(later, Duration::from_secs(60), &mut |_| false);
        assert_eq!(counts(&group), expected(&[("touched", 2), ("other", 1)]));
    }

    #[test]
    fn the_last_owners_are_remembered() {
        let (mut group, start) = (group(10, false), Instant::now());
        for pid in 0..100 {
            group.add(row("short", 1, Some(pid)), start);
        }
        let later = start + Duration::from_secs(61);
        let mut asked = Vec::new();
        group.expire(later, Duration::from_secs(60), &mut |owner| {
            asked.push(owner.clone());
            true
        });
        assert_eq!(asked, [Owner::Process(92)]);
    }
}
