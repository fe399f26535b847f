//! The engine that runs every tool: a plan becomes a session, its records and maps become events and
//! reports, and these go to a face, until the time is over, the command ends, or a signal comes.

pub(crate) mod command;
mod filters;
mod follow;
pub(crate) mod output;
pub(crate) mod records;
pub(crate) mod stop;
pub mod working;

use std::{io, time::Duration};

use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

pub use follow::hooks as follow_hooks;

use crate::{
    cli::Common,
    kernel::{Kernel, process::Privileges},
    names::Names,
    report::Face,
    tools::Tool,
};

use command::Held;
use stop::{End, Signals, Stop};
use working::{View, Working};

/// How often a tool may look after its tables: often enough that ten thousand new processes a second find
/// room in them.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_millis(100);

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
    working: Working,
    face: Box<dyn Face>,
    names: Names,
    reports: Option<Interval>,
    reports_left: Option<u64>,
    stop: Stop,
}

impl Run {
    /// Loads and attaches all, and lets the command go.
    fn start(name: &'static str, common: &Common, tool: Box<dyn Tool>) -> anyhow::Result<Self> {
        let signals = Signals::catch()?;
        Privileges::read()?.require_for_tracing()?;
        let watched = common
            .filters
            .pid
            .map(stop::watch_process)
            .transpose()?
            .flatten();
        let mut kernel = Kernel::running()?;
        kernel.make_room()?;
        let names = Names::new()?;
        let period = common
            .interval()
            .or_else(|| live_interval(tool.as_ref(), common));
        let mut face = output::face(name, common, period.is_some())?;
        let command = match common.command.as_slice() {
            [] => None,
            words => Some(Held::spawn(words)?),
        };
        let view = View {
            top: common.output.top as usize,
            since_last: period.is_some(),
        };
        let pid = command.as_ref().map(Held::pid);
        let mut working = Working::load(name, tool, common, (&kernel, &names), pid, view)?;
        kernel.forget_btf();
        working.attach()?;
        if let Some(schema) = working.events() {
            face.begin(&schema)?;
            face.flush()?;
        }
        let stop = Stop::new(signals, common.output.duration, watched, command)?;
        Ok(Self {
            working,
            face,
            names,
            reports: period.map(|period| every(Instant::now(), period)),
            reports_left: common.count,
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
                _ = housekeeping.tick() => self.working.housekeeping(&mut self.names)?,
                result = Self::batch(&mut self.working, &mut self.face, &mut self.names) => {
                    result?;
                    self.face.flush()?;
                }
            }
        };
        self.finish(end)
    }

    /// Takes one batch of records; waits for ever where there is no ring buffer.
    async fn batch(
        working: &mut Working,
        face: &mut Box<dyn Face>,
        names: &mut Names,
    ) -> anyhow::Result<()> {
        working
            .batch(names, &mut |event| Ok(face.event(&event)?))
            .await
    }

    fn is_last_report(&mut self) -> bool {
        let Some(left) = &mut self.reports_left else {
            return false;
        };
        *left -= 1;
        *left == 0
    }

    fn report(&mut self, last: bool) -> anyhow::Result<()> {
        let report = self.working.report(&mut self.names, last)?;
        self.face.report(&report)?;
        self.face.flush()?;
        Ok(())
    }

    /// Detaches first: what is read then is at rest, and exact.
    fn finish(mut self, end: End) -> anyhow::Result<()> {
        self.working.detach();
        let face = &mut self.face;
        self.working
            .rest(&mut self.names, &mut |event| Ok(face.event(&event)?))?;
        self.working.housekeeping(&mut self.names)?;
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
