//! syscount: how often which system calls are made, how often they fail and how long they take; by call,
//! process, container or error.
//!
//! Hooks: raw tracepoints `sys_enter` and `sys_exit`, which see the calls of 64-bit and of 32-bit
//! programs alike. Durations go into per-CPU histograms in the kernel, one for each call, or for each
//! process or cgroup as a sparse set of slots.

use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};
use tracer_common::syscount::{ABI_STRIDE, INDICES, Mode};

use super::{
    Context, Setup, Tool,
    aggregate::{Keys, NamedTally, Rows, Tally, Totals},
    starts, syscall,
};
use crate::{
    cli::{Common, WrongUsage},
    kernel::{
        Kernel,
        plan::{Choice, Global, Plan},
        session::{Session, read_u64},
        syscalls::{self, Abi, errno},
    },
    names::Names,
    objects,
    report::{Column, Item, Role, Schema, Table, Unit, Value},
};

/// Calls that have a histogram of their own, at most.
const CALLS: u32 = 256;

/// Processes or cgroups at a time, as a rule.
const KEYS: u32 = 8192;

/// What calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By system call
    Syscall,
    /// By process
    Process,
    /// By container, or the cgroup of what is in none
    #[value(alias = "cgroup")]
    Container,
    /// By error
    Errno,
}

/// Flags of syscount.
#[derive(Args, Debug)]
pub struct Options {
    /// Count by this
    #[arg(long, value_enum, default_value = "syscall")]
    pub by: By,

    /// Count by process, as --by process
    #[arg(short = 'P', long = "process", conflicts_with = "by")]
    pub by_process: bool,

    /// Only these calls
    #[arg(short, long = "syscall", value_name = "NAME,...", value_delimiter = ',', value_parser = parse_call)]
    pub syscalls: Vec<String>,

    /// Only calls that fail
    #[arg(short = 'x', long)]
    pub failures: bool,

    /// Only calls that fail with this error, by name or number
    #[arg(short, long, value_name = "ERRNO", value_parser = parse_errno)]
    pub errno: Option<u32>,

    /// Only count, as the calls begin: no errors, no times, cheaper
    #[arg(short, long, conflicts_with_all = ["failures", "errno", "hist"])]
    pub count_only: bool,

    /// Show the distribution of the times of each row
    #[arg(short = 'H', long)]
    pub hist: bool,

