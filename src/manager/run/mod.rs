//! The loop: wait for the next due time, a change, or the end; do the plan's steps.

mod stock;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::catalog::{Misses, Publisher};
use crate::clock::{self, Clock};
use crate::ident::{ItemId, LineageId, Name};
use crate::issuer::Verdict;
use crate::manager::desired::{Desired, Owners, Wish};
use crate::manager::inventory::{Inventory, Memory};
use crate::manager::load::{self, Index, Shelf, Wanted};
use crate::manager::plan::{self, Step};
use crate::manager::renew::{self, RenewError};
use crate::manager::stand_in::Fresh;
use crate::manager::status::{Row, Status, rows};
use crate::manager::{Ladder, Options, Tools};
use crate::store::sweep::sweep;
use crate::store::{Claim, LineageState, Store, StoreError};

/// So many certificates are issued at the same time.
const ABREAST: usize = 8;
/// So many stand-ins are committed at the same time; they are served already, so there is no hurry.
const BEHIND: usize = 4;
/// How often a follower asks whether the issuer role is free.
const ROLE_AGAIN: Duration = Duration::from_secs(10);

/// What can be asked of a running manager.
pub enum Command {
    /// The configuration was read again.
    Configure(Box<Options>),
}

/// Asks a running manager. Cloning shares the line.
#[derive(Clone)]
pub struct Commands(mpsc::Sender<Command>);

impl Commands {
    /// Hands over a new configuration. Certificates that stay in it are not touched.
    pub async fn configure(&self, options: Options) {
        // A manager that is gone needs no configuration.
        let _ = self.0.send(Command::Configure(Box::new(options))).await;
    }
}

/// The control plane.
pub struct Manager {
    tools: Tools,
    desired: Arc<Desired>,
    owners: Owners,
    ladder: Ladder,
    inventory: Inventory,
    shelf: Shelf,
    misses: Misses,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<Arc<Vec<Row>>>,
    /// Wishes whose items nobody has read yet.
    unread: Vec<Wish>,
    index: Index,
    /// What was found of certificates somebody else keeps.
    foreign: Vec<Row>,
    /// Served from memory, to be committed.
    fresh: VecDeque<Fresh>,
    /// Which of them are being committed.
    committing: HashSet<LineageId>,
    /// Lineages that are being issued.
    busy: HashMap<LineageId, Option<AbortHandle>>,
    attempts: JoinSet<Finished>,
    /// Nothing is ordered before the store was swept, and only by the process that has the role.
    role: Role,
}

/// What this process may do to the store.
enum Role {
    /// Nothing has been claimed yet, or another process has the role.
    Follower { told: bool, again: SystemTime },
    /// The role is ours; the sweep is running.
    Sweeping(Claim),
    /// The role is ours.
    Issuer(#[expect(dead_code, reason = "held, not read: dropping it gives the role back")] Claim),
}

/// The end of a task of the loop.
enum Finished {
    Swept(Result<(), StoreError>),
    Attempt(Step, Result<ItemId, RenewError>),
    Behind(Step, Result<ItemId, RenewError>),
}

impl Manager {
    /// A manager for the store, with the handles to ask it and to look at it.
    #[must_use]
    pub fn new(
        options: Options,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        misses: Misses,
    ) -> (Self, Commands, Status) {
        let (sender, commands) = mpsc::channel(4);
        let (status, picture) = Status::channel();
        let manager = Self {
            shelf: Shelf::new(publisher, clock.clone(), options.warm),
            tools: Tools { store, issuers: Arc::new(options.issuers), clock },
            owners: options.desired.owners(),
            desired: Arc::new(options.desired),
            ladder: options.ladder,
            inventory: Inventory::default(),
            misses,
            commands,
            status,
            unread: Vec::new(),
            index: Index::new(),
            foreign: Vec::new(),
            fresh: VecDeque::new(),
            committing: HashSet::new(),
            busy: HashMap::new(),
            attempts: JoinSet::new(),
            role: Role::Follower { told: false, again: SystemTime::UNIX_EPOCH },
        };
        (manager, Commands(sender), picture)
    }

    /// Puts something on show for every configured name. When this returns, listeners may accept.
    ///
    /// What is in the store is shown, read now or when it is asked for; where nothing valid is, a selfsigned
    /// certificate is made and shown from memory, to be committed once [`run`](Self::run) runs. No CA is asked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot even be listed.
    pub async fn prepare(&mut self) -> Result<(), StoreError> {
        self.index = load::index(&self.tools.store.database()).await?;
        load::recall(&self.desired, &mut self.inventory, &self.tools.store).await?;
        self.take_in_all().await?;
        load::tell(&self.desired, &self.inventory, &self.tools.clock);
        self.stand_in().await;
        self.report();
        Ok(())
    }

    /// Does what is due, until `end`. Attempts that are running then are dropped; that is no failure.
    pub async fn run(mut self, end: CancellationToken) {
        let mut changes = self.tools.store.changes();
        loop {
            let wake = self.work().await;
            self.report();
            let clock = self.tools.clock.clone();
            tokio::select! {
                () = end.cancelled() => break,
                Some(finished) = self.attempts.join_next(), if !self.attempts.is_empty() => {
                    match finished {
                        Ok(finished) => self.finish(finished).await,
                        Err(gone) => self.mourn(&gone),
                    }
                }
                Some(name) = self.misses.next() => self.fetch(&name).await,
                _ = changes.next() => self.look_elsewhere().await,
                Some(command) = self.commands.recv() => match command {
                    Command::Configure(options) => self.configure(*options).await,
                },
                () = std::future::ready(()), if !self.unread.is_empty() => self.read_a_turn().await,
                () = sleep(&clock, wake) => {}
            }
        }
        self.attempts.shutdown().await;
    }

