//! Reports to try the faces on.

use std::{sync::Arc, time::Duration};

use tracer_common::loss::Loss;

use super::{Column, Distribution, Event, Item, Lost, Report, Role, Schema, Table, Unit, Value};

pub fn schema() -> Arc<Schema> {
    let column = |name, title, unit, role, width| Column {
        name,
        title,
        unit,
        role,
        width,
        help: "",
    };
    Arc::new(Schema {
        name: "sample",
        columns: vec![
            column("comm", "COMM", Unit::None, Role::Key, 8),
            column("calls", "CALLS", Unit::Count, Role::Counter, 6),
            column("total", "TOTAL", Unit::Nanoseconds, Role::Counter, 8),
            column("path", "PATH", Unit::None, Role::Info, 0),
        ],
    })
}

pub fn row(comm: &str, calls: u64, total: u64, path: &[u8]) -> Vec<Value> {
    vec![
        comm.into(),
        Value::U64(calls),
        Value::U64(total),
        Value::Text(path.to_vec()),
    ]
}

pub fn event(values: Vec<Value>) -> Event {
    Event {
        schema: schema(),
        time_ns: 1_500_000_000_000_000_000,
        values,
    }
}

pub fn table(rows: Vec<Vec<Value>>, rows_left_out: usize) -> Item {
    Item::Table(Table {
        schema: schema(),
        rows,
        rows_left_out,
    })
}

pub fn histogram(values: &[u64]) -> Item {
    let mut distribution = Distribution::default();
    values.iter().for_each(|value| distribution.record(*value));
    let labels = vec![("disk", "vda".into())];
    Item::Histogram(distribution.histogram(
        "latency",
        "block I/O latency",
        labels,
        Unit::Nanoseconds,
    ))
}

pub fn report(items: Vec<Item>, lost: &[(Loss, u64)]) -> Report {
    let lost = lost
        .iter()
        .map(|&(cause, count)| Lost {
            cause,
            count,
            hint: "raise it",
        })
        .collect();
    Report {
        tool: "sample",
        time_ns: 1_500_000_000_000_000_000,
        span: Duration::from_secs(1),
        last: true,
        items,
        lost,
    }
}
