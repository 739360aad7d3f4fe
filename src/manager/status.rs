//! A read-only picture of every certificate, for people and for probes.

use std::time::SystemTime;

use rpds::VectorSync;
use tokio::sync::watch;

use super::desired::{Desired, Wish};
use super::elsewhere::Found;
use super::inventory::{Held, Inventory};
use super::load;
use super::preference;
use super::schedule::{Situation, situation};
use crate::ident::{ItemId, LineageId, Name, Provider};
use crate::store::{Store, StoreError};

/// One certificate that should exist.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its names, the primary one first.
    pub names: Box<[Name]>,
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

/// The picture at one moment. It shares all but what has changed with the one before, so that drawing it anew costs as
/// much as there is news.
#[derive(Clone, Default)]
pub(super) struct Picture {
    /// In the order of the configuration.
    pub(super) wishes: VectorSync<Row>,
    /// What somebody else keeps.
    pub(super) elsewhere: VectorSync<Found>,
    /// A name that should have a certificate and has none.
    pub(super) bare: Option<Name>,
}

/// The certificates, as the manager sees them now. Cloning shares the picture.
#[derive(Clone)]
pub struct Status(watch::Receiver<Picture>);

impl Status {
    pub(super) fn channel() -> (watch::Sender<Picture>, Self) {
        let (sender, receiver) = watch::channel(Picture::default());
        (sender, Self(receiver))
    }

    /// Returns when the picture was drawn anew; at once if it was since the last call.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The manager is gone: this picture stays.
            std::future::pending::<()>().await;
        }
    }

    /// A row for each certificate: ours, then those somebody else keeps.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let picture = self.0.borrow().clone();
        picture.wishes.iter().cloned().chain(picture.elsewhere.iter().map(Found::row)).collect()
    }

    /// A configured name that has no certificate to show. The names of lists do not count: what is wrong with one of
    /// many is no reason to send everybody elsewhere.
    #[must_use]
    pub fn bare(&self) -> Option<Name> {
        self.0.borrow().bare.clone()
    }
}

/// The row of a wish. Pure.
#[must_use]
pub(super) fn row(
    wish: &Wish,
    inventory: &Inventory,
    busy: impl Fn(&LineageId) -> bool,
    now: SystemTime,
) -> Row {
    let served = preference::choose(wish.names().primary(), wish, inventory, now).map(Served::of);
    let last_error = inventory.memory(wish.lineage.id(), wish.directory.as_deref()).last_error;
    let selfsigned = wish.lineage.provider() == Provider::Selfsigned;
    let verb = if selfsigned { "sign" } else { "order" };
    let (next, next_at) = match situation(wish, inventory, now) {
        _ if busy(wish.lineage.id()) => (format!("{verb}ing now"), None),
        Situation::Refused { reason } => (format!("nothing until the configuration changes: {reason}"), None),
        Situation::Missing { try_at, failures: 0 } => (verb.to_owned(), Some(try_at.max(now))),
        Situation::Missing { try_at, failures } => {
            (format!("{verb}, attempt {}", failures + 1), Some(try_at.max(now)))
        }
        Situation::Held { renew_at, .. } => ("renew".to_owned(), Some(renew_at.max(now))),
    };
    Row { names: wish.names().as_slice().into(), served, next, next_at, last_error }
}

/// The rows as the storage and the files of others have them, without a manager that runs. Every file is read.
///
/// # Errors
///
/// [`StoreError`] if the storage cannot be listed.
pub async fn listing(desired: &Desired, store: &Store, now: SystemTime) -> Result<Vec<Row>, StoreError> {
    let inventory = load::inventory_of(desired, store).await?;
    let own = desired.wishes.iter().map(|wish| row(wish, &inventory, |_| false, now));
    let listed = desired.lists.iter().flat_map(|list| list.sources());
    let elsewhere = desired.files.iter().chain(listed).map(|source| {
        let mut found = Found::unread(source);
        found.take(&source.load(), now);
        found.row()
    });
    Ok(own.chain(elsewhere).collect())
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