    /// Show times; they are shown anyway
    #[arg(short = 'L', long, hide = true)]
    pub latency: bool,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

fn parse_call(name: &str) -> Result<String, String> {
    match syscalls::numbers(name).is_empty() {
        true => Err("there is no such system call; `tracer list syscalls` shows them".to_owned()),
        false => Ok(name.to_owned()),
    }
}

fn parse_errno(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().or_else(|| errno::number(text));
    match number {
        Some(number @ 1..=4095) => Ok(number),
        _ => Err("not the name or the number of an error, such as ENOENT".to_owned()),
    }
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Syscount> {
        let by = if self.by_process { By::Process } else { self.by };
        if self.count_only && by == By::Errno {
            let reason = "--by errno needs the calls' results: leave out --count-only";
            bail!(WrongUsage(reason.to_owned()));
        }
        let keys = self.common.output.max_keys;
        Ok(Syscount {
            counts: Counts::default(),
            rows: Rows::new(keys.unwrap_or(CALLS)),
            totals: Totals::new(keys.unwrap_or(KEYS)),
            selected: selected(&self.syscalls),
            schema: Arc::new(schema(by, &self)),
            by,
            options: self,
        })
    }
}

/// The indices of these calls, in every ABI that has one of the name.
fn selected(names: &[String]) -> Vec<u32> {
    let numbers = names.iter().flat_map(|name| syscalls::numbers(name));
    numbers.map(|(abi, number)| index(abi, number)).collect()
}

fn index(abi: Abi, number: u32) -> u32 {
    let abi = match abi {
        Abi::Native => 0,
        Abi::Compat => 1,
        Abi::X32 => 2,
    };
    abi * ABI_STRIDE + number
}

/// The name of the call at an index: that of another ABI is marked.
fn call_name(index: u64) -> String {
    let (abi, number) = (index as u32 / ABI_STRIDE, index as u32 % ABI_STRIDE);
    if number == ABI_STRIDE - 1 {
        return "[no such call]".to_owned();
    }
    match abi {
        0 => syscalls::name(Abi::Native, number).into_owned(),
        1 => format!("{} [32-bit]", syscalls::name(Abi::Compat, number)),
        _ => format!("{} [x32]", syscalls::name(Abi::X32, number)),
    }
}

/// What syscount attaches to.
pub fn hooks(kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    Ok(vec![syscall::enter(kernel), exit(kernel)])
}

fn exit(kernel: &Kernel) -> Choice {
    syscall::exit(kernel, "a system call returns")
}

fn schema(by: By, options: &Options) -> Schema {
    let key = |name, title, help| Column { name, title, unit: Unit::None, role: Role::Key, width: 0, help };
    let mut columns = match by {
        By::Syscall => vec![key("syscall", "SYSCALL", "the system call")],
        By::Errno => vec![
            key("errno", "ERROR", "the error that the call returned"),
            Column { role: Role::Info, ..key("meaning", "MEANING", "what the error means") },
        ],
        By::Process => vec![
            key("pid", "PID", "the process"),
            key("comm", "COMM", "the process' name"),
            key("container", "CONTAINER", "the container or unit that it runs in"),
        ],
        By::Container => vec![
            key("container", "CONTAINER", "the container or unit"),
            key("cgroup", "CGROUP", "the path of the cgroup"),
        ],
    };
    let number = |name, title, unit, role, help| Column { name, title, unit, role, width: 0, help };
    let (ns, count) = (Unit::Nanoseconds, Unit::Count);
    columns.push(number("calls", "CALLS", count, Role::Counter, "calls"));
    if !options.count_only {
        // Where there are histograms, they have the sum, too.
        let total = if options.hist { Role::Derived } else { Role::Counter };
        columns.extend([
            number("errors", "ERRORS", count, Role::Counter, "calls that failed"),
            number("total", "TOTAL", ns, total, "time in these calls"),
            number("mean", "MEAN", ns, Role::Derived, "time in a call, the mean"),
            number("p50", "P50", ns, Role::Derived, "half of the calls took at most this long"),
            number("p99", "P99", ns, Role::Derived, "99 of 100 calls took at most this long"),
            number("max", "MAX", ns, Role::Derived, "the longest call"),
        ]);
    }
    Schema { name: "syscalls", columns }
}

/// syscount at work.
pub struct Syscount {
    options: Options,
    by: By,
    selected: Vec<u32>,
    schema: Arc<Schema>,
    counts: Counts,
    rows: Rows,
    totals: Totals,
}

/// Counts by index at the last report.
#[derive(Default)]
struct Counts {
    last: Vec<u64>,
}

impl Counts {
    fn take(&mut self, session: &Session, since_last: bool) -> anyhow::Result<Vec<(u64, u64)>> {
        let mut all = vec![0; INDICES as usize];
        session.map("COUNTS").for_each(|entry| {
            let index = u32::from_ne_bytes(entry.key.try_into().expect("an index has 4 bytes"));
            all[index as usize] = entry.values().map(read_u64).sum();
        })?;
        self.last.resize(all.len(), 0);
        let taken = all.iter().zip(&self.last).enumerate().filter_map(|(index, (&all, &last))| {
            let count = if since_last { all - last } else { all };
            (count > 0).then_some((index as u64, count))
        });
        let taken = taken.collect();
        self.last = all;
        Ok(taken)
    }
}

/// One row of the table, before it is cut to the top ones.
struct Line {
    key: Vec<Value>,
    tally: Tally,
}

impl Tool for Syscount {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let kernel = setup.kernel;
        let mode = match self.by {
            By::Syscall => Mode::Syscall,
            By::Process => Mode::Process,
            By::Container => Mode::Cgroup,
            By::Errno => Mode::Errno,
        };
        let mut plan = Plan {
            object: objects::SYSCOUNT,
            globals: vec![
                Global::u32("MODE", mode as u32),
                Global::u32("COUNT_ONLY", self.options.count_only.into()),
                Global::u32("SELECT", (!self.selected.is_empty()).into()),
                Global::u32("FAILED_ONLY", self.fails_only().into()),
                Global::u32("FAILED_WITH", self.options.errno.unwrap_or(0)),
            ],
            facts: facts(kernel)?,
            attachments: syscall::enter(kernel).attachments(kernel)?,
            ..Plan::default()
        };
        if !self.options.count_only {
            plan.attachments.extend(exit(kernel).attachments(kernel)?);
            starts::plan(&mut plan, kernel)?;
        }
        match self.by {
            By::Syscall | By::Errno => self.rows.plan(&mut plan),
            By::Process | By::Container => self.totals.plan(&mut plan),
        }
        if self.by == By::Errno {
            plan.map_sizes.push(("ROW_OF", CALLS));
        }
        Ok(plan)
    }

    fn prepare(&mut self, session: &Session) -> anyhow::Result<()> {
        if matches!(self.by, By::Syscall | By::Errno) && !self.options.count_only {
            self.rows.prepare(session)?;
        }
        let selected = session.map("SELECTED");
        Ok(self.selected.iter().try_for_each(|index| selected.set(&index.to_ne_bytes(), &[1]))?)
    }

    fn tick(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let keys = match self.by {
            By::Process => Keys::Processes,
            By::Container => Keys::Cgroups,
            By::Syscall | By::Errno => return Ok(()),
        };
        Ok(self.totals.take_over(context.session, context.names, keys)?)
    }

