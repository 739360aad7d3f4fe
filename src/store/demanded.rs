//! What is remembered of names nobody has listed.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::{Engine, EngineError, Expect, Secrecy};
use super::{StoreError, damaged, layout};
use crate::ident::Name;

/// `state/on-demand.json`. Losing it costs a question for each name, and what was spent of an hour's budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demanded {
    /// The names that may have a certificate.
    #[serde(default)]
    pub names: Vec<DemandedName>,
    /// What was spent of the budget lately, the oldest first.
    #[serde(default)]
    pub granted: Vec<Granted>,
}

/// A name that nobody has listed and that may have a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandedName {
    /// The name.
    pub name: Name,
    /// When that was last allowed.
    #[serde(with = "super::moment::at")]
    pub allowed: SystemTime,
    /// When somebody last came for it, as far as that is known.
    #[serde(with = "super::moment::at")]
    pub seen: SystemTime,
}

/// A name was allowed for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// When.
    #[serde(with = "super::moment::at")]
    pub at: SystemTime,
    /// The registered domain of the name.
    pub domain: String,
}

/// Reads and writes [`Demanded`].
#[derive(Clone)]
pub struct Demands {
    engine: Arc<dyn Engine>,
}

impl Demands {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// What is remembered. A damaged record is set aside, and nothing is remembered then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self) -> Result<Demanded, StoreError> {
        let key = layout::demanded();
        let why = match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => return Ok(Demanded::default()),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((text, _)) => match serde_json::from_slice(&text) {
                Ok(demanded) => return Ok(demanded),
                Err(error) => error.to_string(),
            },
        };
        damaged::set_aside(&*self.engine, &key, &why).await?;
        Ok(Demanded::default())
    }

    /// What is wrong with the record, if anything. That there is none is right as well. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        let key = layout::demanded();
        let damaged =
            |e: serde_json::Error| StoreError::Damaged { place: key.as_prefix(), why: e.to_string() };
        match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok((text, _)) => serde_json::from_slice::<Demanded>(&text).map(drop).map_err(damaged),
        }
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, demanded: &Demanded) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(demanded).expect("names and moments are JSON");
        text.push(b'\n');
        self.engine.put(&layout::demanded(), Bytes::from(text), Expect::Any, Secrecy::Open).await?;
        Ok(())
    }
}
