//! The loop's dealings with what is in the store: taking it in, reading it when somebody asks, following others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{error, warn};

use super::Manager;
use crate::catalog::Certificate;
use crate::ident::{ItemId, Name, Names, Provider};
use crate::manager::desired::Wish;
use crate::manager::load::{self, Index, Serving, Wanted};
use crate::manager::older;
use crate::manager::plan;
use crate::manager::preference;
use crate::manager::stand_in::Fresh;
use crate::store::{Changed, StoreError};
use crate::story::Event;

/// The items of at most this many wishes are read before anybody may connect; where there are more, the first client
/// waits for none but its own.
const AT_ONCE: usize = 512;
/// At most this many wishes are read in one turn of the loop.
pub(super) const A_TURN: usize = 32;
/// What could not be read is read again after this.
pub(super) const READ_AGAIN: Duration = Duration::from_secs(60);

impl Manager {
    /// Shows what is there for all wishes: read at once, or if there are many when they are asked for or behind. Then
    /// what somebody else keeps.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be listed: what is on show stays then, and all wishes are read later.
    pub(super) async fn take_in_all(&mut self) -> Result<(), StoreError> {
        let desired = Arc::clone(&self.desired);
        let wishes = desired.wishes.len();
        let at_once = if wishes > AT_ONCE { 0 } else { wishes };
        let taken = self.take_in(&desired.wishes[..at_once]).await;
        let later = if taken.is_ok() { at_once } else { 0 };
        self.unread = (later..wishes).collect();
        for name in desired.wishes[later..].iter().flat_map(Wish::names) {
            self.inventory.set_unread(name, true);
        }
        self.shelf.add_cold(desired.wishes[later..].iter().flat_map(Wish::names));
        self.elsewhere.configure(&desired, &mut self.shelf, self.tools.clock.now());
        self.shelf.set_unnamed(desired.unnamed.clone());
        let files = desired.files.iter().flat_map(|source| source.names());
        let listed = desired.wishes.iter().filter(|wish| !wish.on_demand);
        self.shelf.expect(listed.flat_map(Wish::names).chain(files));
        taken
    }

    async fn take_in(&mut self, wishes: &[Wish]) -> Result<(), StoreError> {
        self.recall().await?;
        let (store, now) = (&self.tools.store, self.tools.clock.now());
        for wish in wishes {
            load::take_stock(wish, &self.index, &mut self.inventory, store).await?;
            older::take_stock(wish, &self.index, &mut self.inventory, store, now).await?;
        }
        self.serve(wishes.iter().flat_map(Wish::names).cloned().collect(), Wanted::Changed).await;
        Ok(())
    }

    /// Whether there are wishes to be read, and room for the stand-ins that may come of it.
    pub(super) fn may_read(&self) -> bool {
        !self.unread.is_empty() && self.has_room()
    }

    /// Whether there is room for more stand-ins. On a storage that is only read none come of reading.
    pub(super) fn has_room(&self) -> bool {
        self.fresh.len() < AT_ONCE || self.role.only_reads()
    }

    pub(super) async fn read_a_turn(&mut self) {
        for _ in 0..A_TURN {
            let Some(wish) = self.unread.pop_first() else { return };
            self.read(wish).await;
            self.stand_in_behind(wish).await;
        }
    }

    /// Shows what was found for a wish.
    pub(super) async fn show_read(&mut self, index: usize) {
        self.agenda.put_now(index);
        let desired = Arc::clone(&self.desired);
        let wish = &desired.wishes[index];
        self.swap(wish.names().iter().cloned().collect(), wish).await;
        self.stand_in_behind(index).await;
    }

