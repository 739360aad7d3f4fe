//! What has been spent of the limits of CAs.
//!
//! A copy is kept where it outlives the storage. An empty storage beside such a copy has been lost, most likely with a
//! volume, and whatever starts on it would order everything again at every start: so it is told, loudly, and guarded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use super::engine::{Engine, EngineError, Expect, Secrecy};
use super::record::{self, Records};
use super::{Database, StoreError, layout};
use crate::ident::Names;

/// Reads and writes `state/ledger.json`. It survives restarts; where it was lost, the items tell what was issued.
#[derive(Clone)]
pub struct Ledger {
    engine: Arc<dyn Engine>,
    database: Database,
    /// What was read or written last: the text, and what it means. It is long after many orders.
    last: Arc<Mutex<Option<(Bytes, Book)>>>,
}

/// What the ledger says of one CA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// When each of its buckets will be full again. A bucket that is not there is full.
    #[serde(default, with = "super::moment::map")]
    pub full_at: BTreeMap<String, SystemTime>,
    /// The orders that took something which has not come back since, by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, OpenOrder>,
}

/// An order of which nobody knows that it came to nothing. It stands beside what it took out of the buckets, so that
/// both change by the same write: what it has cost is given back once or not at all, whatever dies in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// When it was paid for.
    #[serde(with = "super::moment::at")]
    pub paid: SystemTime,
    /// Whether its names are proved, so that there may be a certificate whatever becomes of us.
    #[serde(default)]
    pub proved: bool,
    /// When time alone will have put back what it took, by bucket.
    #[serde(default, with = "super::moment::map")]
    pub back_at: BTreeMap<String, SystemTime>,
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

/// All of it.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Book {
    /// Until when a storage that was lost is guarded.
    #[serde(default, with = "super::moment::maybe_at")]
    guarded_until: Option<SystemTime>,
    /// By directory.
    #[serde(default)]
    spent: BTreeMap<String, Page>,
}

/// The time that is looked back on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub since: SystemTime,
    /// Where it ends.
    pub now: SystemTime,
}

/// What there is to know when a page is changed.
pub struct Opened<'a> {
    /// The page.
    pub page: &'a mut Page,
    /// What the items say that the CA has issued, where nothing was known of it.
    pub issued: &'a [Issued],
    /// Whether the storage was lost lately, and nobody has said that this is all right.
    pub guarded: bool,
}

