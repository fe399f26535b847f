//! funclatency: how long calls of functions take, of the kernel or of a program, as histograms.
//!
//! Hooks: `kprobe.multi` (Linux 5.18) or kprobes and kretprobes; `uprobe.multi` (Linux 6.6) or uprobes and
//! uretprobes.

use std::sync::Arc;

use clap::Args;

use super::{
    Context, Setup, Tool,
    aggregate::{Rows, Tally},
    function::Target,
};
use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Attachment, Choice, Global, Plan},
        session::Session,
    },
    objects,
    probe::{Functions, Hook},
    report::{Column, Item, Role, Schema, Table, Unit, Value},
};

/// Functions that have a histogram of their own, at most.
const ROWS: u32 = 256;

/// Threads that are in the midst of calls at a time, on kernels without task storage.
const THREADS: u32 = 16_384;

/// Flags of funclatency.
#[derive(Args, Debug)]
pub struct Options {
    /// Functions of the kernel, or BINARY:FUNCTION; with *, ? and [ ]
    #[arg(value_name = "PATTERN")]
    pub pattern: String,

    /// A table of the functions, without histograms
    #[arg(short = 's', long)]
    pub summary: bool,

    /// Microseconds; units are chosen by size anyway
    #[arg(short = 'u', long, hide = true)]
    pub microseconds: bool,

    /// Milliseconds; units are chosen by size anyway
    #[arg(short = 'm', long, hide = true)]
    pub milliseconds: bool,

    /// A histogram for each function, which is the default
    #[arg(short = 'F', long = "function", hide = true)]
    pub by_function: bool,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Funclatency> {
        let rows = Rows::new(self.common.output.max_keys.unwrap_or(ROWS));
        let schema = Arc::new(schema(self.summary));
        Ok(Funclatency { options: self, target: None, rows, schema })
    }
}

/// What funclatency attaches to.
pub fn hooks(_kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    let functions = |on_return| Functions { names: vec!["FUNCTION".to_owned()], on_return };
    let choice = |purpose, program, on_return| {
        let at = |hook| vec![Attachment::new(program, hook)];
        let (multi, single) = (Hook::KprobeMulti(functions(on_return)), Hook::Kprobe(functions(on_return)));
        Choice { purpose, alternatives: vec![at(multi), at(single)] }
    };
    Ok(vec![
        choice("a function is called", "function_entry", false),
        choice("a function returns", "function_return", true),
    ])
}

fn schema(summary: bool) -> Schema {
    let column = |name, title, unit, role, help| Column { name, title, unit, role, width: 0, help };
    let ns = Unit::Nanoseconds;
    // Histograms have the sum, too.
    let total = if summary { Role::Counter } else { Role::Derived };
    Schema {
        name: "functions",
        columns: vec![
            column("function", "FUNCTION", Unit::None, Role::Key, "the function"),
            column("calls", "CALLS", Unit::Count, Role::Counter, "calls that returned"),
            column("total", "TOTAL", ns, total, "time in these calls, that in calls inside them included"),
            column("mean", "MEAN", ns, Role::Derived, "time in a call, the mean"),
            column("p50", "P50", ns, Role::Derived, "half of the calls took at most this long"),
            column("p99", "P99", ns, Role::Derived, "99 of 100 calls took at most this long"),
            column("max", "MAX", ns, Role::Derived, "the longest call"),
        ],
    }
}

/// funclatency at work.
pub struct Funclatency {
    options: Options,
    target: Option<Target>,
    rows: Rows,
    schema: Arc<Schema>,
}

impl Tool for Funclatency {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let kernel = setup.kernel;
        let target = Target::find(&self.options.pattern, kernel, setup.common.filters.pid)?;
        let mut plan = Plan { object: objects::FUNCLATENCY, ..Plan::default() };
        // The return first: a call that begins between the two is then seen as a whole or not at all.
        for (purpose, program, on_return) in
            [("a function returns", "function_return", true), ("a function is called", "function_entry", false)]
        {
            plan.attachments.extend(target.choice(purpose, program, on_return).attachments(kernel)?);
        }
        target.plan(&mut plan, kernel)?;
        self.rows.plan(&mut plan);
        plan.map_sizes.push(("ROW_OF", target.names.len() as u32));
        if kernel.has_task_storage() {
            plan.facts.push(Global::u32("TASK_STORAGE", 1));
        } else {
            plan.map_sizes.push(("FRAMES_BY_TID", THREADS));
        }
        self.target = Some(target);
        Ok(plan)
    }

    fn prepare(&mut self, session: &Session) -> anyhow::Result<()> {
        self.rows.prepare(session)?;
        self.target.as_ref().map_or(Ok(()), |target| target.prepare(session))
    }

    fn report(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        let mut lines: Vec<(Value, Tally)> = Vec::new();
        for (index, tally) in self.rows.take(context.session, context.since_last)? {
            lines.push((self.name(index), tally));
        }
        lines.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.durations.sum()));
        let rows_left_out = lines.len().saturating_sub(context.top);
        lines.truncate(context.top);
        let mut items = Vec::new();
        if !self.options.summary {
            items.extend(lines.iter().map(|(name, tally)| {
                let labels = vec![("function", name.clone())];
                Item::Histogram(tally.durations.histogram("latency", "time in a call", labels, Unit::Nanoseconds))
            }));
        }
        let rows = lines.into_iter().map(|(name, tally)| row(name, &tally)).collect();
        items.push(Item::Table(Table { schema: self.schema.clone(), rows, rows_left_out }));
        Ok(items)
    }
}

impl Funclatency {
    fn name(&self, index: Option<u64>) -> Value {
        let names = self.target.as_ref().map(|target| target.names.as_slice()).unwrap_or_default();
        let name = index.and_then(|index| names.get(index as usize));
        name.map_or("other", String::as_str).into()
    }
}

fn row(name: Value, tally: &Tally) -> Vec<Value> {
    let durations = &tally.durations;
    let numbers = [
        tally.count,
        durations.sum(),
        durations.mean(),
        durations.percentile(50.0),
        durations.percentile(99.0),
        durations.max(),
    ];
    std::iter::once(name).chain(numbers.map(Value::U64)).collect()
}
