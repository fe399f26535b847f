//! The engine that runs every tool: a plan becomes a session, its records and maps become events and
//! reports, and these go to a face, until the time is over, the command ends, or a signal comes.

pub(crate) mod command;
mod filters;
mod follow;
pub(crate) mod output;
pub(crate) mod records;
pub(crate) mod stop;

use std::{io, time::Duration};

use aya_log::EbpfLogger;
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tracer_common::loss::Loss;

pub use follow::hooks as follow_hooks;

use crate::{
    cli::Common,
    kernel::{Kernel, plan::Global, process::Privileges, session::Session},
    names::Names,
    report::{Event, Face, Lost, Report},
    tools::{Context, Setup, Tool},
};

use crate::kernel::sys::Undisturbed;
use command::Held;
use follow::Follow;
use records::Records;
use stop::{End, Signals, Stop};

/// How often a tool may look after its tables: often enough that ten thousand new processes a second find
/// room in them.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// Runs a tool to its end. A closed output is an end, not an error.
pub fn run(name: &'static str, common: &Common, tool: Box<dyn Tool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _guard = runtime.enter();
    let result =
        Run::start(name, common, tool).and_then(|run| runtime.block_on(run.until_the_end()));
    match result {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        result => result,
    }
}

/// True where the reader of our output is gone.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_closed))
}

/// One run of a tool.
struct Run {
    name: &'static str,
    tool: Box<dyn Tool>,
    face: Box<dyn Face>,
    names: Names,
    session: Session,
    follow: Option<Follow>,
    records: Option<Records>,
    kernel_logs: Vec<EbpfLogger<&'static dyn log::Log>>,
    top: usize,
    /// Whether each report covers what came since the last.
    since_last: bool,
    reports: Option<Interval>,
    reports_left: Option<u64>,
    reported: Instant,
    stop: Stop,
}

impl Run {
    /// Loads and attaches all, and lets the command go.
    fn start(name: &'static str, common: &Common, mut tool: Box<dyn Tool>) -> anyhow::Result<Self> {
        let signals = Signals::catch()?;
        Privileges::read()?.require_for_tracing()?;
        let watched = common
            .filters
            .pid
            .map(stop::watch_process)
            .transpose()?
            .flatten();
        let mut kernel = Kernel::running()?;
        if !kernel.since(5, 11) {
            crate::kernel::sys::raise_memlock()?;
        }
        let names = Names::new()?;
        let period = common
            .interval()
            .or_else(|| live_interval(tool.as_ref(), common));
        let mut face = output::face(name, common, period.is_some())?;
        let command = match common.command.as_slice() {
            [] => None,
            words => Some(Held::spawn(words)?),
        };
        let follow = command
            .as_ref()
            .map(|held| Follow::start(&kernel, held.pid(), kernel_log_level(common)))
            .transpose()?;
        let mut session = load(tool.as_mut(), common, &kernel, &names, follow.as_ref())?;
        kernel.forget_btf();
        tool.prepare(&session)?;
        let records = session
            .events()?
            .map(|ring| Records::new(ring, common.output.ring_bytes))
            .transpose()?;
        let kernel_logs = kernel_logs(
            common,
            [Some(&session), follow.as_ref().map(Follow::session)],
        )?;
        session.attach()?;
        log::info!("attached: {}", session.describe());
        if let Some(schema) = tool.events() {
            face.begin(&schema)?;
            face.flush()?;
        }
        let stop = Stop::new(signals, common.output.duration, watched, command)?;
        let now = Instant::now();
        Ok(Self {
            name,
            tool,
            face,
            names,
            session,
            follow,
            records,
            kernel_logs,
            top: common.output.top as usize,
            since_last: period.is_some(),
            reports: period.map(|period| every(now, period)),
            reports_left: common.count,
            reported: now,
            stop,
        })
    }

    async fn until_the_end(mut self) -> anyhow::Result<()> {
        let mut housekeeping = every(Instant::now(), HOUSEKEEPING);
        let end = loop {
            select! {
                biased;
                end = self.stop.wait() => break end?,
                () = tick(&mut self.reports) => {
                    if self.is_last_report() {
                        break End::Asked;
                    }
                    self.report(false)?;
                }
                _ = housekeeping.tick() => self.housekeeping()?,
                result = Self::records(&mut self.records, &mut self.tool, &mut self.face, &mut self.names) => {
                    result?;
                    self.face.flush()?;
                }
            }
        };
        self.finish(end)
    }

    /// Takes one batch of records; waits for ever where there is no ring buffer.
    async fn records(
        records: &mut Option<Records>,
        tool: &mut Box<dyn Tool>,
        face: &mut Box<dyn Face>,
        names: &mut Names,
    ) -> anyhow::Result<()> {
        match records {
            Some(records) => {
                records
                    .batch(&mut |record| take_record(tool.as_mut(), face.as_mut(), names, record))
                    .await
            }
            None => std::future::pending().await,
        }
    }

    fn is_last_report(&mut self) -> bool {
        let Some(left) = &mut self.reports_left else {
            return false;
        };
        *left -= 1;
        *left == 0
    }

    fn housekeeping(&mut self) -> anyhow::Result<()> {
        self.kernel_logs.iter_mut().for_each(EbpfLogger::flush);
        let _undisturbed = Undisturbed::begin();
        let (tool, mut context) = self.context();
        tool.tick(&mut context)
    }

    fn context(&mut self) -> (&mut dyn Tool, Context<'_>) {
        let context = Context {
            session: &self.session,
            names: &mut self.names,
            top: self.top,
            since_last: self.since_last,
            span: self.reported.elapsed(),
        };
        (self.tool.as_mut(), context)
    }

    fn report(&mut self, last: bool) -> anyhow::Result<()> {
        let span = self.reported.elapsed();
        let undisturbed = Undisturbed::begin();
        let (tool, mut context) = self.context();
        let items = tool.report(&mut context)?;
        drop(undisturbed);
        self.reported = Instant::now();
        let report = Report {
            tool: self.name,
            time_ns: self.names.now_ns(),
            span,
            last,
            items,
            lost: self.lost()?,
        };
        self.face.report(&report)?;
        self.face.flush()?;
        Ok(())
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

    /// Detaches first: what is read then is at rest, and exact.
    fn finish(mut self, end: End) -> anyhow::Result<()> {
        self.session.detach();
        if let Some(records) = &mut self.records {
            let (tool, face, names) = (self.tool.as_mut(), self.face.as_mut(), &mut self.names);
            records.rest(&mut |record| take_record(tool, face, names, record))?;
        }
        self.housekeeping()?;
        self.report(true)?;
        if let End::Command(status) = end {
            self.face.note(&command::describe(status))?;
        }
        self.face.end()?;
        self.face.flush()?;
        Ok(())
    }
}

/// The interval of a tool that is live by nature, unless one summary at the end is asked for.
fn live_interval(tool: &dyn Tool, common: &Common) -> Option<Duration> {
    let ends = common.output.duration.is_some() || !common.command.is_empty();
    if ends { None } else { tool.default_interval() }
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

fn take_record(
    tool: &mut dyn Tool,
    face: &mut dyn Face,
    names: &mut Names,
    record: &[u8],
) -> anyhow::Result<()> {
    tool.event(record, names, &mut |event: Event| Ok(face.event(&event)?))
}

/// Ticks at `start + period`, and so on; a tick that comes late does not make the next ones hurry.
pub(crate) fn every(start: Instant, period: Duration) -> Interval {
    let mut interval = interval_at(start + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

/// Waits for the next tick; for ever where there is no interval.
pub(crate) async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
