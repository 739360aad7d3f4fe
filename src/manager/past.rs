//! What there is and was for a name, and going back to it.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use thiserror::Error;

use super::desired::{Desired, Wish};
use super::inventory::Inventory;
use super::load;
use super::not_ours::NotOurs;
use super::preference;
use super::status::Status;
use crate::clock::rfc3339;
use crate::ident::{ItemId, Name};
use crate::store::{Family, Item, Pin, Revoked, Store, StoreError};

/// Looks into the items of a storage, and pins names to them. Cloning shares it.
#[derive(Clone)]
pub struct Past {
    status: Status,
    store: Store,
}

/// An item, and what it is to its names now.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which.
    pub id: ItemId,
    /// What it holds, or what is wrong with it.
    pub item: Result<Box<Item>, String>,
    /// The names whose pointers lead to it: it is the newest for them.
    pub newest: Vec<Name>,
    /// The names that are pinned to it.
    pub pinned: Vec<Name>,
    /// The names that are served with it.
    pub served: Vec<Name>,
    /// That it was revoked.
    pub revoked: Option<Revoked>,
}

/// All items for a name.
#[derive(Debug, Clone)]
pub struct History {
    /// In the order of their commits.
    pub items: Vec<Told>,
    /// The rule that decided which of them is served, in words.
    pub rule: String,
}

/// Why one cannot look back, or go back.
#[derive(Debug, Error)]
pub enum PastError {
    /// There is no such item.
    #[error("{0}")]
    Unknown(String),
    /// There is nothing of ours for the name.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// It would not be served, or should not.
    #[error("{0}")]
    Refused(String),
    /// The storage cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Past {
    /// The past of what `status` is about.
    #[must_use]
    pub fn new(status: Status, store: Store) -> Self {
        Self { status, store }
    }

