//! The loop on a storage that is only read: what is there is served, what stands in stays in memory.

use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;

use super::Manager;
use crate::manager::stand_in::Fresh;
use crate::manager::{load, preference};
use crate::store::StoreError;

impl Manager {
    /// Looks what is remembered of the configured names. What is only read may be shared without it.
    pub(super) async fn recall(&mut self) -> Result<(), StoreError> {
        let desired = Arc::clone(&self.desired);
        match load::recall(&desired, &mut self.inventory, &self.tools.store).await {
            Err(error) if self.role.only_reads() => {
                warn!(%error, "what was pinned or revoked cannot be read; every name is served with its newest");
                Ok(())
            }
            other => other,
        }
    }

    /// Whether every name of a wish can be served from the storage, be it with a certificate that has ended: another
    /// process will see to it.
    pub(super) fn has_something_for(&self, wish: usize, now: SystemTime) -> bool {
        let wish = &self.desired.wishes[wish];
        wish.names().iter().all(|name| preference::choose(name, wish, &self.inventory, now).is_some())
    }

    /// Gives up what stands in from memory for a wish if the storage has something now.
    pub(super) async fn drop_unwritten(&mut self, wish: usize) {
        let lineage = self.desired.wishes[wish].stand_in().lineage;
        if !self.role.only_reads() || !self.busy.contains_key(lineage.id()) {
            return;
        }
        if self.has_something_for(wish, self.tools.clock.now())
            && let Some(at) = self.fresh.iter().position(|fresh| fresh.step.wish.lineage == lineage)
            && let Some(fresh) = self.fresh.remove(at)
        {
            self.forgo(&fresh).await;
        }
    }

    /// Replaces what stands in from memory and nears its end; returns when the next one will.
    pub(super) async fn renew_unwritten(&mut self, now: SystemTime) -> Option<SystemTime> {
        if !self.role.only_reads() {
            return None;
        }
        // It is another process's to do.
        self.due.clear();
        self.asks.clear();
        // All of them are valid for as long, so the oldest comes first.
        while let Some(fresh) = self.fresh.pop_front_if(|fresh| fresh.renew_at() <= now) {
            self.forgo(&fresh).await;
            if let Some(wish) = self.owners.of(fresh.step.wish.names().primary()) {
                self.stand_in(wish).await;
            }
        }
        self.fresh.front().map(Fresh::renew_at)
    }
}
