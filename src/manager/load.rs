//! From the store to the catalog, by preference: at start, after a commit, and when a pointer moved elsewhere.
//!
//! What is served is decided here and in `preference`, for all three occasions.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tracing::{debug, info, warn};

use super::desired::{Desired, Owners, Wish};
use super::inventory::{Held, Inventory, Memory};
use super::preference;
use super::status::{Row, foreign_row};
use crate::catalog::{Certificate, Entry, Publisher};
use crate::clock::{self, Clock};
use crate::foreign;
use crate::ident::{ItemId, LineageId, Name, Names, Provider};
use crate::store::{Database, Family, Item, Store, StoreError};

/// How many of a name's older items are looked at when the newest cannot be served.
const OLDER: usize = 16;

/// What is on show: the catalog's one writer, and which item each name shows.
pub(super) struct Shelf {
    publisher: Publisher,
    clock: Clock,
    /// Which item each name shows.
    shown: HashMap<Name, ItemId>,
    /// Names with their certificate in memory.
    warm: HashSet<Name>,
    /// The same names, longest there first.
    order: VecDeque<Name>,
    budget: usize,
}

impl Shelf {
    /// An empty shelf that keeps at most `budget` names' certificates in memory.
    #[must_use]
    pub(super) fn new(publisher: Publisher, clock: Clock, budget: usize) -> Self {
        let budget = budget.max(1);
        Self { publisher, clock, shown: HashMap::new(), warm: HashSet::new(), order: VecDeque::new(), budget }
    }

    /// Whether the name is on show.
    pub(super) fn shows(&self, name: &Name) -> Option<&ItemId> {
        self.shown.get(name)
    }

    /// Puts a bundle on show for names, without an item behind it: a stand-in that is not committed yet, or what somebody
    /// else keeps.
    pub(super) fn show(&mut self, names: &Names, certificate: &Arc<Certificate>) {
        let entry = |name: &Name| (name.clone(), Some(Entry::Warm(Arc::clone(certificate))));
        self.publisher.publish(names.iter().map(entry));
    }

    /// Says that these names exist and are read when somebody asks.
    pub(super) fn show_cold<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        self.publisher.publish(names.into_iter().map(|name| (name.clone(), Some(Entry::Cold))));
    }

    /// Takes names off.
    pub(super) fn take_off(&mut self, names: impl IntoIterator<Item = Name>) {
        let names: Vec<Name> = names.into_iter().collect();
        for name in &names {
            self.shown.remove(name);
        }
        self.publisher.publish(names.into_iter().map(|name| (name, None)));
    }

    /// Chooses whom clients get that send no name.
    pub(super) fn set_unnamed(&mut self, name: Option<Name>) {
        self.publisher.set_unnamed(name);
    }

    /// Shows for each of the names the item that `preference` picks; one swap for all of them.
    ///
    /// An item that turns out bad leaves the one on show in place, and is forgotten so that the next best is picked.
    pub(super) async fn serve(
        &mut self,
        names: impl IntoIterator<Item = &Name>,
        (desired, owners): (&Desired, &Owners),
        inventory: &mut Inventory,
        database: &Database,
        wanted: Wanted,
    ) {
        let mut read: HashMap<ItemId, Arc<Certificate>> = HashMap::new();
        let mut changes = Vec::new();
        for name in names {
            let Some(wish) = owners.wish(name, desired) else { continue };
            if wanted == Wanted::Asked
                && preference::choose(name, wish, inventory, self.clock.now()).is_none()
            {
                // Whoever waits for it gets a refusal at once instead of a timeout.
                self.take_off([name.clone()]);
            }
            while let Some(held) = preference::choose(name, wish, inventory, self.clock.now()) {
                let id = held.id.clone();
                if self.shown.get(name) == Some(&id) && wanted == Wanted::Changed {
                    break;
                }
                if wanted == Wanted::Changed && self.warm.len() + changes.len() >= self.budget {
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
                    }
                }
            }
        }
        self.publish(changes);
    }

    fn publish(&mut self, changes: Vec<(Name, ItemId, Option<Arc<Certificate>>)>) {
        let mut entries = Vec::with_capacity(changes.len());
        for (name, id, certificate) in changes {
            if self.shown.insert(name.clone(), id.clone()).as_ref() != Some(&id) {
                debug!(%name, item = %id, "swapped in");
            }
            let entry = match certificate {
                Some(certificate) => {
                    if self.warm.insert(name.clone()) {
                        self.order.push_back(name.clone());
                    }
                    Entry::Warm(certificate)
                }
                None => Entry::Cold,
            };
            entries.push((name, Some(entry)));
        }
        while self.warm.len() > self.budget {
            let Some(name) = self.order.pop_front() else { break };
            self.warm.remove(&name);
            entries.push((name, Some(Entry::Cold)));
        }
        self.publisher.publish(entries);
    }
}

