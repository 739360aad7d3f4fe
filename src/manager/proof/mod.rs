//! Proof of serving: whether clients are shown what was committed.
//!
//! A swap is proved, a start is not: a hundred thousand names that come back are no news. What is shown instead of the
//! right certificate is looked at again until it is right, so that what an operator mends is seen to be mended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::{AbortHandle, Id};
use tokio::time::sleep;

use super::status::Row;
use crate::ident::{Fqdn, ItemId, Name, Names};
use crate::store::{Database, StoreError};

/// At most this many are proved at once.
const ABREAST: usize = 4;
/// At most this many wait. Of a larger crowd these speak for all.
const WAITING: usize = 1024;
/// Another process behind the same port may be a moment behind.
const AGAIN: Duration = Duration::from_secs(3);
/// How often one looks again at what is wrong.
const WHILE_WRONG: Duration = Duration::from_secs(60);

/// The label that is asked for below a wildcard; nobody has a certificate of its own for it.
const BELOW_WILDCARD: &str = "sidegate-proof-of-serving";

/// Looks at what is served, as a client.
#[async_trait]
pub trait Prover: Send + Sync {
    /// What a client is shown that asks for this host.
    async fn shown(&self, host: &Fqdn) -> Shown;
}

/// What a client is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The certificate with this serial number, in hexadecimal.
    Serial(String),
    /// Nothing it could use, and why.
    Nothing(String),
    /// It cannot be told from here, and why.
    Unseen(String),
}

/// What came of a proof.
pub(super) enum Proof {
    /// The certificate with this serial number is shown.
    Right(String),
    /// Something else is, in words.
    Wrong(String),
    /// It cannot be told, and why.
    Unseen(String),
}

/// What is to be proved, is being proved, and was found wrong; by the primary names of certificates.
pub(super) struct Proofs {
    prover: Option<Arc<dyn Prover>>,
    waiting: BTreeSet<Name>,
    running: HashMap<Name, AbortHandle>,
    wrong: BTreeMap<Name, Wrong>,
    /// Whether it was said that nothing can be told from here.
    told: bool,
}

struct Wrong {
    what: String,
    again: SystemTime,
}

impl Proofs {
    /// Nothing to be proved so far, and nothing ever without a prover.
    pub(super) fn new(prover: Option<Arc<dyn Prover>>) -> Self {
        Self {
            prover,
            waiting: BTreeSet::new(),
            running: HashMap::new(),
            wrong: BTreeMap::new(),
            told: false,
        }
    }

    /// Something was swapped in for the certificate with this primary name.
    pub(super) fn swapped(&mut self, primary: &Name) {
        if self.prover.is_some() && self.waiting.len() < WAITING {
            self.waiting.insert(primary.clone());
        }
    }

    /// What to prove now, if there is room.
    pub(super) fn take_due(&mut self, now: SystemTime) -> Option<(Name, Arc<dyn Prover>)> {
        let prover = self.prover.as_ref().filter(|_| self.running.len() < ABREAST)?;
        let again = self.wrong.iter().filter(|(_, wrong)| wrong.again <= now).map(|(name, _)| name);
        let mut due = self.waiting.iter().chain(again);
        let name = due.find(|name| !self.running.contains_key(*name))?.clone();
        self.waiting.remove(&name);
        if let Some(wrong) = self.wrong.get_mut(&name) {
            wrong.again = now + WHILE_WRONG;
        }
        Some((name, Arc::clone(prover)))
    }

    pub(super) fn began(&mut self, primary: Name, task: AbortHandle) {
        self.running.insert(primary, task);
    }

    /// How many are being proved.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// When to look again, if that is not as soon as one of those that run has ended.
    pub(super) fn next(&self) -> Option<SystemTime> {
        if self.running.len() >= ABREAST {
            return None;
        }
        self.wrong.values().map(|wrong| wrong.again).min()
    }

    /// Notes what came of a proof; whether that is news.
    pub(super) fn note(&mut self, primary: &Name, proof: &Proof, now: SystemTime) -> bool {
        self.running.remove(primary);
        match proof {
            Proof::Right(_) => {
                self.wrong.remove(primary);
                true
            }
            Proof::Wrong(what) => {
                let wrong = Wrong { what: what.clone(), again: now + WHILE_WRONG };
                self.wrong.insert(primary.clone(), wrong).is_none_or(|before| before.what != *what)
            }
            Proof::Unseen(_) => !std::mem::replace(&mut self.told, true),
        }
    }

    /// Nobody serves this certificate any more.
    pub(super) fn forget(&mut self, primary: &Name) {
        self.running.remove(primary);
        self.wrong.remove(primary);
    }

    /// A task ended without a word.
    pub(super) fn mourn(&mut self, gone: Id) {
        self.running.retain(|_, task| task.id() != gone);
    }

    /// The row of a certificate, with what clients are shown instead of it.
    pub(super) fn remark(&self, row: Row) -> Row {
        let wrong = row.names.first().and_then(|primary| self.wrong.get(primary));
        Row { disproved: wrong.map(|wrong| wrong.what.clone()), ..row }
    }
}

/// The host to ask for, and which of the names it is asked for. A client that wants an address says no name.
pub(super) fn host(names: &Names) -> Option<(&Name, Fqdn)> {
    names.iter().find_map(|name| {
        let Name::Dns(fqdn) = name else { return None };
        if !fqdn.is_wildcard() {
            return Some((name, fqdn.clone()));
        }
        let below = fqdn.to_string().replacen('*', BELOW_WILDCARD, 1);
        Fqdn::parse(&below).ok().map(|host| (name, host))
    })
}

/// Compares what a client is shown with what was committed. A difference counts when it is there a moment later too.
///
/// # Errors
///
/// [`StoreError`] if the item cannot be read.
pub(super) async fn prove(
    prover: &dyn Prover,
    host: &Fqdn,
    item: &ItemId,
    database: &Database,
) -> Result<Proof, StoreError> {
    let committed = database.item(item).await?.bundle().leaf().serial();
    if let proof @ (Proof::Right(_) | Proof::Unseen(_)) = compare(prover.shown(host).await, &committed) {
        return Ok(proof);
    }
    sleep(AGAIN).await;
    Ok(compare(prover.shown(host).await, &committed))
}

fn compare(shown: Shown, committed: &str) -> Proof {
    match shown {
        Shown::Serial(serial) if serial == committed => Proof::Right(serial),
        Shown::Serial(serial) => {
            Proof::Wrong(format!("clients are shown serial {serial} instead of {committed}"))
        }
        Shown::Nothing(why) => Proof::Wrong(format!("clients are not shown serial {committed}: {why}")),
        Shown::Unseen(why) => Proof::Unseen(why),
    }
}

#[cfg(test)]
mod tests;
