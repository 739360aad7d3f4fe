//! Items that an operator wants to be removed.

use std::time::Duration;

use thiserror::Error;

use super::answering::in_use;
use super::desired::Desired;
use super::{FOLLOWER, Tools};
use crate::ident::ItemId;
use crate::store::StoreError;
use crate::store::prune::{Prune, Pruned, Rule};
use crate::story::Event;

/// How an operator wants items to be removed. What is not said, the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskedToPrune {
    /// How many items before the current one are kept.
    pub keep: Option<usize>,
    /// How long after its end each of the others.
    pub expired_for: Option<Duration>,
    /// Also what is there for names that nobody has configured.
    pub unconfigured: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Why nothing was removed, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotPruned {
    /// Another process has the role.
    #[error("{FOLLOWER}")]
    Follower,
    /// It is being done.
    #[error("items are being removed at this moment; ask again when that has ended")]
    Busy,
    /// Nobody has said which names there are.
    #[error("no name is configured, so everything would go")]
    Unconfigured,
    /// The storage failed.
    #[error("{0}")]
    Storage(String),
    /// The manager stopped before there was an outcome.
    #[error("given up, since the process stops; asking again removes the rest")]
    GivenUp,
}

impl AskedToPrune {
    /// All that is asked for, where `rule` is configured.
    #[must_use]
    pub fn by(self, rule: Rule) -> Prune {
        let Self { keep, expired_for, unconfigured, dry_run } = self;
        let rule = Rule { keep: keep.unwrap_or(rule.keep), expired_for: expired_for.or(rule.expired_for) };
        Prune { rule, unconfigured, dry_run }
    }
}

/// Removes what is asked for, but nothing that is `shown` or has to do with what is desired.
pub(super) async fn prune(
    tools: &Tools,
    asked: &Prune,
    desired: &Desired,
    shown: Vec<ItemId>,
) -> Result<Pruned, NotPruned> {
    let (store, now) = (&tools.store, tools.clock.now());
    let failed = |error: StoreError| NotPruned::Storage(error.to_string());
    let mut in_use = in_use(desired, store, now).await.map_err(failed)?;
    in_use.served.extend(shown);
    if asked.spares_nothing(&in_use) {
        return Err(NotPruned::Unconfigured);
    }
    if !asked.dry_run {
        let event = Event::Commanded { command: "prune".into(), by: "an operator".into() };
        tools.recorder.tell([], event);
    }
    asked.run(store, &in_use, now, &tools.recorder).await.map_err(failed)
}
