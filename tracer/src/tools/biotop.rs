//! biotop: who uses the disks, live: block I/O by process, disk and direction.
//!
//! Hooks and events are biosnoop's; they are summed in user space.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clap::Args;

use super::{
    Context, Setup, Tool,
    biosnoop::{self, latency_ns},
    block::{Operations, read_io},
    text::trim,
};
use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Choice, Plan},
    },
    names::Names,
    report::{Column, Distribution, Event, Item, Role, Schema, Table, Unit, Value},
};

/// Rows that are kept, at most; what comes beyond is summed under `other`.
const ROWS_MAX: usize = 10_000;

/// Flags of biotop.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Biotop> {
        Ok(Biotop { rows: BTreeMap::new(), schema: Arc::new(schema()), operations: None })
    }
}

/// What biotop attaches to.
pub fn hooks(kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    biosnoop::hooks(kernel)
}

fn schema() -> Schema {
    let key = |name, title, help| Column { name, title, unit: Unit::None, role: Role::Key, width: 0, help };
    let number = |name, title, unit, role, help| Column { name, title, unit, role, width: 0, help };
    let ns = Unit::Nanoseconds;
    Schema {
        name: "block_io_by_process",
        columns: vec![
            key("pid", "PID", "the process that asked"),
            key("comm", "COMM", "the thread's name"),
            key("container", "CONTAINER", "the container or unit that it runs in"),
            key("disk", "DISK", "the disk"),
            key("operation", "OPERATION", "what was asked for"),
            number("ios", "I/O", Unit::Count, Role::Counter, "requests"),
            number("size", "SIZE", Unit::Bytes, Role::Counter, "data"),
            number("rate", "RATE", Unit::BytesPerSecond, Role::Derived, "data in each second"),
            number("mean", "MEAN", ns, Role::Derived, "time from the driver to the end, the mean"),
            number("p99", "P99", ns, Role::Derived, "99 of 100 requests took at most this long"),
            number("max", "MAX", ns, Role::Derived, "the longest request"),
        ],
    }
}

/// Whose I/O a row sums; [`None`] is all that found no room.
type Key = Option<(u32, u32, String)>;

#[derive(Default)]
struct Sum {
    comm: Vec<u8>,
    cgroup: u64,
    bytes: u64,
    latency: Distribution,
}

/// biotop at work.
pub struct Biotop {
    rows: BTreeMap<Key, Sum>,
    schema: Arc<Schema>,
    operations: Option<Operations>,
}

impl Tool for Biotop {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        self.operations = Some(Operations::read(setup.kernel)?);
        biosnoop::plan(setup, Duration::ZERO)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn event(
        &mut self,
        record: &[u8],
        _names: &mut Names,
        _emit: &mut dyn FnMut(Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let io = read_io(record);
        let operation = self.operations.as_ref().map(|operations| operations.operation(io.flags));
        let mut key = Some((io.tgid, io.device, operation.unwrap_or_default()));
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            key = None;
        }
        let sum = self.rows.entry(key).or_default();
        sum.comm = trim(&io.comm).to_vec();
        sum.cgroup = io.cgroup;
        sum.bytes += u64::from(io.bytes);
        sum.latency.record(latency_ns(&io));
        Ok(())
    }

    fn report(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        let rows = if context.since_last { std::mem::take(&mut self.rows) } else { BTreeMap::new() };
        let source = if context.since_last { &rows } else { &self.rows };
        let mut sums: Vec<(&Key, &Sum)> = source.iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse((sum.bytes, sum.latency.count())));
        let rows_left_out = sums.len().saturating_sub(context.top);
        sums.truncate(context.top);
        let seconds = context.span.as_secs_f64();
        let rows = sums.into_iter().map(|(key, sum)| row(key, sum, seconds, context.names)).collect();
        Ok(vec![Item::Table(Table { schema: self.schema.clone(), rows, rows_left_out })])
    }
}

fn row(key: &Key, sum: &Sum, seconds: f64, names: &mut Names) -> Vec<Value> {
    let mut row = match key {
        None => vec!["other".into(), Value::Null, Value::Null, Value::Null, Value::Null],
        Some((pid, device, operation)) => vec![
            Value::U64((*pid).into()),
            Value::Text(sum.comm.clone()),
            names.container(sum.cgroup),
            names.disk(*device),
            operation.as_str().into(),
        ],
    };
    let latency = &sum.latency;
    row.extend([
        latency.count(),
        sum.bytes,
        (sum.bytes as f64 / seconds.max(1e-9)) as u64,
        latency.mean(),
        latency.percentile(99.0),
        latency.max(),
    ].map(Value::U64));
    row
}
