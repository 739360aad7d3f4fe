//! Who issues for a storage: one process at a time, and the others follow it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::Manager;
use crate::manager::load;
use crate::store::{Claim, Store, StoreError};
use crate::story::Event;

/// How often a follower asks whether the issuer role is free.
const ROLE_AGAIN: Duration = Duration::from_secs(10);

/// What this process may do to the store.
pub(super) enum Role {
    /// Nothing can be written there. Another process may issue, in another place.
    Reader,
    /// Nothing has been claimed yet, or another process has the role.
    Follower { told: bool, again: SystemTime },
    /// The role is ours; the sweep is running.
    Sweeping(Claim),
    /// The role is ours.
    Issuer(#[expect(dead_code, reason = "held, not read: dropping it gives the role back")] Claim),
}

impl Role {
    /// What a process may do that has claimed nothing yet.
    pub(super) fn first(store: &Store) -> Self {
        if store.is_read_only() {
            Self::Reader
        } else {
            Self::Follower { told: false, again: SystemTime::UNIX_EPOCH }
        }
    }

    /// Whether nothing that comes to be is ever written.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::Reader)
    }

    /// Whether the role of the issuer is ours.
    pub(super) fn leads(&self) -> bool {
        matches!(self, Self::Sweeping(_) | Self::Issuer(_))
    }
}

impl Manager {
    /// Claims the role of the issuer where it is not ours; returns when to ask again.
    pub(super) async fn see_to_role(&mut self, now: SystemTime) -> Option<SystemTime> {
        let Role::Follower { told, again } = self.role else { return None };
        if again > now {
            return Some(again);
        }
        match self.tools.store.claim_issuer().await {
            Ok(claim) => {
                self.role = Role::Sweeping(claim);
                self.tools.recorder.keep().await;
                self.tools.recorder.tell([], Event::Leads);
                if told && let Err(error) = self.recall_all().await {
                    warn!(%error, "what is remembered of attempts cannot be read");
                }
                self.sweep();
                None
            }
            Err(error) => {
                if !told {
                    if error.is_taken() {
                        info!(%error, "another process issues for this storage; following it");
                    } else {
                        warn!(%error, "the role of the issuer cannot be had; following whoever has it");
                    }
                    self.tools.recorder.forget().await;
                }
                self.role = Role::Follower { told: true, again: now + ROLE_AGAIN };
                Some(now + ROLE_AGAIN)
            }
        }
    }

    /// Another process has had the role until now: what it remembers of its attempts counts.
    async fn recall_all(&mut self) -> Result<(), StoreError> {
        // What is recalled counts as seen, and what nobody has told of yet would not be shown.
        self.follow_pins().await;
        self.follow_revoked().await;
        let (desired, states) = (Arc::clone(&self.desired), self.tools.store.states());
        load::recall(&desired, &mut self.inventory, &self.tools.store).await?;
        for wish in &desired.wishes {
            // Of the others it is read with their items.
            if !self.inventory.is_unread(wish.names().primary()) {
                load::recall_wish(wish, &mut self.inventory, &states).await?;
            }
        }
        Ok(())
    }
}
