//! The timers of `interval` probes.

use std::{
    fs::File,
    future::poll_fn,
    io::{self, Read as _},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use tokio::io::unix::AsyncFd;
use tracer_script::{
    probe::{AttachKind, Target},
    program::Image,
};

use crate::{kernel::sys, script::session::Session};

/// Expirations that are made up for at once, at most: what comes faster than it can be run is left out, and told.
const BEHIND_MAX: u64 = 10_000;

/// The timers, in the script's order.
#[derive(Default)]
pub struct Timers {
    timers: Vec<Timer>,
    /// The timer after the one that expired last, which is asked first: a fast one does not starve the others.
    first: usize,
    left_out: u64,
}

struct Timer {
    expirations: AsyncFd<File>,
    program: usize,
}

impl Timers {
    /// Starts a timer for each place of each `interval` probe.
    pub fn start(image: &Image, session: &Session) -> anyhow::Result<Self> {
        let mut timers = Vec::new();
        for program in session.on_request(AttachKind::Interval) {
            for target in &image.programs[program].targets {
                let timer = sys::timer(period(target))
                    .with_context(|| format!("cannot start the timer of {}", target.name))?;
                timers.push(Timer {
                    expirations: sys::readable(File::from(timer))?,
                    program,
                });
            }
        }
        Ok(Self {
            timers,
            ..Self::default()
        })
    }

    /// Waits for the next timer that expires: its program, and how often it is due. For ever where there is none.
    pub async fn next(&mut self) -> io::Result<(usize, u64)> {
        let Self { timers, first, .. } = self;
        let (program, times) = poll_fn(|context| {
            for index in (*first..timers.len()).chain(0..*first) {
                if let Some(expired) = timers[index].poll(context) {
                    *first = (index + 1) % timers.len();
                    return Poll::Ready(expired);
                }
            }
            Poll::Pending
        })
        .await?;
        let due = times.min(BEHIND_MAX);
        self.left_out += times - due;
        Ok((program, due))
    }

    /// How many expirations came too fast to be made up for.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Timer {
    /// [`None`] where it has not expired; then it wakes the task when it does.
    fn poll(&mut self, context: &mut Context<'_>) -> Option<io::Result<(usize, u64)>> {
        loop {
            let mut ready = match self.expirations.poll_read_ready_mut(context) {
                Poll::Pending => return None,
                Poll::Ready(Ok(ready)) => ready,
                Poll::Ready(Err(error)) => return Some(Err(error)),
            };
            let mut count = [0; 8];
            match ready.try_io(|file| file.get_mut().read_exact(&mut count)) {
                Ok(Ok(())) => return Some(Ok((self.program, u64::from_ne_bytes(count)))),
                Ok(Err(error)) => return Some(Err(error)),
                // It was read already: this asks to be woken.
                Err(_) => {}
            }
        }
    }
}

fn period(target: &Target) -> Duration {
    match target.group.as_str() {
        "hz" => Duration::from_nanos(1_000_000_000 / target.count.max(1)),
        _ => Duration::from_nanos(target.count),
    }
}
