//! biolatency: how long block I/O takes, as histograms; of all, by disk, by operation, by process or
//! container.
//!
//! Hooks: raw tracepoints of requests. By default a request is timed from the driver's taking it
//! (`block_rq_issue`) to its end (`block_rq_complete`); with `-Q` from its entering the queue
//! (`block_io_start`; before Linux 6.5 `block_rq_insert`).

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use tracer_common::block::Mode;

use super::{
    Context, Setup, Tool,
    aggregate::{Keys, Rows, Tally, Totals},
    block::{self, Operations, Watch},
};
use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Choice, Global, Plan},
        session::Session,
    },
    objects,
    report::{Item, Unit, Value},
};

/// Disks, or combinations of operation and flags, that have a histogram of their own, at most.
const ROWS: u32 = 256;

/// Processes or cgroups at a time, as a rule.
const KEYS: u32 = 8192;

/// What histograms are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By process that asked
    Process,
    /// By container that asked, or cgroup
    #[value(alias = "cgroup")]
    Container,
}

/// Flags of biolatency.
#[derive(Args, Debug)]
pub struct Options {
    /// Include the time in the kernel's queue
    #[arg(short = 'Q', long)]
    pub queued: bool,

    /// A histogram for each disk
    #[arg(short = 'D', long = "disk")]
    pub by_disk: bool,

    /// A histogram for each operation with its flags
    #[arg(short = 'F', long = "flags", conflicts_with = "by_disk")]
    pub by_flags: bool,

    /// A histogram for each process or container
    #[arg(long, value_enum, conflicts_with_all = ["by_disk", "by_flags"])]
    pub by: Option<By>,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Biolatency> {
        let keys = self.common.output.max_keys;
        Ok(Biolatency {
            rows: Rows::new(keys.unwrap_or(ROWS)),
            totals: Totals::new(keys.unwrap_or(KEYS)),
            operations: None,
            options: self,
        })
    }

    fn mode(&self) -> Mode {
        match (self.by, self.by_disk, self.by_flags) {
            (Some(By::Process), ..) => Mode::Process,
            (Some(By::Container), ..) => Mode::Cgroup,
            (None, true, _) => Mode::Disk,
            (None, false, true) => Mode::Flags,
            (None, false, false) => Mode::All,
        }
    }
}

/// What biolatency attaches to.
pub fn hooks(_kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    Ok(block::hooks(Watch { queue: false, task: false }))
}

/// biolatency at work.
pub struct Biolatency {
    options: Options,
    rows: Rows,
    totals: Totals,
    operations: Option<Operations>,
}

/// A histogram's labels, and what it is made of.
type Labelled = (Vec<(&'static str, Value)>, Tally);

impl Tool for Biolatency {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let watch = Watch::needed(self.options.queued, self.options.by.is_some(), setup.common);
        let mut plan = Plan {
            object: objects::BIOLATENCY,
            globals: vec![
                Global::u32("MODE", self.options.mode() as u32),
                Global::u32("FROM_QUEUE", self.options.queued.into()),
            ],
            ..Plan::default()
        };
        block::plan(&mut plan, watch, setup.kernel)?;
        if self.options.by.is_some() {
            self.totals.plan(&mut plan);
        } else {
            self.rows.plan(&mut plan);
            plan.map_sizes.push(("ROW_OF", ROWS));
        }
        self.operations = Some(Operations::read(setup.kernel)?);
        Ok(plan)
    }

    fn prepare(&mut self, session: &Session) -> anyhow::Result<()> {
        if self.options.by.is_none() {
            self.rows.prepare(session)?;
        }
        Ok(())
    }

    fn tick(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let keys = match self.options.by {
            Some(By::Process) => Keys::Processes,
            Some(By::Container) => Keys::Cgroups,
            None => return Ok(()),
        };
        Ok(self.totals.take_over(context.session, context.names, keys)?)
    }

    fn report(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        let mut histograms = self.histograms(context)?;
        histograms.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        histograms.truncate(context.top);
        let title = if self.options.queued { "block I/O latency, queue included" } else { "block I/O latency" };
        let item = |(labels, tally): Labelled| {
            Item::Histogram(tally.durations.histogram("latency", title, labels, Unit::Nanoseconds))
        };
        Ok(histograms.into_iter().map(item).collect())
    }
}

impl Biolatency {
    fn histograms(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Labelled>> {
        if self.options.by.is_some() {
            return self.by_task(context);
        }
        let tallies = self.rows.take(context.session, context.since_last)?;
        let mode = self.options.mode();
        let mut histograms: BTreeMap<Vec<u8>, Labelled> = BTreeMap::new();
        for (key, tally) in tallies {
            let labels = match (mode, key) {
                (Mode::All, _) => Vec::new(),
                (Mode::Disk, Some(device)) => vec![("disk", context.names.disk(device as u32))],
                (Mode::Disk, None) => vec![("disk", "other".into())],
                (_, Some(flags)) => vec![("operation", self.operation(flags as u32))],
                (_, None) => vec![("operation", "other".into())],
            };
            // Flags that are not written out do not make a difference to the reader.
            let name = match labels.first() {
                Some((_, Value::Text(name))) => name.clone(),
                _ => Vec::new(),
            };
            histograms.entry(name).or_insert_with(|| (labels, Tally::default())).1.add(&tally);
        }
        if histograms.is_empty() && mode == Mode::All {
            return Ok(vec![(Vec::new(), Tally::default())]);
        }
        Ok(histograms.into_values().collect())
    }

    fn operation(&mut self, flags: u32) -> Value {
        self.operations.as_mut().map_or(Value::Null, |operations| operations.with_flags(flags))
    }

    fn by_task(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Labelled>> {
        let tallies = self.totals.take(context.session, context.since_last)?;
        let by_process = self.options.by == Some(By::Process);
        let mut histograms = Vec::new();
        for (key, named) in tallies {
            let container = context.names.container(named.cgroup);
            let labels = match key {
                None => vec![("process", "other".into())],
                Some(pid) if by_process => vec![
                    ("pid", Value::U64(pid)),
                    ("comm", Value::Text(named.comm)),
                    ("container", container),
                ],
                Some(_) => vec![("container", container)],
            };
            histograms.push((labels, named.tally));
        }
        Ok(histograms)
    }
}
