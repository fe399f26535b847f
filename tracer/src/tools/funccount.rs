//! funccount: how often functions are called, of the kernel or of a program.
//!
//! Hooks: `kprobe.multi` (Linux 5.18) or kprobes; `uprobe.multi` (Linux 6.6) or uprobes.

use std::sync::Arc;

use clap::Args;

use super::{Context, Setup, Tool, function::Target};
use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Attachment, Choice, Plan},
        session::{Session, read_u64},
    },
    objects,
    probe::{Functions, Hook},
    report::{Column, Item, Role, Schema, Table, Unit, Value},
};

/// Flags of funccount.
#[derive(Args, Debug)]
pub struct Options {
    /// Functions of the kernel, or BINARY:FUNCTION; with *, ? and [ ]
    #[arg(value_name = "PATTERN")]
    pub pattern: String,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Funccount> {
        Ok(Funccount { options: self, target: None, last: Vec::new(), schema: Arc::new(schema()) })
    }
}

/// What funccount attaches to.
pub fn hooks(_kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    let functions = Functions { names: vec!["FUNCTION".to_owned()], on_return: false };
    let at = |hook| vec![Attachment::new("function_entry", hook)];
    Ok(vec![Choice {
        purpose: "a function is called",
        alternatives: vec![at(Hook::KprobeMulti(functions.clone())), at(Hook::Kprobe(functions))],
    }])
}

fn schema() -> Schema {
    let column = |name, title, unit, role, help| Column { name, title, unit, role, width: 0, help };
    Schema {
        name: "functions",
        columns: vec![
            column("function", "FUNCTION", Unit::None, Role::Key, "the function"),
            column("calls", "CALLS", Unit::Count, Role::Counter, "calls"),
        ],
    }
}

/// funccount at work.
pub struct Funccount {
    options: Options,
    target: Option<Target>,
    last: Vec<u64>,
    schema: Arc<Schema>,
}

impl Tool for Funccount {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let kernel = setup.kernel;
        let target = Target::find(&self.options.pattern, kernel, setup.common.filters.pid)?;
        let mut plan = Plan {
            object: objects::FUNCCOUNT,
            map_sizes: vec![("COUNTS", target.names.len() as u32)],
            attachments: target.choice("a function is called", "function_entry", false).attachments(kernel)?,
            ..Plan::default()
        };
        target.plan(&mut plan, kernel)?;
        self.target = Some(target);
        Ok(plan)
    }

    fn prepare(&mut self, session: &Session) -> anyhow::Result<()> {
        self.target.as_ref().map_or(Ok(()), |target| target.prepare(session))
    }

    fn report(&mut self, context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        let names = self.target.as_ref().map(|target| target.names.as_slice()).unwrap_or_default();
        let mut all = vec![0; names.len()];
        context.session.map("COUNTS").for_each(|entry| {
            let index = u32::from_ne_bytes(entry.key.try_into().expect("an index has 4 bytes"));
            all[index as usize] = entry.values().map(read_u64).sum();
        })?;
        self.last.resize(all.len(), 0);
        let since = |(&all, &last): (&u64, &u64)| if context.since_last { all - last } else { all };
        let counts = all.iter().zip(&self.last).map(since);
        let mut lines: Vec<(&String, u64)> = names.iter().zip(counts).filter(|(_, count)| *count > 0).collect();
        lines.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let rows_left_out = lines.len().saturating_sub(context.top);
        lines.truncate(context.top);
        let row = |(name, count): (&String, u64)| vec![name.as_str().into(), Value::U64(count)];
        let rows = lines.into_iter().map(row).collect();
        self.last = all;
        Ok(vec![Item::Table(Table { schema: self.schema.clone(), rows, rows_left_out })])
    }
}
