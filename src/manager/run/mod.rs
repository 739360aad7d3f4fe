//! The loop: wait for the next due time, a change, or the end; do the plan's steps.

mod asked;
mod attempts;
mod commands;
mod configuring;
mod demanded;
mod looking_back;
mod picture;
mod proving;
mod pruning;
mod reading;
mod revoking;
mod role;
mod rolling_over;
mod stock;
mod telling;
mod tidying;
mod waiting;

pub use commands::Commands;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rpds::VectorSync;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet, yield_now};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Missed, Misses, Publisher};
use crate::clock::{Clock, Epoch};
use crate::ident::{ItemId, LineageId, Name, Provider};
use crate::issuer::{Advice, Issuers};
use crate::manager::agenda::Agenda;
use crate::manager::asked::{NotRenewed, Renewed};
use crate::manager::demand::Demands;
use crate::manager::desired::{Desired, Owners, Wish};
use crate::manager::elsewhere::Elsewhere;
use crate::manager::inventory::{Held, Inventory};
use crate::manager::load::{self, Index, Wanted};
use crate::manager::older::Search;
use crate::manager::plan::{self, Step};
use crate::manager::proof::{Proof, Proofs};
use crate::manager::pruning::NotPruned;
use crate::manager::renew::RenewError;
use crate::manager::revoke::NotRevoked;
use crate::manager::rollover::{NotRolledOver, Rollover};
use crate::manager::shelf::Shelf;
use crate::manager::stand_in::Fresh;
use crate::manager::status::{Picture, Row, Status};
use crate::manager::{Ladder, Options, Place, Tools};
use crate::store::prune::{Prune, Pruned};
use crate::store::sweep::SweepReport;
use crate::store::{Changes, StoreError};
use crate::story::{Event, Moment};

use commands::{Command, PrunedFor, Reply, Revoked, RolledOver};
use looking_back::LookingBack;
use pruning::Pruning;
use role::Role;
use waiting::Waiting;

/// At most this many certificates are issued at once.
const ABREAST: usize = 8;
/// At most this many stand-ins are committed at once; they are served already, so there is no hurry.
const BEHIND: usize = 4;
/// The CA is asked about at most this many certificates at once.
const ASKED: usize = 4;
/// How long each thing may take that is done at the end.
const LAST_WORK: Duration = Duration::from_secs(5);

/// The control plane.
pub struct Manager {
    tools: Tools,
    desired: Arc<Desired>,
    owners: Owners,
    ladder: Ladder,
    inventory: Inventory,
    shelf: Shelf,
    elsewhere: Elsewhere,
    /// Names nobody has listed, and when they are looked after again.
    demands: Demands,
    look_after: SystemTime,
    misses: Misses,
    /// What has moved in the store since before it was first read.
    changes: Changes,
    /// When all is looked at again, since something had moved that could not be read.
    again: Option<SystemTime>,
    commands: mpsc::Receiver<Command>,
    /// What has to wait until the sweep has ended.
    early: Vec<Command>,
    /// Wishes whose items nobody has read yet.
    unread: BTreeSet<usize>,
    /// Wishes for which an older item than those that were read may be better.
    looking_back: LookingBack,
    index: Index,
    /// When each wish is planned for again.
    agenda: Agenda,
    /// When the loop last looked at the clock, and its epoch then.
    looked: SystemTime,
    epoch: Epoch,
    /// What is due and has not begun, stand-ins first.
    due: BTreeMap<(Rank, usize), Step>,
    /// Items about which the CA is asked when it would like them to be renewed, by their wishes.
    asks: BTreeMap<usize, ItemId>,
    /// Lineages about which it is being asked.
    asking: HashMap<LineageId, AbortHandle>,
    /// Served from memory, to be committed.
    fresh: VecDeque<Fresh>,
    /// Which of them are being committed.
    committing: HashSet<LineageId>,
    /// Items of which it was told that they near their end.
    expiring: HashSet<ItemId>,
    /// Lineages that are being issued.
    busy: HashMap<LineageId, Option<AbortHandle>>,
    attempts: JoinSet<Finished>,
    /// By whom those of them are made that ask a CA: it may be configured otherwise by now.
    by: HashMap<Id, Arc<Issuers>>,
    /// Operators who wait for what comes of an attempt.
    waiting: HashMap<LineageId, Waiting>,
    proofs: Proofs,
    /// Nothing is ordered before the store was swept, and only by the process that has the role.
    role: Role,
    pruning: Pruning,
    status: watch::Sender<Picture>,
    rows: VectorSync<Row>,
    /// Wishes whose rows are to be drawn anew.
    stale: BTreeSet<usize>,
}

/// What comes first among what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    StandIn,
    Order,
    /// For a name nobody has listed.
    OnDemand,
}

