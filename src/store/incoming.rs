//! A copy of a storage on its way in: first everything is put together aside, then it takes its places.
//!
//! Nothing that is here is overwritten. Items have ids that no two items share, so both sides' items are kept; a pointer moves to
//! an item that came in if that is newer, and never to an older one.

use std::collections::BTreeMap;

use bytes::Bytes;
use tracing::warn;

use super::engine::{Claim, EngineError, Expect, Secrecy};
use super::item::Item;
use super::layout::{self, AccountFile, AccountId, Family, File};
use super::rollover::read_next_key;
use super::{Ledger, Prefix, States, Store, StoreError};
use crate::ident::{ItemId, Lineage, LineageId};

/// Takes a copy in. Dropped before [`settle`](Self::settle), it has changed nothing that anybody looks at.
pub struct Incoming {
    store: Store,
    /// What was put together, and which pointers it wants.
    items: BTreeMap<ItemId, Lineage>,
    _claim: Claim,
}

impl Incoming {
    pub(super) async fn begin(store: Store) -> Result<Self, StoreError> {
        let claim = store.claim_issuer().await?;
        // What one that was killed has left.
        store.engine().remove(&layout::incoming(), Expect::Any).await?;
        Ok(Self { store, items: BTreeMap::new(), _claim: claim })
    }

    /// Proves that these files are a whole item, and that there is none here of that id with other contents. Returns its
    /// lineage, and whether it is here already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if one of the two is not so.
    pub async fn prove_item(
        &self,
        id: &ItemId,
        files: &[(File, Bytes)],
    ) -> Result<(Lineage, bool), StoreError> {
        let named = files.iter().map(|(file, value)| (file.as_str().into(), value.clone()));
        let item = Item::prove(id, named.collect())?;
        let damaged = |place: Prefix, why: &str| StoreError::Damaged { place, why: why.to_owned() };
        let present = match self.store.engine().read_all(&layout::item(id)).await {
            Err(EngineError::Absent { .. }) => return Ok((item.lineage().clone(), false)),
            other => other?,
        };
        for (file, value) in files {
            let same = present.iter().any(|(key, there)| key.name() == file.as_str() && there == value);
            if !same {
                let place = layout::item_file(id, *file).as_prefix();
                return Err(damaged(place, "the copy has an item of the same id with other contents"));
            }
        }
        Ok((item.lineage().clone(), true))
    }

    /// Proves that these files are an account's, and that the account is not here with another key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if one of the two is not so.
    pub async fn prove_account(
        &self,
        id: &AccountId,
        files: &[(AccountFile, Bytes)],
    ) -> Result<(), StoreError> {
        self.store.accounts().refuse_other_key(id, files).await
    }

    /// Proves that this is a key that the account may have.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not.
    pub fn prove_next_key(&self, id: &AccountId, pem: &[u8]) -> Result<(), StoreError> {
        read_next_key(id, pem).map(drop)
    }

    /// Proves that this is what can be remembered of the lineage.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not.
    pub fn prove_state(&self, id: &LineageId, text: &[u8]) -> Result<(), StoreError> {
        States::prove(id, text)
    }

    /// Proves that this is a ledger.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not.
    pub fn prove_ledger(&self, text: &[u8]) -> Result<(), StoreError> {
        Ledger::prove(text)
    }

    /// Puts an item together where nobody looks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not whole; [`StoreError::Engine`].
    pub async fn stage(&mut self, id: &ItemId, files: &[(File, Bytes)]) -> Result<(), StoreError> {
        let (lineage, present) = self.prove_item(id, files).await?;
        if !present {
            for (file, value) in files {
                let key = layout::incoming_file(id, *file);
                self.store.engine().put(&key, value.clone(), Expect::Absent, file.secrecy()).await?;
            }
        }
        self.items.insert(id.clone(), lineage);
        Ok(())
    }

    /// Keeps an account, unless it is here.
    ///
    /// # Errors
    ///
    /// As for [`prove_account`](Self::prove_account).
    pub async fn adopt(&self, id: &AccountId, files: &[(AccountFile, Bytes)]) -> Result<(), StoreError> {
        self.store.accounts().adopt(id, files).await
    }

    /// Keeps the key that an account is about to have, unless it has one here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn adopt_next_key(&self, id: &AccountId, pem: Bytes) -> Result<(), StoreError> {
        self.store.accounts().adopt_next_key(id, pem).await
    }

    /// Remembers something of a lineage of which nothing is remembered here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn remember(&self, id: &LineageId, text: Bytes) -> Result<(), StoreError> {
        let key = layout::lineage_state(id);
        match self.store.engine().put(&key, text, Expect::Absent, Secrecy::Open).await {
            Ok(_) | Err(EngineError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts as spent what the copy's ledger says has been spent.
    ///
    /// # Errors
    ///
    /// As for [`prove_ledger`](Self::prove_ledger).
    pub async fn merge_ledger(&self, text: &[u8]) -> Result<(), StoreError> {
        self.store.ledger().merge(text).await
    }

    /// Leaves it. What was put together goes; what does not go now goes when the next one begins.
    pub async fn abandon(self) {
        if let Err(error) = self.store.engine().remove(&layout::incoming(), Expect::Any).await {
            warn!(%error, "what a restore has put together could not be removed");
        }
    }

    /// Moves what was put together to its places, the oldest item first, then the pointers. Returns how many items are new
    /// here.
    ///
    /// If the process dies meanwhile, items that have moved are whole, and the next start moves the pointers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`]; as if the process had died.
    pub async fn settle(self) -> Result<usize, StoreError> {
        let (engine, database) = (self.store.engine(), self.store.database());
        let mut new = 0;
        for id in self.items.keys() {
            match engine.seal(&layout::incoming_item(id), &layout::item(id)).await {
                Ok(()) => new += 1,
                // It was here already.
                Err(EngineError::Absent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (id, lineage) in &self.items {
            for family in Family::of(lineage.provider()) {
                for name in lineage.names() {
                    database.advance(family, name, id).await?;
                }
            }
        }
        engine.remove(&layout::incoming(), Expect::Any).await?;
        Ok(new)
    }
}
