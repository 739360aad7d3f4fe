//! From the store to the catalog, by preference: at start, after a commit, and when a pointer moved elsewhere.
//!
//! What is served is decided here and in `preference`, for all three occasions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;

use super::desired::{Desired, Owners, Wish};
use super::inventory::{Held, Inventory};
use super::older;
use super::preference;
use super::shelf::Shelf;
use crate::catalog::Certificate;
use crate::ident::{ItemId, LineageId, Name, Provider};
use crate::store::{Attempts, Database, Family, Item, States, Store, StoreError};
use crate::story::{Event, Recorder, Text};

/// What decides on what is served, and where that is read.
pub(super) struct Serving<'a> {
    pub(super) desired: &'a Desired,
    pub(super) owners: &'a Owners,
    pub(super) database: &'a Database,
    pub(super) now: SystemTime,
}

/// Shows for each of the names the item that `preference` picks; one swap for all of them.
///
/// An item that turns out bad leaves the one on show in place, and is forgotten so that the next best is picked.
pub(super) async fn serve(
    shelf: &mut Shelf,
    names: impl IntoIterator<Item = &Name>,
    inventory: &mut Inventory,
    serving: Serving<'_>,
    wanted: Wanted,
) {
    let Serving { desired, owners, database, now } = serving;
    let mut read: HashMap<ItemId, Arc<Certificate>> = HashMap::new();
    let mut changes = Vec::new();
    for name in names {
        let Some(wish) = owners.of(name).and_then(|index| desired.wishes.get(index)) else { continue };
        if wanted == Wanted::Asked && preference::choose(name, wish, inventory, now).is_none() {
            // A name that nobody has listed is missed by nobody but its clients.
            if wish.on_demand { shelf.take_off(vec![name.clone()]) } else { shelf.leave_bare(name) }
        }
        while let Some(held) = preference::choose(name, wish, inventory, now) {
            let id = held.id.clone();
            if shelf.item(name) == Some(&id) && wanted == Wanted::Changed {
                break;
            }
            if wanted == Wanted::Changed && shelf.is_full(changes.len()) {
                changes.push((name.clone(), id, None));
                break;
            }
            if let Some(certificate) = read.get(&id) {
                changes.push((name.clone(), id, Some(Arc::clone(certificate))));
                break;
            }
            match database.item(&id).await {
                Ok(item) => {
                    let certificate = Certificate::new(item.bundle());
                    read.insert(id.clone(), Arc::clone(&certificate));
                    changes.push((name.clone(), id, Some(certificate)));
                    break;
                }
                Err(error) => {
                    warn!(%name, item = %id, %error, "an item cannot be served; the one before stays");
                    inventory.lose(&id);
                    inventory.miss(&error);
                }
            }
        }
    }
    shelf.show_items(changes);
}

/// Why names are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Something may have changed.
    Changed,
    /// A hello waits.
    Asked,
}

/// Which item each name's pointers lead to, in the two families that matter for serving.
#[derive(Default)]
pub(super) struct Index {
    letsencrypt: HashMap<Name, ItemId>,
    selfsigned: HashMap<Name, ItemId>,
}

impl Index {
    /// Lists the pointers. No item is read.
    pub(super) async fn read(database: &Database) -> Result<Self, StoreError> {
        let mut index = Self::default();
        index.letsencrypt.extend(database.pointers(Family::Letsencrypt).await?);
        index.selfsigned.extend(database.pointers(Family::Selfsigned).await?);
        Ok(index)
    }

    /// Follows one pointer again.
    pub(super) async fn look_again(
        &mut self,
        family: Family,
        name: &Name,
        database: &Database,
    ) -> Result<(), StoreError> {
        let map = match family {
            Family::Any => return Ok(()),
            Family::Letsencrypt => &mut self.letsencrypt,
            Family::Selfsigned => &mut self.selfsigned,
        };
        match database.pointer(family, name).await? {
            Some(id) => map.insert(name.clone(), id),
            None => map.remove(name),
        };
        Ok(())
    }

    /// Whether a CA has issued for this very name.
    pub(super) fn has_issued(&self, name: &Name) -> bool {
        self.letsencrypt.contains_key(name)
    }

    /// The newest item with this very name that `provider` has issued.
    pub(super) fn newest(&self, provider: Provider, name: &Name) -> Option<&ItemId> {
        match provider {
            Provider::Letsencrypt => self.letsencrypt.get(name),
            Provider::Selfsigned => self.selfsigned.get(name),
        }
    }

    fn of(&self, name: &Name) -> impl Iterator<Item = &ItemId> {
        self.letsencrypt.get(name).into_iter().chain(self.selfsigned.get(name))
    }
}