    /// Whether nobody can go back from here, since nothing can be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.store.is_read_only()
    }

    /// Every item that carries the name, or the wildcard that covers it.
    ///
    /// # Errors
    ///
    /// [`PastError::NotOurs`] if there is none and no wish for one.
    pub async fn history(&self, name: &Name, now: SystemTime) -> Result<History, PastError> {
        let desired = self.status.desired();
        let wish = wish_of(&desired, name);
        let ids = self.ids_for(name).await?;
        if ids.is_empty() && wish.is_none() {
            return Err(desired.not_ours(name).into());
        }
        let inventory = self.survey([name]).await?;
        let known =
            Known { names: std::slice::from_ref(name), desired: &desired, inventory: &inventory, now };
        let mut items = Vec::with_capacity(ids.len());
        for id in &ids {
            items.push(self.told(id, known).await?);
        }
        let rule = match wish {
            None => format!("{}, so none is served", desired.not_ours(name)),
            Some(wish) => {
                let explained = preference::explain(name, wish, &inventory, now);
                explained.map_or_else(|| "none can be served".to_owned(), |(_, rule)| rule)
            }
        };
        Ok(History { items, rule })
    }

    /// One item.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if there is none with this id.
    pub async fn item(&self, id: &ItemId, now: SystemTime) -> Result<Told, PastError> {
        let names = match self.store.database().item(id).await {
            Ok(item) => item.names().as_slice().to_vec(),
            Err(error) if error.is_absent() => {
                return Err(PastError::Unknown(format!("there is no item {id}")));
            }
            Err(_) => Vec::new(),
        };
        let (desired, inventory) = (self.status.desired(), self.survey(&names).await?);
        let known = Known { names: &names, desired: &desired, inventory: &inventory, now };
        Ok(self.told(id, known).await?)
    }

    /// Goes back to an item, or the one before what is served: pins to it every name of the same certificate that it
    /// has. No item is touched. Returns the item, and the names.
    ///
    /// # Errors
    ///
    /// [`PastError::Refused`] if the item has ended, was revoked, or would not be served; [`PastError::NotOurs`].
    /// Nothing is changed then.
    pub async fn roll_back(
        &self,
        name: &Name,
        to: Option<&ItemId>,
        now: SystemTime,
    ) -> Result<(ItemId, Vec<Name>), PastError> {
        let desired = self.status.desired();
        let wish = wish_of(&desired, name).ok_or_else(|| desired.not_ours(name))?;
        let ids = self.ids_for(name).await?;
        let target = match to {
            Some(id) if !ids.contains(id) => {
                return Err(PastError::Unknown(format!("there is no item {id} for {name}")));
            }
            Some(id) => self.fit(id, wish, now).await?,
            None => self.before(name, wish, &ids, now).await?,
        };
        let covered = |name: &&Name| {
            target.names().contains(name)
                || name.wildcard().is_some_and(|wild| target.names().contains(&wild))
        };
        let mut pinned = Vec::new();
        for name in wish.names().iter().filter(covered) {
            let Some(over) = self.ids_for(name).await?.pop() else { continue };
            let pin = Pin { item: target.id().clone(), over, since: now };
            self.store.pins().put(name, &pin).await?;
            pinned.push(name.clone());
        }
        Ok((target.id().clone(), pinned))
    }

    /// Takes the pins of the certificate with this name away, and returns the names that had one.
    ///
    /// # Errors
    ///
    /// [`PastError::NotOurs`].
    pub async fn go_forward(&self, name: &Name) -> Result<Vec<Name>, PastError> {
        let desired = self.status.desired();
        let names = wish_of(&desired, name).ok_or_else(|| desired.not_ours(name))?.names();
        let pins = self.store.pins();
        let pinned: HashSet<Name> = pins.all().await?.into_iter().map(|(name, _)| name).collect();
        let pinned: Vec<Name> = names.iter().filter(|name| pinned.contains(*name)).cloned().collect();
        // Also what cannot be read.
        for name in names {
            pins.remove(name).await?;
        }
        Ok(pinned)
    }

    /// The newest fit item before the one that is served, of the same kind.
    async fn before(
        &self,
        name: &Name,
        wish: &Wish,
        ids: &[ItemId],
        now: SystemTime,
    ) -> Result<Box<Item>, PastError> {
        let inventory = self.survey([name]).await?;
        let served = preference::choose(name, wish, &inventory, now);
        let served = served.ok_or_else(|| PastError::Refused(format!("nothing is served for {name}")))?;
        let mut why = "there is none before it".to_owned();
        for id in ids.iter().rev().filter(|id| **id < served.id) {
            match self.fit(id, wish, now).await {
                Ok(item) if item.provider() == served.provider => return Ok(item),
                Ok(item) => why = format!("{id} is {}; --to goes back to it all the same", item.provider()),
                Err(PastError::Refused(unfit)) => why = unfit,
                Err(error) => return Err(error),
            }
        }
        Err(PastError::Refused(format!("nothing to go back to from {}: {why}", served.id)))
    }

    /// Reads an item that may be gone back to.
    async fn fit(&self, id: &ItemId, wish: &Wish, now: SystemTime) -> Result<Box<Item>, PastError> {
        let refused = |why: String| Err(PastError::Refused(format!("{id} {why}")));
        let item = match self.store.database().item(id).await {
            Ok(item) => item,
            Err(error) => return refused(format!("cannot be read: {error}")),
        };
        if let Some(revoked) = self.store.pins().revoked(id).await? {
            return refused(format!("was revoked at {}", rfc3339(revoked.at)));
        }
        let leaf = item.bundle().leaf();
        if now > leaf.not_after() {
            return refused(format!("ended {}", rfc3339(leaf.not_after())));
        }
        if now < leaf.not_before() {
            return refused(format!("begins {}", rfc3339(leaf.not_before())));
        }
        let directory = item.issuance().and_then(|issuance| issuance.directory.as_deref());
        if !wish.accepts(item.provider(), directory) {
            let directory = directory.unwrap_or("an unknown CA");
            return refused(format!("is from {directory}, which is not configured for its names"));
        }
        Ok(Box::new(item))
    }

    async fn told(&self, id: &ItemId, known: Known<'_>) -> Result<Told, StoreError> {
        let Known { names, desired, inventory, now } = known;
        let database = self.store.database();
        let item = database.item(id).await.map(Box::new).map_err(|error| error.to_string());
        let (mut newest, mut pinned, mut served) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let wild = name.wildcard();
            let mut pointed = false;
            for name in std::iter::once(name).chain(&wild) {
                pointed |= database.pointer(Family::Any, name).await.ok().flatten().as_ref() == Some(id);
            }
            newest.extend(pointed.then(|| name.clone()));
            pinned.extend(inventory.pin(name).filter(|pin| pin.item == *id).map(|_| name.clone()));
            let chosen =
                wish_of(desired, name).and_then(|wish| preference::choose(name, wish, inventory, now));
            served.extend(chosen.filter(|held| held.id == *id).map(|_| name.clone()));
        }
        let revoked = self.store.pins().revoked(id).await?;
        Ok(Told { id: id.clone(), item, newest, pinned, served, revoked })
    }

    /// The items that could be served for a name, oldest first.
    async fn ids_for(&self, name: &Name) -> Result<Vec<ItemId>, StoreError> {
        let database = self.store.database();
        let mut ids: BTreeSet<ItemId> = database.items_for(name).await?.into_iter().collect();
        if let Some(wild) = name.wildcard() {
            ids.extend(database.items_for(&wild).await?);
        }
        Ok(ids.into_iter().collect())
    }

    /// All that matters for choosing what these names are served with.
    async fn survey(&self, names: impl IntoIterator<Item = &Name>) -> Result<Inventory, StoreError> {
        let mut inventory = Inventory::default();
        inventory.set_pins(self.store.pins().all().await?.into_iter().collect());
        inventory.set_revoked(self.store.pins().all_revoked().await?);
        for name in names {
            for id in self.ids_for(name).await? {
                if inventory.item(&id).is_none()
                    && let Ok(item) = self.store.database().item(&id).await
                {
                    inventory.hold(load::held(&item));
                }
            }
        }
        Ok(inventory)
    }
}

/// By which it is told what an item is to its names.
#[derive(Clone, Copy)]
struct Known<'a> {
    names: &'a [Name],
    desired: &'a Desired,
    /// All that these names may be served with.
    inventory: &'a Inventory,
    now: SystemTime,
}

fn wish_of<'a>(desired: &'a Desired, name: &Name) -> Option<&'a Wish> {
    desired.wishes.iter().find(|wish| wish.names().contains(name))
}
