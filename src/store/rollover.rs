//! An account on the way to another key: both keys are kept until it is known which of them is the account's.

use bytes::Bytes;

use super::engine::{EngineError, Expect, Secrecy};
use super::layout::{self, AccountFile, AccountId};
use super::{Account, Accounts, StoreError};
use crate::pki::PrivateKey;

impl Accounts {
    /// The key that an account is about to have, or has already if a crash kept us from hearing so.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; also if there is one that cannot be read, since it may be the account's only one.
    pub async fn next_key(&self, account: &Account) -> Result<Option<PrivateKey>, StoreError> {
        self.next_key_of(&account.id).await
    }

    /// Keeps the key that an account is to have. When this returns, it survives a power cut.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn prepare(&self, account: &Account, next: &PrivateKey) -> Result<(), StoreError> {
        self.put_next_key(&account.id, Bytes::from_owner(next.to_pem())).await
    }

    /// Keeps the account under its next key from now on, and nothing of the old one. After a crash at any point the
    /// same call ends what was begun.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn succeed(&self, account: &Account, next: &PrivateKey) -> Result<Account, StoreError> {
        let (id, past_keys) = (AccountId::of(&account.directory, next), account.past_keys.saturating_add(1));
        let new = Account { id, key: next.clone(), past_keys, ..account.clone() };
        self.keep(&new).await?;
        // The next key goes last: as long as there is an old account, it has one.
        self.engine().remove(&layout::account(&account.id), Expect::Any).await?;
        self.engine().remove(&layout::next_account_key(&account.id).as_prefix(), Expect::Any).await?;
        Ok(new)
    }

    /// The accounts for which there is a next key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn changing(&self) -> Result<Vec<AccountId>, StoreError> {
        let keys = self.engine().list(&layout::next_account_keys()).await?;
        let id = |key: &super::Key| key.name().strip_suffix(".pem").and_then(AccountId::parse);
        Ok(keys.iter().filter_map(id).collect())
    }

    /// Whether the next key of an account can be read, if it has one. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it cannot.
    pub async fn check_next_key(&self, id: &AccountId) -> Result<(), StoreError> {
        self.next_key_of(id).await.map(drop)
    }

    /// Removes next keys that a crash has left behind although there is a new account with them, and no old one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn forget_past_changes(&self) -> Result<(), StoreError> {
        for id in self.changing().await? {
            let account = layout::account_file(&id, AccountFile::Key);
            if self.read_at(&account).await?.is_some() {
                continue;
            }
            // What cannot be read stays: nobody knows whose it is.
            let Ok(Some(next)) = self.next_key_of(&id).await else { continue };
            if self.has_key(&next).await? {
                self.engine().remove(&layout::next_account_key(&id).as_prefix(), Expect::Any).await?;
            }
        }
        Ok(())
    }

    /// Keeps a next key that comes from a copy of a storage, unless the account has one here.
    pub(super) async fn adopt_next_key(&self, id: &AccountId, pem: Bytes) -> Result<(), StoreError> {
        match self.put_next_key(id, pem).await {
            Err(StoreError::Engine(EngineError::Conflict { .. })) => Ok(()),
            other => other,
        }
    }

    async fn has_key(&self, wanted: &PrivateKey) -> Result<bool, StoreError> {
        for account in self.engine().list(&layout::accounts()).await? {
            let Some(id) = AccountId::parse(account.name()) else { continue };
            let pem = self.read_at(&layout::account_file(&id, AccountFile::Key)).await?;
            let key = pem.and_then(|pem| PrivateKey::from_pem(&pem).ok());
            if key.is_some_and(|key| key.spki() == wanted.spki()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn put_next_key(&self, id: &AccountId, pem: Bytes) -> Result<(), StoreError> {
        let place = layout::next_account_key(id);
        self.engine().put(&place, pem, Expect::Absent, Secrecy::Secret).await?;
        Ok(())
    }

    async fn next_key_of(&self, id: &AccountId) -> Result<Option<PrivateKey>, StoreError> {
        let Some(pem) = self.read_at(&layout::next_account_key(id)).await? else { return Ok(None) };
        read_next_key(id, &pem).map(Some)
    }
}

/// The key in the file of a next key.
pub(super) fn read_next_key(id: &AccountId, pem: &[u8]) -> Result<PrivateKey, StoreError> {
    let place = layout::next_account_key(id).as_prefix();
    PrivateKey::from_pem(pem).map_err(|error| StoreError::Damaged { place, why: error.to_string() })
}
