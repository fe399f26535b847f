//! Telling of what was lost: while the script runs, and in all at its end.

use super::actor::Actor;

/// What was told already.
#[derive(Default)]
pub struct Told {
    events: u64,
    full: Vec<usize>,
}

impl Actor {
    /// Tells of records that were lost since the last time, and of maps that have become full.
    pub fn tell_losses(&mut self) -> anyhow::Result<()> {
        let losses = self.session.losses()?;
        if losses.events > self.told.events {
            self.face.lost(losses.events - self.told.events)?;
            self.told.events = losses.events;
        }
        for (map, _) in losses.keys {
            if self.told.full.contains(&map) {
                continue;
            }
            self.told.full.push(map);
            self.face.warning(
                "Map full; can't update element. Try increasing max_map_keys config or manually \
                 setting the max entries in a map declaration e.g. `let @a = hash(5000)`",
            )?;
        }
        Ok(())
    }

    /// Tells how much was lost in all, where that was not told as it happened. `ticks` of intervals came too fast.
    pub fn tell_totals(&mut self, ticks: u64) -> anyhow::Result<()> {
        let losses = self.session.losses()?;
        for (map, count) in losses.keys {
            let name = self.image.maps.get(map).map_or("?", |map| &map.name);
            self.face.warning(&format!(
                "{name}: {count} updates were lost, as the map was full"
            ))?;
        }
        let totals = [
            (
                losses.stacks,
                "stacks were lost, as the map of stacks was full",
            ),
            (
                losses.cut.other,
                "stacks of dw_ustack have one frame, as they are of processes that are not followed, or were not \
                 known yet",
            ),
            (
                losses.cut.unread,
                "stacks of dw_ustack end early, at code that was mapped after the process was last looked at",
            ),
            (
                losses.cut.unknown,
                "stacks of dw_ustack end early, at code that does not tell how it is left",
            ),
            (
                losses.cut.memory,
                "stacks of dw_ustack end early, at memory that could not be read",
            ),
            (
                self.session.left_out()?,
                "runs of probes were left out by the kernel, as one was at work on that CPU",
            ),
            (
                ticks,
                "ticks of intervals were left out, as they came too fast",
            ),
        ];
        for (count, what) in totals {
            if count > 0 {
                self.face.warning(&format!("{count} {what}"))?;
            }
        }
        Ok(())
    }
}
