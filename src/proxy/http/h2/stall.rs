//! A side that is waited for, and no longer than is right.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::proxy::http::patience::Patience;

/// Measures how long nothing has moved. Has no timer before it needs one.
pub(super) struct Stall {
    limit: Duration,
    patience: Option<Patience>,
    moved: u64,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, patience: None, moved: 0 }
    }

    /// Ready when the other side has been waited for, and has not moved, for as long as the limit says. `moved` is
    /// how far it has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, waiting: bool, moved: u64) -> Poll<()> {
        if !waiting {
            self.patience = None;
            return Poll::Pending;
        }
        let limit = self.limit;
        let patience = self.patience.get_or_insert_with(|| Patience::new(limit));
        if moved != self.moved {
            self.moved = moved;
            patience.give(limit);
        }
        patience.poll(cx)
    }
}
