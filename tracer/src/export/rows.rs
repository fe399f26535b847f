//! From reports and events to rows of groups: any tool's, by their schemas.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Instant,
};

use super::{
    buckets::{Bounds, Slot, Slots},
    family::{Family, Kind, Labels, Metric},
    group::{Cell, Group, Owner, Row},
    name::{BaseUnit, family_name, label_name, label_value, sentence},
};
use crate::report::{
    self, Event, Histogram, Item, Number, Report, Role, Schema, Table, Unit, Value,
};
use tracer_common::hist::{slot_high, slot_low, slot_of};

/// How what one source finds becomes series.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What the names of its families begin with: `tracer_syscount`.
    pub prefix: String,
    /// Keep the label `pid`, which tells processes of one name apart.
    pub pid: bool,
    /// Labels to leave out.
    pub without: Vec<String>,
    /// Series of a metric, at most.
    pub series_max: usize,
    /// Bytes of a label's value, at most.
    pub label_bytes_max: usize,
    /// Classic buckets to each power of two: 1, 2, 4, 8 or 16.
    pub buckets_per_octave: u32,
}

/// Powers of two of the first and the last bound of durations, in nanoseconds: 1.023 us to 17.2 s.
const DURATION_POWERS: (u32, u32) = (10, 34);

/// The same of sizes and all else.
const NUMBER_POWERS: (u32, u32) = (0, 34);

/// Labels whose values come and go with processes and containers.
const MORTAL: [&str; 5] = ["pid", "tid", "comm", "container", "cgroup"];

/// Series of one source.
pub struct Rows {
    options: Options,
    groups: Groups,
}

/// By what they were made from, their labels, and whether they hold what goes up and down.
pub type Groups = BTreeMap<(&'static str, Vec<&'static str>, bool), Group>;

