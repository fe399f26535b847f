//! What was found, as plain data, and the faces that show it.
//!
//! **Architecture invariant:** tools know nothing of faces, and faces know nothing of tools. A tool
//! hands over [`Report`]s and [`Event`]s; a face turns any of them into text or JSON.

mod distribution;
mod face;
pub mod json;
pub mod text;
mod value;

#[cfg(test)]
mod sample;

pub use distribution::Distribution;
pub use face::Face;
pub use value::{Unit, Value};

use std::{sync::Arc, time::Duration};

use tracer_common::loss::Loss;

/// What part a column plays: identity, or something measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Part of the row's identity: a label in metrics.
    Key,
    /// Grows only: a counter in metrics.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Reckoned from others for people: a mean, a percentile. Metrics leave that to whoever asks them.
    Derived,
    /// Told for people; neither identity nor measure.
    Info,
}

/// One column of a table, or one field of an event.
#[derive(Clone, Debug)]
pub struct Column {
    /// In snake case and without unit: `latency`. JSON appends the unit: `latency_ns`.
    pub name: &'static str,
    /// The heading in text, `LATENCY`.
    pub title: &'static str,
    /// What the numbers count.
    pub unit: Unit,
    /// What part it plays.
    pub role: Role,
    /// Characters that it takes in the lines of a stream of events, at least; 0 lets the last
    /// column run free. Tables are as wide as their contents.
    pub width: usize,
    /// Meaning in a sentence: for metrics' help and the manual.
    pub help: &'static str,
}

/// The shape of a table's rows, or of a tool's events.
#[derive(Debug)]
pub struct Schema {
    /// In snake case, `syscalls`: names the table in JSON and metrics.
    pub name: &'static str,
    /// The columns, in order.
    pub columns: Vec<Column>,
}

/// One thing that happened, shown when it did.
#[derive(Clone, Debug)]
pub struct Event {
    /// What the values are.
    pub schema: Arc<Schema>,
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// One value a column.
    pub values: Vec<Value>,
}

/// Rows under one schema, best first.
#[derive(Clone, Debug)]
pub struct Table {
    /// What the values are.
    pub schema: Arc<Schema>,
    /// One value a column in each row.
    pub rows: Vec<Vec<Value>>,
    /// Rows that `--top` left out: they are complete in metrics, and counted here elsewhere.
    pub rows_left_out: usize,
}

/// How many values fell between two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest value that belongs here.
    pub low: u64,
    /// The largest; [`u64::MAX`] where there is no bound.
    pub high: u64,
    /// How many.
    pub count: u64,
}

/// A distribution of values.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// In snake case and without unit: `latency`.
    pub name: &'static str,
    /// What it is the distribution of, for people: `disk I/O latency`.
    pub title: String,
    /// Whose: label name and value, in order.
    pub labels: Vec<(&'static str, Value)>,
    /// What the values count.
    pub unit: Unit,
    /// Ascending, without overlap; empty ones may be left out.
    pub buckets: Vec<Bucket>,
    /// Sum of all values, exact.
    pub sum: u64,
    /// The largest value; exact but for the second and later intervals of a live view, where it may
    /// be the upper bound of its bucket.
    pub max: u64,
}

/// One number with a name.
#[derive(Clone, Debug)]
pub struct Number {
    /// In snake case and without unit.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// [`Role::Counter`] or [`Role::Gauge`].
    pub role: Role,
    /// The number.
    pub value: u64,
}

/// One part of a report.
#[derive(Clone, Debug)]
pub enum Item {
    /// Rows.
    Table(Table),
    /// A distribution.
    Histogram(Histogram),
    /// A single number.
    Number(Number),
}

/// A number of things that were not counted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Why.
    pub cause: Loss,
    /// How many.
    pub count: u64,
    /// What the reader can do about it, where the tool can tell: `raise it with --ring-bytes`.
    pub hint: &'static str,
}

/// What a tool found in one span of time.
#[derive(Clone, Debug)]
pub struct Report {
    /// The tool's name.
    pub tool: &'static str,
    /// When it was taken, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The span that it covers, up to `time_ns`.
    pub span: Duration,
    /// The last one of its run.
    pub last: bool,
    /// What was found.
    pub items: Vec<Item>,
    /// What was lost, since the start.
    pub lost: Vec<Lost>,
}

/// What a cause of loss is called in JSON and metrics.
pub fn cause_name(cause: Loss) -> &'static str {
    match cause {
        Loss::RingFull => "ring_full",
        Loss::MapFull => "map_full",
        Loss::StartMissed => "start_missed",
        Loss::StringCut => "string_cut",
        Loss::ReadFault => "read_fault",
        Loss::InFlight => "in_flight",
        Loss::Folded => "folded",
        Loss::Recursion => "recursion",
        Loss::SlotFull => "slot_full",
        Loss::EndMissed => "end_missed",
    }
}
