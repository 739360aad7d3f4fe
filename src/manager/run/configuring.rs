//! The loop's dealings with another configuration.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::warn;

use super::Manager;
use crate::foreign::List;
use crate::ident::LineageId;
use crate::manager::Options;
use crate::manager::desired::{Desired, Wish};

impl Manager {
    /// Takes a configuration over: what it does not want any more is given up and taken off, what it wants is shown.
    pub(super) async fn configure(&mut self, options: Options) {
        let before = std::mem::replace(&mut self.desired, Arc::new(options.desired));
        self.tools.issuers = Arc::new(options.issuers);
        self.ladder = options.ladder;
        self.pruning.set_rule(options.prune);
        self.inventory.forgive();
        self.demands.set(options.demand);
        self.recall_demanded().await;
        let desired = Arc::clone(&self.desired);
        let wanted: HashSet<&LineageId> = desired.wishes.iter().map(|wish| wish.lineage.id()).collect();
        for gone in before.wishes.iter().filter(|wish| !wanted.contains(wish.lineage.id())) {
            if let Some(Some(task)) = self.busy.remove(gone.lineage.id()) {
                task.abort();
            }
            self.waiting.remove(gone.lineage.id());
            self.committing.remove(gone.lineage.id());
        }
        if let Err(error) = self.take_in_all().await {
            warn!(%error, "the store cannot be listed; what is on show stays");
        }
        self.take_off_what_is_gone(&before);
        self.receive_strangers().await;
        self.stand_in_at_once().await;
        self.tell_configured(&before);
    }

    fn take_off_what_is_gone(&mut self, before: &Desired) {
        let stays = |list: &&Arc<List>| self.desired.lists.iter().any(|now| Arc::ptr_eq(now, list));
        let lists = before.lists.iter().filter(|list| !stays(list)).flat_map(|list| list.names());
        let files = before.files.iter().flat_map(|source| source.names());
        let names = before.wishes.iter().flat_map(Wish::names).chain(files).chain(lists);
        let gone = names.filter(|name| self.owners.of(name).is_none() && !self.elsewhere.has(name));
        self.shelf.take_off(gone.cloned().collect());
    }
}
