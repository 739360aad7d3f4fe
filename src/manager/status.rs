//! A read-only picture of every certificate, for people and for probes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use rpds::VectorSync;
use tokio::sync::watch;

use super::desired::{Desired, Wish};
use super::elsewhere::Found;
use super::inventory::{Held, Inventory};
use super::load;
use super::not_ours::NotOurs;
use super::preference;
use super::schedule::situation;
use crate::ident::{ItemId, LineageId, Name, Names, Provider};
use crate::issuer::{Issuers, Left};
use crate::store::{Store, StoreError};

/// One certificate that should exist.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its names, the primary one first.
    pub names: Box<[Name]>,
    /// What its primary name is served with now; none also as long as nobody has read what there is.
    pub served: Option<Served>,
    /// One of the names for which there is nothing valid.
    pub bare: Option<Name>,
    /// Since when its primary name is served with that item because somebody went back to it, if so.
    pub pinned: Option<SystemTime>,
    /// Whether something self-signed stands in for a certificate from a CA.
    pub fallback: bool,
    /// What clients are shown instead of it, if a handshake has shown that they are.
    pub disproved: Option<String>,
    /// Whether nothing about it is trouble: nobody has listed its name, and it has no certificate yet, or one that is
    /// deliberately not renewed.
    pub let_go: bool,
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
    /// The first moment of validity.
    pub not_before: SystemTime,
    /// The last moment of validity.
    pub not_after: SystemTime,
}

/// The picture at one moment. It shares all but what has changed with the one before, so that drawing it anew costs as
/// much as there is news.
#[derive(Clone, Default)]
pub(super) struct Picture {
    pub(super) desired: Arc<Desired>,
    /// Who knows what is left of a CA's limits.
    pub(super) issuers: Option<Arc<Issuers>>,
    /// Whether this process issues.
    pub(super) issues: bool,
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

    /// The certificates as the storage and the files of others have them, without a manager that runs. Every file is
    /// read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage cannot be listed.
    pub async fn of_storage(
        mut desired: Desired,
        issuers: Issuers,
        store: &Store,
        now: SystemTime,
    ) -> Result<Self, StoreError> {
        if desired.on_demand.is_some() {
            desired.demand(store.demands().load().await?.names.into_iter().map(|demanded| demanded.name));
        }
        let inventory = load::inventory_of(&desired, store, now).await?;
        let wishes = desired.wishes.iter().map(|wish| row(wish, &inventory, |_| false, now)).collect();
        let listed = desired.lists.iter().flat_map(|list| list.sources());
        let elsewhere = desired.files.iter().chain(listed).map(|source| Found::read(source, now)).collect();
        let (desired, issuers) = (Arc::new(desired), Some(Arc::new(issuers)));
        let picture = Picture { desired, issuers, issues: false, wishes, elsewhere, bare: None };
        // A picture that nobody draws anew.
        Ok(Self(watch::channel(picture).1))
    }

    /// Why there is no row for a name.
    #[must_use]
    pub fn not_ours(&self, name: &Name) -> NotOurs {
        self.desired().not_ours(name)
    }

    /// What should exist.
    pub(super) fn desired(&self) -> Arc<Desired> {
        Arc::clone(&self.0.borrow().desired)
    }

