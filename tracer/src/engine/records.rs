//! Reading the ring buffer, in batches that leave room for timers and signals.

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use tokio::{io::unix::AsyncFd, task::yield_now};

use crate::kernel::sys;

/// Records taken before the engine looks at timers and signals again.
const BATCH: usize = 4096;

/// The records of a session, as they come.
pub struct Records {
    ring: AsyncFd<RingBuf<MapData>>,
    /// The last batch left some behind.
    behind: bool,
}

impl Records {
    /// Reads from this ring buffer.
    pub fn new(ring: RingBuf<MapData>) -> anyhow::Result<Self> {
        let ring = sys::readable(ring).context("cannot wait for the ring buffer")?;
        Ok(Self {
            ring,
            behind: false,
        })
    }

    /// Waits for records, and hands at most one batch to `take`.
    pub async fn batch(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // A ring that is never empty is always ready: without this the runtime would not come to look at the
        // clock and at signals.
        if self.behind {
            yield_now().await;
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
        self.behind = !emptied;
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
