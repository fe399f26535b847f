//! The tracing thread's side of a scrape: all sources are asked, and their answers put together.

use std::{collections::BTreeSet, ops::Range, sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{
    family::Family,
    own::Own,
    source::{Findings, Handle},
};

/// What all sources have at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// All families, each name once.
    pub families: Vec<Family>,
    /// The sources, without their families.
    pub sources: Vec<Findings>,
    /// Which of the families are whose, in the order of the sources.
    pub owned: Vec<Range<usize>>,
}

/// Where a snapshot goes.
pub type Reply = oneshot::Sender<Arc<Snapshot>>;

/// Asks for snapshots, from any thread.
pub type Requests = mpsc::Sender<Reply>;

/// All sources, and the exporter itself.
pub struct Hub {
    handles: Vec<Handle>,
    own: Own,
    warned: BTreeSet<Arc<str>>,
}

impl Hub {
    /// Of these sources.
    pub fn new(handles: Vec<Handle>, own: Own) -> Self {
        Self {
            handles,
            own,
            warned: BTreeSet::new(),
        }
    }

    /// The sources.
    pub fn handles(&mut self) -> &mut Vec<Handle> {
        &mut self.handles
    }

    /// Asks all sources.
    pub async fn snapshot(&mut self) -> Snapshot {
        let begun = Instant::now();
        let mut sources = Vec::new();
        for handle in &self.handles {
            match handle.findings().await {
                Some(findings) => sources.push(findings),
                // A task that panicked: its message is in the log.
                None => log::error!("{} gives no answer", handle.name),
            }
        }
        let mut families = self.own.families(&sources);
        let mut seen = families.iter().map(|family| family.name.clone()).collect();
        let mut owned = Vec::new();
        for source in &mut sources {
            let start = families.len();
            let found = std::mem::take(&mut source.families).into_iter();
            families.extend(found.filter(|family| self.is_first(family, &mut seen)));
            owned.push(start..families.len());
        }
        self.own.collected(begun.elapsed());
        Snapshot {
            families,
            sources,
            owned,
        }
    }

    /// Prometheus refuses a whole scrape where a family comes twice: the first stays.
    fn is_first(&mut self, family: &Family, seen: &mut BTreeSet<Arc<str>>) -> bool {
        let is_first = seen.insert(family.name.clone());
        if !is_first && self.warned.insert(family.name.clone()) {
            log::error!(
                "two sources have a metric {}: only one is told",
                family.name
            );
        }
        is_first
    }
}
