//! Items older than those the pointers lead to.
//!
//! Pointers lead to the newest item of a name, and as a rule that is the one to serve and to renew. It is not where it has
//! ended, was revoked, is another CA's, or is for other names as well: an item before it may be better then, which a
//! process knows that has followed the storage since, and one that has only just begun does not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::desired::Wish;
use super::inventory::{Held, Inventory};
use super::load::{self, Index};
use super::preference;
use crate::ident::{ItemId, Name, Provider};
use crate::store::{Database, Store, StoreError};

/// What has to be read of a wish before it is known what is best for it.
#[derive(Debug)]
pub(super) struct Search {
    /// Names, and the newest item of each.
    names: BTreeMap<Name, ItemId>,
}

impl Search {
    /// Whether an older item may be better for a wish than what is known; none once all of them are. Pure.
    pub(super) fn needed(wish: &Wish, index: &Index, inventory: &Inventory, now: SystemTime) -> Option<Self> {
        let doubts = Doubts { wish, index, inventory };
        let about_serving = wish.names().iter().flat_map(|name| doubts.about_serving(name, now));
        let all = about_serving.chain(doubts.about_renewing());
        let mut names: BTreeMap<Name, ItemId> = BTreeMap::new();
        for (name, newest) in all.filter(|(name, _)| !inventory.is_complete(name)) {
            let known = names.entry(name.clone()).or_insert_with(|| newest.clone());
            *known = newest.max(known).clone();
        }
        (!names.is_empty()).then_some(Self { names })
    }

    /// Reads the older items, oldest first. What cannot be read is left out: nobody could serve it either.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the items cannot be listed.
    pub(super) async fn read(&self, database: &Database) -> Result<Vec<Held>, StoreError> {
        let mut ids = BTreeSet::new();
        for (name, newest) in &self.names {
            ids.extend(database.items_before(name, newest).await?);
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in &ids {
            if let Ok(item) = database.item(id).await {
                found.push(load::held(&item));
            }
        }
        Ok(found)
    }

    /// Takes what was found into the inventory, which is complete for these names then.
    pub(super) fn end(self, found: Vec<Held>, inventory: &mut Inventory) {
        found.into_iter().for_each(|held| inventory.hold(held));
        self.names.keys().for_each(|name| inventory.set_complete(name, true));
    }
}

/// Reads the older items of a wish into the inventory, if one of them may be better than what is known.
///
/// # Errors
///
/// [`StoreError`] if the items cannot be listed.
pub(super) async fn take_stock(
    wish: &Wish,
    index: &Index,
    inventory: &mut Inventory,
    store: &Store,
    now: SystemTime,
) -> Result<(), StoreError> {
    if let Some(search) = Search::needed(wish, index, inventory, now) {
        let found = search.read(&store.database()).await?;
        search.end(found, inventory);
    }
    Ok(())
}

struct Doubts<'a> {
    wish: &'a Wish,
    index: &'a Index,
    inventory: &'a Inventory,
}

impl<'a> Doubts<'a> {
    /// The names among whose older items a better one may be to serve a name with: itself, and the wildcard above it.
    fn about_serving(&self, name: &'a Name, now: SystemTime) -> Vec<(Name, &'a ItemId)> {
        let chosen = preference::choose(name, self.wish, self.inventory, now);
        let chosen = chosen.filter(|held| self.inventory.is_sound(held, now));
        let pinned = |held: &Held| self.inventory.pin(name).is_some_and(|pin| pin.item == held.id);
        if chosen.is_some_and(|held| self.is_own(held) || pinned(held)) {
            return Vec::new();
        }
        let mut doubts = Vec::new();
        for name in std::iter::once(name).chain(&name.wildcard()) {
            for provider in [Provider::Letsencrypt, Provider::Selfsigned] {
                let may_be_better = match chosen {
                    None => true,
                    Some(held) if held.provider == provider => self.may_be_closer(held, name),
                    Some(_) => provider == Provider::Letsencrypt,
                };
                if may_be_better && self.may_serve(provider) {
                    doubts.extend(self.index.newest(provider, name).map(|newest| (name.clone(), newest)));
                }
            }
        }
        doubts
    }

    /// Whether among the items of a name one may be for the configured names, or for the name itself, where what would be
    /// served is not.
    fn may_be_closer(&self, held: &Held, name: &Name) -> bool {
        let (wish, provider) = (self.wish, self.wish.lineage.provider());
        let may_have_own = || wish.names().iter().all(|name| self.index.newest(provider, name).is_some());
        held.provider == provider
            && wish.names().contains(name)
            && (!held.names.contains(name) || may_have_own())
    }

    /// The primary name, if what was issued last for the wish's own names may be hidden behind what was for others.
    fn about_renewing(&self) -> Option<(Name, &'a ItemId)> {
        let newest = |name| self.index.newest(self.wish.lineage.provider(), name);
        // Its own items are among those of each of its names.
        let newest: Option<Vec<&ItemId>> = self.wish.names().iter().map(newest).collect();
        let newest = newest?;
        let mut known = newest.iter().filter_map(|id| self.inventory.item(id));
        (!known.any(|held| self.is_own(held))).then(|| (self.wish.names().primary().clone(), newest[0]))
    }

    /// Whether an item is of the wish's lineage, and from a CA that is configured.
    fn is_own(&self, held: &Held) -> bool {
        held.lineage == *self.wish.lineage.id() && self.wish.accepts(held.provider, held.directory.as_deref())
    }

    fn may_serve(&self, provider: Provider) -> bool {
        provider == Provider::Selfsigned || !self.wish.cas.is_empty()
    }
}