impl Rows {
    /// Without series.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            groups: BTreeMap::new(),
        }
    }

    /// The groups of series.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.values_mut()
    }

    /// Gives up all series.
    pub fn give_up(&mut self) -> Groups {
        std::mem::take(&mut self.groups)
    }

    /// Takes over the sums of the same source before: what only grows. What goes up and down is as it is.
    pub fn inherit(&mut self, before: Groups, now: Instant) {
        for (key, group) in before {
            match self.groups.entry(key) {
                Entry::Occupied(mut own) if !own.key().2 => own.get_mut().inherit(group, now),
                Entry::Vacant(place) if !place.key().2 => {
                    place.insert(group);
                }
                Entry::Occupied(_) | Entry::Vacant(_) => {}
            }
        }
    }

    /// All families.
    pub fn families(&self) -> Vec<Family> {
        self.groups.values().flat_map(Group::families).collect()
    }

    /// Events of this shape will come: their families are there from the start.
    pub fn expect_events(&mut self, schema: &Schema) {
        event_group(&mut self.groups, &self.options, schema);
    }

    /// Adds what a report tells to have come since the last one.
    pub fn add_report(&mut self, report: &Report, now: Instant) {
        for item in &report.items {
            match item {
                Item::Table(table) => self.add_table(table, now),
                Item::Histogram(histogram) => self.add_histogram(histogram, now),
                Item::Number(number) => self.add_number(number, now),
            }
        }
    }

    /// What grows and what goes up and down are groups of their own: of the latter only the last report counts.
    fn add_table(&mut self, table: &Table, now: Instant) {
        let Self { options, groups } = self;
        let schema = &table.schema;
        for role in [Role::Counter, Role::Gauge] {
            if !schema.columns.iter().any(|column| column.role == role) {
                continue;
            }
            let group = table_group(groups, options, schema, role);
            if role == Role::Gauge {
                group.clear();
            }
            for values in &table.rows {
                let pairs = schema.columns.iter().zip(values);
                let measured = pairs.clone().filter(|(column, _)| column.role == role);
                let cells = measured.map(|(_, value)| Cell::Sum(whole(value)));
                group.add(row(schema, values, options, cells.collect()), now);
            }
        }
    }

    fn add_histogram(&mut self, histogram: &Histogram, now: Instant) {
        let Self { options, groups } = self;
        let kept = |name: &str| keeps(name, options);
        let wanted = histogram.labels.iter().filter(|(name, _)| kept(name));
        let names: Vec<&'static str> = wanted.clone().map(|(name, _)| *name).collect();
        let group = groups
            .entry((histogram.name, names.clone(), false))
            .or_insert_with(|| {
                let help = sentence(&histogram.title);
                let column = histogram_column(histogram.name, help, histogram.unit, options);
                new_group(&names, vec![column], options)
            });
        let values = wanted.map(|(_, value)| label_value(value, options.label_bytes_max));
        let row = Row {
            labels: values.collect(),
            owner: owner(histogram.labels.iter().map(|(name, value)| (*name, value))),
            cells: vec![Cell::Histogram(slots(histogram), histogram.sum.into())],
        };
        group.add(row, now);
    }

    fn add_number(&mut self, number: &Number, now: Instant) {
        let Self { options, groups } = self;
        let group = groups
            .entry((number.name, Vec::new(), number.role == Role::Gauge))
            .or_insert_with(|| {
                let column = column(
                    number.name,
                    sentence(number.title),
                    number.unit,
                    number.role,
                    options,
                );
                new_group(&[], vec![column], options)
            });
        if number.role == Role::Gauge {
            group.clear();
        }
        let row = Row {
            labels: Labels::default(),
            owner: None,
            cells: vec![Cell::Sum(number.value.into())],
        };
        group.add(row, now);
    }

    /// Counts an event: durations go into histograms, and all else that is measured is summed.
    pub fn add_event(&mut self, event: &Event, now: Instant) {
        let Self { options, groups } = self;
        let (schema, values) = (&event.schema, &event.values);
        let measured = schema
            .columns
            .iter()
            .zip(values)
            .filter(|(column, _)| is_measure(column));
        let measures = measured.map(|(column, value)| event_cell(column.unit, value));
        let cells = std::iter::once(Cell::Sum(1)).chain(measures).collect();
        event_group(groups, options, schema).add(row(schema, values, options, cells), now);
    }
}

fn table_group<'g>(
    groups: &'g mut Groups,
    options: &Options,
    schema: &Schema,
    role: Role,
) -> &'g mut Group {
    let names = label_names(schema, options);
    groups
        .entry((schema.name, names.clone(), role == Role::Gauge))
        .or_insert_with(|| {
            let measures = schema.columns.iter().filter(|column| column.role == role);
            let columns = measures
                .map(|column| number_column(column, options))
                .collect();
            new_group(&names, columns, options)
        })
}

fn event_group<'g>(groups: &'g mut Groups, options: &Options, schema: &Schema) -> &'g mut Group {
    let names = label_names(schema, options);
    groups
        .entry((schema.name, names.clone(), false))
        .or_insert_with(|| {
            let count = column(
                schema.name,
                "Events.".to_owned(),
                Unit::Count,
                Role::Counter,
                options,
            );
            let measures = schema.columns.iter().filter(|column| is_measure(column));
            let measures = measures.map(|column| match column.unit {
                Unit::Nanoseconds => {
                    histogram_column(column.name, sentence(column.help), column.unit, options)
                }
                _ => number_column(column, options),
            });
            let columns = std::iter::once(count).chain(measures).collect();
            new_group(&names, columns, options)
        })
}

/// A row of a table or an event, with what was measured.
fn row(schema: &Schema, values: &[Value], options: &Options, cells: Vec<Cell>) -> Row {
    let pairs = schema.columns.iter().zip(values);
    let labelled = pairs
        .clone()
        .filter(|(column, _)| is_label(column, options));
    Row {
        labels: labelled
            .map(|(_, value)| label_value(value, options.label_bytes_max))
            .collect(),
        owner: owner(pairs.map(|(column, value)| (column.name, value))),
        cells,
    }
}

