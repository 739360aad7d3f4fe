//! What is remembered of names nobody has listed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::record::{self, Records};
use super::{StoreError, layout};
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

impl Demanded {
    /// At most this many names, and as much of the budget, are remembered: of the longest names, that fits into one
    /// file.
    pub const MOST: usize = 10_000;
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    records: Records,
}

impl Demands {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { records: Records::new(engine) }
    }

    /// What is remembered. A damaged record is set aside, and nothing is remembered then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self) -> Result<Demanded, StoreError> {
        Ok(self.records.load(&layout::demanded()).await?.unwrap_or_default())
    }

    /// What is wrong with the record, if anything. That there is none is right as well. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.records.read::<Demanded>(&layout::demanded()).await.map(drop)
    }

    /// Adds what another copy remembers, as far as there is room: names that are not remembered here, and what was
    /// spent of the budget, the latest of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the copy's is no record; [`StoreError::Engine`].
    pub(super) async fn merge(&self, text: &[u8]) -> Result<(), StoreError> {
        let other: Demanded = record::parse(&layout::demanded(), text)?;
        let mut own = self.load().await?;
        let known: HashSet<Name> = own.names.iter().map(|known| known.name.clone()).collect();
        own.names.extend(other.names.into_iter().filter(|new| !known.contains(&new.name)));
        own.names.truncate(Demanded::MOST);
        let spent: HashSet<Granted> = own.granted.iter().cloned().collect();
        own.granted.extend(other.granted.into_iter().filter(|granted| !spent.contains(granted)));
        own.granted.sort_by_key(|granted| granted.at);
        own.granted.drain(..own.granted.len().saturating_sub(Demanded::MOST));
        self.save(&own).await
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, demanded: &Demanded) -> Result<(), StoreError> {
        self.records.write(&layout::demanded(), demanded).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryEngine;

    #[tokio::test]
    async fn as_much_as_is_remembered_can_be_read_back() {
        let demands = Demands::new(Arc::new(MemoryEngine::new()));
        let (at, long) = (SystemTime::UNIX_EPOCH, format!("{0}.{0}.{0}.{1}", "a".repeat(62), "b".repeat(50)));
        let of = |numbers: std::ops::Range<usize>| {
            let domain = |number| format!("{number:05}.{long}");
            let name = |number| Name::parse(&domain(number)).expect("a name");
            let names =
                numbers.clone().map(|number| DemandedName { name: name(number), allowed: at, seen: at });
            let granted = numbers.clone().map(|number| Granted { at, domain: domain(number) });
            Demanded { names: names.collect(), granted: granted.collect() }
        };
        demands.save(&of(0..Demanded::MOST)).await.expect("saved");
        demands.merge(&record::text(&of(5_000..20_000))).await.expect("merged");
        let all = demands.load().await.expect("read");
        assert_eq!((all.names.len(), all.granted.len()), (Demanded::MOST, Demanded::MOST));
        assert!(all.names == of(0..Demanded::MOST).names, "what is remembered here comes first");
        assert!((record::text(&all).len() as u64) < layout::LARGEST);
    }
}
