//! A tool at work: what it has in the kernel, and its records, reports and losses. Whoever runs it says when.

use std::{sync::Arc, time::Instant};

use aya_log::EbpfLogger;
use tracer_common::loss::Loss;

use super::{filters, follow::Follow, records::Records};
use crate::{
    cli::Common,
    kernel::{Kernel, plan::Global, session::Session, sys::Undisturbed},
    names::Names,
    report::{Event, Lost, Report, Schema},
    tools::{Context, Setup, Tool},
};

/// What of a tool's findings its reports have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Rows of a table, at most.
    pub top: usize,
    /// What came since the last report, not since the start.
    pub since_last: bool,
}

/// Takes what a tool shows as it happens.
pub type Emit<'a> = &'a mut dyn FnMut(Event) -> anyhow::Result<()>;

/// A tool, loaded.
pub struct Working {
    name: &'static str,
    tool: Box<dyn Tool>,
    session: Session,
    follow: Option<Follow>,
    records: Option<Records>,
    kernel_logs: Vec<EbpfLogger<&'static dyn log::Log>>,
    view: View,
    reported: Instant,
}

impl Working {
    /// Plans and loads; nothing is attached yet but what follows the process `command`, where there is one.
    pub fn load(
        name: &'static str,
        mut tool: Box<dyn Tool>,
        common: &Common,
        (kernel, names): (&Kernel, &Names),
        command: Option<u32>,
        view: View,
    ) -> anyhow::Result<Self> {
        let follow = command
            .map(|pid| Follow::start(kernel, pid, kernel_log_level(common)))
            .transpose()?;
        let session = load(tool.as_mut(), common, kernel, names, follow.as_ref())?;
        tool.prepare(&session)?;
        let records = session
            .events()?
            .map(|ring| Records::new(ring, common.output.ring_bytes()))
            .transpose()?;
        let sessions = [Some(&session), follow.as_ref().map(Follow::session)];
        let kernel_logs = kernel_logs(common, sessions)?;
        Ok(Self {
            name,
            tool,
            session,
            follow,
            records,
            kernel_logs,
            view,
            reported: Instant::now(),
        })
    }

    /// Attaches all.
    pub fn attach(&mut self) -> anyhow::Result<()> {
        self.session.attach()?;
        log::info!("attached: {}", self.session.describe());
        self.reported = Instant::now();
        Ok(())
    }

    /// Detaches all: what is read then is at rest, and exact.
    pub fn detach(&mut self) {
        self.session.detach();
    }

    /// The shape of the events, for tools that show each as it happens.
    pub fn events(&self) -> Option<Arc<Schema>> {
        self.tool.events()
    }

    /// Waits for records and takes one batch of them; waits for ever where there is no ring buffer.
    pub async fn batch(&mut self, names: &mut Names, emit: Emit<'_>) -> anyhow::Result<()> {
        let Self { tool, records, .. } = self;
        match records {
            Some(records) => {
                records
                    .batch(&mut |record| tool.event(record, names, emit))
                    .await
            }
            None => std::future::pending().await,
        }
    }

    /// Takes all records that are there, when nothing writes any more.
    pub fn rest(&mut self, names: &mut Names, emit: Emit<'_>) -> anyhow::Result<()> {
        let Self { tool, records, .. } = self;
        match records {
            Some(records) => records.rest(&mut |record| tool.event(record, names, emit)),
            None => Ok(()),
        }
    }

    /// Looks after the tool's tables, and hands on what the kernel side logs.
    pub fn housekeeping(&mut self, names: &mut Names) -> anyhow::Result<()> {
        self.kernel_logs.iter_mut().for_each(EbpfLogger::flush);
        let _undisturbed = Undisturbed::begin();
        let (tool, mut context) = self.context(names);
        tool.tick(&mut context)
    }

    fn context<'a>(&'a mut self, names: &'a mut Names) -> (&'a mut dyn Tool, Context<'a>) {
        let context = Context {
            session: &self.session,
            names,
            top: self.view.top,
            since_last: self.view.since_last,
            span: self.reported.elapsed(),
        };
        (self.tool.as_mut(), context)
    }

    /// What was found. `last` says that no other report follows.
    pub fn report(&mut self, names: &mut Names, last: bool) -> anyhow::Result<Report> {
        let span = self.reported.elapsed();
        let undisturbed = Undisturbed::begin();
        let (tool, mut context) = self.context(names);
        let items = tool.report(&mut context)?;
        drop(undisturbed);
        self.reported = Instant::now();
        Ok(Report {
            tool: self.name,
            time_ns: names.now_ns(),
            span,
            last,
            items,
            lost: self.lost()?,
        })
    }

    fn lost(&self) -> anyhow::Result<Vec<Lost>> {
        let mut lost = self.session.lost()?;
        if let Some(follow) = &self.follow {
            lost.extend(follow.session().lost()?);
        }
        Ok(lost
            .into_iter()
            .map(|(cause, count)| Lost {
                cause,
                count,
                hint: hint(cause),
            })
            .collect())
    }

    /// What it has in the kernel.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// Plans, and loads what is planned.
fn load(
    tool: &mut dyn Tool,
    common: &Common,
    kernel: &Kernel,
    names: &Names,
    follow: Option<&Follow>,
) -> anyhow::Result<Session> {
    let mut plan = tool.plan(&Setup { kernel, common })?;
    plan.globals
        .extend(filters::globals(&common.filters, kernel, names.cgroups())?);
    plan.facts.push(kernel_log_level(common));
    plan.facts.extend(filters::cgroup_id_globals(
        &common.filters,
        kernel,
        names.cgroups().hierarchy(),
    )?);
    if follow.is_some() {
        plan.globals.push(Global::u32("FILTER_TREE", 1));
    }
    let shared = follow.map(Follow::shared).unwrap_or_default();
    Ok(Session::load(plan, &shared)?)
}

/// Whether the kernel side logs: a level that the verifier removes all logging by, or one that keeps it.
fn kernel_log_level(common: &Common) -> Global {
    let level = if logs_kernel_side(common) { u8::MAX } else { 0 };
    Global {
        name: "AYA_LOG_LEVEL",
        bytes: vec![level],
    }
}

fn logs_kernel_side(common: &Common) -> bool {
    common.output.verbose >= 2
}

fn kernel_logs(
    common: &Common,
    sessions: [Option<&Session>; 2],
) -> anyhow::Result<Vec<EbpfLogger<&'static dyn log::Log>>> {
    if !logs_kernel_side(common) {
        return Ok(Vec::new());
    }
    sessions
        .into_iter()
        .flatten()
        .filter_map(|session| session.kernel_log().transpose())
        .collect()
}

/// What can be done about a loss.
fn hint(cause: Loss) -> &'static str {
    match cause {
        Loss::RingFull => "raise --ring-bytes, or filter",
        Loss::MapFull | Loss::SlotFull | Loss::Folded => "raise --max-keys, or filter",
        _ => "",
    }
}