/// The end of a task of the loop.
enum Finished {
    Swept(Result<SweepReport, StoreError>),
    /// What was found for each.
    LookedBack(Vec<Search>, Result<Vec<Vec<Held>>, StoreError>),
    Attempt(Step, Result<ItemId, RenewError>),
    Behind(Step, Result<ItemId, RenewError>),
    /// Begun at this moment.
    Asked(Wish, ItemId, SystemTime, Result<Option<Advice>, RenewError>),
    Pruned(Result<Vec<ItemId>, StoreError>),
    /// For an operator.
    PrunedFor(PrunedFor, Prune, Result<Pruned, NotPruned>),
    Tried(Reply, Result<Renewed, NotRenewed>),
    Revoked(Revoked, Result<(), NotRevoked>),
    RolledOver(RolledOver, Result<Vec<Rollover>, NotRolledOver>),
    /// What clients are shown for the item of this primary name.
    Proved(Name, ItemId, Proof),
    Tidied,
}

impl Manager {
    /// A manager for the store, with the handles to ask it and to look at it.
    #[must_use]
    pub fn new(
        options: Options,
        place: Place,
        publisher: Publisher,
        misses: Misses,
    ) -> (Self, Commands, Status) {
        let Place { store, clock, recorder, prover } = place;
        let role = Role::first(&store);
        let (sender, commands) = Commands::channel();
        let (status, picture) = Status::channel();
        let mut manager = Self {
            shelf: Shelf::new(publisher, options.warm),
            elsewhere: Elsewhere::default(),
            demands: Demands::new(recorder.clone()),
            look_after: SystemTime::UNIX_EPOCH,
            epoch: clock.epoch(),
            // Before anything is read, so that nothing moves unnoticed between the reading and the first wait for news.
            changes: store.changes(),
            tools: Tools { store, issuers: Arc::new(options.issuers), clock, recorder },
            owners: options.desired.owners(),
            agenda: Agenda::new(options.desired.wishes.len()),
            desired: Arc::new(options.desired),
            looked: SystemTime::UNIX_EPOCH,
            ladder: options.ladder,
            inventory: Inventory::default(),
            misses,
            again: None,
            commands,
            early: Vec::new(),
            unread: BTreeSet::new(),
            looking_back: LookingBack::default(),
            index: Index::default(),
            due: BTreeMap::new(),
            asks: BTreeMap::new(),
            asking: HashMap::new(),
            fresh: VecDeque::new(),
            committing: HashSet::new(),
            expiring: HashSet::new(),
            busy: HashMap::new(),
            attempts: JoinSet::new(),
            by: HashMap::new(),
            waiting: HashMap::new(),
            pruning: Pruning::new(options.prune),
            proofs: Proofs::new(prover),
            role,
            status,
            rows: VectorSync::new_sync(),
            stale: BTreeSet::new(),
        };
        manager.demands.set(options.demand);
        (manager, sender, picture)
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
        self.index = Index::read(&self.tools.store.database()).await?;
        self.show_account().await;
        self.recall_demanded().await;
        self.take_in_all().await?;
        self.receive_strangers().await;
        let (issues, now) = (!self.role.only_reads(), self.tools.clock.now());
        load::tell(&self.desired, &self.inventory, issues, now, &self.tools.recorder);
        self.stand_in_at_once().await;
        self.report();
        Ok(())
    }

    /// Does what is due, until `end`. Attempts that are running then are dropped; that is no failure.
    pub async fn run(mut self, end: CancellationToken) {
        loop {
            let wake = self.work().await;
            self.report();
            let clock = self.tools.clock.clone();
            tokio::select! {
                () = end.cancelled() => break,
                Some(finished) = self.attempts.join_next_with_id(), if !self.attempts.is_empty() => {
                    match finished {
                        Ok((task, finished)) => self.finish(task, finished).await,
                        Err(gone) => self.mourn(&gone).await,
                    }
                }
                Some(missed) = self.misses.next() => match missed {
                    Missed::Cold(name) => self.fetch(&name).await,
                    Missed::Strangers(met) => self.meet(met).await,
                },
                answered = self.demands.answered() => self.take_answer(answered).await,
                changed = self.changes.next() => self.follow(changed).await,
                Some(command) = self.commands.recv() => self.obey(command).await,
                () = yield_now(), if self.may_read() => self.read_a_turn().await,
                () = self.elsewhere.turn_is_due() => self.elsewhere.turn(&mut self.shelf, clock.now()),
                // What it means is seen to at the top.
                () = clock.corrected() => {}
                () = sleep(&clock, self.looked, wake) => {}
            }
        }
        self.drop_attempts().await;
        // While the role is ours: whoever has it next goes on with the journal.
        self.tools.recorder.tell([], Event::Stopped);
        let _ = timeout(LAST_WORK, self.tools.recorder.end()).await;
    }

