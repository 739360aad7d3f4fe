//! A draft: one certificate being put together.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tracing::{info, warn};

use super::engine::{Claim, Engine, EngineError, Expect};
use super::issuance::Issuance;
use super::keying::Keying;
use super::layout::{self, File};
use super::{Database, StoreError, record};
use crate::clock::Clock;
use crate::ident::{ItemId, Lineage};
use crate::pki::{Bundle, KeyType, PrivateKey, SigningRequest};

/// A certificate being put together, held by this process until it is committed, given up or dropped. A dropped
/// draft stays in the spool for the next attempt.
pub struct Draft {
    engine: Arc<dyn Engine>,
    clock: Clock,
    database: Database,
    lineage: Lineage,
    /// The key that [`request_or_generate`](Self::request_or_generate) gave out.
    key: Option<PrivateKey>,
    issuance: Mutex<Option<Issuance>>,
    _claim: Claim,
}

impl Draft {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        clock: Clock,
        database: Database,
        lineage: Lineage,
        claim: Claim,
        issuance: Option<Issuance>,
    ) -> Self {
        Self { engine, clock, database, lineage, key: None, issuance: Mutex::new(issuance), _claim: claim }
    }

    /// The lineage the draft is for.
    #[must_use]
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The draft's key and its request for the lineage's names: those of an earlier attempt if they are usable,
    /// else the key that is to be used again, or a new one.
    ///
    /// When this returns, `key.pem` and `csr.pem` survive a power cut: a certificate whose key was lost in a crash is
    /// of no use to anyone, and counts against the CA's limits all the same.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a new key cannot sign; [`StoreError::Engine`]. A key that cannot be read is set aside
    /// and is no error.
    pub async fn request_or_generate(
        &mut self,
        keying: impl Into<Keying>,
    ) -> Result<(PrivateKey, SigningRequest), StoreError> {
        let mut keying = keying.into();
        let key = match self.kept_key(&keying).await? {
            Some(key) => key,
            None => {
                let reused = keying.reuse.take().filter(|key| !keying.is_barred(key));
                let key = reused.unwrap_or_else(|| PrivateKey::generate(keying.key_type));
                self.put(File::Key, Bytes::from_owner(key.to_pem())).await?;
                key
            }
        };
        let request = SigningRequest::new(&key, self.lineage.names()).map_err(|e| StoreError::Damaged {
            place: layout::draft_file(self.lineage.id(), File::Key).as_prefix(),
            why: e.to_string(),
        })?;
        self.put(File::Csr, Bytes::from(request.csr_pem())).await?;
        self.key = Some(key.clone());
        Ok((key, request))
    }

    /// What was noted about the order, in this attempt or in an earlier one.
    #[must_use]
    pub fn issuance(&self) -> Option<Issuance> {
        self.issuance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what a later attempt needs to go on. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn note_issuance(&self, issuance: &Issuance) -> Result<(), StoreError> {
        self.put(File::Issuance, record::text(issuance)).await?;
        *self.issuance.lock().unwrap_or_else(PoisonError::into_inner) = Some(issuance.clone());
        Ok(())
    }

    /// Forgets the order, so that the next attempt places a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn forget_issuance(&self) -> Result<(), StoreError> {
        let place = layout::draft_file(self.lineage.id(), File::Issuance).as_prefix();
        self.engine.remove(&place, Expect::Any).await?;
        *self.issuance.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Says on disk that the last attempt failed. The next [`open`](super::Spool::open) says the contrary.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn mark_failed(&self) -> Result<(), StoreError> {
        self.put(File::IsFailed, Bytes::from_static(b"true")).await
    }

    /// Takes [`mark_failed`](Self::mark_failed) back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn clear_failed(&self) -> Result<(), StoreError> {
        self.put(File::IsFailed, Bytes::from_static(b"false")).await
    }

    /// Makes this draft the newest item of its lineage and returns the item's id.
    ///
    /// When this returns, the item survives a power cut. If the process dies before that, either the draft is still in
    /// the spool or the item is complete with some pointers not yet moved; [`sweep`](super::sweep::sweep) moves them
    /// at the next start.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotOurs`] if the bundle is for other names or another key; nothing is changed then.
    /// [`StoreError::PointersLag`] if the item is committed and some of its pointers are not. After any other error
    /// the draft is still in the spool.
    pub async fn commit(self, bundle: &Bundle) -> Result<ItemId, StoreError> {
        self.refuse_foreign(bundle)?;
        let draft = layout::draft(self.lineage.id());
        if self.key.is_none() {
            self.adopt_key(bundle).await?;
        }
        if self.issuance().is_none() {
            let bare = Issuance::new(KeyType::default().as_str(), "", self.clock.now());
            self.note_issuance(&bare).await?;
        }
        let chain = bundle.chain();
        let served = chain.crt_chain_pem();
        let mut with_key = bundle.key().to_pem();
        with_key.insert_str(0, &served);
        self.put(File::Crt, chain.crt_pem().into()).await?;
        self.put(File::Chain, chain.chain_pem().into()).await?;
        self.put(File::Ca, chain.ca_pem().into()).await?;
        self.put(File::CrtChain, served.into()).await?;
        self.put(File::CrtChainKey, Bytes::from_owner(with_key)).await?;
        self.clear_failed().await?;
        self.exactly_the_files().await?;

        let item = self.database.admit(&draft, &self.lineage, self.clock.now()).await?;
        info!(lineage = %self.lineage.id(), %item, "committed");
        Ok(item)
    }

    /// Throws the draft away, its key included.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn give_up(self) -> Result<(), StoreError> {
        Ok(self.engine.remove(&layout::draft(self.lineage.id()), Expect::Any).await?)
    }

    /// The key of an earlier attempt. One that is damaged, barred or of another kind is set aside, and the order
    /// that was placed for it forgotten.
    async fn kept_key(&self, keying: &Keying) -> Result<Option<PrivateKey>, StoreError> {
        let key_type = keying.key_type;
        let place = layout::draft_file(self.lineage.id(), File::Key);
        let why = match self.engine.read(&place).await {
            Err(EngineError::Absent { .. }) => return Ok(None),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((pem, _)) => match PrivateKey::from_pem(&pem) {
                Err(error) => error.to_string(),
                Ok(key) if keying.is_barred(&key) => "it is not to be used again".to_owned(),
                Ok(key) => match self.issuance() {
                    Some(noted) if noted.key_type != key_type.as_str() => {
                        format!("it is {}, and {} is asked for", noted.key_type, key_type.as_str())
                    }
                    _ => return Ok(Some(key)),
                },
            },
        };
        let to = self.engine.set_aside(&place.as_prefix()).await?;
        warn!(key = %place, why, %to, "set aside");
        self.forget_issuance().await?;
        Ok(None)
    }

    /// The last look before nothing can be changed any more: all files are there, and nothing else is.
    async fn exactly_the_files(&self) -> Result<(), StoreError> {
        let present = self.engine.list(&layout::draft(self.lineage.id())).await?;
        for stray in present.iter().filter(|key| File::named(key.name()).is_none()) {
            let to = self.engine.set_aside(&stray.as_prefix()).await?;
            warn!(place = %stray, %to, "does not belong into a draft; set aside");
        }
        let files = File::ALL.map(|file| layout::draft_file(self.lineage.id(), file));
        match files.iter().find(|file| !present.contains(file)) {
            None => Ok(()),
            Some(lost) => {
                Err(StoreError::Damaged { place: lost.as_prefix(), why: "somebody took it away".to_owned() })
            }
        }
    }

    /// Writes the key of a certificate that was not made by way of this draft's own request.
    async fn adopt_key(&self, bundle: &Bundle) -> Result<(), StoreError> {
        let not_ours = |why: String| self.not_ours(why);
        let request = SigningRequest::new(bundle.key(), self.lineage.names());
        let request = request.map_err(|e| not_ours(e.to_string()))?;
        self.put(File::Key, Bytes::from_owner(bundle.key().to_pem())).await?;
        self.put(File::Csr, request.csr_pem().into()).await
    }

    fn refuse_foreign(&self, bundle: &Bundle) -> Result<(), StoreError> {
        let carried = bundle.leaf().names();
        if let Some(missing) = self.lineage.names().iter().find(|name| !carried.contains(name)) {
            return Err(self.not_ours(format!("it does not carry {missing}")));
        }
        match &self.key {
            Some(key) if key.spki() != bundle.key().spki() => {
                Err(self.not_ours("it is for another key".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn not_ours(&self, why: String) -> StoreError {
        StoreError::NotOurs { draft: layout::draft(self.lineage.id()), why }
    }

    async fn put(&self, file: File, value: Bytes) -> Result<(), StoreError> {
        let key = layout::draft_file(self.lineage.id(), file);
        self.engine.put(&key, value, Expect::Any, file.secrecy()).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({})", self.lineage.id())
    }
}
