//! Immutable items, movable pointers, one spool.
//!
//! A certificate is put together as a [`Draft`], becomes an [`Item`] by one rename, and is found through pointers, one
//! for each name. Items never change; pointers are a cache of the items and can be recomputed; drafts survive the
//! process that began them. [`layout`] says where everything stands, an [`Engine`] keeps it.
//!
//! [`Store`] hands out narrow handles. Whoever holds [`Accounts`] cannot commit an item, and whoever holds [`Database`]
//! cannot open a draft.
//!
//! This room does not know who issues certificates, when they are due, or who serves them.

pub mod engine;
pub mod fs;
pub mod journal;
pub mod layout;
pub mod memory;
pub mod prune;
pub mod sweep;

mod account_id;
mod accounts;
mod changes;
mod database;
mod demanded;
mod draft;
mod error;
mod hooked;
mod incoming;
mod issuance;
mod item;
mod kept;
mod keying;
mod ledger;
mod moment;
mod outgoing;
mod pins;
mod place;
mod record;
mod rollover;
mod spool;
mod standing;
mod state;

use std::sync::Arc;

use crate::clock::Clock;

pub use accounts::{Account, Accounts};
pub use changes::{Changed, Changes};
pub use database::Database;
pub use demanded::{Demanded, DemandedName, Demands, Granted};
pub use draft::Draft;
pub use engine::{Claim, Engine, EngineError};
pub use error::StoreError;
pub use hooked::{Hooked, Hooks};
pub use incoming::{Incoming, Left, Settled};
pub use issuance::Issuance;
pub use item::Item;
pub use kept::{Kept, Link};
pub use keying::Keying;
pub use layout::{AccountId, Family};
pub use ledger::{Issued, Ledger, OpenOrder, Opened, Page, Span};
pub use outgoing::Outgoing;
pub use pins::{Pin, Pins, Revoked};
pub use place::{Key, Prefix};
pub use record::Checked;
pub use spool::Spool;
pub use standing::Standing;
pub use state::{Advised, Attempts, Drawn, LineageState, States};

/// The storage. Cloning shares it.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    clock: Clock,
    database: Database,
}

impl Store {
    /// The storage that this engine keeps.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        let database = Database::new(Arc::clone(&engine));
        Self { engine, clock, database }
    }

    /// Where certificates are put together.
    #[must_use]
    pub fn spool(&self) -> Spool {
        Spool::new(Arc::clone(&self.engine), self.clock.clone(), self.database.clone())
    }

    /// What was committed.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// The ACME accounts.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        Accounts::new(Arc::clone(&self.engine))
    }

    /// What is remembered about lineages.
    #[must_use]
    pub fn states(&self) -> States {
        States::new(Arc::clone(&self.engine))
    }

    /// What is remembered of names nobody has listed.
    #[must_use]
    pub fn demands(&self) -> Demands {
        Demands::new(Arc::clone(&self.engine))
    }

    /// How far the operator's hook has been told what the journal holds.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        Hooks::new(Arc::clone(&self.engine))
    }

    /// Which items are served because somebody said so, and which were revoked.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins::new(Arc::clone(&self.engine))
    }

    /// What has been spent of the limits of CAs.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.engine), self.database.clone())
    }

    /// Takes the role of the one process that issues, until the claim is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if another process has it: then this one serves what the other commits.
    pub async fn claim_issuer(&self) -> Result<Claim, StoreError> {
        Ok(self.engine.claim(&layout::issuer_role()).await?)
    }

    /// Tells which pointers move from now on, whoever moves them.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(self.engine.changes())
    }

    /// What a copy of the storage takes along.
    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        Outgoing::new(self.clone())
    }

    /// Takes a copy in, as the one process that may change the storage.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if another process issues.
    pub async fn incoming(&self) -> Result<Incoming, StoreError> {
        Incoming::begin(self.clone()).await
    }

    /// Whether nothing in it can be changed from here.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.engine.is_read_only()
    }

    fn engine(&self) -> &dyn Engine {
        &*self.engine
    }
}
