//! The one writer of certificates.

use std::sync::Arc;

use super::challenges::change_in;
use super::snapshot::{Cell, Slot, Snapshot};
use super::{Certificate, Shared, Strangers};
use crate::ident::Name;

/// What a name answers with from now on.
#[derive(Debug, Clone)]
pub enum Entry {
    /// This certificate.
    Warm(Arc<Certificate>),
    /// A certificate that exists and is read when somebody asks for it; see [`Misses`](super::Misses).
    Cold,
}

/// Changes what handshakes see. There is one, and it is not `Clone`.
pub struct Publisher(Arc<Shared>);

impl Publisher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Makes all the changes in one swap: a handshake sees all of them or none. `None` takes the name out.
    ///
    /// When this returns, the next hello gets the new certificates. Hellos that wait for a name changed here look
    /// again.
    pub fn publish(&mut self, changes: impl IntoIterator<Item = (Name, Option<Entry>)>) {
        self.swap(|next, replaced| {
            for (name, entry) in changes {
                if let Some(Slot::Cold(cell)) = next.get(&name) {
                    replaced.push(Arc::clone(cell));
                }
                let slot = entry.map(|entry| match entry {
                    Entry::Warm(certificate) => Slot::Warm(certificate),
                    Entry::Cold => Slot::Cold(Cell::new(name.clone())),
                });
                next.set(name, slot);
            }
        });
    }

    /// Says of those names that have no certificate on show that theirs exists and is read when somebody asks.
    pub fn add_cold<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        self.swap(|next, _| {
            for name in names {
                if next.get(name).is_none() {
                    next.set(name.clone(), Some(Slot::Cold(Cell::new(name.clone()))));
                }
            }
        });
    }

    /// Whether there is a certificate for this very name, in memory or not.
    #[must_use]
    pub fn shows(&self, name: &Name) -> bool {
        self.0.snapshot.load().get(name).is_some()
    }

    /// Whether its certificate is in memory.
    #[must_use]
    pub fn is_warm(&self, name: &Name) -> bool {
        matches!(self.0.snapshot.load().get(name), Some(Slot::Warm(_)))
    }

    /// Chooses the name whose certificate clients get that send none; `None` refuses them.
    pub fn set_unnamed(&mut self, name: Option<Name>) {
        self.swap(|next, _| next.set_unnamed(name));
    }

    /// Chooses what hellos get that ask for a name which has no certificate.
    pub fn set_strangers(&mut self, strangers: Strangers) {
        self.swap(|next, _| next.strangers = strangers);
    }

    /// Chooses the account, by its key's thumbprint (RFC 7638), that answers http-01 for tokens nobody has posted here.
    pub fn set_account(&mut self, thumbprint: Option<&str>) {
        let account: Option<Arc<str>> = thumbprint.map(Arc::from);
        change_in(&self.0, |answers| answers.account.clone_from(&account));
    }

    fn swap(&mut self, change: impl FnOnce(&mut Snapshot, &mut Vec<Arc<Cell>>)) {
        let mut next = Snapshot::clone(&self.0.snapshot.load());
        let mut replaced = Vec::new();
        change(&mut next, &mut replaced);
        self.0.snapshot.store(Arc::new(next));
        for cell in replaced {
            cell.fill();
        }
    }
}
