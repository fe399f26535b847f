//! biosnoop: each block I/O request as it ends.
//!
//! Hooks: raw tracepoints of requests, from the queue (`block_io_start`; before Linux 6.5
//! `block_rq_insert`) by the driver (`block_rq_issue`) to the end (`block_rq_complete`).

use std::{sync::Arc, time::Duration};

use clap::Args;
use tracer_common::block::Io;

use super::{
    Setup, Tool,
    block::{self, Operations, Watch, read_io},
    text::trim,
};
use crate::{
    cli::{Common, parse},
    kernel::{
        Kernel,
        plan::{Choice, Global, Plan},
    },
    names::Names,
    objects,
    report::{Column, Event, Role, Schema, Unit, Value},
};

/// Flags of biosnoop.
#[derive(Args, Debug)]
pub struct Options {
    /// Only I/O that takes at least this long from the driver on, such as 10ms
    #[arg(short = 'm', long, value_name = "TIME", value_parser = parse::duration)]
    pub min_latency: Option<Duration>,

    /// Show the time in the kernel's queue; it is shown anyway
    #[arg(short = 'Q', long, hide = true)]
    pub queued: bool,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Biosnoop> {
        Ok(Biosnoop { options: self, schema: Arc::new(schema()), operations: None })
    }
}

/// What biosnoop attaches to.
pub fn hooks(_kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    Ok(block::hooks(Watch { queue: true, task: true }))
}

/// The plan for the events of biosnoop's kernel side.
pub fn plan(setup: &Setup<'_>, min_latency: Duration) -> anyhow::Result<Plan> {
    let mut plan = Plan {
        object: objects::BIOSNOOP,
        globals: vec![Global::u64("LATENCY_MIN", min_latency.as_nanos() as u64)],
        map_sizes: vec![("EVENTS", setup.common.output.ring_bytes())],
        ..Plan::default()
    };
    block::plan(&mut plan, Watch { queue: true, task: true }, setup.kernel)?;
    Ok(plan)
}

fn schema() -> Schema {
    let column = |name, title, unit, role, width, help| Column { name, title, unit, role, width, help };
    let (none, ns) = (Unit::None, Unit::Nanoseconds);
    Schema {
        name: "block_io",
        columns: vec![
            column("comm", "COMM", none, Role::Key, 16, "the thread that asked"),
            column("pid", "PID", none, Role::Info, 7, "its process"),
            column("container", "CONTAINER", none, Role::Key, 20, "the container or unit that it runs in"),
            column("disk", "DISK", none, Role::Key, 8, "the disk"),
            column("operation", "OPERATION", none, Role::Key, 14, "what was asked for"),
            column("sector", "SECTOR", none, Role::Info, 11, "the first sector, of 512 bytes"),
            column("size", "SIZE", Unit::Bytes, Role::Counter, 8, "data"),
            column("queue", "QUEUE", ns, Role::Counter, 8, "time in the kernel's queue"),
            column("latency", "LATENCY", ns, Role::Counter, 8, "time from the driver to the end"),
            column("error", "ERROR", none, Role::Info, 0, "the error that it ended with"),
        ],
    }
}

/// biosnoop at work.
pub struct Biosnoop {
    options: Options,
    schema: Arc<Schema>,
    operations: Option<Operations>,
}

/// Time in the queue: none where a request went straight to the driver.
pub fn queue_ns(io: &Io) -> Option<u64> {
    (io.queued != 0 && io.issued != 0).then(|| io.issued.saturating_sub(io.queued))
}

/// Time with the driver; in the queue, for a request that never got to one.
pub fn latency_ns(io: &Io) -> u64 {
    let start = if io.issued != 0 { io.issued } else { io.queued };
    io.completed.saturating_sub(start)
}

impl Tool for Biosnoop {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        self.operations = Some(Operations::read(setup.kernel)?);
        plan(setup, self.options.min_latency.unwrap_or_default())
    }

    fn events(&self) -> Option<Arc<Schema>> {
        Some(self.schema.clone())
    }

    fn event(
        &mut self,
        record: &[u8],
        names: &mut Names,
        emit: &mut dyn FnMut(Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let io = read_io(record);
        let operation = self.operations.as_mut().map(|operations| operations.with_flags(io.flags));
        let values = vec![
            Value::Text(trim(&io.comm).to_vec()),
            Value::U64(io.tgid.into()),
            names.container(io.cgroup),
            names.disk(io.device),
            operation.unwrap_or(Value::Null),
            Value::U64(io.sector),
            Value::U64(io.bytes.into()),
            queue_ns(&io).into(),
            Value::U64(latency_ns(&io)),
            error_name(io.error),
        ];
        emit(Event { schema: self.schema.clone(), time_ns: names.unix_ns(io.completed), values })
    }
}

/// The error of a request: a negative error number before Linux 5.16, a block status from then on, which
/// the tracepoint turns back into one.
fn error_name(error: i32) -> Value {
    use crate::kernel::syscalls::errno;
    match error {
        0 => Value::Null,
        error => {
            let number = error.unsigned_abs();
            errno::name(number).map_or_else(|| number.to_string(), str::to_owned).into()
        }
    }
}