/// A storage that was lost is guarded for this long.
const GUARD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Ledger {
    pub(super) fn new(engine: Arc<dyn Engine>, database: Database) -> Self {
        Self { engine, database, last: Arc::default() }
    }

    /// Looks at the start whether the storage has been lost: it is empty although certificates were ordered on this
    /// machine before, or although somebody `expects` it not to be. It is guarded from then on, unless by `force`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn begin(&self, expects: bool, force: bool, now: SystemTime) -> Result<(), StoreError> {
        let (mut book, expect) = self.read().await?;
        let guarded = book.guarded_until.is_some_and(|until| until > now);
        if force && guarded {
            info!("as forced, a storage that was lost is not guarded any more");
            book.guarded_until = None;
        } else if guarded {
            warn!("{}", told("was empty a short while ago"));
            return Ok(());
        } else {
            let copy = self.copy().await;
            let lost = copy.is_some() || expects;
            if !lost || expect != Expect::Absent || !self.database.items().await?.is_empty() {
                return Ok(());
            }
            let what = match copy {
                Some(_) => "is empty although certificates were ordered before",
                None => "is empty although it is expected not to be",
            };
            book = copy.unwrap_or_default();
            if force {
                warn!("the storage {what}; as forced, that is all right");
            } else {
                warn!("{}", told(what));
            }
            book.guarded_until = (!force).then(|| now + GUARD);
        }
        self.write(book, expect).await.map_err(StoreError::from)
    }

    /// What the ledger says of a CA; where nothing is known of it, also what the items say that it has issued since a
    /// moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn look(&self, directory: &str, since: SystemTime) -> Result<(Page, Vec<Issued>), StoreError> {
        let (mut book, _) = self.read().await?;
        match book.spent.remove(directory) {
            Some(page) => Ok((page, Vec::new())),
            None => Ok((Page::default(), self.issued(directory, since).await?)),
        }
    }

    /// Changes what the ledger says of a CA, and keeps it: it survives a power cut when this returns. The change is
    /// made again on what somebody else has written meanwhile.
    ///
    /// Where nothing was known of the CA, `change` is told what the items say that it has issued within the span.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn update<T>(
        &self,
        directory: &str,
        Span { since, now }: Span,
        mut change: impl FnMut(Opened<'_>) -> T + Send,
    ) -> Result<T, StoreError> {
        loop {
            let (mut book, expect) = self.read().await?;
            let known = book.spent.contains_key(directory);
            let issued = if known { Vec::new() } else { self.issued(directory, since).await? };
            let guarded = book.guarded_until.is_some_and(|until| until > now);
            let page = book.spent.entry(directory.to_owned()).or_default();
            // What is full again is as if it were not there; that alone is nothing to write down.
            page.full_at.retain(|_, full| *full > now);
            page.open.retain(|_, order| order.back_at.values().any(|back_at| *back_at > now));
            let before = page.clone();
            let outcome = change(Opened { page, issued: &issued, guarded });
            if known && *page == before {
                return Ok(outcome);
            }
            match self.write(book, expect).await {
                Err(EngineError::Conflict { .. }) => {}
                done => return done.map(|()| outcome).map_err(StoreError::from),
            }
        }
    }

    /// Takes over what another copy of the ledger says has been spent. What either has spent is spent, and a storage
    /// that is guarded in either is guarded. What the other copy's open orders took is not given back here: nobody goes
    /// on with them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is no ledger; [`StoreError::Engine`].
    pub(super) async fn merge(&self, text: &[u8]) -> Result<(), StoreError> {
        let other: Book = record::parse(&layout::ledger(), text)?;
        loop {
            let (mut book, expect) = self.read().await?;
            book.guarded_until = book.guarded_until.max(other.guarded_until);
            for (directory, page) in &other.spent {
                let own = book.spent.entry(directory.clone()).or_default();
                for (bucket, full_at) in &page.full_at {
                    let own = own.full_at.entry(bucket.clone()).or_insert(*full_at);
                    *own = (*own).max(*full_at);
                }
            }
            match self.write(book, expect).await {
                Err(EngineError::Conflict { .. }) => {}
                done => return Ok(done?),
            }
        }
    }

    /// Whether this is a ledger.
    pub(super) fn prove(text: &[u8]) -> Result<(), StoreError> {
        record::parse::<Book>(&layout::ledger(), text).map(drop)
    }

    /// What is wrong with the ledger, if anything. That there is none is right as well. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        Records::new(Arc::clone(&self.engine)).read::<Book>(&layout::ledger()).await.map(drop)
    }

    /// Writes the ledger, and its copy. That there can be no copy is no reason not to go on.
    async fn write(&self, book: Book, expect: Expect) -> Result<(), EngineError> {
        let text = record::text(&book);
        self.engine.put(&layout::ledger(), text.clone(), expect, Secrecy::Open).await?;
        self.last_mut().replace((text.clone(), book));
        if let Err(error) = self.engine.keep(text).await {
            debug!(%error, "nothing can be kept beside the storage; that it was lost could not be told then");
        }
        Ok(())
    }

    async fn copy(&self) -> Option<Book> {
        let text = self.engine.kept().await.unwrap_or_else(|error| {
            debug!(%error, "what is kept beside the storage cannot be read");
            None
        })?;
        // Whatever it says, it says that there was a storage.
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// The ledger as it stands. A damaged one is set aside.
    async fn read(&self) -> Result<(Book, Expect), StoreError> {
        let key = layout::ledger();
        let why = match self.engine.read(&key).await {
            Err(EngineError::Absent { .. }) => return Ok((Book::default(), Expect::Absent)),
            Err(EngineError::Foreign { what, .. }) => what.to_owned(),
            Err(error) => return Err(error.into()),
            Ok((text, version)) => {
                if let Some((_, book)) = self.last_mut().as_ref().filter(|(last, _)| *last == text) {
                    return Ok((book.clone(), Expect::Is(version)));
                }
                match serde_json::from_slice::<Book>(&text) {
                    Ok(book) => {
                        self.last_mut().replace((text, book.clone()));
                        return Ok((book, Expect::Is(version)));
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        // The items tell what was issued.
        record::set_aside(&*self.engine, &key, &why).await?;
        Ok((Book::default(), Expect::Absent))
    }

    fn last_mut(&self) -> MutexGuard<'_, Option<(Bytes, Book)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn issued(&self, directory: &str, since: SystemTime) -> Result<Vec<Issued>, StoreError> {
        let mut issued = self.database.issued_since(since).await?;
        issued.retain(|issued| issued.directory == directory);
        Ok(issued)
    }
}

fn told(what: &str) -> String {
    format!(
        "the storage {what}: is a volume missing? No more than two certificates for the same names are ordered within \
         a week; --force lifts that"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_without_open_orders_is_that_of_earlier_versions() {
        let directory = "https://ca.example/directory";
        let full_at = "2026-11-24T00:00:00Z";
        let text = serde_json::json!({
            "guarded_until": null,
            "spent": { directory: { "full_at": { "set example.com": full_at } } },
        });
        let mut book: Book = serde_json::from_value(text.clone()).expect("a ledger");
        assert_eq!(serde_json::to_value(&book).expect("it is written"), text);

        let paid = crate::clock::parse_rfc3339("2026-11-23T00:00:00Z").expect("a moment");
        let back_at = BTreeMap::from([("set example.com".to_owned(), paid)]);
        let order = OpenOrder { paid, proved: true, back_at };
        let page = book.spent.get_mut(directory).expect("there is a page");
        page.open.insert("set example.com".to_owned(), order);
        let read: Book = serde_json::from_slice(&record::text(&book)).expect("a ledger");
        assert_eq!(read.spent, book.spent);
    }
}
