//! What attempts that were dropped have left with others is taken back.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinError;
use tokio::time::timeout;

use super::{Finished, LAST_WORK, Manager};
use crate::issuer::Issuers;

impl Manager {
    /// Where an attempt was dropped, those by whom it was made tidy up behind, also if others are configured by now.
    pub(super) fn tidy_after(&mut self, gone: &JoinError) {
        let Some(by) = self.by.remove(&gone.id()).filter(|_| gone.is_cancelled()) else { return };
        let issuers = Arc::clone(&by);
        let tidying = self.attempts.spawn(async move {
            issuers.tidy().await;
            Finished::Tidied
        });
        // If this is dropped as well, they do it at the end.
        self.by.insert(tidying.id(), by);
    }

    /// The end: all attempts are dropped, and whoever has made one tidies up.
    pub(super) async fn drop_attempts(&mut self) {
        self.attempts.shutdown().await;
        let mut issuers: Vec<&Issuers> = vec![&self.tools.issuers];
        for by in self.by.values() {
            if !issuers.iter().any(|other| std::ptr::eq(*other, &**by)) {
                issuers.push(by);
            }
        }
        let _ = timeout(LAST_WORK, join_all(issuers.into_iter().map(Issuers::tidy))).await;
    }
}
