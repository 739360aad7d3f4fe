//! Revocations that operators ask for, and what is served after one.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::commands::Revoked;
use super::role::Role;
use super::{Finished, Manager};
use crate::ident::ItemId;
use crate::manager::revoke::{self, NotRevoked, Revoking};

impl Manager {
    /// Has an item revoked behind, and sees to it that the outcome is told.
    pub(super) fn revoke_for(&mut self, item: ItemId, revoking: Revoking, reply: Revoked) {
        if !matches!(self.role, Role::Issuer(_)) {
            // Whoever asked may be gone.
            return drop(reply.send(Err(NotRevoked::Follower)));
        }
        let tools = self.tools.clone();
        self.attempts.spawn(async move {
            let outcome = revoke::revoke(&tools, &item, revoking).await;
            Finished::Revoked(reply, outcome)
        });
    }

    /// The CA has spoken.
    pub(super) async fn revoked(&mut self, reply: Revoked, outcome: Result<(), NotRevoked>) {
        match &outcome {
            Ok(()) => {
                self.follow_pins().await;
                self.follow_revoked().await;
            }
            // The CA's word is given, and told.
            Err(error @ NotRevoked::Unnoted(_)) => warn!(%error, "a revocation could not be noted"),
            Err(_) => {}
        }
        let _ = reply.send(outcome);
    }

    /// Looks which items were revoked, and shows something better where there is something.
    pub(super) async fn follow_revoked(&mut self) {
        let revoked = match self.tools.store.pins().all_revoked().await {
            Ok(revoked) => revoked,
            Err(error) => {
                warn!(%error, "what was revoked cannot be listed; what is on show stays");
                return self.inventory.miss(&error);
            }
        };
        let changed = self.inventory.set_revoked(revoked);
        let wishes: BTreeSet<usize> = changed.iter().flat_map(|name| self.owners.concerned(name)).collect();
        for wish in wishes {
            info!(names = %self.desired.wishes[wish].names(), "a certificate was revoked, or is not any more");
            self.read(wish).await;
            self.proofs.swapped(self.desired.wishes[wish].names().primary());
        }
    }
}
