//! What is exported: tools and scripts, each at work in a task of its own on the tracing thread, and asked there for
//! what it has.

pub mod alive;
pub mod script;
pub mod tool;

use std::{rc::Rc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{family::Family, group::Group};
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

/// A source that runs. Dropping it ends and detaches it.
pub struct Handle {
    /// The source's name.
    pub name: Rc<str>,
    /// It was loaded and attached.
    pub has_started: bool,
    requests: mpsc::Sender<Reply>,
}

/// Where an answer goes.
pub type Reply = oneshot::Sender<Findings>;

/// Requests that wait for a source's answer.
pub type Requests = mpsc::Receiver<Reply>;

impl Handle {
    /// A handle, and where its requests come.
    pub fn new(name: &str) -> (Self, Requests) {
        let (requests, receiver) = mpsc::channel(1);
        let handle = Self {
            name: name.into(),
            has_started: false,
            requests,
        };
        (handle, receiver)
    }

    /// What the source has; [`None`] where it has ended.
    pub async fn findings(&self) -> Option<Findings> {
        let (reply, findings) = oneshot::channel();
        self.requests.send(reply).await.ok()?;
        findings.await.ok()
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
