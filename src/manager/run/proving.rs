//! The loop's part in proving what is served.

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{debug, error, info};

use super::{Finished, Manager};
use crate::ident::{Fqdn, ItemId, Name};
use crate::manager::proof::{self, Proof, Prover};

impl Manager {
    /// Has every swap from now on proved by this prover.
    pub fn prove_by(&mut self, prover: Arc<dyn Prover>) {
        self.proofs.set(prover);
    }

    /// Begins what is to be proved; returns when to look again.
    pub(super) fn prove(&mut self, now: SystemTime) -> Option<SystemTime> {
        while let Some((primary, prover)) = self.proofs.take_due(now) {
            let Some((item, host)) = self.provable(&primary) else {
                self.proofs.forget(&primary);
                continue;
            };
            let (name, database) = (primary.clone(), self.tools.store.database());
            let task = self.attempts.spawn(async move {
                let proof = proof::prove(&*prover, &host, &item, &database).await;
                // What cannot be read cannot be compared; whoever serves it says so.
                let proof = proof.unwrap_or_else(|error| Proof::Unseen(error.to_string()));
                Finished::Proved(name, item, proof)
            });
            self.proofs.began(primary, task);
        }
        self.proofs.next()
    }

    pub(super) fn proved(&mut self, primary: &Name, item: &ItemId, proof: &Proof) {
        let now = self.tools.clock.now();
        if self.provable(primary).is_none_or(|(shown, _)| shown != *item) {
            // It was swapped meanwhile, so that what was seen says nothing.
            self.proofs.forget(primary);
            return self.proofs.swapped(primary);
        }
        let news = self.proofs.take(primary, proof, now);
        self.stale.extend(self.owners.of(primary));
        match proof {
            Proof::Right(serial) => info!(name = %primary, %item, serial, "clients are shown it"),
            Proof::Wrong(what) if news => error!(name = %primary, %item, "{what}"),
            Proof::Unseen(why) if news => {
                debug!(why, "what clients are shown cannot be told from here; said once");
            }
            Proof::Wrong(_) | Proof::Unseen(_) => {}
        }
    }

    /// The item that is shown for a certificate of ours, and the host to ask for.
    fn provable(&self, primary: &Name) -> Option<(ItemId, Fqdn)> {
        let wish = &self.desired.wishes[self.owners.of(primary)?];
        let (name, host) = proof::host(wish.names())?;
        Some((self.shelf.item(name)?.clone(), host))
    }
}
