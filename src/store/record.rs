//! Records: what is kept as one JSON object at one place, and may be damaged.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::engine::{Engine, EngineError, Expect, Secrecy};
use super::{Key, Prefix, StoreError};

/// Places, and what is wrong there.
pub type Checked = Vec<(Key, Result<(), StoreError>)>;

/// Reads and writes records of any kind.
#[derive(Clone)]
pub(super) struct Records {
    engine: Arc<dyn Engine>,
}

impl Records {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// The record at this place, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if what stands there is none; [`StoreError::Engine`].
    pub(super) async fn read<T: DeserializeOwned>(&self, place: &Key) -> Result<Option<T>, StoreError> {
        match self.engine.read(place).await {
            Ok((text, _)) => parse(place, &text).map(Some),
            Err(EngineError::Absent { .. }) => Ok(None),
            Err(EngineError::Foreign { what, .. }) => Err(damaged(place, what)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, for what can be done without: a damaged record is set aside, and is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn load<T: DeserializeOwned>(&self, place: &Key) -> Result<Option<T>, StoreError> {
        match self.read(place).await {
            Err(StoreError::Damaged { why, .. }) => {
                set_aside(&*self.engine, place, &why).await?;
                Ok(None)
            }
            read => read,
        }
    }

    /// Writes it, whatever stands there. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn write(&self, place: &Key, record: &impl Serialize) -> Result<(), StoreError> {
        self.engine.put(place, text(record), Expect::Any, Secrecy::Open).await?;
        Ok(())
    }

    /// Takes it away, if it is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn remove(&self, place: &Key) -> Result<(), StoreError> {
        Ok(self.engine.remove(&place.as_prefix(), Expect::Any).await?)
    }

    /// What is wrong with each record directly below a folder, if anything. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`] if the folder cannot be listed.
    pub(super) async fn check_all<T: DeserializeOwned>(
        &self,
        folder: &Prefix,
    ) -> Result<Checked, StoreError> {
        let mut checked = Vec::new();
        for place in self.list(folder).await? {
            let read = self.read::<T>(&place).await.map(drop);
            checked.push((place, read));
        }
        Ok(checked)
    }

    /// What stands directly below a folder.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub(super) async fn list(&self, folder: &Prefix) -> Result<Vec<Key>, StoreError> {
        Ok(self.engine.list(folder).await?)
    }
}

/// A record as it is written.
pub(super) fn text(record: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec_pretty(record).expect("names, numbers, words and moments are JSON");
    text.push(b'\n');
    text.into()
}

/// The record that this is the text of, at this place.
///
/// # Errors
///
/// [`StoreError::Damaged`] if it is none.
pub(super) fn parse<T: DeserializeOwned>(place: &Key, text: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|error| damaged(place, error.to_string()))
}

/// Moves a record that cannot be read out of the way, and says so. Where nothing can be changed it stays where it is.
///
/// # Errors
///
/// [`EngineError`] if it cannot be moved.
pub(super) async fn set_aside(engine: &dyn Engine, record: &Key, why: &str) -> Result<(), EngineError> {
    match engine.set_aside(&record.as_prefix()).await {
        Ok(to) => warn!(place = %record, why, %to, "set aside"),
        Err(EngineError::ReadOnly { .. }) => warn!(place = %record, why, "damaged, and passed over"),
        Err(error) => return Err(error),
    }
    Ok(())
}

pub(super) fn damaged(place: &Key, why: impl Into<String>) -> StoreError {
    StoreError::Damaged { place: place.as_prefix(), why: why.into() }
}