/// What each event adds.
fn is_measure(column: &report::Column) -> bool {
    column.role == Role::Counter
}

fn is_label(column: &report::Column, options: &Options) -> bool {
    column.role == Role::Key && keeps(column.name, options)
}

fn keeps(name: &str, options: &Options) -> bool {
    (name != "pid" || options.pid) && !options.without.iter().any(|without| without == name)
}

fn label_names(schema: &Schema, options: &Options) -> Vec<&'static str> {
    let columns = schema
        .columns
        .iter()
        .filter(|column| is_label(column, options));
    columns.map(|column| column.name).collect()
}

/// Whose a row is, as its columns tell, whether they become labels or not.
fn owner<'a>(mut columns: impl Iterator<Item = (&'a str, &'a Value)>) -> Option<Owner> {
    columns.find_map(|(name, value)| match (name, value) {
        ("pid", Value::U64(pid)) => u32::try_from(*pid).ok().map(Owner::Process),
        ("cgroup", Value::Text(path)) => Some(Owner::Cgroup(
            String::from_utf8_lossy(path).into_owned().into(),
        )),
        _ => None,
    })
}

fn new_group(names: &[&str], columns: Vec<Metric>, options: &Options) -> Group {
    let mortal = names.iter().any(|name| MORTAL.contains(name));
    let names = names.iter().map(|name| label_name(name).into()).collect();
    Group::new(names, columns, options.series_max, mortal)
}

fn number_column(of: &report::Column, options: &Options) -> Metric {
    column(of.name, sentence(of.help), of.unit, of.role, options)
}

fn column(name: &str, help: String, unit: Unit, role: Role, options: &Options) -> Metric {
    let base = BaseUnit::from(unit);
    Metric {
        name: family_name(&[&options.prefix, name], base.name).into(),
        help: help.into(),
        unit: base.name.into(),
        kind: if role == Role::Counter {
            Kind::Counter
        } else {
            Kind::Gauge
        },
        scale: base.scale,
        bounds: Bounds::default(),
    }
}

fn histogram_column(name: &str, help: String, unit: Unit, options: &Options) -> Metric {
    let (low, high) = match unit {
        Unit::Nanoseconds => DURATION_POWERS,
        _ => NUMBER_POWERS,
    };
    Metric {
        kind: Kind::Histogram,
        bounds: Bounds::exponential(options.buckets_per_octave, low, high),
        ..column(name, help, unit, Role::Counter, options)
    }
}

fn whole(value: &Value) -> i128 {
    match value {
        Value::U64(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        Value::Bool(value) => (*value).into(),
        Value::Null | Value::Text(_) => 0,
    }
}

fn event_cell(unit: Unit, value: &Value) -> Cell {
    match (unit, value) {
        (Unit::Nanoseconds, Value::Null) => Cell::Histogram(Slots::default(), 0),
        (Unit::Nanoseconds, value) => {
            let number = u64::try_from(whole(value)).unwrap_or(0);
            let slot = slot_of(number);
            let mut slots = Slots::default();
            slots.add(slot_between(slot_low(slot), slot_high(slot), 1));
            Cell::Histogram(slots, number.into())
        }
        (_, value) => Cell::Sum(whole(value)),
    }
}

fn slots(histogram: &Histogram) -> Slots {
    let mut slots = Slots::default();
    for bucket in &histogram.buckets {
        slots.add(slot_between(bucket.low, bucket.high, bucket.count));
    }
    slots
}

/// [`u64::MAX`] is an open end, and so is what an `i64` does not hold: 292 years in nanoseconds.
fn slot_between(low: u64, high: u64, count: u64) -> Slot {
    Slot {
        low: i64::try_from(low).unwrap_or(i64::MAX),
        high: i64::try_from(high).unwrap_or(i64::MAX),
        count,
    }
}