    fn report(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        let mut lines = self.lines(context)?;
        lines.sort_by(|a, b| self.weight(b).cmp(&self.weight(a)).then_with(|| a.tally.count.cmp(&b.tally.count)));
        let rows_left_out = lines.len().saturating_sub(context.top);
        lines.truncate(context.top);
        let rows = lines.iter().map(|line| self.row(line)).collect();
        let table = Table { schema: self.schema.clone(), rows, rows_left_out };
        let mut items = vec![Item::Table(table)];
        if self.options.hist {
            items.extend(lines.iter().map(|line| Item::Histogram(self.histogram(line))));
        }
        Ok(items)
    }
}

impl Syscount {
    fn fails_only(&self) -> bool {
        self.options.failures || self.options.errno.is_some() || self.by == By::Errno
    }

    /// What the table is sorted by: time, where times are taken.
    fn weight(&self, line: &Line) -> u64 {
        if self.options.count_only || self.fails_only() { line.tally.count } else { line.tally.durations.sum() }
    }

    fn lines(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Line>> {
        let since_last = context.since_last;
        match self.by {
            By::Syscall if self.options.count_only => {
                let counted = self.counts.take(context.session, since_last)?;
                let line = |(index, count)| Line {
                    key: vec![call_name(index).into()],
                    tally: Tally { count, ..Tally::default() },
                };
                Ok(counted.into_iter().map(line).collect())
            }
            By::Syscall | By::Errno => {
                let tallies = self.rows.take(context.session, since_last)?;
                let name = if self.by == By::Errno { error_key } else { call_key };
                Ok(tallies.into_iter().map(|(key, tally)| Line { key: name(key), tally }).collect())
            }
            By::Process | By::Container => {
                let tallies = self.totals.take(context.session, since_last)?;
                let by = self.by;
                let line = |(key, named): (Option<u64>, NamedTally)| Line {
                    key: match (by, key) {
                        (_, None) => vec!["other".into(), Value::Null, Value::Null],
                        (By::Process, Some(pid)) => process_key(pid, &named, context.names),
                        (_, Some(cgroup)) => container_key(cgroup, context.names),
                    },
                    tally: named.tally,
                };
                Ok(tallies.into_iter().map(line).collect())
            }
        }
    }

    fn row(&self, line: &Line) -> Vec<Value> {
        let Tally { count, errors, durations } = &line.tally;
        let mut row = line.key.clone();
        row.truncate(self.schema.columns.iter().filter(|column| column.unit == Unit::None).count());
        row.push(Value::U64(*count));
        if self.options.count_only {
            return row;
        }
        row.extend([Value::U64(*errors), Value::U64(durations.sum())]);
        let timed = !durations.is_empty();
        let measures =
            [durations.mean(), durations.percentile(50.0), durations.percentile(99.0), durations.max()];
        row.extend(measures.map(|measure| if timed { Value::U64(measure) } else { Value::Null }));
        row
    }

    fn histogram(&self, line: &Line) -> crate::report::Histogram {
        let labels = self.schema.columns.iter().zip(&line.key);
        let labels = labels.map(|(column, value)| (column.name, value.clone())).collect();
        line.tally.durations.histogram("latency", "time in a call", labels, Unit::Nanoseconds)
    }
}

fn call_key(index: Option<u64>) -> Vec<Value> {
    vec![index.map_or_else(|| "other".to_owned(), call_name).into()]
}

fn error_key(number: Option<u64>) -> Vec<Value> {
    let Some(number) = number else { return vec!["other".into(), Value::Null] };
    let name = errno::name(number as u32).map_or_else(|| number.to_string(), str::to_owned);
    vec![name.into(), errno::description(number as u32).map(Value::from).into()]
}

fn process_key(pid: u64, named: &NamedTally, names: &mut Names) -> Vec<Value> {
    let comm = Value::Text(named.comm.clone());
    vec![Value::U64(pid), comm, names.container(named.cgroup)]
}

fn container_key(cgroup: u64, names: &mut Names) -> Vec<Value> {
    vec![names.container(cgroup), names.cgroup_path(cgroup)]
}

/// What the kernel side must know of this kernel and its calls.
fn facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let mut facts = syscall::facts(kernel)?;
    facts.extend([
        Global::u32s("EXIT_CALLS", &indices_of(&["exit", "exit_group"])),
        Global::u32s("FORK_CALLS", &numbers_of(&["fork", "vfork", "clone", "clone3"])),
    ]);
    Ok(facts)
}

fn indices_of(names: &[&str]) -> Vec<u32> {
    let native = syscall::numbers(Abi::Native, names).into_iter();
    let compat = syscall::numbers(Abi::Compat, names).into_iter();
    let compat = compat.map(|number| if number == u32::MAX { number } else { index(Abi::Compat, number) });
    native.chain(compat).collect()
}

fn numbers_of(names: &[&str]) -> Vec<u32> {
    [Abi::Native, Abi::Compat].into_iter().flat_map(|abi| syscall::numbers(abi, names)).collect()
}