    /// Plans where something has changed, and starts what is due; returns when to look again.
    async fn work(&mut self) -> Option<SystemTime> {
        let now = self.tools.clock.now();
        let epoch = self.tools.clock.epoch();
        if now < self.looked || epoch != self.epoch {
            let before = Moment(self.looked);
            self.tools.recorder.tell([], Event::Replanned { before, now: Moment(now) });
            (self.looked, self.epoch) = (now, epoch);
            self.look_again().await;
        }
        self.looked = now;
        let role = self.see_to_role(now).await;
        let demanded = self.look_after_demanded(now).await;
        self.follow_again(now).await;
        for name in self.inventory.take_changed() {
            self.owners.concerned(&name).for_each(|wish| self.agenda.put_now(wish));
        }
        while let Some(wish) = self.agenda.take_due(now) {
            self.plan(wish, now);
            self.show_better(wish, now).await;
        }
        self.look_back(now);
        if matches!(self.role, Role::Issuer(_)) {
            while self.committing.len() < BEHIND
                && let Some(fresh) = self.fresh.pop_front()
            {
                if self.still_wants(&fresh, now) {
                    self.commit_behind(fresh);
                } else {
                    self.forgo(&fresh).await;
                }
            }
            while self.asking.len() < ASKED
                && let Some((wish, item)) = self.asks.pop_first()
            {
                self.ask(wish, item);
            }
            let looking_back = usize::from(self.looking_back.is_running());
            let others = self.committing.len() + self.asking.len() + self.proofs.running() + looking_back;
            while self.attempts.len() < ABREAST + others
                && let Some(((_, wish), step)) = self.due.pop_first()
            {
                self.attempt(step);
                self.stale.insert(wish);
            }
        }
        let pruning = self.prune_if_due(now);
        let unwritten = self.renew_unwritten(now).await;
        let (again, proofs) = (self.again_at(now), self.prove(now));
        let moments = [role, demanded, again, pruning, unwritten, proofs, self.agenda.next()];
        moments.into_iter().flatten().min()
    }

    fn plan(&mut self, wish: usize, now: SystemTime) {
        // Nothing is planned on a guess; reading it has it planned.
        if self.desired.wishes[wish].names().iter().all(|name| self.inventory.is_unread(name)) {
            self.unread.insert(wish);
            return self.agenda.put(wish, None);
        }
        if self.looks_back(wish, now) {
            return self.agenda.put(wish, None);
        }
        let mut plan = self.planned(wish, now);
        let on_demand = self.desired.wishes[wish].on_demand;
        if on_demand {
            self.hold_back(wish, &mut plan, now);
        }
        self.agenda.put(wish, plan.next);
        for rank in [Rank::StandIn, Rank::Order, Rank::OnDemand] {
            self.due.remove(&(rank, wish));
        }
        match plan.ask {
            Some(item) => self.asks.insert(wish, item),
            None => self.asks.remove(&wish),
        };
        self.due.extend(plan.steps.into_iter().map(|step| {
            let rank = match step.wish.lineage.provider() {
                Provider::Selfsigned => Rank::StandIn,
                Provider::Letsencrypt if on_demand => Rank::OnDemand,
                Provider::Letsencrypt => Rank::Order,
            };
            ((rank, wish), step)
        }));
        self.stale.insert(wish);
        self.tell_expiring(wish, now);
    }

    fn planned(&self, wish: usize, now: SystemTime) -> plan::Plan {
        let wish = &self.desired.wishes[wish];
        // One after the other, since pointers lead to what was committed last: an order waits for the stand-in of its
        // names, and a stand-in that is tried once more waits for the order.
        let lineages = [wish.stand_in().lineage, wish.lineage.clone()];
        let at_work = lineages.iter().any(|lineage| self.busy.contains_key(lineage.id()));
        plan::plan(wish, &self.inventory, |_| at_work, now)
    }

    /// It is another time than we thought: what is valid and what is due are looked at again.
    async fn look_again(&mut self) {
        self.agenda = Agenda::new(self.desired.wishes.len());
        let desired = Arc::clone(&self.desired);
        self.serve(desired.wishes.iter().flat_map(Wish::names).cloned().collect(), Wanted::Changed).await;
    }

    /// Something has changed about the lineages of a wish.
    fn concern(&mut self, wish: &Wish) {
        for wish in wish.names().iter().filter_map(|name| self.owners.of(name)) {
            self.agenda.put_now(wish);
        }
    }
}

/// Returns at `until`, or when the clock has been set back since it showed `looked`.
async fn sleep(clock: &Clock, looked: SystemTime, until: Option<SystemTime>) {
    match until {
        // The clock itself knows of what it is set to from here on.
        Some(_) if clock.now() < looked => {}
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_before_the_sleep_ends_it() {
        let looked = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(looked);
        let until = Some(looked + Duration::from_secs(60));
        hand.set(looked - Duration::from_secs(5));
        timeout(LAST_WORK, sleep(&clock, looked, until)).await.expect("it ends at once");
    }
}
