//! Which item a name is served with because somebody said so, and which items were revoked.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::database::name_of;
use super::engine::Engine;
use super::record::{self, Checked, Records};
use super::{StoreError, layout};
use crate::ident::{ItemId, Name, Names};

/// `state/pins/<name>`: what the name is served with until its next certificate is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The item.
    #[serde(with = "super::moment::item")]
    pub item: ItemId,
    /// The newest item there was for the name then: a newer one ends the pin, also if nobody came to remove it.
    #[serde(with = "super::moment::item")]
    pub over: ItemId,
    /// When somebody said so.
    #[serde(with = "super::moment::at")]
    pub since: SystemTime,
}

impl Pin {
    /// Fails unless this may be the pin of a name, where its item is for these names, or is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`].
    pub(super) fn must_be_for(&self, name: &Name, of: Option<&Names>) -> Result<(), StoreError> {
        let why = match of {
            None => format!("it leads to {}, of which there is no copy", self.item),
            Some(names) if names.iter().any(|own| own == name || own.covers(&name.to_string())) => {
                return Ok(());
            }
            Some(_) => format!("{} is not for this name", self.item),
        };
        Err(record::damaged(&layout::pin(name), why))
    }
}

/// `state/revoked/<item id>`: the item's certificate was revoked; it is served only where there is nothing else, and
/// not gone back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    #[serde(with = "super::moment::at")]
    pub at: SystemTime,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Reads and writes [`Pin`] and [`Revoked`]. No item is touched.
#[derive(Clone)]
pub struct Pins {
    records: Records,
}

impl Pins {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { records: Records::new(engine) }
    }

    /// All pins. A damaged one is passed over, and stays where it is: it may be all that keeps an item from being
    /// removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn all(&self) -> Result<Vec<(Name, Pin)>, StoreError> {
        let mut pins = Vec::new();
        for key in self.records.list(&layout::pins()).await? {
            let Some(name) = name_of(key.name()) else { continue };
            match self.records.read(&key).await {
                Ok(pin) => pins.extend(pin.map(|pin| (name, pin))),
                Err(error @ StoreError::Damaged { .. }) => warn!(%error, "a pin is passed over"),
                Err(error) => return Err(error),
            }
        }
        Ok(pins)
    }

    /// What is wrong with each pin, if anything. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn check(&self) -> Result<Checked, StoreError> {
        self.records.check_all::<Pin>(&layout::pins()).await
    }

    /// The same for the notes of what was revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn check_revoked(&self) -> Result<Checked, StoreError> {
        self.records.check_all::<Revoked>(&layout::all_revoked()).await
    }

    /// Pins a name. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn put(&self, name: &Name, pin: &Pin) -> Result<(), StoreError> {
        self.records.write(&layout::pin(name), pin).await
    }

    /// Takes a name's pin away, if it has one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn remove(&self, name: &Name) -> Result<(), StoreError> {
        self.records.remove(&layout::pin(name)).await
    }

    /// Whether an item was revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`]; [`StoreError::Damaged`] if there is a note that cannot be read, since not to know is not
    /// a no.
    pub async fn revoked(&self, item: &ItemId) -> Result<Option<Revoked>, StoreError> {
        self.records.read(&layout::revoked(item)).await
    }

    /// All items that were revoked. A note that cannot be read counts, since not to know is not a no.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn all_revoked(&self) -> Result<HashSet<ItemId>, StoreError> {
        let keys = self.records.list(&layout::all_revoked()).await?;
        Ok(keys.iter().filter_map(|key| ItemId::parse(key.name()).ok()).collect())
    }

    /// Takes over what a copy notes of an item that is noted as revoked here too. Where the two give different reasons
    /// none is kept, which counts as the worst.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn merge_revoked(&self, item: &ItemId, copy: &[u8]) -> Result<(), StoreError> {
        let here = match self.revoked(item).await {
            Ok(Some(here)) => here,
            // What cannot be read gives no reason.
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let other = record::parse::<Revoked>(&layout::revoked(item), copy).ok().and_then(|copy| copy.why);
        if here.why.is_some() && here.why != other {
            self.note_revoked(item, &Revoked { why: None, ..here }).await?;
        }
        Ok(())
    }

    /// Notes that an item was revoked. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn note_revoked(&self, item: &ItemId, revoked: &Revoked) -> Result<(), StoreError> {
        self.records.write(&layout::revoked(item), revoked).await
    }
}