    /// Returns when the picture was drawn anew; at once if it was since the last call.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The manager is gone: this picture stays.
            std::future::pending::<()>().await;
        }
    }

    /// Whether this process issues; another one does that shares the storage, if not.
    #[must_use]
    pub fn issues(&self) -> bool {
        self.0.borrow().issues
    }

    /// A row for each certificate: ours, then those somebody else keeps.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let picture = self.0.borrow().clone();
        picture.wishes.iter().cloned().chain(picture.elsewhere.iter().map(Found::row)).collect()
    }

    /// The rows of all certificates, or of the one with `only` this name, each with what is left of the limits of
    /// the CA that it prefers for another one, as far as that is known.
    pub async fn certificates(&self, only: Option<&Name>) -> Vec<(Row, Vec<Left>)> {
        let picture = self.0.borrow().clone();
        let wanted = |names: &[Name]| only.is_none_or(|name| names.contains(name));
        let own = picture.desired.wishes.iter().zip(&picture.wishes).filter(|(_, row)| wanted(&row.names));
        let own: Vec<(&Wish, &Row)> = own.collect();
        let mut left: HashMap<&LineageId, Vec<Left>> = HashMap::new();
        for (directory, ca) in picture.issuers.iter().flat_map(|issuers| &issuers.letsencrypt) {
            let preferred = |wish: &&Wish| wish.directories().next().flatten() == Some(directory);
            let wishes: Vec<&Wish> = own.iter().map(|(wish, _)| *wish).filter(preferred).collect();
            let sets: Vec<&Names> = wishes.iter().map(|wish| wish.names()).collect();
            // Without it, the rest is worth telling all the same.
            let of_sets = ca.left(&sets).await.unwrap_or_default();
            left.extend(wishes.into_iter().map(|wish| wish.lineage.id()).zip(of_sets));
        }
        let own = own
            .into_iter()
            .map(|(wish, row)| (row.clone(), left.remove(wish.lineage.id()).unwrap_or_default()));
        let elsewhere = picture.elsewhere.iter().map(Found::row).filter(|row| wanted(&row.names));
        own.chain(elsewhere.map(|row| (row, Vec::new()))).collect()
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
    let chosen = |name| preference::choose(name, wish, inventory, now);
    let served = chosen(wish.names().primary());
    let unread = wish.names().iter().any(|name| inventory.is_unread(name));
    // It is served from memory before it is an item.
    let standing_in = !unread && busy(wish.stand_in().lineage.id());
    // Nobody has promised anything for a name that nobody has listed.
    let mut names = wish.names().iter().filter(|_| !unread && !standing_in && !wish.on_demand);
    let bare = names.find(|name| !chosen(name).is_some_and(|held| inventory.is_sound(held, now))).cloned();
    let selfsigned = wish.lineage.provider() == Provider::Selfsigned;
    let stood_in_for = standing_in || served.is_some_and(|held| held.provider == Provider::Selfsigned);
    let fallback = !selfsigned && stood_in_for;
    let last_error = last_error(wish, inventory);
    let (next, next_at) = match situation(wish, inventory, now).next(wish, now) {
        _ if busy(wish.lineage.id()) => (format!("{}ing now", wish.verb()), None),
        _ if unread => ("read, when it is asked for or in a moment".to_owned(), None),
        (next, at) => (next, Some(at)),
    };
    let let_go = wish.on_demand && served.is_none();
    let pin = inventory.pin(wish.names().primary());
    let pinned = pin.filter(|pin| served.is_some_and(|held| held.id == pin.item)).map(|pin| pin.since);
    let (names, served) = (wish.names().as_slice().into(), served.map(Served::of));
    Row { names, served, bare, pinned, fallback, disproved: None, let_go, next, next_at, last_error }
}

/// What the last failure said, at whichever CA, unless one of them has issued since.
fn last_error(wish: &Wish, inventory: &Inventory) -> Option<String> {
    let issued = inventory.newest(wish).map(|held| held.id.time());
    let all = wish.directories().map(|directory| inventory.attempts(wish.lineage.id(), directory));
    let last = all.filter(|attempts| attempts.last_error.is_some()).max_by_key(|one| one.last_failure)?;
    last.last_error.filter(|_| issued.is_none_or(|issued| last.last_failure.is_none_or(|at| at >= issued)))
}

impl Served {
    fn of(held: &Held) -> Self {
        Self {
            by: held.provider.to_string(),
            item: Some(held.id.clone()),
            issuer: held.issuer.clone(),
            not_before: held.not_before,
            not_after: held.not_after,
        }
    }
}
