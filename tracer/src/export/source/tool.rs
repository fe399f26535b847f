//! A tool as a source.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant as Moment},
};

use tokio::{select, time::Instant};

use super::{
    CATCH_UP, Common, Estate, Findings, Handle, Health, Reply, Request, Requests, State,
    alive::Alive, sizes,
};
use crate::{
    cli,
    engine::{
        HOUSEKEEPING, every,
        working::{View, Working},
    },
    export::rows::{Options, Rows},
    kernel::{Kernel, map::Fill, session::Session},
    names::Names,
    tools::Tool,
};

/// Reports have all rows; the groups bound them.
const VIEW: View = View {
    top: usize::MAX,
    since_last: true,
};

/// A tool that is to be exported.
pub struct Wanted {
    /// What it is called among the sources.
    pub name: String,
    /// The words that it was asked for with.
    pub about: String,
    /// The tool's name.
    pub tool_name: &'static str,
    /// The flags that all tools have.
    pub flags: cli::Common,
    /// The tool.
    pub tool: Box<dyn Tool>,
    /// How its findings become series.
    pub options: Options,
    /// What all sources have in common.
    pub common: Common,
}

/// A tool at work, and the series that it made.
struct Source {
    name: String,
    about: String,
    health: Rc<Cell<Health>>,
    state: State,
    since_ns: u64,
    working: Option<Working>,
    names: Names,
    alive: Alive,
    rows: Rows,
    keep: Duration,
    events: u64,
    lost: Vec<(&'static str, u64)>,
    fills: Vec<Fill>,
}

/// Loads and attaches a tool and has it run on this thread. One that fails is there, too: it says that it is down.
pub fn start(wanted: Wanted, kernel: &Kernel) -> anyhow::Result<Handle> {
    let (handle, requests) = Handle::new(&wanted.name);
    let source = Source::new(wanted, kernel, handle.health.clone())?;
    tokio::task::spawn_local(source.serve(requests));
    Ok(handle)
}

impl Source {
    fn new(wanted: Wanted, kernel: &Kernel, health: Rc<Cell<Health>>) -> anyhow::Result<Self> {
        let Wanted {
            name,
            about,
            tool_name,
            flags,
            tool,
            options,
            common,
        } = wanted;
        let mut names = Names::new()?;
        names.keep_few();
        let mut rows = Rows::new(options);
        let working = Working::load(tool_name, tool, &flags, (kernel, &names), None, VIEW);
        let started = working.and_then(|mut working| {
            working.attach()?;
            Ok(working)
        });
        let (working, state) = match started {
            Ok(working) => (Some(working), State::Up),
            Err(error) => {
                log::error!("{name} is down: {error:#}");
                health.set(Health::Failed);
                (None, State::Down(format!("{error:#}")))
            }
        };
        if let Some(schema) = working.as_ref().and_then(Working::events) {
            rows.expect_events(&schema);
        }
        Ok(Self {
            since_ns: names.now_ns(),
            alive: Alive::new(names.cgroups()),
            name,
            about,
            health,
            state,
            working,
            names,
            rows,
            keep: common.keep,
            events: 0,
            lost: Vec::new(),
            fills: Vec::new(),
        })
    }

    /// Runs until the handle is dropped.
    async fn serve(mut self, mut requests: Requests) {
        let now = Instant::now();
        let (mut housekeeping, mut catching_up) = (every(now, HOUSEKEEPING), every(now, CATCH_UP));
        loop {
            let done = select! {
                request = requests.recv() => match request {
                    Some(Request::Tell(reply)) => self.answer(reply),
                    Some(Request::GiveUp(to)) => {
                        // Who asked may have gone away meanwhile.
                        let _ = to.send(Estate::Tool(self.rows.give_up()));
                        Ok(())
                    }
                    Some(Request::Inherit(estate)) => {
                        self.inherit(estate);
                        Ok(())
                    }
                    None => return,
                },
                _ = housekeeping.tick(), if self.working.is_some() => self.keep_house(),
                _ = catching_up.tick() => self.catch_up(),
                result = Self::batch(&mut self.working, &mut self.names, &mut self.rows, &mut self.events) => result,
            };
            if let Err(error) = done {
                self.fail(&error);
            }
        }
    }

    fn inherit(&mut self, estate: Estate) {
        if let Estate::Tool(groups) = estate {
            self.rows.inherit(groups, Moment::now());
        }
    }

    /// Tells what it has; that of before where it cannot be read any more.
    fn answer(&mut self, reply: Reply) -> anyhow::Result<()> {
        let absorbed = self.absorb();
        if let Err(error) = &absorbed {
            self.fail(error);
        }
        let findings = self.findings()?;
        // Who asked may have gone away meanwhile.
        let _ = reply.send(findings);
        Ok(())
    }

    async fn batch(
        working: &mut Option<Working>,
        names: &mut Names,
        rows: &mut Rows,
        events: &mut u64,
    ) -> anyhow::Result<()> {
        let Some(working) = working else {
            return std::future::pending().await;
        };
        let now = Moment::now();
        let mut take = |event| {
            *events += 1;
            rows.add_event(&event, now);
            Ok(())
        };
        working.batch(names, &mut take).await
    }

    fn keep_house(&mut self) -> anyhow::Result<()> {
        match &mut self.working {
            Some(working) => working.housekeeping(&mut self.names),
            None => Ok(()),
        }
    }

    fn catch_up(&mut self) -> anyhow::Result<()> {
        self.absorb()?;
        let (now, keep, alive) = (Moment::now(), self.keep, &self.alive);
        for group in self.rows.groups() {
            group.expire(now, keep, &mut |owner| alive.is(owner));
        }
        self.measure_maps()
    }

    /// Adds what came since the last time.
    fn absorb(&mut self) -> anyhow::Result<()> {
        let Some(working) = &mut self.working else {
            return Ok(());
        };
        let report = working.report(&mut self.names, false)?;
        self.rows.add_report(&report, Moment::now());
        self.lost = super::losses(&report.lost);
        Ok(())
    }

    /// It does not trace any more; what it found stays.
    fn fail(&mut self, error: &anyhow::Error) {
        log::error!("{} is down: {error:#}", self.name);
        self.health.set(Health::Failed);
        self.state = State::Down(format!("{error:#}"));
        self.working = None;
    }

    fn findings(&mut self) -> anyhow::Result<Findings> {
        let sizes = sizes(self.rows.groups());
        let session = self.working.as_ref().map(Working::session);
        let programs = session
            .map(Session::program_stats)
            .transpose()?
            .unwrap_or_default();
        Ok(Findings {
            name: self.name.clone(),
            state: self.state.clone(),
            about: self.about.clone(),
            hooks: session.map(Session::describe).unwrap_or_default(),
            since_ns: self.since_ns,
            families: self.rows.families(),
            programs,
            fills: self.fills.clone(),
            events: self.events,
            lost: self.lost.clone(),
            sizes,
            retries: 0,
        })
    }

    /// How full the maps are. They are counted through, so it is done now and then only.
    fn measure_maps(&mut self) -> anyhow::Result<()> {
        let Some(working) = &self.working else {
            return Ok(());
        };
        self.fills = working.session().fills()?;
        Ok(())
    }
}
