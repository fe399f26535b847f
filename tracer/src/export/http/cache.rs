//! Scrapes, shared by those who ask at the same time.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use tokio::{sync::Mutex, sync::oneshot, time::timeout};

use crate::export::{
    format::{Format, gzip},
    hub::{Requests, Snapshot},
    own::Served,
};

/// Who asks within so long of a reading gets that one.
const FRESH: Duration = Duration::from_millis(100);

/// Longer than a reading should ever take, and shorter than Prometheus waits by default.
const PATIENCE: Duration = Duration::from_secs(8);

/// A snapshot, and what was made of it.
pub struct Scrape {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Plain and packed, for each format.
    bodies: [OnceLock<Bytes>; 6],
    taken: Instant,
}

/// Takes scrapes.
pub struct Scrapes {
    requests: Requests,
    served: Arc<Served>,
    last: Mutex<Option<Arc<Scrape>>>,
}

/// The tracing thread gave no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("tracing gave no answer within {} s", PATIENCE.as_secs())]
pub struct NoAnswer;

impl Scrapes {
    /// By way of this channel.
    pub fn new(requests: Requests, served: Arc<Served>) -> Self {
        Self {
            requests,
            served,
            last: Mutex::new(None),
        }
    }

    /// Counts of what is served.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// A scrape of this moment.
    pub async fn take(&self) -> Result<Arc<Scrape>, NoAnswer> {
        // Who waits for the lock finds the scrape that the other one took.
        let mut last = self.last.lock().await;
        if let Some(scrape) = last
            .as_ref()
            .filter(|scrape| scrape.taken.elapsed() < FRESH)
        {
            return Ok(scrape.clone());
        }
        // Not kept beside the one that comes.
        *last = None;
        let snapshot = timeout(PATIENCE, self.snapshot())
            .await
            .ok()
            .flatten()
            .ok_or(NoAnswer)?;
        let scrape = Arc::new(Scrape {
            snapshot,
            bodies: Default::default(),
            taken: Instant::now(),
        });
        *last = Some(scrape.clone());
        Ok(scrape)
    }

    async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let (reply, snapshot) = oneshot::channel();
        self.requests.send(reply).await.ok()?;
        snapshot.await.ok()
    }

    /// A scrape as it is sent.
    pub fn body(&self, scrape: &Scrape, format: Format, packed: bool) -> Bytes {
        let body = &scrape.bodies[2 * format as usize + usize::from(packed)];
        body.get_or_init(|| {
            if packed {
                let plain = self.body(scrape, format, false);
                gzip(&plain).expect("a vector can be written to").into()
            } else {
                let begun = Instant::now();
                let body = format.encode(&scrape.snapshot.families);
                self.served.encoded(begun.elapsed());
                body.into()
            }
        })
        .clone()
    }
}
