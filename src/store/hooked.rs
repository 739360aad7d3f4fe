//! How far the operator's hook has been told what the journal holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::record::Records;
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
    records: Records,
}

impl Hooks {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { records: Records::new(engine) }
    }

    /// How far it has got; none if nobody has kept that. A damaged record is set aside, and is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self) -> Result<Option<Hooked>, StoreError> {
        self.records.load(&layout::hooked()).await
    }

    /// What is wrong with the record, if anything. That there is none is right as well. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.records.read::<Hooked>(&layout::hooked()).await.map(drop)
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, hooked: Hooked) -> Result<(), StoreError> {
        self.records.write(&layout::hooked(), &hooked).await
    }

    /// Nothing is owed to any hook any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn forget(&self) -> Result<(), StoreError> {
        self.records.remove(&layout::hooked()).await
    }
}
