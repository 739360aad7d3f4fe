//! Requests to a CA, spread so that there are never too many in a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets one after the other pass, so far apart at least.
pub(super) struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(apart: Duration) -> Self {
        Self { apart, next: Mutex::default() }
    }

    /// Returns when it is our turn. A turn that is not waited for to the end is lost.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.apart);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn twenty_in_a_second_and_no_more() {
        let pace = Pace::new(Duration::from_millis(50));
        let begun = Instant::now();
        for n in 0..20 {
            pace.turn().await;
            assert_eq!(begun.elapsed(), Duration::from_millis(50) * n);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        let rested = Instant::now();
        pace.turn().await;
        assert_eq!(rested.elapsed(), Duration::ZERO, "what was not used is no reason to wait");
        pace.turn().await;
        assert_eq!(rested.elapsed(), Duration::from_millis(50), "nor to hurry");
    }
}
