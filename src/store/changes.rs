//! Hearing that somebody has moved a pointer: that of a name, its pin, or `current` among the accounts; and that
//! something was revoked.

use super::{Family, Prefix, database, engine, layout};
use crate::ident::{ItemId, Name};

/// News about pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The pointer of this name was moved, made or removed.
    Pointer(Family, Name),
    /// The pin of this name was made, changed or removed.
    Pin(Name),
    /// This item was revoked, or somebody took the note of it away.
    Revoked(ItemId),
    /// Another account was chosen, or one was made.
    Account,
    /// Any pointer may have moved: compare all of them.
    Something,
}

/// The news, one at a time, one's own included.
pub struct Changes(engine::Changes);

impl Changes {
    pub(super) fn new(engine: engine::Changes) -> Self {
        Self(engine)
    }

    /// Waits for the next news. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Changed {
        loop {
            let engine::Changed::Pointer(key) = self.0.next().await else { return Changed::Something };
            let folder = key.folder();
            if folder == layout::accounts() {
                return Changed::Account;
            }
            if folder == layout::all_revoked() {
                let Ok(item) = ItemId::parse(key.name()) else { continue };
                return Changed::Revoked(item);
            }
            // What is no name is no pointer of ours.
            let Some(name) = database::name_of(key.name()) else { continue };
            if folder == layout::pins() {
                return Changed::Pin(name);
            }
            if let Some(family) = Family::ALL.into_iter().find(|family| layout::family(*family) == folder) {
                return Changed::Pointer(family, name);
            }
        }
    }
}

/// The folders of which an engine tells.
pub(super) fn watched() -> impl Iterator<Item = Prefix> {
    Family::ALL.map(layout::family).into_iter().chain([
        layout::pins(),
        layout::all_revoked(),
        layout::accounts(),
    ])
}
