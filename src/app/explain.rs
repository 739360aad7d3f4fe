//! The story of a name: what the journal says of it, and what comes next.

use super::{AppError, build, storage};
use crate::clock::Clock;
use crate::config::{Settings, Site};
use crate::ident::Name;
use crate::manager::{self, Outlook};
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
    /// Opens the storage. No process is asked. Whoever `waits` for a process that is about to start may find none, and has
    /// it made.
    ///
    /// # Errors
    ///
    /// [`AppError::Store`] if it cannot be opened.
    pub fn open(settings: &Settings, waits: bool) -> Result<Self, AppError> {
        let clock = Clock::system();
        let open = if waits { storage::open } else { storage::look };
        let opened = open(&settings.storage)?;
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

    /// What comes next for a name; none if nobody has configured it. Of a name that nobody has listed, but that may have a
    /// certificate on demand, it is what the rules say now; no program is asked.
    ///
    /// # Errors
    ///
    /// [`AppError::Store`] if the storage cannot be read.
    pub async fn outlook(&self, settings: &Settings, name: &Name) -> Result<Option<Outlook>, AppError> {
        let (mut desired, now) = (build::desired(settings), self.clock.now());
        if let Some(outlook) = manager::outlook(&desired, &self.store, name, now).await? {
            return Ok(Some(outlook));
        }
        let (Some(on_demand), Some(fqdn)) = (&settings.on_demand, name.fqdn()) else { return Ok(None) };
        let listed = |name: &Name| settings.sites.iter().flat_map(Site::names).any(|listed| listed == name);
        let kept_elsewhere = listed(name) || name.wildcard().is_some_and(|name| listed(&name));
        let let_in = self.store.demands().load().await?.names.into_iter().any(|known| known.name == *name);
        if let_in && !kept_elsewhere {
            desired.demand([name.clone()]);
            return Ok(manager::outlook(&desired, &self.store, name, now).await?);
        }
        Ok((!kept_elsewhere).then(|| Outlook::on_demand(on_demand.names.say(fqdn))))
    }
}

/// Whether an entry belongs to the story of a name: it is about it, or about all of them.
#[must_use]
pub fn concerns(entry: &Entry, name: &Name) -> bool {
    match &entry.record.event {
        _ if !entry.record.names.is_empty() => entry.record.names.contains(name),
        Event::Configured { came, went, .. } => came.contains(name) || went.contains(name),
        Event::Swept { clean, .. } => !clean,
        _ => true,
    }
}
