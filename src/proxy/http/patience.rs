//! A time limit that moves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How long something may still take. Moving the limit costs a look at the clock: the timer behind it is left alone
/// until it fires, so that a busy connection does not move it at each request.
pub(super) struct Patience {
    due: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// Ends after `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let timer = Box::pin(sleep(limit));
        Self { due: Some(timer.deadline()), timer }
    }

    /// Ends after `limit` from now on.
    pub(super) fn give(&mut self, limit: Duration) {
        self.due = Some(Instant::now() + limit);
    }

    /// Has no end.
    pub(super) fn forever(&mut self) {
        self.due = None;
    }

    /// Whether there is an end to it.
    pub(super) fn is_limited(&self) -> bool {
        self.due.is_some()
    }

    /// Ready when it is at its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        if due < self.timer.deadline() {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_moves_both_ways_and_can_be_lifted() {
        let began = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(10));
        patience.give(Duration::from_secs(60));
        poll_fn(|cx| patience.poll(cx)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(60));
        patience.give(Duration::from_secs(60));
        patience.give(Duration::from_secs(5));
        poll_fn(|cx| patience.poll(cx)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(65));
        patience.forever();
        assert!(!patience.is_limited());
        let ended = tokio::time::timeout(Duration::from_secs(1000), poll_fn(|cx| patience.poll(cx))).await;
        assert!(ended.is_err(), "there was no limit");
    }
}
