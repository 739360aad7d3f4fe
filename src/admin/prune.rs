//! Removing items, in the words of the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::report::{Reason, Refusal, VERSION};
use crate::clock::rfc3339;
use crate::manager::{AskedToPrune, Needless, NotPruned, Pruned};

/// How items are asked to be removed. What is not said, the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneRequest {
    /// How many items before the current one are kept.
    pub keep: Option<usize>,
    /// How many days after its end each of the others.
    pub expired_for: Option<u32>,
    /// Also what is there for names that nobody has configured.
    pub unconfigured: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneReport {
    /// Of what is said.
    pub version: u32,
    /// What was removed, or would be.
    pub removed: Vec<Removed>,
    /// What is for names that nobody has configured, and stays.
    pub unconfigured: Vec<Removed>,
    /// Whether nothing was removed at all.
    pub dry_run: bool,
}

/// An item that was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its id.
    pub item: String,
    /// Its names.
    pub names: Vec<String>,
    /// When it ends, or has ended; RFC 3339.
    pub expires: String,
}

impl Desk {
    /// Removes items that nobody needs. Without a process that is for whoever holds the storage's role to do.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub async fn prune(&self, wanted: &PruneRequest) -> Result<PruneReport, Refusal> {
        let commands = self.commands_or("no process uses the storage")?;
        let pruned = commands.prune(wanted.asked()).await.map_err(|error| {
            let kind = match error {
                NotPruned::Follower | NotPruned::Busy | NotPruned::Unconfigured => Reason::Refused,
                NotPruned::Storage(_) | NotPruned::GivenUp => Reason::Failed,
            };
            Refusal::new(kind, error.to_string())
        })?;
        Ok(PruneReport::of(&pruned, wanted))
    }
}

impl PruneRequest {
    /// The same in the manager's words.
    #[must_use]
    pub fn asked(&self) -> AskedToPrune {
        let Self { keep, expired_for, unconfigured, dry_run } = *self;
        let expired_for = expired_for.map(|days| days * Duration::from_secs(24 * 60 * 60));
        AskedToPrune { keep, expired_for, unconfigured, dry_run }
    }
}

impl PruneReport {
    /// What came of a request.
    #[must_use]
    pub fn of(pruned: &Pruned, wanted: &PruneRequest) -> Self {
        let told = |all: &[Needless]| -> Vec<Removed> { all.iter().map(Removed::of).collect() };
        let (mut removed, mut unconfigured) = (told(&pruned.ended), told(&pruned.unconfigured));
        if wanted.unconfigured {
            removed.append(&mut unconfigured);
        }
        Self { version: VERSION, removed, unconfigured, dry_run: wanted.dry_run }
    }
}

impl Removed {
    fn of(needless: &Needless) -> Self {
        Self {
            item: needless.item.to_string(),
            names: needless.names.iter().map(ToString::to_string).collect(),
            expires: rfc3339(needless.expires),
        }
    }
}
