//! The story of a name: what the journal says of it, and what comes next.

use super::{AppError, build, storage};
use crate::clock::Clock;
use crate::config::{Settings, Site, Storage};
use crate::ident::Name;
use crate::manager::{self, NotOurs, Outlook};
use crate::store::Store;
use crate::store::fs::journal::{Damage, Reader};
use crate::store::journal::Entry;
use crate::story::Event;

/// Reads the journal of a storage, whether a process writes it or not.
pub struct Story {
    reader: Reader,
    store: Store,
    clock: Clock,
}

impl Story {
    /// Opens the storage. No process is asked. Whoever `waits` for a process that is about to start may find none, and
    /// has it made.
    ///
    /// # Errors
    ///
    /// [`AppError::Store`] if it cannot be opened.
    pub fn open(storage: &Storage, waits: bool) -> Result<Self, AppError> {
        let clock = Clock::system();
        let open = if waits { storage::open } else { storage::look };
        let opened = open(storage)?;
        Ok(Self { reader: Reader::new(&opened.path), store: Store::new(opened.engine, clock.clone()), clock })
    }

    /// What was told since the last call, and which lines are damaged.
    ///
    /// # Errors
    ///
    /// [`AppError::Setup`] if the journal cannot be read.
    pub fn read(&mut self) -> Result<Vec<Result<Entry, Damage>>, AppError> {
        self.reader.read().map_err(AppError::setup("the journal cannot be read"))
    }

    /// What comes next for a name, or that nobody has configured it. Of a name that nobody has listed, but that may
    /// have a certificate on demand, it is what the rules say now; no program is asked.
    ///
    /// # Errors
    ///
    /// [`AppError::Store`] if the storage cannot be read.
    pub async fn outlook(
        &self,
        settings: &Settings,
        name: &Name,
    ) -> Result<Result<Outlook, NotOurs>, AppError> {
        let (mut desired, now) = (build::desired(settings), self.clock.now());
        if let Some(outlook) = manager::outlook(&desired, &self.store, name, now).await? {
            return Ok(Ok(outlook));
        }
        let listed = |name: &Name| settings.sites.iter().flat_map(Site::names).any(|listed| listed == name);
        // A wildcard that is listed lets nobody in beside it.
        let covered = name.wildcard().is_some_and(|name| listed(&name));
        let (Some(on_demand), Some(fqdn), false) = (&settings.on_demand, name.fqdn(), covered) else {
            return Ok(Err(desired.not_ours(name)));
        };
        if self.store.demands().load().await?.names.into_iter().any(|known| known.name == *name) {
            desired.demand([name.clone()]);
            let outlook = manager::outlook(&desired, &self.store, name, now).await?;
            return Ok(outlook.ok_or_else(|| desired.not_ours(name)));
        }
        Ok(Ok(Outlook::on_demand(on_demand.names.say(fqdn))))
    }
}

/// Whether an entry belongs to the story of a name: it is about it, or about all of them.
#[must_use]
pub fn concerns(entry: &Entry, name: &Name) -> bool {
    match &entry.record.event {
        _ if !entry.record.names.is_empty() => is_about(entry, name),
        Event::Configured { .. } => is_about(entry, name),
        Event::Swept { clean, .. } => !clean,
        _ => true,
    }
}

/// Whether an entry is about this very name.
#[must_use]
pub fn is_about(entry: &Entry, name: &Name) -> bool {
    match &entry.record.event {
        Event::Configured { came, went, .. } => came.contains(name) || went.contains(name),
        _ => entry.record.names.contains(name),
    }
}
