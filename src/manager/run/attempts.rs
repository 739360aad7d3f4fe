//! Attempts: begun, finished, and what is remembered of them.

use std::time::Duration;

use tokio::task::{AbortHandle, JoinError};
use tracing::{error, info, warn};

use super::{Finished, Manager, Role, follower};
use crate::clock;
use crate::ident::ItemId;
use crate::issuer::Verdict;
use crate::manager::agenda::Agenda;
use crate::manager::desired::Wish;
use crate::manager::inventory::Memory;
use crate::manager::load::{self, Wanted};
use crate::manager::plan::Step;
use crate::manager::renew::{self, RenewError};
use crate::manager::stand_in::Fresh;
use crate::store::sweep::sweep;
use crate::store::{Changed, LineageState, StoreError};

impl Manager {
    pub(super) fn attempt(&mut self, step: Step) {
        let (tools, id) = (self.tools.clone(), step.wish.lineage.id().clone());
        let task = self.attempts.spawn(async move {
            let done = renew::renew(&tools, &step).await;
            Finished::Attempt(step, done)
        });
        self.busy.insert(id, Some(task));
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

    pub(super) async fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Swept(swept) => {
                if let Err(error) = swept {
                    warn!(%error, "the store could not be swept");
                }
                self.role = match std::mem::replace(&mut self.role, follower()) {
                    Role::Sweeping(claim) => Role::Issuer(claim),
                    other => other,
                };
                self.follow(Changed::Something).await;
            }
            Finished::Attempt(step, done) => self.attempted(&step, done).await,
            Finished::Behind(step, done) => {
                self.committing.remove(step.wish.lineage.id());
                self.attempted(&step, done).await;
            }
        }
    }

    async fn attempted(&mut self, step: &Step, done: Result<ItemId, RenewError>) {
        self.busy.remove(step.wish.lineage.id());
        self.concern(&step.wish);
        match done {
            Ok(item) => self.issued(step, &item).await,
            // The certificate is safe; what points to it is mended by a sweep.
            Err(RenewError::Store(StoreError::PointersLag { item, .. })) => {
                warn!(%item, "committed, but not all of its names lead to it yet; sweeping");
                self.issued(step, &item).await;
                self.sweep();
            }
            Err(error) => self.failed(step, &error).await,
        }
    }

    pub(super) fn sweep(&mut self) {
        let store = self.tools.store.clone();
        self.attempts.spawn(async move { Finished::Swept(sweep(&store).await.map(drop)) });
    }

    /// An attempt ended without a word: we aborted it, or it panicked, which trying again would only repeat.
    pub(super) fn mourn(&mut self, gone: &JoinError) {
        let whose = |task: &Option<AbortHandle>| task.as_ref().is_some_and(|task| task.id() == gone.id());
        let lineage = self.busy.iter().find(|(_, task)| whose(task)).map(|(id, _)| id.clone());
        if let Some(lineage) = lineage.filter(|_| gone.is_panic()) {
            error!(%lineage, error = %gone, "an attempt died");
            self.busy.remove(&lineage);
            self.committing.remove(&lineage);
            self.inventory.refuse(&lineage, "the attempt died; the log says where".to_owned());
            // Whose lineage it was is not worth knowing for once.
            self.agenda = Agenda::new(self.desired.wishes.len());
        }
    }

    async fn issued(&mut self, step: &Step, item: &ItemId) {
        let id = step.wish.lineage.id();
        if self.inventory.memory(id, step.wish.directory.as_deref()) != Memory::default() {
            let memory = Memory { directory: step.wish.directory.clone(), ..Memory::default() };
            self.remember(&step.wish, memory).await;
        }
        let held = match self.tools.store.database().item(item).await {
            Ok(item) => load::held(&item),
            Err(error) => return error!(%item, %error, "what was just committed cannot be read"),
        };
        let (issuer, expires) = (held.issuer.clone(), clock::rfc3339(held.not_after));
        self.inventory.hold(held);
        self.serve(step.wish.names().iter().cloned().collect(), Wanted::Changed).await;
        info!(names = %step.wish.names(), %item, issuer, expires, "serving");
    }

    async fn failed(&mut self, step: &Step, error: &RenewError) {
        let (wish, now) = (&step.wish, self.tools.clock.now());
        let story = error.story();
        let mut memory = self.inventory.memory(wish.lineage.id(), wish.directory.as_deref());
        memory.directory.clone_from(&wish.directory);
        memory.last_error = Some(story.clone());
        match error.verdict() {
            Verdict::Now => memory.next = Some(now + Duration::from_secs(1)),
            Verdict::After(until) => {
                memory.failures += 1;
                let next = now + self.ladder.wait(memory.failures, clock::jitter());
                memory.next = Some(until.map_or(next, |until| until.max(next)));
            }
            Verdict::Never => {
                memory.failures += 1;
                // A restart may be a changed configuration, and may be a crash loop: it waits a day.
                memory.next = Some(now + Duration::from_secs(86_400));
                self.inventory.refuse(wish.lineage.id(), story.clone());
            }
        }
        let again = memory.next.map(clock::rfc3339);
        warn!(names = %wish.names(), error = story, failures = memory.failures, again, "not issued");
        self.remember(wish, memory).await;
    }

    async fn remember(&mut self, wish: &Wish, memory: Memory) {
        let state = LineageState {
            names: wish.names().clone(),
            provider: wish.lineage.provider(),
            directory: memory.directory.clone(),
            failures: memory.failures,
            next: memory.next,
            last_error: memory.last_error.clone(),
            last_failure: memory.last_error.is_some().then(|| self.tools.clock.now()),
        };
        self.inventory.remember(wish.lineage.id(), memory);
        if let Err(error) = self.tools.store.states().save(wish.lineage.id(), &state).await {
            warn!(names = %wish.names(), %error, "the attempt could not be remembered");
        }
    }
}
