//! Reading the ring buffer, in batches that leave room for timers and signals.
//!
//! The kernel wakes a reader by an interrupt for each record that finds the buffer empty: for one of five,
//! where a reader keeps up with a program that sends half a million a second. So a reader that has emptied it
//! lets it fill for a while: of what comes then only the first record is told.

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

/// The longest time for which a buffer is left to fill: what a person does not see.
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Bytes that may come in a millisecond: several times what one CPU can send.
const BYTES_PER_MS: u32 = 1 << 20;

/// The time for which a buffer of so many bytes may be left to fill, without one half of it being full then.
/// In whole milliseconds, as the runtime's clock has no others.
fn pause(ring_bytes: u32) -> Duration {
    let ms = ring_bytes / 2 / BYTES_PER_MS;
    Duration::from_millis(ms.into()).min(PAUSE_MAX)
}

/// The records of a session, as they come.
pub struct Records {
    ring: AsyncFd<RingBuf<MapData>>,
    pause: Duration,
    not_before: Instant,
    /// The last batch left nothing behind.
    was_emptied: bool,
}

impl Records {
    /// Reads from this ring buffer, which has room for `ring_bytes`.
    pub fn new(ring: RingBuf<MapData>, ring_bytes: u32) -> anyhow::Result<Self> {
        let ring = sys::readable(ring).context("cannot wait for the ring buffer")?;
        let pause = pause(ring_bytes);
        Ok(Self {
            ring,
            pause,
            not_before: Instant::now(),
            was_emptied: true,
        })
    }

    /// Waits for records, and hands at most one batch to `take`.
    pub async fn batch(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        sleep_until(self.not_before).await;
        if !self.was_emptied {
            // A ring that is never empty is always ready: without this the runtime would not come to look at
            // the clock and at signals.
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
            self.not_before = Instant::now() + self.pause;
        }
        self.was_emptied = emptied;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_are_not_left_to_fill() {
        assert_eq!(pause(4096), Duration::ZERO);
        assert_eq!(pause(1 << 20), Duration::ZERO);
        assert_eq!(pause(8 << 20), Duration::from_millis(4));
        assert_eq!(pause(1 << 30), PAUSE_MAX);
    }
}