    /// Starts what is due; returns when to look again.
    async fn work(&mut self) -> Option<SystemTime> {
        let now = self.tools.clock.now();
        if let Role::Follower { told, again } = self.role {
            if again > now {
                return Some(again);
            }
            match self.tools.store.claim_issuer().await {
                Ok(claim) => {
                    self.role = Role::Sweeping(claim);
                    self.sweep();
                }
                Err(error) => {
                    if !told {
                        info!(%error, "another process issues for this storage; following it");
                    }
                    self.role = Role::Follower { told: true, again: now + ROLE_AGAIN };
                    return Some(now + ROLE_AGAIN);
                }
            }
        }
        if !matches!(self.role, Role::Issuer(_)) {
            return None;
        }
        while self.committing.len() < BEHIND
            && let Some(fresh) = self.fresh.pop_front()
        {
            self.commit_behind(fresh);
        }
        let busy: HashSet<LineageId> = self.busy.keys().cloned().collect();
        let plan = plan::plan(&self.desired, &self.inventory, &busy, now);
        let room = (ABREAST + self.committing.len()).saturating_sub(self.attempts.len());
        for step in plan.steps.into_iter().take(room) {
            self.attempt(step);
        }
        plan.next
    }

    fn attempt(&mut self, step: Step) {
        let (tools, id) = (self.tools.clone(), step.wish.lineage.id().clone());
        let task = self.attempts.spawn(async move {
            let done = renew::renew(&tools, &step).await;
            Finished::Attempt(step, done)
        });
        self.busy.insert(id, Some(task));
    }

    fn commit_behind(&mut self, fresh: Fresh) {
        let (tools, id) = (self.tools.clone(), fresh.step.wish.lineage.id().clone());
        let task = self.attempts.spawn(async move {
            let done = fresh.commit(&tools).await;
            Finished::Behind(fresh.step, done)
        });
        self.committing.insert(id.clone());
        self.busy.insert(id, Some(task));
    }

    async fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Swept(swept) => {
                if let Err(error) = swept {
                    warn!(%error, "the store could not be swept");
                }
                self.role = match std::mem::replace(&mut self.role, follower()) {
                    Role::Sweeping(claim) => Role::Issuer(claim),
                    other => other,
                };
                self.look_elsewhere().await;
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

    fn sweep(&mut self) {
        let store = self.tools.store.clone();
        self.attempts.spawn(async move { Finished::Swept(sweep(&store).await.map(drop)) });
    }

    /// An attempt ended without a word: we aborted it, or it panicked, which trying again would only repeat.
    fn mourn(&mut self, gone: &JoinError) {
        let whose = |task: &Option<AbortHandle>| task.as_ref().is_some_and(|task| task.id() == gone.id());
        let lineage = self.busy.iter().find(|(_, task)| whose(task)).map(|(id, _)| id.clone());
        if let Some(lineage) = lineage.filter(|_| gone.is_panic()) {
            error!(%lineage, error = %gone, "an attempt died");
            self.busy.remove(&lineage);
            self.committing.remove(&lineage);
            self.inventory.refuse(&lineage, "the attempt died; the log says where".to_owned());
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

    async fn configure(&mut self, options: Options) {
        self.owners = options.desired.owners();
        let before = std::mem::replace(&mut self.desired, Arc::new(options.desired));
        self.tools.issuers = Arc::new(options.issuers);
        self.ladder = options.ladder;
        self.inventory.forgive();
        let desired = Arc::clone(&self.desired);
        for gone in before.wishes.iter().filter(|wish| !desired.wishes.contains(wish)) {
            if let Some(Some(task)) = self.busy.remove(gone.lineage.id()) {
                task.abort();
            }
        }
        let names = |desired: &Desired| -> HashSet<Name> {
            let wishes = desired.wishes.iter().map(Wish::names);
            wishes.chain(desired.foreign.iter().map(|source| &source.names)).flatten().cloned().collect()
        };
        let (old, new) = (names(&before), names(&desired));
        self.shelf.take_off(old.difference(&new).cloned());
        let taken = match load::recall(&desired, &mut self.inventory, &self.tools.store).await {
            Ok(()) => self.take_in_all().await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            warn!(%error, "the store cannot be listed; what is on show stays");
        }
        self.stand_in().await;
        info!(certificates = desired.wishes.len() + desired.foreign.len(), "configured anew");
    }

    fn report(&self) {
        let busy = self.busy.keys().cloned().collect();
        let mut rows = rows(&self.desired, &self.inventory, &busy, self.tools.clock.now());
        rows.extend(self.foreign.iter().cloned());
        self.status.send_replace(Arc::new(rows));
    }
}

fn follower() -> Role {
    Role::Follower { told: false, again: SystemTime::UNIX_EPOCH }
}

async fn sleep(clock: &Clock, until: Option<SystemTime>) {
    match until {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
