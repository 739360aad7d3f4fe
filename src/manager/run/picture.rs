//! The picture of the loop's state that others may look at.

use std::sync::Arc;

use super::Manager;
use crate::manager::status::{Picture, row};

impl Manager {
    /// Draws the picture, as far as it has changed.
    pub(super) fn report(&mut self) {
        let now = self.tools.clock.now();
        let wishes = &self.desired.wishes;
        let drawn = |wish: usize| {
            let row = row(&wishes[wish], &self.inventory, |id| self.busy.contains_key(id), now);
            self.proofs.remark(self.demands.remark(&wishes[wish], row))
        };
        let (stale, known) = (std::mem::take(&mut self.stale), self.rows.len());
        for wish in stale.into_iter().filter(|wish| *wish < known) {
            self.rows.set_mut(wish, drawn(wish));
        }
        for wish in known..wishes.len() {
            self.rows.push_back_mut(drawn(wish));
        }
        self.status.send_replace(Picture {
            desired: Arc::clone(&self.desired),
            issuers: Some(Arc::clone(&self.tools.issuers)),
            issues: self.role.leads(),
            wishes: self.rows.clone(),
            elsewhere: self.elsewhere.picture(),
            bare: self.shelf.bare().cloned(),
        });
    }
}
