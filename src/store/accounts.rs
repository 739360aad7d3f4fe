//! ACME accounts: a key pair each, what the CA calls it, and which one was chosen last.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::account_id::jwk_thumbprint;
use super::engine::{Engine, EngineError, Expect};
use super::layout::{self, AccountFile, AccountId};
use super::{Key, Prefix, StoreError, record};
use crate::pki::PrivateKey;

/// One account at one CA.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's own name on disk.
    pub id: AccountId,
    /// The ACME directory it is for.
    pub directory: String,
    /// Its key.
    pub key: PrivateKey,
    /// What the CA calls it. `None` until the CA has answered: the key may be registered all the same, if the answer
    /// was lost.
    pub url: Option<String>,
    /// Its contacts, as the CA knows them.
    pub contacts: Vec<String>,
    /// How many keys it has had before this one.
    pub past_keys: u32,
}

/// Finds and keeps [`Account`]s.
#[derive(Clone)]
pub struct Accounts {
    engine: Arc<dyn Engine>,
}

/// `account.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    directory: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    contacts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    past_keys: Option<NonZeroU32>,
}

impl Accounts {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// The account for a directory, whichever account was chosen last.
    ///
    /// An account whose key is there and whose record is not, because a crash came between, is found by its id. Of
    /// several, one that is on the way to another key comes first, then one that the CA has answered for, then one
    /// whose key has not been followed by another (a backup may have brought a key back that is no longer good), then
    /// the one chosen last. A damaged one is named in the log and passed over.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn find(&self, directory: &str) -> Result<Option<Account>, StoreError> {
        let mut found: Vec<Account> = Vec::new();
        // A link that is none leaves nothing but the choice between accounts that are alike.
        let (changing, current) = (self.changing().await?, self.current().await.unwrap_or_default());
        for key in self.engine.list(&layout::accounts()).await? {
            let Some(id) = AccountId::parse(key.name()) else { continue };
            match self.load(&id, directory).await {
                Ok(account) => found.extend(account),
                Err(error @ StoreError::Engine(EngineError::Io { .. })) => return Err(error),
                Err(error) => warn!(account = %id, %error, "passed over"),
            }
        }
        // How many keys another account has had says nothing of this one.
        let is_past = |account: &Account| {
            found.iter().any(|other| other.url == account.url && other.past_keys > account.past_keys)
        };
        let rank = |account: &Account| {
            let id = &account.id;
            (changing.contains(id), account.url.is_some(), !is_past(account), current.as_ref() == Some(id))
        };
        // Of those that are alike the first.
        Ok(found.iter().rev().max_by_key(|account| rank(account)).cloned())
    }

    /// Keeps a new account. When this returns, its key survives a power cut, and `current` leads to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn create(&self, directory: &str, key: &PrivateKey) -> Result<Account, StoreError> {
        let account = Account {
            id: AccountId::of(directory, key),
            directory: directory.to_owned(),
            key: key.clone(),
            url: None,
            contacts: Vec::new(),
            past_keys: 0,
        };
        self.keep(&account).await?;
        Ok(account)
    }

    /// Keeps an account: its key first.
    pub(super) async fn keep(&self, account: &Account) -> Result<(), StoreError> {
        self.put(&account.id, AccountFile::Key, Bytes::from_owner(account.key.to_pem())).await?;
        self.put(&account.id, AccountFile::Pub, account.key.public_pem().into()).await?;
        self.note(account).await
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Writes down what the CA said about an account, and makes `current` lead to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn note(&self, account: &Account) -> Result<(), StoreError> {
        let Account { id, directory, url, contacts, past_keys, .. } = account.clone();
        let record = Record { directory, url, contacts, past_keys: NonZeroU32::new(past_keys) };
        self.put(&id, AccountFile::Record, record::text(&record)).await?;
        self.choose(&id).await
    }

    /// The account chosen last: the one whose challenges were posted last. Accounts are looked up by directory all the
    /// same.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn current(&self) -> Result<Option<AccountId>, StoreError> {
        let target = self.current_target().await?;
        let account = |target: &Prefix| {
            (target.folder() == layout::accounts()).then(|| AccountId::parse(target.name())).flatten()
        };
        Ok(target.as_ref().and_then(account))
    }

    /// The thumbprint (RFC 7638) of the key of the account chosen last, as it stands in answers to challenges. `None`
    /// without an account, or where its key is of a kind that no account has.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`]; [`StoreError::Damaged`] if the key cannot be read.
    pub async fn current_thumbprint(&self) -> Result<Option<String>, StoreError> {
        let Some(id) = self.current().await? else { return Ok(None) };
        Ok(self.key(&id).await?.as_ref().and_then(jwk_thumbprint))
    }

    /// Keeps an account that comes from a copy of a storage, unless it is there. `current` stays where it leads.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the account here has another key; nothing is changed then.
    pub(super) async fn adopt(
        &self,
        id: &AccountId,
        files: &[(AccountFile, Bytes)],
    ) -> Result<(), StoreError> {
        self.refuse_other_key(id, files).await?;
        for (file, value) in files {
            let key = layout::account_file(id, *file);
            match self.engine.put(&key, value.clone(), Expect::Absent, file.secrecy()).await {
                Ok(_) | Err(EngineError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.engine.follow(&layout::current_account()).await?.is_none() {
            self.choose(id).await
        } else {
            Ok(())
        }
    }

    /// Fails if there is an account of this id with another key, or if the files are not those of an account.
    pub(super) async fn refuse_other_key(
        &self,
        id: &AccountId,
        files: &[(AccountFile, Bytes)],
    ) -> Result<(), StoreError> {
        for (file, value) in files {
            Self::prove(id, *file, value)?;
        }
        let key = files.iter().find(|(file, _)| *file == AccountFile::Key);
        let (_, key) = key.ok_or_else(|| missing(id, AccountFile::Key))?;
        let own = PrivateKey::from_pem(key).map_err(|e| damaged(id, AccountFile::Key, &e))?;
        let Some(present) = self.read(id, AccountFile::Key).await? else { return Ok(()) };
        match PrivateKey::from_pem(&present) {
            Ok(present) if present.spki() != own.spki() => {
                Err(damaged(id, AccountFile::Key, &"the copy has another key under the same id"))
            }
            _ => Ok(()),
        }
    }

    /// Fails unless this may be a file of an account, as far as that can be told from it alone.
    pub(super) fn prove(id: &AccountId, file: AccountFile, value: &[u8]) -> Result<(), StoreError> {
        match file {
            AccountFile::Key => PrivateKey::from_pem(value).map(drop).map_err(|e| damaged(id, file, &e)),
            AccountFile::Record => account_record(id, value).map(drop),
            // It is made anew from the key.
            AccountFile::Pub => Ok(()),
        }
    }

    /// Where the link to it leads, whatever that is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`], also if something that is no link within the storage stands there.
    pub async fn current_target(&self) -> Result<Option<Prefix>, StoreError> {
        Ok(self.engine.follow(&layout::current_account()).await?.map(|(target, _)| target))
    }

    /// Every account, and whether the CA has answered for it, or what is wrong with it. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`] if they cannot be listed.
    pub async fn check(&self) -> Result<Vec<(AccountId, Result<bool, StoreError>)>, StoreError> {
        let mut all = Vec::new();
        for key in self.engine.list(&layout::accounts()).await? {
            let Some(id) = AccountId::parse(key.name()) else { continue };
            let sound = self.check_one(&id).await;
            let files = self.engine.list(&layout::account(&id)).await;
            // A folder that a crash has left empty is no account: nobody hears of one before its key is written.
            if !files.is_ok_and(|files| files.is_empty()) {
                all.push((id, sound));
            }
        }
        Ok(all)
    }

    async fn check_one(&self, id: &AccountId) -> Result<bool, StoreError> {
        let record = self.record(id).await?;
        let key = self.key(id).await?.ok_or_else(|| missing(id, AccountFile::Key))?;
        match self.read(id, AccountFile::Pub).await? {
            None => Err(missing(id, AccountFile::Pub)),
            Some(pem) if pem != key.public_pem() => {
                Err(damaged(id, AccountFile::Pub, &"it does not belong to account_key.pem"))
            }
            Some(_) => Ok(record.is_some_and(|record| record.url.is_some())),
        }
    }

    /// Whether there is an `account_pub.pem`, of whichever contents.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn has_public(&self, id: &AccountId) -> Result<bool, StoreError> {
        Ok(self.read(id, AccountFile::Pub).await?.is_some())
    }

    /// Writes `account_pub.pem` anew, from the key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the key cannot be read; [`StoreError::Engine`].
    pub async fn restore_public(&self, id: &AccountId) -> Result<(), StoreError> {
        let key = self.key(id).await?.ok_or_else(|| missing(id, AccountFile::Key))?;
        self.put(id, AccountFile::Pub, key.public_pem().into()).await
    }

    /// Makes `current` lead to this account. Something foreign in its place is set aside.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn choose(&self, id: &AccountId) -> Result<(), StoreError> {
        let (current, target) = (layout::current_account(), layout::account(id));
        match self.engine.follow(&current).await {
            Ok(Some((present, _))) if present == target => return Ok(()),
            Ok(_) => {}
            Err(EngineError::Foreign { what, .. }) => {
                let to = self.engine.set_aside(&current.as_prefix()).await?;
                warn!(place = %current, what, %to, "set aside");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.engine.point(&current, &target, Expect::Any).await?)
    }

    /// The account if it is for this directory.
    async fn load(&self, id: &AccountId, directory: &str) -> Result<Option<Account>, StoreError> {
        let record = self.record(id).await?;
        if record.as_ref().is_some_and(|record| record.directory != directory) {
            return Ok(None);
        }
        let Some(key) = self.key(id).await? else {
            // Without a record this is a folder that was only just made; with one, the key is gone.
            return record.map_or(Ok(None), |_| Err(missing(id, AccountFile::Key)));
        };
        if record.is_none() && AccountId::of(directory, &key) != *id {
            return Ok(None);
        }
        if self.read(id, AccountFile::Pub).await?.is_none() {
            self.put(id, AccountFile::Pub, key.public_pem().into()).await?;
        }
        let known =
            record.map(|record| (record.url, record.contacts, record.past_keys.map_or(0, NonZeroU32::get)));
        let ((url, contacts, past_keys), directory) = (known.unwrap_or_default(), directory.to_owned());
        Ok(Some(Account { id: id.clone(), directory, key, url, contacts, past_keys }))
    }

    /// The key, if there is one.
    async fn key(&self, id: &AccountId) -> Result<Option<PrivateKey>, StoreError> {
        let pem = self.read(id, AccountFile::Key).await?;
        let key = |pem: Bytes| PrivateKey::from_pem(&pem).map_err(|e| damaged(id, AccountFile::Key, &e));
        pem.map(key).transpose()
    }

    /// What the CA said, if anything was written down.
    async fn record(&self, id: &AccountId) -> Result<Option<Record>, StoreError> {
        let text = self.read(id, AccountFile::Record).await?;
        text.map(|text| account_record(id, &text)).transpose()
    }

    async fn read(&self, id: &AccountId, file: AccountFile) -> Result<Option<Bytes>, StoreError> {
        self.read_at(&layout::account_file(id, file)).await
    }

    pub(super) async fn read_at(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        match self.engine.read(key).await {
            Ok((value, _)) => Ok(Some(value)),
            Err(EngineError::Absent { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, id: &AccountId, file: AccountFile, value: Bytes) -> Result<(), StoreError> {
        self.engine.put(&layout::account_file(id, file), value, Expect::Any, file.secrecy()).await?;
        Ok(())
    }
}

fn account_record(id: &AccountId, text: &[u8]) -> Result<Record, StoreError> {
    record::parse(&layout::account_file(id, AccountFile::Record), text)
}

fn missing(id: &AccountId, file: AccountFile) -> StoreError {
    damaged(id, file, &"it is missing")
}

fn damaged(id: &AccountId, file: AccountFile, why: &dyn Display) -> StoreError {
    StoreError::Damaged { place: layout::account_file(id, file).as_prefix(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::KeyType;
    use crate::store::memory::MemoryEngine;

    const DIRECTORY: &str = "https://ca.example/dir";

    #[tokio::test]
    async fn keys_are_counted_against_those_of_the_same_account_only() {
        let accounts = Accounts::new(Arc::new(MemoryEngine::new()));
        let keep = async |url: &str, past_keys: u32| {
            let key = PrivateKey::generate(KeyType::P256);
            let account = accounts.create(DIRECTORY, &key).await.expect("kept");
            let account = Account { url: Some(url.to_owned()), past_keys, ..account };
            accounts.note(&account).await.expect("noted");
            account.id
        };
        let found = async || accounts.find(DIRECTORY).await.expect("readable").map(|account| account.id);
        let ours = keep("https://ca.example/acct/ours", 0).await;
        let followed_by = keep("https://ca.example/acct/ours", 1).await;
        accounts.choose(&ours).await.expect("chosen");
        assert_eq!(found().await, Some(followed_by.clone()), "its first key is no longer good");
        keep("https://ca.example/acct/of-another-machine", 3).await;
        accounts.choose(&followed_by).await.expect("chosen");
        assert_eq!(found().await, Some(followed_by), "the one chosen last");
    }
}
