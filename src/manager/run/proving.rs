//! The loop's part in proving what is served.

use std::time::SystemTime;

use tracing::debug;

use super::{Finished, Manager};
use crate::ident::{Fqdn, ItemId, Name};
use crate::manager::proof::{self, Proof};
use crate::story::Event;

impl Manager {
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
        let news = self.proofs.note(primary, proof, now);
        let Some(index) = self.owners.of(primary) else { return };
        self.stale.insert(index);
        let item = item.as_str().into();
        let event = match proof {
            _ if !news => return,
            Proof::Right(serial) => Event::ServingProved { item, serial: serial.as_str().into() },
            Proof::Wrong(what) => Event::ServingDisproved { item, detail: what.as_str().into() },
            Proof::Unseen(why) => {
                return debug!(why, "what clients are shown cannot be told from here; said once");
            }
        };
        self.tools.recorder.tell(self.desired.wishes[index].names(), event);
    }

    /// The item that is shown for a certificate of ours, and the host to ask for.
    fn provable(&self, primary: &Name) -> Option<(ItemId, Fqdn)> {
        let wish = &self.desired.wishes[self.owners.of(primary)?];
        let (name, host) = proof::host(wish.names())?;
        Some((self.shelf.item(name)?.clone(), host))
    }
}
