//! What a copy of the storage takes along, while others go on using it.
//!
//! Items do not change, so each is read whole whenever it is read. Pointers are not read at all: they are made from the
//! items that were, so none of them leads to an item that is not in the copy. What is damaged is left out and noted, so
//! that whoever takes the copy in finds nothing to refuse.

use std::collections::HashMap;

use bytes::Bytes;

use super::engine::EngineError;
use super::item::Item;
use super::kept::{Kept, Link};
use super::layout::{self, AccountFile, AccountId, Family, File};
use super::{Key, Pin, Store, StoreError, database, journal, record};
use crate::ident::{ItemId, Name, Names};

/// Reads what is worth copying.
pub struct Outgoing {
    store: Store,
    newest: HashMap<(Family, Name), ItemId>,
    /// The items that were read, and what they are for.
    items: HashMap<ItemId, Names>,
    left_out: Vec<StoreError>,
}

impl Outgoing {
    pub(super) fn new(store: Store) -> Self {
        Self { store, newest: HashMap::new(), items: HashMap::new(), left_out: Vec::new() }
    }

    /// The files of an item, proved to be whole; `None` if it has been removed, or is left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn item(&mut self, id: &ItemId) -> Result<Option<Vec<(Kept, Bytes)>>, StoreError> {
        let files = match self.store.engine().read_all(&layout::item(id)).await {
            Err(EngineError::Absent { .. }) => return Ok(None),
            Err(EngineError::Foreign { what, place }) => {
                self.left_out.push(StoreError::Damaged { place, why: format!("it {what}") });
                return Ok(None);
            }
            other => other?,
        };
        let named = files.iter().map(|(key, value)| (key.name().into(), value.clone())).collect();
        let item = match Item::prove(id, named) {
            Err(error @ StoreError::Damaged { .. }) => {
                self.left_out.push(error);
                return Ok(None);
            }
            proved => proved?,
        };
        self.items.insert(id.clone(), item.names().clone());
        for family in Family::of(item.provider()) {
            for name in item.names() {
                let newest = self.newest.entry((family, name.clone())).or_insert_with(|| id.clone());
                *newest = newest.clone().max(id.clone());
            }
        }
        let kept =
            |(key, value): (Key, Bytes)| Some((Kept::Item(id.clone(), File::named(key.name())?), value));
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
    pub async fn accounts(&mut self) -> Result<(Vec<(Kept, Bytes)>, Option<Link>), StoreError> {
        let mut before = self.account_ids().await?;
        let noted = self.left_out.len();
        loop {
            self.left_out.truncate(noted);
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
        &mut self,
        ids: &[AccountId],
    ) -> Result<(Vec<(Kept, Bytes)>, Option<Link>), StoreError> {
        let (mut files, mut next_keys, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let read = self.whole(AccountFile::ALL.map(|file| Kept::Account(id.clone(), file))).await?;
            if read.iter().any(|(kept, _)| matches!(kept, Kept::Account(_, AccountFile::Key))) {
                files.extend(read);
                next_keys.extend(self.whole([Kept::NextKey(id.clone())]).await?);
                whole.push(id);
            }
        }
        let current = self.store.accounts().current().await?.filter(|id| whole.contains(&id));
        files.extend(next_keys);
        Ok((files, current.map(Link::Current)))
    }

    /// What is remembered of lineages and of names nobody has listed, the ledger, which of the items that were read are
    /// revoked, and which names are pinned to one of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn memory(&mut self) -> Result<Vec<(Kept, Bytes)>, StoreError> {
        let lineages = self.store.states().list().await?;
        let mut revoked: Vec<ItemId> = self.store.pins().all_revoked().await?.into_iter().collect();
        revoked.retain(|id| self.items.contains_key(id));
        revoked.sort();
        let pins = self.store.engine().list(&layout::pins()).await?;
        let pins: Vec<Name> = pins.iter().filter_map(|key| database::name_of(key.name())).collect();
        let memory = lineages.into_iter().map(Kept::State).chain([Kept::Ledger, Kept::Demanded]);
        let mut memory = self.whole(memory.chain(revoked.into_iter().map(Kept::Revoked))).await?;
        for (kept, text) in self.whole(pins.into_iter().map(Kept::Pin)).await? {
            let Kept::Pin(name) = &kept else { continue };
            let pin: Pin = record::parse(&kept.key(), &text)?;
            match pin.must_be_for(name, self.items.get(&pin.item)) {
                Ok(()) => memory.push((kept, text)),
                Err(error) => self.left_out.push(error),
            }
        }
        Ok(memory)
    }

    /// The journal, and before it how far the hook has been told of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn journal(&mut self) -> Result<Vec<(Kept, Bytes)>, StoreError> {
        // In this order: it has not been told of more than is in the copy.
        let told = self.whole([Kept::Hooked]).await?;
        let keys = self.store.engine().list(&layout::journal()).await?;
        let numbers: Vec<u64> = keys.iter().filter_map(|key| layout::segment_number(key.name())).collect();
        let newest = numbers.iter().skip(numbers.len().saturating_sub(journal::SEGMENTS));
        let mut segments = self.whole(newest.map(|number| Kept::Segment(*number))).await?;
        for (_, lines) in &mut segments {
            // One is being written, or a crash has torn it.
            lines.truncate(lines.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1));
        }
        segments.retain(|(_, lines)| !lines.is_empty());
        Ok(if segments.is_empty() { segments } else { told.into_iter().chain(segments).collect() })
    }

    /// What is damaged, and therefore not in the copy.
    #[must_use]
    pub fn left_out(self) -> Vec<StoreError> {
        self.left_out
    }

    /// Those of them that are there and whole.
    async fn whole(
        &mut self,
        wanted: impl IntoIterator<Item = Kept>,
    ) -> Result<Vec<(Kept, Bytes)>, StoreError> {
        let mut whole = Vec::new();
        for kept in wanted {
            let proved = match self.store.engine().read(&kept.key()).await {
                Ok((value, _)) => kept.prove(&value).map(|()| value),
                Err(EngineError::Absent { .. }) => continue,
                Err(EngineError::Foreign { what, .. }) => Err(record::damaged(&kept.key(), what)),
                Err(error) => return Err(error.into()),
            };
            match proved {
                Ok(value) => whole.push((kept, value)),
                Err(error) => self.left_out.push(error),
            }
        }
        Ok(whole)
    }
}
