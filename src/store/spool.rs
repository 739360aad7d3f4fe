//! The spool: where a certificate is put together before anyone may see it.
//!
//! A draft lives in `spool/<lineage id>/`. Files arrive in it in whatever order the issuer produces them, and
//! nobody outside the store reads them. [`Draft::commit`] ends it: the directory becomes an item, and the
//! pointers of its names move there.
//!
//! A lineage has at most one draft. The directory's name is computed from the names and the provider, so taking the
//! directory is taking the lock, and committing it is also giving the lock back. What a dead process left behind is
//! taken up by the next one.
//!
//! This module does not know who issues certificates, and does not decide when.

use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;

use super::draft::Draft;
use super::engine::{Claim, Engine, EngineError, Expect};
use super::item::Files;
use super::layout::{self, File};
use super::{Database, Prefix, StoreError};
use crate::clock::Clock;
use crate::ident::{Lineage, LineageId, Provider};

/// Opens drafts.
#[derive(Clone)]
pub struct Spool {
    engine: Arc<dyn Engine>,
    clock: Clock,
    database: Database,
}

impl Spool {
    pub(super) fn new(engine: Arc<dyn Engine>, clock: Clock, database: Database) -> Self {
        Self { engine, clock, database }
    }

    /// Starts a lineage's draft, or takes up the one that is there.
    ///
    /// When this returns, `domain.list` and the three `.bool` files are on disk, and `isfailed.bool` is false.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if somebody alive has it.
    pub async fn open(&self, lineage: &Lineage) -> Result<Draft, StoreError> {
        let place = layout::draft(lineage.id());
        let claim = match self.engine.claim(&place).await {
            Err(EngineError::Foreign { what, .. }) => {
                let to = self.engine.set_aside(&place).await?;
                warn!(%place, what, %to, "set aside");
                self.engine.claim(&place).await
            }
            other => other,
        }?;
        let found = self.files(&place).await?;
        self.take_up(lineage, claim, &found).await
    }

    /// Takes up a draft of which only the id is known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if somebody alive has it; [`StoreError::Damaged`] if it does not say which lineage it is
    /// for; an error for which [`StoreError::is_absent`] holds if there is no such draft.
    pub async fn open_existing(&self, id: &LineageId) -> Result<Draft, StoreError> {
        let place = layout::draft(id);
        let absent = || StoreError::Engine(EngineError::Absent { place: place.clone() });
        // Claiming would make it.
        if !self.list().await?.contains(id) {
            return Err(absent());
        }
        let claim = self.engine.claim(&place).await?;
        let found = self.files(&place).await?;
        if found.files.is_empty() {
            // Committed or given up since the look, or never begun.
            self.engine.remove(&place, Expect::Any).await?;
            return Err(absent());
        }
        let lineage = found.lineage()?;
        if lineage.id() != id {
            return Err(found.damaged(File::DomainList, &"these names belong to another draft"));
        }
        self.take_up(&lineage, claim, &found).await
    }

    /// The lineages that have a draft, live or left behind.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn list(&self) -> Result<Vec<LineageId>, StoreError> {
        let keys = self.engine.list(&layout::spool()).await?;
        Ok(keys.iter().filter_map(|key| LineageId::parse(key.name()).ok()).collect())
    }

    /// What is wrong with a draft, if anything. It need not be complete, but what is there is what an attempt goes on
    /// from: names, key and order must be readable. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] names the file that is not right; [`StoreError::Engine`].
    pub async fn check(&self, id: &LineageId) -> Result<(), StoreError> {
        let place = layout::draft(id);
        let mut found = Files { place, files: Vec::new() };
        for file in File::ALL {
            match self.engine.read(&layout::draft_file(id, file)).await {
                Ok((value, _)) => found.files.push((file.as_str().into(), value)),
                Err(EngineError::Absent { .. } | EngineError::Foreign { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        found.check_draft(id)
    }

    /// Makes what was found the lineage's draft.
    async fn take_up(&self, lineage: &Lineage, claim: Claim, found: &Files) -> Result<Draft, StoreError> {
        let provider = lineage.provider();
        for (file, text) in [
            (File::DomainList, lineage.names().domain_list()),
            (File::IsLetsencrypt, (provider == Provider::Letsencrypt).to_string()),
            (File::IsSelfsign, (provider == Provider::Selfsigned).to_string()),
            (File::IsFailed, false.to_string()),
        ] {
            if found.find(file).is_none_or(|present| *present != text) {
                let key = layout::draft_file(lineage.id(), file);
                self.engine.put(&key, Bytes::from(text), Expect::Any, file.secrecy()).await?;
            }
        }
        let (engine, clock) = (Arc::clone(&self.engine), self.clock.clone());
        Ok(Draft::new(engine, clock, self.database.clone(), lineage.clone(), claim, found.issuance()))
    }

    /// What is in a draft, after everything has been set aside that does not belong there.
    async fn files(&self, place: &Prefix) -> Result<Files, StoreError> {
        let mut files = Vec::new();
        for key in self.engine.list(place).await? {
            let read = match File::named(key.name()) {
                Some(_) => self.engine.read(&key).await,
                None => {
                    Err(EngineError::Foreign { place: key.as_prefix(), what: "does not belong into a draft" })
                }
            };
            match read {
                Ok((value, _)) => files.push((key.name().into(), value)),
                Err(EngineError::Foreign { what, .. }) => {
                    let to = self.engine.set_aside(&key.as_prefix()).await?;
                    warn!(place = %key, what, %to, "set aside");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Files { place: place.clone(), files })
    }
}
