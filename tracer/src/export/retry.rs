//! When sources that have failed are tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The time to the first try, and between two looks while nothing has failed.
const FIRST: Duration = Duration::from_secs(5);

/// The longest time between two tries.
const LONGEST: Duration = Duration::from_secs(640);

/// The time of the next try: each comes after twice the time of the one before.
pub struct Retry {
    next: Option<Instant>,
    delay: Duration,
}

impl Retry {
    /// Of sources that were just started; never where nothing can be loaded any more.
    pub fn new(can_load: bool) -> Self {
        Self {
            next: can_load.then(|| Instant::now() + FIRST),
            delay: FIRST,
        }
    }

    /// Waits for the next try.
    pub async fn due(&self) {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// A try is over. `had_failed` says whether there was anything to be tried.
    pub fn tried(&mut self, had_failed: bool) {
        self.delay = match had_failed {
            true => (2 * self.delay).min(LONGEST),
            false => FIRST,
        };
        if let Some(next) = &mut self.next {
            *next = Instant::now() + self.delay;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare_while_something_fails() {
        let mut retry = Retry::new(true);
        let mut delays = Vec::new();
        for _ in 0..8 {
            retry.tried(true);
            delays.push(retry.delay.as_secs());
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 640]);
        retry.tried(false);
        assert_eq!(retry.delay, FIRST);
    }

    #[test]
    fn nothing_is_tried_where_nothing_can_be_loaded() {
        let mut retry = Retry::new(false);
        retry.tried(true);
        assert_eq!(retry.next, None);
    }
}
