//! What has been spent of the limits of CAs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::engine::{Engine, EngineError, Expect, Secrecy, Version};
use super::{Database, StoreError, layout};
use crate::ident::Names;

/// Reads and writes `state/ledger.json`. It survives restarts; where it was lost, the items tell what was issued.
#[derive(Clone)]
pub struct Ledger {
    engine: Arc<dyn Engine>,
    database: Database,
}

/// What the ledger says of one CA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// When each of its buckets will be full again. A bucket that is not there is full.
    #[serde(default, with = "super::moment::map")]
    pub full_at: BTreeMap<String, SystemTime>,
}

/// A certificate that was issued, as its item tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its names.
    pub names: Names,
    /// When it was committed.
    pub at: SystemTime,
    /// The directory of the CA.
    pub directory: String,
    /// The URL of the account that ordered it, if that is known.
    pub account: Option<String>,
}

/// By directory.
type Book = BTreeMap<String, Page>;

impl Ledger {
    pub(super) fn new(engine: Arc<dyn Engine>, database: Database) -> Self {
        Self { engine, database }
    }

    /// Changes what the ledger says of a CA, and keeps it: it survives a power cut when this returns. The change is made
    /// again on what somebody else has written meanwhile.
    ///
    /// Where nothing was known of the CA, `change` is told what the items say that it has issued since `since`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn update<T>(
        &self,
        directory: &str,
        since: SystemTime,
        mut change: impl FnMut(&mut Page, &[Issued]) -> T + Send,
    ) -> Result<T, StoreError> {
        loop {
            let (mut book, expect) = self.read().await?;
            let known = book.contains_key(directory);
            let issued = if known { Vec::new() } else { self.issued(directory, since).await? };
            let page = book.entry(directory.to_owned()).or_default();
            let before = page.clone();
            let outcome = change(page, &issued);
            if known && *page == before {
                return Ok(outcome);
            }
            let mut text = serde_json::to_vec_pretty(&book).expect("strings and moments are JSON");
            text.push(b'\n');
            match self.engine.put(&layout::ledger(), Bytes::from(text), expect, Secrecy::Open).await {
                Err(EngineError::Conflict { .. }) => {}
                done => return done.map(|_| outcome).map_err(StoreError::from),
            }
        }
    }

    /// The ledger as it stands. A damaged one is set aside.
    async fn read(&self) -> Result<(Book, Expect), StoreError> {
        let key = layout::ledger();
        let why = match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => return Ok((Book::new(), Expect::Absent)),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((text, version)) => match parsed(&text, version) {
                Ok(read) => return Ok(read),
                Err(error) => error.to_string(),
            },
        };
        let to = self.engine.set_aside(&key.as_prefix()).await?;
        warn!(place = %key, why, %to, "set aside; the items tell what was issued");
        Ok((Book::new(), Expect::Absent))
    }

    async fn issued(&self, directory: &str, since: SystemTime) -> Result<Vec<Issued>, StoreError> {
        let mut issued = self.database.issued_since(since).await?;
        issued.retain(|issued| issued.directory == directory);
        Ok(issued)
    }
}

fn parsed(text: &[u8], version: Version) -> Result<(Book, Expect), serde_json::Error> {
    Ok((serde_json::from_slice(text)?, Expect::Is(version)))
}
