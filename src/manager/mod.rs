//! The control plane: which certificates should exist, which do, and what closes the gap.
//!
//! Decisions are functions of (desired, inventory, now): [`plan`], [`schedule`], [`preference`], [`advised`]. The loop
//! in `run` obeys them and decides nothing. Nothing here knows sockets; the data plane learns of certificates through
//! the catalog only, and a CA that is down, slow or hostile is noticed nowhere else.
//!
//! ```text
//!   Manager::prepare   index the pointers, read what is there, stand in where nothing valid is   (before listening)
//!   Manager::run       sweep, then: plan ► renew ► load, until the end                           (behind)
//! ```

pub mod advised;
mod agenda;
mod answering;
mod asked;
mod at_rest;
mod basis;
pub mod demand;
mod desired;
mod elsewhere;
mod failure;
mod inventory;
mod keying;
mod load;
mod not_ours;
mod notes;
mod older;
mod outlook;
mod past;
pub mod plan;
pub mod preference;
mod proof;
mod pruning;
mod renew;
mod revoke;
mod rollover;
mod run;
pub mod schedule;
mod shelf;
mod stand_in;
mod status;
mod trouble;
mod turn;

pub use answering::{answering, in_use};
pub use asked::{Asking, NotRenewed, Renewed};
pub use at_rest::AtRest;
pub use desired::{Ca, Desired, Template, Wish};
pub use failure::Failure;
pub use inventory::{Held, Inventory};
pub use not_ours::NotOurs;
pub use outlook::{Outlook, outlook};
pub use past::{History, Past, PastError, Told};
pub use proof::{Prover, Shown};
pub use pruning::{AskedToPrune, NotPruned};
pub use revoke::{NotRevoked, Revoking};
pub use rollover::{NotRolledOver, Rollover};
pub use run::{Commands, Manager};
pub use schedule::Ladder;
pub use status::{Row, Served, Status};
pub use trouble::Trouble;

use std::sync::Arc;
use std::time::Duration;

pub use crate::issuer::Reason as RevocationReason;
pub use crate::issuer::{Left, Trial};
pub use crate::store::prune::{Needless, Pruned};

use crate::clock::Clock;
use crate::issuer::Issuers;
use crate::store::Store;
use crate::store::prune::Rule;
use crate::story::Recorder;

/// Why this process does nothing that an issuer alone may do.
const FOLLOWER: &str = "this process does not issue: another one that shares the storage does";

/// What the control plane is given.
#[derive(Clone)]
pub struct Options {
    /// What should exist.
    pub desired: Desired,
    /// Who issues.
    pub issuers: Issuers,
    /// Which names that nobody has listed may have a certificate, if any may.
    pub demand: Option<demand::Demand>,
    /// How long to wait after failures.
    pub ladder: Ladder,
    /// How many certificates are kept parsed in memory; the others are read when somebody asks.
    pub warm: usize,
    /// Which items are removed once a day.
    pub prune: Rule,
}

impl Options {
    /// This many parsed certificates take about 25 MB.
    pub const WARM: usize = 10_000;

    /// What Let's Encrypt asks of clients after failures in a row: one, ten, a hundred minutes, then daily.
    pub const RETRY: [Duration; 4] = [
        Duration::from_secs(60),
        Duration::from_secs(10 * 60),
        Duration::from_secs(100 * 60),
        Duration::from_secs(24 * 60 * 60),
    ];
}

/// Where the control plane does its work; the same before and after a reload.
pub struct Place {
    /// Where items are kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Told what happens and why.
    pub recorder: Recorder,
    /// Looks at what clients are shown after each swap; without one nobody does.
    pub prover: Option<Arc<dyn Prover>>,
}

/// What every attempt needs; cheap to clone.
#[derive(Clone)]
struct Tools {
    store: Store,
    issuers: Arc<Issuers>,
    clock: Clock,
    recorder: Recorder,
}