/// Why names are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Something may have changed.
    Changed,
    /// A hello waits.
    Asked,
}

/// Which item each name's pointers lead to; the two families that matter for serving.
pub(super) type Index = HashMap<Name, Vec<ItemId>>;

/// Lists the pointers. No item is read.
pub(super) async fn index(database: &Database) -> Result<Index, StoreError> {
    let mut index = Index::new();
    for family in [Family::Letsencrypt, Family::Selfsigned] {
        for (name, id) in database.pointers(family).await? {
            index.entry(name).or_default().push(id);
        }
    }
    Ok(index)
}

/// The items that may serve a wish: those its names' pointers lead to, and those of wildcards above them.
pub(super) fn candidates(wish: &Wish, index: &Index) -> Vec<ItemId> {
    let above: Vec<Name> = wish.names().iter().filter_map(preference::wildcard_of).collect();
    let mut ids: Vec<ItemId> =
        wish.names().iter().chain(&above).filter_map(|name| index.get(name)).flatten().cloned().collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Reads the items a wish may be served with into the inventory.
///
/// Where the newest item of a name is bad, or is another CA's, the older ones are looked at.
pub(super) async fn take_stock(
    wish: &Wish,
    index: &Index,
    inventory: &mut Inventory,
    database: &Database,
) -> Result<(), StoreError> {
    let mut doubtful = HashSet::new();
    for id in candidates(wish, index) {
        if inventory.item(&id).is_some() {
            continue;
        }
        match database.item(&id).await {
            Ok(item) => {
                let held = held(&item);
                if !wish.accepts(held.provider, held.directory.as_deref()) {
                    doubtful.extend(held.names.iter().cloned());
                }
                inventory.hold(held);
            }
            Err(error) => {
                warn!(item = %id, %error, "an item cannot be read; older ones are looked at");
                doubtful.extend(wish.names().iter().cloned());
            }
        }
    }
    for name in wish.names().iter().filter(|name| doubtful.contains(*name)) {
        for id in database.items_for(name).await?.into_iter().take(OLDER) {
            if inventory.item(&id).is_some() {
                continue;
            }
            if let Ok(item) = database.item(&id).await {
                inventory.hold(held(&item));
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

/// Reads what is remembered of the wishes' lineages.
pub(super) async fn recall(
    desired: &Desired,
    inventory: &mut Inventory,
    store: &Store,
) -> Result<(), StoreError> {
    let ids: BTreeMap<LineageId, ()> = desired
        .wishes
        .iter()
        .flat_map(|wish| [wish.lineage.id().clone(), wish.stand_in().lineage.id().clone()])
        .map(|id| (id, ()))
        .collect();
    for id in ids.keys() {
        if let Some(state) = store.states().load(id).await? {
            let memory = Memory {
                failures: state.failures,
                next: state.next,
                last_error: state.last_error,
                directory: state.directory,
            };
            inventory.remember(id, memory);
        }
    }
    Ok(())
}

/// All that the store has for what is desired, as a listing needs it.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be listed. An item that cannot be read is left out.
pub async fn inventory_of(desired: &Desired, store: &Store) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::default();
    let database = store.database();
    let index = index(&database).await?;
    for wish in &desired.wishes {
        take_stock(wish, &index, &mut inventory, &database).await?;
    }
    recall(desired, &mut inventory, store).await?;
    Ok(inventory)
}

/// Serves what somebody else keeps; where it is bad, what is on show stays. Returns a row for each.
pub(super) fn serve_foreign(shelf: &mut Shelf, sources: &[foreign::Source]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(sources.len());
    for source in sources {
        let read = source.load();
        rows.push(foreign_row(source, &read));
        match read {
            Ok(bundle) => {
                shelf.show(&source.names, &Certificate::new(&bundle));
                info!(names = %source.names, cert = %source.cert.display(), issuer = bundle.leaf().issuer(),
                    expires = clock::rfc3339(bundle.leaf().not_after()), "serving a certificate kept elsewhere");
            }
            Err(error) => {
                warn!(names = %source.names, %error, "a certificate kept elsewhere cannot be served; the one before stays");
            }
        }
    }
    rows
}

/// Tells what was found for each wish.
pub(super) fn tell(desired: &Desired, inventory: &Inventory, clock: &Clock) {
    for wish in &desired.wishes {
        let primary = wish.names().primary();
        match preference::choose(primary, wish, inventory, clock.now()) {
            Some(held) => {
                info!(names = %wish.names(), item = %held.id, provider = %held.provider, issuer = held.issuer,
                expires = clock::rfc3339(held.not_after), valid = held.valid_at(clock.now()), "found")
            }
            None if wish.lineage.provider() == Provider::Selfsigned => {
                info!(names = %wish.names(), "no certificate found; signing one");
            }
            None => {
                info!(names = %wish.names(), directory = wish.directory, "no certificate found; ordering one")
            }
        }
    }
}
