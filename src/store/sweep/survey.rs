//! What the items say, and which pointers say otherwise. Nothing is changed here.

use std::collections::{HashMap, HashSet};

use crate::ident::{ItemId, LineageId, Name};
use crate::store::database::{item_of, name_of};
use crate::store::layout::{self, Family};
use crate::store::{Key, Prefix, Store, StoreError};

/// What a look at everything in the database found.
pub struct Survey {
    /// The items.
    pub items: Items,
    /// The pointers that are not as the items have it.
    pub pointers: Vec<Wrong>,
    /// Drafts in the spool, live or to be taken up.
    pub drafts: Vec<LineageId>,
}

/// The items, as they were read one by one.
#[derive(Default)]
pub struct Items {
    /// How many are whole.
    pub whole: usize,
    /// Those that are damaged, and what is wrong with them.
    pub damaged: Vec<(ItemId, StoreError)>,
    /// Those that could not be read at all, which says nothing about them.
    pub unreadable: Vec<(ItemId, StoreError)>,
    /// For each family and name the newest whole one.
    newest: HashMap<(Family, Name), ItemId>,
    strays: Vec<Key>,
}

/// A pointer that is missing, or does not lead where it should.
pub struct Wrong {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: Name,
    /// What stands there.
    pub found: Found,
    /// The newest whole item of the name. None if there is none, and no pointer should be there.
    pub best: Option<ItemId>,
}

/// What stands in a pointer's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// No link, or one that does not lead to a place in the storage.
    Foreign,
    /// A link that leads to this place.
    Link(Prefix),
}

/// Looks at every item, pointer and draft.
///
/// # Errors
///
/// [`StoreError::Engine`] if the storage cannot be listed. One item that cannot be read is in the survey instead.
pub async fn survey(store: &Store) -> Result<Survey, StoreError> {
    let items = Items::read(store).await?;
    let mut pointers = Vec::new();
    for family in Family::ALL {
        pointers.extend(items.compare(store, family).await?.0);
    }
    let (drafts, _) = drafts(store).await?;
    Ok(Survey { items, pointers, drafts })
}

/// The drafts in the spool, and what else is there.
pub(super) async fn drafts(store: &Store) -> Result<(Vec<LineageId>, Vec<Key>), StoreError> {
    let (mut drafts, mut strays) = (Vec::new(), Vec::new());
    for key in store.engine().list(&layout::spool()).await? {
        match LineageId::parse(key.name()) {
            Ok(id) => drafts.push(id),
            Err(_) => strays.push(key),
        }
    }
    Ok((drafts, strays))
}

impl Items {
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let mut items = Self::default();
        for key in store.engine().list(&layout::items()).await? {
            let Ok(id) = ItemId::parse(key.name()) else {
                items.strays.push(key);
                continue;
            };
            match store.database().item(&id).await {
                Ok(item) => {
                    items.whole += 1;
                    for family in Family::of(item.provider()) {
                        for name in item.names() {
                            // In order of commits, so the last one stays.
                            items.newest.insert((family, name.clone()), id.clone());
                        }
                    }
                }
                Err(error @ StoreError::Damaged { .. }) => items.damaged.push((id, error)),
                // Removed by somebody since the listing.
                Err(error) if error.is_absent() => {}
                Err(error) => items.unreadable.push((id, error)),
            }
        }
        Ok(items)
    }

    /// The pointers of a family that are wrong, and what is called as no pointer is.
    pub(super) async fn compare(
        &self,
        store: &Store,
        family: Family,
    ) -> Result<(Vec<Wrong>, Vec<Key>), StoreError> {
        let (mut right, mut wrong, mut strays) = (HashSet::new(), Vec::new(), Vec::new());
        for (key, target) in store.engine().follow_all(&layout::family(family)).await? {
            let Some(name) = name_of(key.name()) else {
                strays.push(key);
                continue;
            };
            right.insert(name.clone());
            let best = self.newest.get(&(family, name.clone())).cloned();
            let present = target.as_ref().and_then(item_of);
            if best.is_some() && present == best {
                continue;
            }
            if let Some(present) = &present
                && self.carries(store, present, family, &name).await
            {
                continue;
            }
            let found = target.map_or(Found::Foreign, Found::Link);
            wrong.push(Wrong { family, name, found, best });
        }
        let missing = self.newest.iter().filter(|((of, name), _)| *of == family && !right.contains(name));
        wrong.extend(missing.map(|((family, name), best)| Wrong {
            family: *family,
            name: name.clone(),
            found: Found::Nothing,
            best: Some(best.clone()),
        }));
        Ok((wrong, strays))
    }

    pub(super) fn strays(&self) -> &[Key] {
        &self.strays
    }

    /// Whether an item that a pointer leads to, and that is not the newest one known, is right all the same: committed
    /// since the listing, or not readable at the moment.
    async fn carries(&self, store: &Store, id: &ItemId, family: Family, name: &Name) -> bool {
        if self.unreadable.iter().any(|(unreadable, _)| unreadable == id) {
            return true;
        }
        // An older one is not, whole as it may be.
        if self.newest.get(&(family, name.clone())).is_some_and(|newest| id < newest) {
            return false;
        }
        match store.database().item(id).await {
            Ok(item) => Family::of(item.provider()).contains(&family) && item.names().contains(name),
            Err(StoreError::Damaged { .. }) => false,
            Err(error) => !error.is_absent(),
        }
    }
}
