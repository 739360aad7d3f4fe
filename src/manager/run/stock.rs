//! The loop's dealings with what is in the store: taking it in, reading it when somebody asks, following others.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::Manager;
use crate::catalog::Certificate;
use crate::ident::{LineageId, Name, Provider};
use crate::manager::desired::Wish;
use crate::manager::load::{self, Wanted};
use crate::manager::plan;
use crate::manager::stand_in::Fresh;
use crate::store::StoreError;

/// So many wishes' items are read before anybody may connect; the others behind.
const AT_ONCE: usize = 512;
/// So many wishes are read in one turn of the loop.
const A_TURN: usize = 32;

impl Manager {
    /// Shows what is there for all wishes: the first ones read, the others when they are asked for or behind.
    pub(super) async fn take_in_all(&mut self) -> Result<(), StoreError> {
        let desired = Arc::clone(&self.desired);
        let (now, later) = desired.wishes.split_at(desired.wishes.len().min(AT_ONCE));
        let mut names: Vec<Name> = Vec::new();
        for wish in now {
            load::take_stock(wish, &self.index, &mut self.inventory, &self.tools.store.database()).await?;
            names.extend(wish.names().iter().cloned());
        }
        self.serve(names, Wanted::Changed).await;
        let mut cold: Vec<Name> = Vec::new();
        self.unread.clear();
        for wish in later {
            if load::candidates(wish, &self.index).is_empty() {
                continue;
            }
            self.unread.push(wish.clone());
            for name in wish.names() {
                self.inventory.set_unread(name, true);
                if self.shelf.shows(name).is_none() {
                    cold.push(name.clone());
                }
            }
        }
        self.shelf.show_cold(&cold);
        self.foreign = load::serve_foreign(&mut self.shelf, &desired.foreign);
        self.shelf.set_unnamed(desired.unnamed.clone());
        Ok(())
    }

    pub(super) async fn read_a_turn(&mut self) {
        let rest = self.unread.len().saturating_sub(A_TURN);
        let turn: Vec<Wish> = self.unread.drain(rest..).collect();
        for wish in turn {
            self.read(&wish).await;
        }
        if self.unread.is_empty() {
            self.stand_in().await;
        }
    }

    async fn read(&mut self, wish: &Wish) {
        let database = self.tools.store.database();
        if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, &database).await {
            warn!(names = %wish.names(), %error, "the items of these names cannot be listed");
        }
        self.serve(wish.names().iter().cloned().collect(), Wanted::Changed).await;
    }

    /// A hello waits for this name.
    pub(super) async fn fetch(&mut self, name: &Name) {
        let desired = Arc::clone(&self.desired);
        let Some(wish) = self.owners.wish(name, &desired) else {
            self.shelf.take_off([name.clone()]);
            return;
        };
        if self.inventory.is_unread(name) {
            let database = self.tools.store.database();
            if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, &database).await {
                warn!(%name, %error, "the items of this name cannot be listed");
            }
        }
        self.serve(vec![name.clone()], Wanted::Asked).await;
    }

    /// Pointers may lead elsewhere than they did: a sweep, or another process.
    pub(super) async fn look_elsewhere(&mut self) {
        let database = self.tools.store.database();
        match load::index(&database).await {
            Ok(index) => self.index = index,
            Err(error) => {
                warn!(%error, "the pointers cannot be listed; what is on show stays");
                return;
            }
        }
        let desired = Arc::clone(&self.desired);
        for wish in &desired.wishes {
            let unknown =
                load::candidates(wish, &self.index).iter().any(|id| self.inventory.item(id).is_none());
            if unknown && !wish.names().iter().any(|name| self.inventory.is_unread(name)) {
                self.read(wish).await;
            }
        }
    }

    /// Makes and shows a selfsigned certificate wherever the plan wants one; from memory, committed behind.
    pub(super) async fn stand_in(&mut self) {
        let busy: HashSet<LineageId> = self.busy.keys().cloned().collect();
        let plan = plan::plan(&self.desired, &self.inventory, &busy, self.tools.clock.now());
        for step in plan.steps.into_iter().filter(|s| s.wish.lineage.provider() == Provider::Selfsigned) {
            match Fresh::sign(&self.tools, step.clone()).await {
                Ok(fresh) => {
                    info!(names = %step.wish.names(), why = step.why, "serving selfsigned");
                    self.shelf.show(step.wish.names(), &Certificate::new(&fresh.bundle));
                    self.busy.insert(step.wish.lineage.id().clone(), None);
                    self.fresh.push_back(fresh);
                }
                Err(error) => {
                    error!(names = %step.wish.names(), %error, "no selfsigned certificate could be made")
                }
            }
        }
    }

    pub(super) async fn serve(&mut self, names: Vec<Name>, wanted: Wanted) {
        let database = self.tools.store.database();
        let wishes = (&*self.desired, &self.owners);
        self.shelf.serve(&names, wishes, &mut self.inventory, &database, wanted).await;
    }
}