    pub(super) async fn read(&mut self, index: usize) {
        self.agenda.put_now(index);
        let desired = Arc::clone(&self.desired);
        let (wish, store) = (&desired.wishes[index], &self.tools.store);
        if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, store).await {
            warn!(names = %wish.names(), %error, "the items of these names cannot be listed");
            self.agenda.put(index, Some(self.tools.clock.now() + READ_AGAIN));
            self.inventory.miss(&error);
        }
        let undecided = self.looks_back(index, self.tools.clock.now());
        let names = wish.names().iter().filter(|name| !undecided || self.has_sound(name, wish));
        self.serve(names.cloned().collect(), Wanted::Changed).await;
    }

    /// A hello waits for this name.
    pub(super) async fn fetch(&mut self, name: &Name) {
        let now = self.tools.clock.now();
        let Some(index) = self.owners.of(name) else {
            if !self.elsewhere.fetch(name, &mut self.shelf, now) {
                self.shelf.take_off(vec![name.clone()]);
            }
            return;
        };
        let desired = Arc::clone(&self.desired);
        let wish = &desired.wishes[index];
        if self.inventory.is_unread(name) {
            let store = &self.tools.store;
            if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, store).await {
                warn!(%name, %error, "the items of this name cannot be listed");
            }
            self.agenda.put_now(index);
        }
        if !self.has_sound(name, wish) && self.looks_back(index, now) {
            return self.looking_back.wait(name);
        }
        if preference::choose(name, wish, &self.inventory, now).is_none() {
            self.stand_in(index).await;
        }
        if !self.shelf.is_warm([name]) {
            self.serve(vec![name.clone()], Wanted::Asked).await;
        }
    }

    /// Whether something is known for a name that clients may rely on.
    fn has_sound(&self, name: &Name, wish: &Wish) -> bool {
        let now = self.tools.clock.now();
        let chosen = preference::choose(name, wish, &self.inventory, now);
        chosen.is_some_and(|held| self.inventory.is_sound(held, now))
    }

    /// Pointers lead elsewhere than they did: a sweep, or another process, or ourselves.
    pub(super) async fn follow(&mut self, changed: Changed) {
        let (database, desired) = (self.tools.store.database(), Arc::clone(&self.desired));
        if let Changed::Account | Changed::Something = changed {
            self.show_account().await;
        }
        let (listed, concerned) = match &changed {
            Changed::Account => return,
            Changed::Something => {
                let listed = Index::read(&database).await.map(|index| self.index = index);
                (listed, (0..desired.wishes.len()).collect())
            }
            Changed::Pin(_) => return self.follow_pins().await,
            Changed::Revoked(_) => return self.follow_revoked().await,
            Changed::Pointer(family, name) => {
                let listed = self.index.look_again(*family, name, &database).await;
                (listed, self.owners.concerned(name).collect::<Vec<usize>>())
            }
        };
        if let Err(error) = listed {
            warn!(%error, "the pointers cannot be listed; what is on show stays");
            return self.inventory.miss(&error);
        }
        if changed == Changed::Something {
            self.follow_pins().await;
            self.follow_revoked().await;
        }
        for index in concerned {
            let wish = &desired.wishes[index];
            let candidates = load::candidates(wish, &self.index, &self.inventory).into_iter();
            let unknown: Vec<ItemId> = candidates.filter(|id| self.inventory.item(id).is_none()).collect();
            if !unknown.is_empty() && !wish.names().iter().any(|name| self.inventory.is_unread(name)) {
                let before = self.shelf.item(wish.names().primary()).cloned();
                self.read(index).await;
                self.drop_unwritten(index).await;
                self.tell_taken_in(&unknown).await;
                // What we commit ourselves is seen to when that has ended.
                let ours = |id| matches!(self.busy.get(id), Some(Some(_)));
                if !ours(wish.lineage.id()) && !ours(wish.stand_in().lineage.id()) {
                    self.tell_swapped(wish, before.as_ref());
                    self.proofs.swapped(wish.names().primary());
                }
            }
        }
    }

    /// Shows something better for a wish where the time of what is shown is over, and there is something.
    pub(super) async fn show_better(&mut self, index: usize, now: SystemTime) {
        let desired = Arc::clone(&self.desired);
        let wish = &desired.wishes[index];
        let outdone = |name: &&Name| {
            let best = preference::choose(name, wish, &self.inventory, now);
            self.shelf.item(name).is_some_and(|shown| best.is_some_and(|best| best.id != *shown))
        };
        let names: Vec<Name> = wish.names().iter().filter(outdone).cloned().collect();
        if !names.is_empty() {
            self.swap(names, wish).await;
        }
    }

    /// Shows what is best for these names of a wish, and tells of it if something else was shown before.
    async fn swap(&mut self, names: Vec<Name>, wish: &Wish) {
        let primary = wish.names().primary();
        let before = self.shelf.item(primary).cloned();
        self.serve(names, Wanted::Changed).await;
        if before.is_some() && self.shelf.item(primary) != before.as_ref() {
            self.tell_swapped(wish, before.as_ref());
            self.proofs.swapped(primary);
        }
    }

    /// Looks at all again where something could not be read, once it is time.
    pub(super) async fn follow_again(&mut self, now: SystemTime) {
        // A moment further away was noted by a clock that has been set back.
        if self.again.take_if(|again| *again <= now || *again > now + READ_AGAIN).is_some() {
            self.follow(Changed::Something).await;
        }
    }

    /// When that will be. What has moved and could not be read is told by nobody a second time.
    pub(super) fn again_at(&mut self, now: SystemTime) -> Option<SystemTime> {
        if self.inventory.take_missed() {
            self.again.get_or_insert(now + READ_AGAIN);
        }
        self.again
    }

    /// Looks what names are pinned to, and shows it.
    pub(super) async fn follow_pins(&mut self) {
        let pins = match self.tools.store.pins().all().await {
            Ok(pins) => pins,
            Err(error) => {
                warn!(%error, "the pins cannot be listed; what is on show stays");
                return self.inventory.miss(&error);
            }
        };
        let changed = self.inventory.set_pins(pins.into_iter().collect());
        for name in &changed {
            let event = match self.inventory.pin(name) {
                Some(pin) => Event::Pinned { item: pin.item.as_str().into() },
                None => Event::Unpinned { why: "its pin was taken away".into() },
            };
            self.tools.recorder.tell([name], event);
        }
        let wishes: BTreeSet<usize> = changed.iter().filter_map(|name| self.owners.of(name)).collect();
        for wish in wishes {
            self.read(wish).await;
            self.proofs.swapped(self.desired.wishes[wish].names().primary());
        }
    }

    /// There is something newer than what the names are pinned to.
    pub(super) async fn unpin(&mut self, names: &Names) {
        let pins = self.tools.store.pins();
        for name in names.iter() {
            if !self.inventory.is_pinned(name) {
                continue;
            }
            self.inventory.unpin(name);
            self.tools.recorder.tell([name], Event::Unpinned { why: "there is a newer certificate".into() });
            if let Err(error) = pins.remove(name).await {
                warn!(%name, %error, "a pin that is void cannot be removed");
            }
        }
    }

    /// The account chosen last answers for challenges that another process has posted. One that cannot be read changes
    /// nothing.
    pub(super) async fn show_account(&mut self) {
        match self.tools.store.accounts().current_thumbprint().await {
            Ok(thumbprint) => self.shelf.set_account(thumbprint.as_deref()),
            Err(error) => {
                warn!(%error, "the account cannot answer the challenges of other processes");
                self.inventory.miss(&error);
            }
        }
    }

    /// Makes sure that what was read at once has something valid to show.
    pub(super) async fn stand_in_at_once(&mut self) {
        if self.unread.is_empty() {
            for wish in 0..self.desired.wishes.len() {
                self.stand_in(wish).await;
            }
        }
    }

    /// Makes sure of the same for a name that nobody has asked for yet.
    async fn stand_in_behind(&mut self, wish: usize) {
        // What is never written would take up memory for as long as the process lives.
        if !self.role.only_reads() {
            self.stand_in(wish).await;
        }
    }

    /// Makes and shows a selfsigned certificate if the plan wants one; from memory, committed behind.
    pub(super) async fn stand_in(&mut self, wish: usize) {
        let now = self.tools.clock.now();
        if self.looks_back(wish, now) || (self.role.only_reads() && self.has_something_for(wish, now)) {
            return;
        }
        let plan = self.planned(wish, now);
        let selfsigned = plan.steps.into_iter().find(|s| s.wish.lineage.provider() == Provider::Selfsigned);
        let Some(step) = selfsigned else { return };
        match Fresh::sign(&self.tools, step.clone()).await {
            Ok(fresh) => {
                let why = step.why.as_str().into();
                self.tools.recorder.tell(step.wish.names(), Event::StoodIn { why });
                self.shelf.pin(step.wish.names(), &Certificate::new(&fresh.bundle));
                self.busy.insert(step.wish.lineage.id().clone(), None);
                self.agenda.put_now(wish);
                self.fresh.push_back(fresh);
            }
            Err(error) => {
                error!(names = %step.wish.names(), %error, "no selfsigned certificate could be made")
            }
        }
    }

    /// Whether a stand-in that is shown from memory is still wanted on disk: the sweep may have found something better,
    /// and the configuration may have changed.
    pub(super) fn still_wants(&self, fresh: &Fresh, now: SystemTime) -> bool {
        let lineage = &fresh.step.wish.lineage;
        let Some(wish) = self.owners.of(fresh.step.wish.names().primary()) else { return false };
        let plan = plan::plan(&self.desired.wishes[wish], &self.inventory, |_| false, now);
        plan.steps.iter().any(|step| step.wish.lineage == *lineage)
    }

    /// Gives a stand-in up that is not wanted any more, and shows what is.
    pub(super) async fn forgo(&mut self, fresh: &Fresh) {
        let wish = &fresh.step.wish;
        self.busy.remove(wish.lineage.id());
        self.concern(wish);
        self.waiting.remove(wish.lineage.id());
        self.serve(wish.names().iter().cloned().collect(), Wanted::Changed).await;
    }

    pub(super) async fn serve(&mut self, names: Vec<Name>, wanted: Wanted) {
        let serving = Serving {
            desired: &self.desired,
            owners: &self.owners,
            database: &self.tools.store.database(),
            now: self.tools.clock.now(),
        };
        load::serve(&mut self.shelf, &names, &mut self.inventory, serving, wanted).await;
    }
}