/// The items that may serve a wish: those its names' pointers lead to, and those of wildcards above them, and those
/// that its names are pinned to.
pub(super) fn candidates(wish: &Wish, index: &Index, inventory: &Inventory) -> Vec<ItemId> {
    let above: Vec<Name> = wish.names().iter().filter_map(Name::wildcard).collect();
    let pointed = wish.names().iter().chain(&above).flat_map(|name| index.of(name));
    let pinned = wish.names().iter().filter_map(|name| Some(&inventory.pin(name)?.item));
    let mut ids: Vec<ItemId> = pointed.chain(pinned).cloned().collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Reads the items that a wish's pointers and pins lead to, and what is remembered of it, into the inventory. Whether older
/// ones may be better is for [`older`](super::older) to say.
pub(super) async fn take_stock(
    wish: &Wish,
    index: &Index,
    inventory: &mut Inventory,
    store: &Store,
) -> Result<(), StoreError> {
    recall_wish(wish, inventory, &store.states()).await?;
    let database = store.database();
    for id in candidates(wish, index, inventory) {
        if inventory.item(&id).is_some() {
            continue;
        }
        match database.item(&id).await {
            Ok(item) => {
                let held = held(&item);
                // Others may have come before it since its names were looked through.
                held.names.iter().for_each(|name| inventory.set_complete(name, false));
                inventory.hold(held);
            }
            Err(error) => {
                warn!(item = %id, %error, "an item cannot be read; older ones are looked at");
                inventory.miss(&error);
            }
        }
    }
    for name in wish.names() {
        inventory.set_unread(name, false);
    }
    Ok(())
}

/// What planning needs to know of an item.
pub(super) fn held(item: &Item) -> Held {
    let leaf = item.bundle().leaf();
    Held {
        id: item.id().clone(),
        lineage: item.lineage().id().clone(),
        names: item.names().clone(),
        provider: item.provider(),
        directory: item.issuance().and_then(|issuance| issuance.directory.clone()),
        issuer: leaf.issuer().to_owned(),
        not_before: leaf.not_before(),
        not_after: leaf.not_after(),
    }
}

/// Looks which names are pinned, which items were revoked, and which lineages something is remembered of; that is read
/// with their items.
///
/// A failure belongs to a name at a CA: a lineage that is new, because its set of names has changed, goes on where the
/// one before it has failed.
pub(super) async fn recall(
    desired: &Desired,
    inventory: &mut Inventory,
    store: &Store,
) -> Result<(), StoreError> {
    inventory.set_pins(store.pins().all().await?.into_iter().collect());
    inventory.set_revoked(store.pins().all_revoked().await?);
    let known: HashSet<LineageId> = store.states().list().await?.into_iter().collect();
    let ids = |wish: &Wish| [wish.lineage.id().clone(), wish.stand_in().lineage.id().clone()];
    let wishes = if known.is_empty() { &[][..] } else { &desired.wishes };
    let wanted: HashSet<LineageId> = wishes.iter().flat_map(ids).collect();
    let mut failed: HashMap<(Name, Option<String>), Attempts> = HashMap::new();
    for id in known.difference(&wanted) {
        let Some(state) = store.states().load(id).await? else { continue };
        for attempts in state.attempts.into_iter().filter(|attempts| attempts.failures > 0) {
            if let Some(name) = attempts.failed.clone() {
                failed.insert((name, attempts.directory.clone()), attempts);
            }
        }
    }
    let is_new = |wish: &&Wish| !failed.is_empty() && !known.contains(wish.lineage.id());
    for wish in desired.wishes.iter().filter(is_new) {
        for directory in wish.directories() {
            let before = |name: &Name| failed.get(&(name.clone(), directory.map(str::to_owned)));
            if let Some(attempts) = wish.names().iter().find_map(before) {
                inventory.remember(wish.lineage.id(), attempts.clone());
            }
        }
    }
    inventory.set_unrecalled(known);
    Ok(())
}

/// Reads what is remembered of a wish's lineages, unless it was read already.
pub(super) async fn recall_wish(
    wish: &Wish,
    inventory: &mut Inventory,
    states: &States,
) -> Result<(), StoreError> {
    for id in [wish.lineage.id(), wish.stand_in().lineage.id()] {
        if inventory.take_unrecalled(id)
            && let Some(state) = states.load(id).await?
        {
            inventory.recall(id, state.attempts);
            inventory.advise(id, state.advised);
        }
    }
    Ok(())
}

/// All that the store has for what is desired, as a listing needs it.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be listed. An item that cannot be read is left out.
pub(super) async fn inventory_of(
    desired: &Desired,
    store: &Store,
    now: SystemTime,
) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::default();
    let index = Index::read(&store.database()).await?;
    recall(desired, &mut inventory, store).await?;
    for wish in &desired.wishes {
        take_stock(wish, &index, &mut inventory, store).await?;
        older::take_stock(wish, &index, &mut inventory, store, now).await?;
    }
    Ok(inventory)
}

/// Tells what was found for each wish that was looked at, and what becomes of the others: a CA is asked, if this
/// process may issue.
pub(super) fn tell(
    desired: &Desired,
    inventory: &Inventory,
    issues: bool,
    now: SystemTime,
    recorder: &Recorder,
) {
    for wish in &desired.wishes {
        let primary = wish.names().primary();
        if inventory.is_unread(primary) {
            continue;
        }
        let event = match preference::choose(primary, wish, inventory, now) {
            Some(held) => Event::Found {
                item: held.id.as_str().into(),
                provider: Text::of(held.provider),
                issuer: held.issuer.as_str().into(),
                not_after: held.not_after.into(),
                valid: held.valid_at(now),
            },
            None => {
                let ca = wish.directories().flatten().next().filter(|_| issues);
                Event::Missing { ca: ca.map(Text::from) }
            }
        };
        recorder.tell(wish.names(), event);
    }
}
