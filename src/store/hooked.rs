//! How far the operator's hook has been told what the journal holds.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::engine::{Engine, EngineError, Expect, Secrecy};
use super::{StoreError, layout};

/// `state/hooks.json`. Losing it costs the events that were waiting for the hook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooked {
    /// The number of the last line of the journal that is done with; zero before the first.
    pub line: u64,
    /// How often the hook was called for the line after it.
    #[serde(default)]
    pub attempts: u32,
}

/// Reads and writes [`Hooked`].
#[derive(Clone)]
pub struct Hooks {
    engine: Arc<dyn Engine>,
}

impl Hooks {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// How far it has got; none if nobody has kept that. A damaged record is set aside, and is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self) -> Result<Option<Hooked>, StoreError> {
        match self.read().await {
            Err(StoreError::Damaged { place, why }) => {
                let to = self.engine.set_aside(&place).await?;
                warn!(%place, why, %to, "set aside");
                Ok(None)
            }
            read => read,
        }
    }

    /// What is wrong with the record, if anything. That there is none is right as well. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.read().await.map(drop)
    }

    async fn read(&self) -> Result<Option<Hooked>, StoreError> {
        let key = layout::hooked();
        let why = match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => return Ok(None),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((text, _)) => match serde_json::from_slice(&text) {
                Ok(hooked) => return Ok(Some(hooked)),
                Err(error) => error.to_string(),
            },
        };
        Err(StoreError::Damaged { place: key.as_prefix(), why })
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, hooked: Hooked) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(&hooked).expect("numbers are JSON");
        text.push(b'\n');
        self.engine.put(&layout::hooked(), Bytes::from(text), Expect::Any, Secrecy::Open).await?;
        Ok(())
    }

    /// Nothing is owed to any hook any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn forget(&self) -> Result<(), StoreError> {
        match self.engine.remove(&layout::hooked().as_prefix(), Expect::Any).await {
            Ok(()) | Err(EngineError::Absent { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
