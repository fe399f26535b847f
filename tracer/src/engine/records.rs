//! Reading the ring buffer, in batches that leave room for timers and signals.

use std::time::Duration;

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use tokio::{
    io::unix::AsyncFd,
    task::yield_now,
    time::{Instant, sleep_until},
};

use crate::kernel::sys;

/// Records taken before the engine looks at timers and signals again.
const BATCH: usize = 4096;

/// The least time between two times that the ring buffer is found empty, and so the longest that a record waits.
/// Who empties it at once has the kernel wake them for the next record: that costs the traced program some 15 µs
/// for each, while records that find others before them cost a tenth of a µs. The smallest rings hold what comes
/// in that time.
const PACE: Duration = Duration::from_millis(2);

/// The records of a session, as they come.
pub struct Records {
    ring: AsyncFd<RingBuf<MapData>>,
    /// When the last batch emptied it; [`None`] where that left some behind, and before the first.
    emptied: Option<Instant>,
}

impl Records {
    /// Reads from this ring buffer.
    pub fn new(ring: RingBuf<MapData>) -> anyhow::Result<Self> {
        let ring = sys::readable(ring).context("cannot wait for the ring buffer")?;
        Ok(Self {
            ring,
            emptied: None,
        })
    }

    /// Waits for records, and hands at most one batch to `take`.
    pub async fn batch(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.emptied {
            Some(emptied) => sleep_until(emptied + PACE).await,
            // A ring that is never empty is always ready: without this the runtime would not come to look at the
            // clock and at signals.
            None => yield_now().await,
        }
        let mut guard = self.ring.readable_mut().await?;
        let ring = guard.get_inner_mut();
        let mut emptied = false;
        for _ in 0..BATCH {
            let Some(record) = ring.next() else {
                emptied = true;
                break;
            };
            take(&record)?;
        }
        if emptied {
            guard.clear_ready();
        }
        self.emptied = emptied.then(Instant::now);
        Ok(())
    }

    /// Hands over all that is there. To be called when nothing writes any more.
    pub fn rest(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while let Some(record) = self.ring.get_mut().next() {
            take(&record)?;
        }
        Ok(())
    }
}
