//! Looking at a script while it runs, from the thread that it runs on.

use tokio::sync::mpsc;

use super::actor::Actor;
use crate::script::session::Session;

/// What there is to look at.
pub struct Look<'a> {
    /// What the script has in the kernel.
    pub session: &'a Session,
    /// Records that it has sent.
    pub records: u64,
}

/// What is done on a visit, between two records.
pub type Visit = Box<dyn FnOnce(&Look<'_>)>;

/// Someone who looks at a script.
pub struct Visitor {
    /// The visits. When no one can send any more, the script ends.
    pub visits: mpsc::Receiver<Visit>,
    /// Is called before the script empties the map with this number, and for each map at its end.
    pub before_change: BeforeChange,
}

/// Looks at a map, by its number, before it changes.
pub type BeforeChange = Box<dyn FnMut(&Session, usize)>;

/// Waits for the next visit: [`None`] where there will be no more. For ever where there is no visitor.
pub(super) async fn next(visits: &mut Option<mpsc::Receiver<Visit>>) -> Option<Visit> {
    match visits {
        Some(visits) => visits.recv().await,
        None => std::future::pending().await,
    }
}

impl Actor {
    /// Has the visitor, if there is one, look at a map once more before it changes.
    pub(super) fn before_change(&mut self, map: usize) {
        if let Some(look) = &mut self.before_change {
            look(&self.session, map);
        }
    }

    /// Has the visitor make a visit.
    pub(super) fn visited(&self, visit: Visit) {
        visit(&Look {
            session: &self.session,
            records: self.records,
        });
    }
}
