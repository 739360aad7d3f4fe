//! What is remembered about lineages between attempts, and across restarts.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::engine::{Engine, EngineError, Expect, Secrecy};
use super::{StoreError, layout};
use crate::ident::{ItemId, LineageId, Name, Names, Provider};

/// `state/lineages/<lineage id>.json`. Losing it costs an attempt too many, never a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageState {
    /// The lineage's names.
    #[serde(with = "super::moment::names")]
    pub names: Names,
    /// Who issues.
    pub provider: Provider,
    /// The ACME directory the rest is about: another directory begins anew.
    #[serde(default)]
    pub directory: Option<String>,
    /// How many attempts have failed since the last success.
    #[serde(default)]
    pub failures: u32,
    /// Not before this moment again.
    #[serde(default, with = "super::moment::maybe_at")]
    pub next: Option<SystemTime>,
    /// Whether that moment is when a limit will allow what is in no hurry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unhurried: bool,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The name that could not be verified then, if it was that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Name>,
    /// When.
    #[serde(default, with = "super::moment::maybe_at")]
    pub last_failure: Option<SystemTime>,
    /// What the CA has said about renewing the newest item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advised: Option<Advised>,
}

/// What a CA has said about renewing one item (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advised {
    /// The item.
    #[serde(with = "super::moment::item")]
    pub item: ItemId,
    /// When the CA is asked again.
    #[serde(with = "super::moment::at")]
    pub ask_at: SystemTime,
    /// The window it named, and what was drawn from it. None while it has not named one.
    #[serde(flatten)]
    pub drawn: Option<Drawn>,
}

/// A window to renew in, and the one moment in it that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The window's first moment.
    #[serde(with = "super::moment::at")]
    pub start: SystemTime,
    /// The first moment after the window.
    #[serde(with = "super::moment::at")]
    pub end: SystemTime,
    /// Drawn once, and kept as long as the window is the same.
    #[serde(with = "super::moment::at")]
    pub renew_at: SystemTime,
    /// A page that tells people why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// Reads and writes [`LineageState`].
#[derive(Clone)]
pub struct States {
    engine: Arc<dyn Engine>,
}

impl States {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// What is remembered about a lineage. A damaged record is set aside, and nothing is remembered then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self, id: &LineageId) -> Result<Option<LineageState>, StoreError> {
        let key = layout::lineage_state(id);
        let why = match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => return Ok(None),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((text, _)) => match serde_json::from_slice(&text) {
                Ok(state) => return Ok(Some(state)),
                Err(error) => error.to_string(),
            },
        };
        let to = self.engine.set_aside(&key.as_prefix()).await?;
        warn!(place = %key, why, %to, "set aside");
        Ok(None)
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, id: &LineageId, state: &LineageState) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(state).expect("names, numbers and moments are JSON");
        text.push(b'\n');
        let key = layout::lineage_state(id);
        self.engine.put(&key, Bytes::from(text), Expect::Any, Secrecy::Open).await?;
        Ok(())
    }

    /// Forgets a lineage.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn forget(&self, id: &LineageId) -> Result<(), StoreError> {
        Ok(self.engine.remove(&layout::lineage_state(id).as_prefix(), Expect::Any).await?)
    }

    /// The lineages something is remembered about.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn list(&self) -> Result<Vec<LineageId>, StoreError> {
        let keys = self.engine.list(&layout::lineages()).await?;
        let id = |name: &str| LineageId::parse(name.strip_suffix(".json")?).ok();
        Ok(keys.iter().filter_map(|key| id(key.name())).collect())
    }
}
