//! The loop: wait for the next due time, a change, or the end; do the plan's steps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::desired::{Desired, Wish};
use super::inventory::{Inventory, Memory};
use super::load::{self, Index, Shelf, Wanted};
use super::plan::{self, Step};
use super::renew::{self, RenewError};
use super::stand_in::Fresh;
use super::status::{Row, Status, rows};
use super::{Ladder, Options, Tools};
use crate::catalog::{Certificate, Misses, Publisher};
use crate::clock::{self, Clock};
use crate::ident::{ItemId, LineageId, Name, Provider};
use crate::issuer::Verdict;
use crate::store::sweep::sweep;
use crate::store::{Claim, LineageState, Store, StoreError};

/// So many wishes' items are read before anybody may connect; the others behind.
const AT_ONCE: usize = 512;
/// So many wishes are read in one turn of the loop.
const A_TURN: usize = 32;
/// So many certificates are issued at the same time.
const ABREAST: usize = 8;
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
    fresh: Vec<Fresh>,
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
            desired: Arc::new(options.desired),
            ladder: options.ladder,
            inventory: Inventory::default(),
            misses,
            commands,
            status,
            unread: Vec::new(),
            index: Index::new(),
            foreign: Vec::new(),
            fresh: Vec::new(),
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
                    let store = self.tools.store.clone();
                    self.attempts.spawn(async move { Finished::Swept(sweep(&store).await.map(drop)) });
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
        for fresh in std::mem::take(&mut self.fresh) {
            self.commit_behind(fresh);
        }
        let busy: HashSet<LineageId> = self.busy.keys().cloned().collect();
        let plan = plan::plan(&self.desired, &self.inventory, &busy, now);
        let room = ABREAST.saturating_sub(self.attempts.len());
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
            Finished::Attempt(fresh.step, done)
        });
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
            Finished::Attempt(step, done) => {
                self.busy.remove(step.wish.lineage.id());
                match done {
                    Ok(item) => self.issued(&step, &item).await,
                    Err(error) => self.failed(&step, &error).await,
                }
            }
        }
    }

    /// An attempt ended without a word: we aborted it, or it panicked, which trying again would only repeat.
    fn mourn(&mut self, gone: &JoinError) {
        let whose = |task: &Option<AbortHandle>| task.as_ref().is_some_and(|task| task.id() == gone.id());
        let lineage = self.busy.iter().find(|(_, task)| whose(task)).map(|(id, _)| id.clone());
        if let Some(lineage) = lineage.filter(|_| gone.is_panic()) {
            error!(%lineage, error = %gone, "an attempt died");
            self.busy.remove(&lineage);
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

    /// Shows what is there for all wishes: the first ones read, the others when they are asked for or behind.
    async fn take_in_all(&mut self) -> Result<(), StoreError> {
        let desired = Arc::clone(&self.desired);
        let (now, later) = desired.wishes.split_at(desired.wishes.len().min(AT_ONCE));
        let mut names: Vec<Name> = Vec::new();
        for wish in now {
            load::take_stock(wish, &self.index, &mut self.inventory, &self.tools.store.database()).await?;
            names.extend(wish.names().iter().cloned());
        }
        self.serve(names, Wanted::Changed).await;
        let mut cold: Vec<Name> = Vec::new();
        self.unread.clear();
        for wish in later {
            if load::candidates(wish, &self.index).is_empty() {
                continue;
            }
            self.unread.push(wish.clone());
            for name in wish.names() {
                self.inventory.set_unread(name, true);
                if self.shelf.shows(name).is_none() {
                    cold.push(name.clone());
                }
            }
        }
        self.shelf.show_cold(&cold);
        self.foreign = load::serve_foreign(&mut self.shelf, &desired.foreign);
        self.shelf.set_unnamed(desired.unnamed.clone());
        Ok(())
    }

    async fn read_a_turn(&mut self) {
        let rest = self.unread.len().saturating_sub(A_TURN);
        let turn: Vec<Wish> = self.unread.drain(rest..).collect();
        for wish in turn {
            self.read(&wish).await;
        }
        if self.unread.is_empty() {
            self.stand_in().await;
        }
    }

    async fn read(&mut self, wish: &Wish) {
        let database = self.tools.store.database();
        if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, &database).await {
            warn!(names = %wish.names(), %error, "the items of these names cannot be listed");
        }
        self.serve(wish.names().iter().cloned().collect(), Wanted::Changed).await;
    }

    /// A hello waits for this name.
    async fn fetch(&mut self, name: &Name) {
        let desired = Arc::clone(&self.desired);
        let Some(wish) = desired.by_name().get(name).copied() else {
            self.shelf.take_off([name.clone()]);
            return;
        };
        if self.inventory.is_unread(name) {
            let database = self.tools.store.database();
            if let Err(error) = load::take_stock(wish, &self.index, &mut self.inventory, &database).await {
                warn!(%name, %error, "the items of this name cannot be listed");
            }
        }
        self.serve(vec![name.clone()], Wanted::Asked).await;
    }

    /// Pointers may lead elsewhere than they did: a sweep, or another process.
    async fn look_elsewhere(&mut self) {
        let database = self.tools.store.database();
        match load::index(&database).await {
            Ok(index) => self.index = index,
            Err(error) => {
                warn!(%error, "the pointers cannot be listed; what is on show stays");
                return;
            }
        }
        let desired = Arc::clone(&self.desired);
        for wish in &desired.wishes {
            let unknown =
                load::candidates(wish, &self.index).iter().any(|id| self.inventory.item(id).is_none());
            if unknown && !wish.names().iter().any(|name| self.inventory.is_unread(name)) {
                self.read(wish).await;
            }
        }
    }

    async fn configure(&mut self, options: Options) {
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

    /// Makes and shows a selfsigned certificate wherever the plan wants one; from memory, committed behind.
    async fn stand_in(&mut self) {
        let busy: HashSet<LineageId> = self.busy.keys().cloned().collect();
        let plan = plan::plan(&self.desired, &self.inventory, &busy, self.tools.clock.now());
        for step in plan.steps.into_iter().filter(|s| s.wish.lineage.provider() == Provider::Selfsigned) {
            match Fresh::sign(&self.tools, step.clone()).await {
                Ok(fresh) => {
                    info!(names = %step.wish.names(), why = step.why, "serving selfsigned");
                    self.shelf.show(step.wish.names(), &Certificate::new(&fresh.bundle));
                    self.busy.insert(step.wish.lineage.id().clone(), None);
                    self.fresh.push(fresh);
                }
                Err(error) => {
                    error!(names = %step.wish.names(), %error, "no selfsigned certificate could be made")
                }
            }
        }
    }

    async fn serve(&mut self, names: Vec<Name>, wanted: Wanted) {
        let database = self.tools.store.database();
        self.shelf.serve(&names, &self.desired, &mut self.inventory, &database, wanted).await;
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
