//! A read-only picture of every certificate, for people and for probes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::desired::Desired;
use super::inventory::{Held, Inventory};
use super::preference;
use super::schedule::{Situation, situation};
use crate::foreign::{ForeignError, Source};
use crate::ident::{ItemId, LineageId, Names, Provider};
use crate::pki::Bundle;

/// One certificate that should exist.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its names.
    pub names: Names,
    /// What its primary name is served with now.
    pub served: Option<Served>,
    /// What happens next, in words.
    pub next: String,
    /// When.
    pub next_at: Option<SystemTime>,
    /// What the last failure since the last success said.
    pub last_error: Option<String>,
}

/// What a name is served with.
#[derive(Debug, Clone)]
pub struct Served {
    /// `letsencrypt`, `selfsigned`, or the path of a file somebody else keeps.
    pub by: String,
    /// The item; none for a file somebody else keeps.
    pub item: Option<ItemId>,
    /// The issuer's name.
    pub issuer: String,
    /// The last moment of validity.
    pub not_after: SystemTime,
}

/// The rows, as the manager sees them now. Cloning shares the picture.
#[derive(Clone)]
pub struct Status(watch::Receiver<Arc<Vec<Row>>>);

impl Status {
    pub(super) fn channel() -> (watch::Sender<Arc<Vec<Row>>>, Self) {
        let (sender, receiver) = watch::channel(Arc::default());
        (sender, Self(receiver))
    }

    /// Returns when the picture was drawn anew; at once if it was since the last call.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The manager is gone: this picture stays.
            std::future::pending::<()>().await;
        }
    }

    /// The picture now.
    #[must_use]
    pub fn rows(&self) -> Arc<Vec<Row>> {
        Arc::clone(&self.0.borrow())
    }
}

/// One row for each wish, in the order of the configuration. Pure.
#[must_use]
pub fn rows(
    desired: &Desired,
    inventory: &Inventory,
    busy: &HashSet<LineageId>,
    now: SystemTime,
) -> Vec<Row> {
    desired
        .wishes
        .iter()
        .map(|wish| {
            let served = preference::choose(wish.names().primary(), wish, inventory, now).map(Served::of);
            let last_error = inventory.memory(wish.lineage.id(), wish.directory.as_deref()).last_error;
            let selfsigned = wish.lineage.provider() == Provider::Selfsigned;
            let verb = if selfsigned { "sign" } else { "order" };
            let (next, next_at) = match situation(wish, inventory, now) {
                _ if busy.contains(wish.lineage.id()) => (format!("{verb}ing now"), None),
                Situation::Refused { reason } => {
                    (format!("nothing until the configuration changes: {reason}"), None)
                }
                Situation::Missing { try_at, failures: 0 } => (verb.to_owned(), Some(try_at.max(now))),
                Situation::Missing { try_at, failures } => {
                    (format!("{verb}, attempt {}", failures + 1), Some(try_at.max(now)))
                }
                Situation::Held { renew_at, .. } => ("renew".to_owned(), Some(renew_at.max(now))),
            };
            Row { names: wish.names().clone(), served, next, next_at, last_error }
        })
        .collect()
}

/// The row of a certificate somebody else keeps, after trying to read it.
#[must_use]
pub fn foreign_row(source: &Source, read: &Result<Bundle, ForeignError>) -> Row {
    let next = "somebody else's file, read again on SIGHUP".to_owned();
    let row = Row { names: source.names.clone(), served: None, next, next_at: None, last_error: None };
    match read {
        Err(error) => Row { last_error: Some(error.to_string()), ..row },
        Ok(bundle) => {
            let leaf = bundle.leaf();
            let by = source.cert.display().to_string();
            let (issuer, not_after) = (leaf.issuer().to_owned(), leaf.not_after());
            Row { served: Some(Served { by, item: None, issuer, not_after }), ..row }
        }
    }
}

impl Served {
    fn of(held: &Held) -> Self {
        Self {
            by: held.provider.to_string(),
            item: Some(held.id.clone()),
            issuer: held.issuer.clone(),
            not_after: held.not_after,
        }
    }
}
