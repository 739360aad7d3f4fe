//! What a copy of the storage takes along, while others go on using it.
//!
//! Items do not change, so each is read whole whenever it is read. Pointers are not read at all: they are made from the
//! items that were, so none of them leads to an item that is not in the copy.

use std::collections::HashMap;

use bytes::Bytes;

use super::engine::EngineError;
use super::item::Item;
use super::kept::{Kept, Link};
use super::layout::{self, AccountFile, AccountId, Family, File};
use super::{Store, StoreError};
use crate::ident::{ItemId, Name};

/// Reads what is worth copying.
pub struct Outgoing {
    store: Store,
    newest: HashMap<(Family, Name), ItemId>,
}

impl Outgoing {
    pub(super) fn new(store: Store) -> Self {
        Self { store, newest: HashMap::new() }
    }

    /// The files of an item, proved to be whole; `None` if it has been removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not whole.
    pub async fn item(&mut self, id: &ItemId) -> Result<Option<Vec<(Kept, Bytes)>>, StoreError> {
        let files = match self.store.engine().read_all(&layout::item(id)).await {
            Err(EngineError::Absent { .. }) => return Ok(None),
            Err(EngineError::Foreign { what, place }) => {
                return Err(StoreError::Damaged { place, why: format!("it {what}") });
            }
            other => other?,
        };
        let named = files.iter().map(|(key, value)| (key.name().into(), value.clone())).collect();
        let item = Item::prove(id, named)?;
        for family in Family::of(item.provider()) {
            for name in item.names() {
                let newest = self.newest.entry((family, name.clone())).or_insert_with(|| id.clone());
                *newest = newest.clone().max(id.clone());
            }
        }
        let kept = |(key, value): (super::Key, Bytes)| {
            Some((Kept::Item(id.clone(), File::named(key.name())?), value))
        };
        Ok(Some(files.into_iter().filter_map(kept).collect()))
    }

    /// The pointers that the items which were read so far imply, in order.
    #[must_use]
    pub fn pointers(&self) -> Vec<Link> {
        let mut all: Vec<_> = self.newest.iter().collect();
        all.sort();
        let link = |((family, name), id): (&(Family, Name), &ItemId)| {
            Link::Pointer(*family, name.clone(), id.clone())
        };
        all.into_iter().map(link).collect()
    }

    /// The accounts that have a key, with the keys that they are about to have, and which was chosen last if it is
    /// among them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn accounts(&self) -> Result<(Vec<(Kept, Bytes)>, Option<Link>), StoreError> {
        let mut before = self.account_ids().await?;
        loop {
            let read = self.accounts_now(&before.0).await?;
            let after = self.account_ids().await?;
            // An account that got another key meanwhile has another id since.
            if after == before {
                return Ok(read);
            }
            before = after;
        }
    }

    /// The ids of accounts, and of those that are about to have another key.
    async fn account_ids(&self) -> Result<(Vec<AccountId>, Vec<AccountId>), StoreError> {
        let folders = self.store.engine().list(&layout::accounts()).await?;
        let ids = folders.iter().filter_map(|key| AccountId::parse(key.name())).collect();
        Ok((ids, self.store.accounts().changing().await?))
    }

    async fn accounts_now(
        &self,
        ids: &[AccountId],
    ) -> Result<(Vec<(Kept, Bytes)>, Option<Link>), StoreError> {
        let (mut files, mut next_keys, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let read = self.read(AccountFile::ALL.map(|file| Kept::Account(id.clone(), file))).await?;
            if read.iter().any(|(kept, _)| matches!(kept, Kept::Account(_, AccountFile::Key))) {
                files.extend(read);
                next_keys.extend(self.read([Kept::NextKey(id.clone())]).await?);
                whole.push(id);
            }
        }
        let current = self.store.accounts().current().await?.filter(|id| whole.contains(&id));
        files.extend(next_keys);
        Ok((files, current.map(Link::Current)))
    }

    /// What is remembered of lineages, and the ledger.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn memory(&self) -> Result<Vec<(Kept, Bytes)>, StoreError> {
        let lineages = self.store.states().list().await?;
        self.read(lineages.into_iter().map(Kept::State).chain([Kept::Ledger])).await
    }

    /// Those of them that are there.
    async fn read(&self, wanted: impl IntoIterator<Item = Kept>) -> Result<Vec<(Kept, Bytes)>, StoreError> {
        let mut read = Vec::new();
        for kept in wanted {
            match self.store.engine().read(&kept.key()).await {
                Ok((value, _)) => read.push((kept, value)),
                Err(EngineError::Absent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(read)
    }
}
