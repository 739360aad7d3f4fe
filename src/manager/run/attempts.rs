//! Attempts: begun, finished, and what is remembered of them.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::{AbortHandle, Id, JoinError};
use tracing::{error, info, warn};

use super::role::Role;
use super::{Finished, Manager};
use crate::clock;
use crate::ident::ItemId;
use crate::issuer::{Advice, Verdict};
use crate::manager::advised::advised;
use crate::manager::agenda::Agenda;
use crate::manager::asked::Renewed;
use crate::manager::basis::basis;
use crate::manager::desired::Wish;
use crate::manager::failure::Failure;
use crate::manager::load::{self, Wanted};
use crate::manager::plan::Step;
use crate::manager::renew::{self, RenewError};
use crate::manager::stand_in::Fresh;
use crate::store::sweep::sweep;
use crate::store::{Attempts, Changed, LineageState, StoreError};
use crate::story::{Event, Text};

impl Manager {
    pub(super) fn attempt(&mut self, step: Step) {
        let (tools, id, epoch) = (self.tools.clone(), step.wish.lineage.id().clone(), self.epoch);
        let by = Arc::clone(&tools.issuers);
        let task = self.attempts.spawn(async move {
            let done = renew::renew(&tools, &step, epoch).await;
            Finished::Attempt(step, done)
        });
        self.by.insert(task.id(), by);
        self.busy.insert(id, Some(task));
    }

    /// Asks the CA about an item, unless it is being asked about the lineage already.
    pub(super) fn ask(&mut self, wish: usize, id: ItemId) {
        let (tools, wish) = (self.tools.clone(), self.desired.wishes[wish].clone());
        let lineage = wish.lineage.id().clone();
        if !self.asking.contains_key(&lineage) {
            let begun = tools.clock.now();
            let task = self.attempts.spawn(async move {
                let said = renew::ask(&tools, &id).await;
                Finished::Asked(wish, id, begun, said)
            });
            self.asking.insert(lineage, task);
        }
    }

    pub(super) fn commit_behind(&mut self, fresh: Fresh) {
        let (tools, id) = (self.tools.clone(), fresh.step.wish.lineage.id().clone());
        let task = self.attempts.spawn(async move {
            let done = fresh.commit(&tools).await;
            Finished::Behind(fresh.step, done)
        });
        self.committing.insert(id.clone());
        self.busy.insert(id, Some(task));
    }

    pub(super) async fn finish(&mut self, task: Id, finished: Finished) {
        let by = self.by.remove(&task);
        let outdated = by.is_some_and(|by| !Arc::ptr_eq(&by, &self.tools.issuers));
        match finished {
            Finished::Swept(swept) => {
                match swept {
                    Ok(report) => {
                        let event = Event::Swept { outcome: Text::of(&report), clean: report.is_clean() };
                        self.tools.recorder.tell([], event);
                    }
                    Err(error) => warn!(%error, "the store could not be swept"),
                }
                self.role = match std::mem::replace(&mut self.role, Role::first(&self.tools.store)) {
                    Role::Sweeping(claim) => Role::Issuer(claim),
                    other => other,
                };
                self.follow(Changed::Something).await;
                for command in std::mem::take(&mut self.early) {
                    self.obey(command).await;
                }
            }
            Finished::LookedBack(searches, found) => self.looked_back(searches, found).await,
            Finished::Pruned(pruned) => self.pruned(pruned),
            Finished::PrunedFor(reply, asked, outcome) => self.pruned_for(reply, asked, outcome),
            Finished::Attempt(step, done) => {
                let issued = done.is_ok();
                self.attempted(&step, done, outdated).await;
                if issued {
                    self.proofs.swapped(step.wish.names().primary());
                }
            }
            Finished::Behind(step, done) => {
                self.committing.remove(step.wish.lineage.id());
                self.attempted(&step, done, outdated).await;
            }
            Finished::Asked(wish, item, begun, said) => self.asked(&wish, &item, begun, said).await,
            Finished::Tried(reply, outcome) => drop(reply.send(outcome)),
            Finished::RolledOver(reply, outcome) => drop(reply.send(outcome)),
            Finished::Revoked(reply, outcome) => self.revoked(reply, outcome).await,
            Finished::Proved(primary, item, proof) => self.proved(&primary, &item, &proof),
            Finished::Tidied => {}
        }
    }

    async fn asked(
        &mut self,
        wish: &Wish,
        item: &ItemId,
        begun: SystemTime,
        said: Result<Option<Advice>, RenewError>,
    ) {
        let id = wish.lineage.id();
        self.asking.remove(id);
        self.concern(wish);
        let said = said.map_err(|error| {
            info!(names = %wish.names(), error = error.story(), "the CA could not be asked when to renew");
            match error.verdict() {
                Verdict::After(again) => again,
                _ => None,
            }
        });
        let before = self.inventory.advised(id).filter(|advised| advised.item == *item).cloned();
        let after = advised(before.as_ref(), item, said, begun, clock::jitter());
        let known = before.and_then(|before| before.drawn);
        let news = after.drawn.as_ref().filter(|drawn| known.as_ref() != Some(drawn));
        if news.is_some()
            && let Some(held) = self.inventory.item(item)
        {
            self.tools.recorder.tell(wish.names(), Event::Planned(basis(held, Some(&after))));
        }
        let worth_keeping = known.is_some() || after.drawn.is_some();
        self.inventory.advise(id, Some(after));
        if worth_keeping {
            self.save(wish).await;
        }
    }

