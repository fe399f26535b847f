//! What is exported: tools and scripts, each at work in a task of its own on the tracing thread, and asked there for
//! what it has.

pub mod alive;
mod counts;
pub mod script;
pub mod tool;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use self::counts::Counts;
use super::{family::Family, group::Group, rows::Groups};
use crate::{
    kernel::{map::Fill, session::ProgramStats},
    report::{Lost, cause_name},
};
use tracer_common::loss::Loss;

/// How often a source takes what its maps hold, scraped or not: what it tells of processes that are gone is then
/// never far behind, and intervals between readings are bounded.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What all sources have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// Series whose process or container has gone stay for so long.
    pub keep: Duration,
}

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It traces.
    Up,
    /// It does not, and why. What it found before is still told.
    Down(String),
}

/// What can be done about a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It traces.
    Runs,
    /// It could not be started, or failed since: it may be tried again.
    Failed,
    /// A script that has ended by itself.
    Ended,
}

/// What a source tells when it is asked.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The source's name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What it is, for people: the words that it was started with.
    pub about: String,
    /// What it is attached to.
    pub hooks: String,
    /// When it began, in nanoseconds since the Unix epoch.
    pub since_ns: u64,
    /// What it found.
    pub families: Vec<Family>,
    /// Its programs.
    pub programs: Vec<ProgramStats>,
    /// Its maps.
    pub fills: Vec<Fill>,
    /// Events that came one by one.
    pub events: u64,
    /// What was lost, by cause.
    pub lost: Vec<(&'static str, u64)>,
    /// How large its groups of series are.
    pub sizes: Vec<Size>,
    /// How often it was tried again to start it.
    pub retries: u64,
}

/// How large a group of series is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The name of its first family.
    pub name: String,
    /// Series.
    pub series: u64,
    /// Rows that found no room for a series of their own.
    pub folded: u64,
}

/// What is asked of a source.
pub enum Request {
    /// Tell what it has.
    Tell(Reply),
    /// Give up all series: another one takes its place.
    GiveUp(oneshot::Sender<Estate>),
    /// Add these to its own.
    Inherit(Estate),
}

/// The series of a source that has failed.
pub enum Estate {
    /// Of a tool.
    Tool(Groups),
    /// Of a script, by the number of the map.
    Script(BTreeMap<usize, Group>),
}

/// A source that runs. Dropping it ends and detaches it.
pub struct Handle {
    /// The source's name.
    pub name: Rc<str>,
    /// What can be done about it. The source says so.
    pub health: Rc<Cell<Health>>,
    /// How often it was tried again to start it.
    pub retries: u64,
    requests: mpsc::Sender<Request>,
    /// What was told last of what only grows and is no series, and what it had when it began.
    told: RefCell<Counts>,
    before: Counts,
}

/// Where an answer goes.
pub type Reply = oneshot::Sender<Findings>;

/// Requests that wait for the source.
pub type Requests = mpsc::Receiver<Request>;

impl Handle {
    /// A handle of a source that runs, and where its requests come.
    pub fn new(name: &str) -> (Self, Requests) {
        let (requests, receiver) = mpsc::channel(1);
        let handle = Self {
            name: name.into(),
            health: Rc::new(Cell::new(Health::Runs)),
            retries: 0,
            requests,
            told: RefCell::default(),
            before: Counts::default(),
        };
        (handle, receiver)
    }

    /// What the source has; [`None`] where it has ended.
    pub async fn findings(&self) -> Option<Findings> {
        let (reply, findings) = oneshot::channel();
        self.requests.send(Request::Tell(reply)).await.ok()?;
        let mut findings = findings.await.ok()?;
        findings.retries = self.retries;
        self.before.add_to(&mut findings);
        self.told.borrow_mut().learn(&findings);
        Some(findings)
    }

    /// Takes the place of one of the same source that has failed: what only grows goes on from what that had.
    pub async fn succeed(&mut self, old: &Self) {
        // Asked once more, so that nothing is left out.
        let _ = old.findings().await;
        self.retries = old.retries;
        self.before = old.told.borrow().clone();
        let (reply, estate) = oneshot::channel();
        let asked = old.requests.send(Request::GiveUp(reply)).await;
        // One whose task has ended has nothing any more.
        if asked.is_ok()
            && let Ok(estate) = estate.await
            && self.requests.send(Request::Inherit(estate)).await.is_err()
        {
            log::error!("{}: what it had counted before is lost", self.name);
        }
    }
}

/// Every cause of loss, with how much it took.
fn losses(lost: &[Lost]) -> Vec<(&'static str, u64)> {
    let of = |cause: Loss| {
        let lost = lost.iter().filter(move |lost| lost.cause == cause);
        (cause_name(cause), lost.map(|lost| lost.count).sum())
    };
    Loss::ALL.into_iter().map(of).collect()
}

/// How large groups are.
fn sizes<'g>(groups: impl Iterator<Item = &'g mut Group>) -> Vec<Size> {
    let size = |group: &mut Group| {
        let first = group.columns().first()?;
        Some(Size {
            name: first.name.to_string(),
            series: group.len() as u64,
            folded: group.folded(),
        })
    };
    groups.filter_map(size).collect()
}

#[cfg(test)]
mod tests;
