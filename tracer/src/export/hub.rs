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
    warned: BTreeSet<String>,
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
        let mut seen = families.iter().flat_map(Family::sample_names).collect();
        let mut owned = Vec::new();
        for source in &mut sources {
            let start = families.len();
            let found = std::mem::take(&mut source.families).into_iter();
            families.extend(found.filter(|family| self.is_first(&source.name, family, &mut seen)));
            owned.push(start..families.len());
        }
        self.own.collected(begun.elapsed());
        Snapshot {
            families,
            sources,
            owned,
        }
    }

    /// Prometheus refuses a whole scrape where a name comes twice: the first stays.
    fn is_first(&mut self, source: &str, family: &Family, seen: &mut BTreeSet<String>) -> bool {
        let names = family.sample_names();
        let taken = names.iter().find(|name| seen.contains(*name));
        let Some(taken) = taken else {
            seen.extend(names);
            return true;
        };
        if self
            .warned
            .insert(format!("{source} {}", family.metric.name))
        {
            log::error!(
                "{} of {source} is not told, as there is another {taken}: give one of them another name or prefix",
                family.metric.name
            );
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{
        family::{Kind, single},
        own::Served,
    };

    #[test]
    fn no_name_comes_twice() {
        let mut hub = Hub::new(Vec::new(), Own::new(Arc::new(Served::default())));
        let mut seen = BTreeSet::new();
        let mut is_first = |name: &str, kind| {
            let family = single(name, "", "", kind, &[], Vec::new());
            hub.is_first("s", &family, &mut seen)
        };
        assert!(is_first("reads", Kind::Histogram));
        assert!(!is_first("reads", Kind::Counter));
        assert!(!is_first("reads_count", Kind::Gauge));
        assert!(is_first("reads_bytes", Kind::Counter));
        assert!(!is_first("reads_bytes_total", Kind::Gauge));
    }
}