    /// An attempt has ended; one that is `outdated` was made as an earlier configuration has it.
    async fn attempted(&mut self, step: &Step, done: Result<ItemId, RenewError>, outdated: bool) {
        self.busy.remove(step.wish.lineage.id());
        self.concern(&step.wish);
        let item = match done {
            Ok(item) => {
                self.issued(step, &item).await;
                item
            }
            // The certificate is safe; what points to it is mended by a sweep.
            Err(RenewError::Store(StoreError::PointersLag { item, .. })) => {
                warn!(%item, "committed, but not all of its names lead to it yet; sweeping");
                self.issued(step, &item).await;
                self.sweep();
                item
            }
            Err(error) => {
                self.failed(step, &error, outdated).await;
                return self.go_on(step, &error);
            }
        };
        self.tell_waiting(step.wish.lineage.id(), &Ok(Renewed::Issued(item)));
    }

    pub(super) fn sweep(&mut self) {
        let store = self.tools.store.clone();
        self.attempts.spawn(async move { Finished::Swept(sweep(&store).await) });
    }

    /// An attempt ended without a word: we aborted it, or it panicked. That counts as a refusal by each CA that it may
    /// have been made at, since trying again before long would only repeat it.
    pub(super) async fn mourn(&mut self, gone: &JoinError) {
        self.tidy_after(gone);
        self.asking.retain(|_, task| task.id() != gone.id());
        let undecided = self.looking_back.mourn(gone.id());
        self.look_back_later(&undecided);
        self.proofs.mourn(gone.id());
        let whose = |task: &Option<AbortHandle>| task.as_ref().is_some_and(|task| task.id() == gone.id());
        let lineage = self.busy.iter().find(|(_, task)| whose(task)).map(|(id, _)| id.clone());
        if let Some(lineage) = lineage.filter(|_| gone.is_panic()) {
            error!(%lineage, error = %gone, "an attempt died");
            self.busy.remove(&lineage);
            self.waiting.remove(&lineage);
            self.committing.remove(&lineage);
            let desired = Arc::clone(&self.desired);
            if let Some(wish) = desired.wishes.iter().find(|wish| *wish.lineage.id() == lineage) {
                for directory in wish.directories() {
                    self.count(wish, directory, Failure::died());
                }
                self.save(wish).await;
            }
            // Whose lineage it was is not worth knowing for once.
            self.agenda = Agenda::new(self.desired.wishes.len());
        }
    }

    async fn issued(&mut self, step: &Step, item: &ItemId) {
        let id = step.wish.lineage.id();
        let advised = self.inventory.advised(id).is_some();
        self.inventory.advise(id, None);
        if advised || !self.inventory.attempts(id, step.directory()).is_blank() {
            self.remember(&step.wish, Attempts::at(step.directory())).await;
        }
        let held = match self.tools.store.database().item(item).await {
            Ok(item) => load::held(&item),
            Err(error) => return error!(%item, %error, "what was just committed cannot be read"),
        };
        self.tell_committed(step, &held);
        self.inventory.hold(held.clone());
        self.unpin(step.wish.names()).await;
        self.serve(step.wish.names().iter().cloned().collect(), Wanted::Changed).await;
        self.tell_served(&step.wish, &held);
    }

    async fn failed(&mut self, step: &Step, error: &RenewError, outdated: bool) {
        let wish = &step.wish;
        let (verdict, story) = (error.verdict(), error.story());
        // What is refused as an earlier configuration had it may be granted as it is now.
        if verdict == Verdict::Replan || (verdict == Verdict::Never && outdated) {
            return self.tools.recorder.tell(wish.names(), Event::Dropped { why: story.into() });
        }
        let replaced = step.replaces.as_ref().and_then(|item| self.inventory.item(item));
        let failure = Failure {
            verdict,
            story,
            name: error.name().cloned(),
            elsewhere: error.elsewhere(),
            urgent: step.urgent,
            ends: replaced.map(|held| held.not_after),
        };
        let attempts = self.count(wish, step.directory(), failure);
        self.tell_failed(step, error, &attempts);
        self.save(wish).await;
    }

    /// Takes note of a failure at this directory; returns what is remembered of the attempts there from now on.
    fn count(&mut self, wish: &Wish, directory: Option<&str>, failure: Failure) -> Attempts {
        let (id, refused) = (wish.lineage.id(), failure.verdict == Verdict::Never);
        let before = self.inventory.attempts(id, directory);
        let attempts = failure.after(before, &self.ladder, clock::jitter(), self.tools.clock.now());
        self.inventory.remember(id, attempts.clone());
        if refused {
            self.inventory.refuse(id, directory);
        }
        attempts
    }

    async fn remember(&mut self, wish: &Wish, attempts: Attempts) {
        self.inventory.remember(wish.lineage.id(), attempts);
        self.save(wish).await;
    }

    /// Writes down what is remembered of a wish.
    async fn save(&self, wish: &Wish) {
        let id = wish.lineage.id();
        let state = LineageState {
            names: wish.names().clone(),
            provider: wish.lineage.provider(),
            attempts: self.inventory.all_attempts(id).to_vec(),
            advised: self.inventory.advised(id).cloned(),
        };
        if let Err(error) = self.tools.store.states().save(id, &state).await {
            warn!(names = %wish.names(), %error, "the attempt could not be remembered");
        }
    }
}
