//! The loop's looks at older items. They are taken behind, since the first one reads the names of every item there is.

use std::collections::BTreeSet;
use std::time::SystemTime;

use tokio::task::Id;
use tracing::warn;

use super::stock::{A_TURN, READ_AGAIN};
use super::{Finished, Manager};
use crate::ident::Name;
use crate::manager::inventory::Held;
use crate::manager::older::Search;
use crate::store::StoreError;

/// For which wishes that is wanted, and whether it is being done.
#[derive(Default)]
pub(super) struct LookingBack {
    wanted: BTreeSet<usize>,
    /// Names for which a hello waits until then.
    awaited: BTreeSet<Name>,
    task: Option<Id>,
    /// The wishes it is for.
    concerned: Vec<usize>,
}

impl LookingBack {
    /// The places of the wishes are others now.
    pub(super) fn forget(&mut self) {
        self.wanted.clear();
        self.concerned.clear();
    }

    /// Somebody waits for this name.
    pub(super) fn wait(&mut self, name: &Name) {
        self.awaited.insert(name.clone());
    }

    pub(super) fn is_running(&self) -> bool {
        self.task.is_some()
    }

    /// A task is gone without a word. Gives the wishes for which nothing is decided because of that.
    pub(super) fn mourn(&mut self, gone: Id) -> Vec<usize> {
        self.task
            .take_if(|task| *task == gone)
            .map(|_| std::mem::take(&mut self.concerned))
            .unwrap_or_default()
    }
}

impl Manager {
    /// Whether nothing is decided for a wish yet, since an older item may be better; that is found out then.
    pub(super) fn looks_back(&mut self, wish: usize, now: SystemTime) -> bool {
        let needed = self.search(wish, now).is_some();
        if needed {
            self.looking_back.wanted.insert(wish);
        }
        needed
    }

    /// Begins, unless it is being done already or there is no room for the stand-ins that may come of it.
    pub(super) fn look_back(&mut self, now: SystemTime) {
        if self.looking_back.is_running() || !self.has_room() {
            return;
        }
        let (mut searches, mut concerned) = (Vec::new(), Vec::new());
        while searches.len() < A_TURN
            && let Some(wish) = self.looking_back.wanted.pop_first()
        {
            match self.search(wish, now) {
                Some(search) => {
                    searches.push(search);
                    concerned.push(wish);
                }
                // What it waited for has come in another way.
                None => self.agenda.put_now(wish),
            }
        }
        if searches.is_empty() {
            return;
        }
        let database = self.tools.store.database();
        let task = self.attempts.spawn(async move {
            let mut found = Vec::with_capacity(searches.len());
            for search in &searches {
                match search.read(&database).await {
                    Ok(held) => found.push(held),
                    Err(error) => return Finished::LookedBack(searches, Err(error)),
                }
            }
            Finished::LookedBack(searches, Ok(found))
        });
        self.looking_back.task = Some(task.id());
        self.looking_back.concerned = concerned;
    }

    /// All of these is known now, and can be decided.
    pub(super) async fn looked_back(
        &mut self,
        searches: Vec<Search>,
        found: Result<Vec<Vec<Held>>, StoreError>,
    ) {
        self.looking_back.task = None;
        let concerned = std::mem::take(&mut self.looking_back.concerned);
        match found {
            Ok(found) => {
                for (search, held) in searches.into_iter().zip(found) {
                    search.end(held, &mut self.inventory);
                }
                for wish in concerned {
                    self.show_read(wish).await;
                }
                for name in std::mem::take(&mut self.looking_back.awaited) {
                    self.fetch(&name).await;
                }
            }
            Err(error) => {
                warn!(%error, "older items cannot be listed; what is on show stays");
                self.inventory.miss(&error);
                self.look_back_later(&concerned);
            }
        }
    }

    /// Older items could not be looked at for these wishes.
    pub(super) fn look_back_later(&mut self, wishes: &[usize]) {
        let again = self.tools.clock.now() + READ_AGAIN;
        wishes.iter().for_each(|wish| self.agenda.put(*wish, Some(again)));
    }

    fn search(&self, wish: usize, now: SystemTime) -> Option<Search> {
        Search::needed(&self.desired.wishes[wish], &self.index, &self.inventory, now)
    }
}
