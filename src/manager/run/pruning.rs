//! What nobody needs any more is removed, once a day.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::commands::PrunedFor;
use super::role::Role;
use super::{Finished, Manager};
use crate::ident::ItemId;
use crate::manager::pruning::{self, AskedToPrune, NotPruned};
use crate::store::StoreError;
use crate::store::prune::{self, Prune, Pruned, Rule};

/// How often it is looked for.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// When, and by which rule.
pub(super) struct Pruning {
    rule: Rule,
    /// None while it is being done.
    at: Option<SystemTime>,
}

impl Pruning {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, at: Some(SystemTime::UNIX_EPOCH) }
    }

    pub(super) fn set_rule(&mut self, rule: Rule) {
        self.rule = rule;
    }
}

impl Manager {
    /// Begins if it is time; returns when it is next, if that is known.
    pub(super) fn prune_if_due(&mut self, now: SystemTime) -> Option<SystemTime> {
        let (rule, Some(at), Role::Issuer(_)) = (self.pruning.rule, self.pruning.at, &self.role) else {
            return None;
        };
        rule.expired_for?;
        // A clock that was set back does not put it off.
        if at > now && at <= now + AGAIN {
            return Some(at);
        }
        self.pruning.at = None;
        let (tools, served) = (self.tools.clone(), self.shelf.items().cloned().collect());
        self.attempts.spawn(async move {
            let pruned = async {
                let needless = rule.needless(&tools.store, &served, now).await?;
                prune::remove(&tools.store, &needless, &tools.recorder).await?;
                Ok(needless.into_iter().map(|needless| needless.item).collect())
            };
            Finished::Pruned(pruned.await)
        });
        None
    }

    /// Removes behind what an operator wants to be removed, and sees to it that the outcome is told.
    pub(super) fn prune_for(&mut self, asked: AskedToPrune, reply: PrunedFor) {
        let asked = asked.by(self.pruning.rule);
        let refused = if !matches!(self.role, Role::Issuer(_)) {
            Some(NotPruned::Follower)
        } else if !asked.dry_run && self.pruning.at.take().is_none() {
            Some(NotPruned::Busy)
        } else {
            None
        };
        if let Some(why) = refused {
            // Whoever asked may be gone.
            return drop(reply.send(Err(why)));
        }
        let (tools, desired) = (self.tools.clone(), Arc::clone(&self.desired));
        let shown: Vec<ItemId> = self.shelf.items().cloned().collect();
        self.attempts.spawn(async move {
            let outcome = pruning::prune(&tools, &asked, &desired, shown).await;
            Finished::PrunedFor(reply, asked, outcome)
        });
    }

    pub(super) fn pruned_for(&mut self, reply: PrunedFor, asked: Prune, outcome: Result<Pruned, NotPruned>) {
        if !asked.dry_run {
            self.pruning.at = Some(self.tools.clock.now() + AGAIN);
            for gone in outcome.iter().flat_map(|pruned| pruned.gone(&asked)) {
                self.inventory.lose(&gone.item);
            }
        }
        let _ = reply.send(outcome);
    }

    pub(super) fn pruned(&mut self, pruned: Result<Vec<ItemId>, StoreError>) {
        self.pruning.at = Some(self.tools.clock.now() + AGAIN);
        match pruned {
            Ok(items) => {
                if !items.is_empty() {
                    info!(items = items.len(), "pruned: they had ended, and newer ones have followed them");
                }
                for item in &items {
                    self.inventory.lose(item);
                }
            }
            Err(error) => warn!(%error, "what nobody needs could not be removed"),
        }
    }
}
