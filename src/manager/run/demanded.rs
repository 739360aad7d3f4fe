//! The loop's dealings with names nobody has listed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rpds::VectorSync;
use tracing::{debug, error, warn};

use super::Manager;
use super::role::Role;
use crate::catalog::{Certificate, Stranger, Strangers};
use crate::ident::{Fqdn, Name, Names};
use crate::manager::agenda::Agenda;
use crate::manager::demand::{Answered, Met, Permit};
use crate::manager::desired::Wish;
use crate::manager::plan::{Plan, Step};
use crate::manager::preference;
use crate::manager::stand_in::Fresh;
use crate::store::StoreError;
use crate::story::Event;

/// How often it is looked who has come and what is over.
const LOOK_AFTER: Duration = Duration::from_secs(60 * 60);

/// What names are shown for which nothing else is: nobody's name (RFC 6761), since it must say nothing of anybody's.
const FALLBACK: &str = "on-demand.invalid";

impl Manager {
    /// Takes over the names that an earlier process has let in and that have a certificate. Everything is planned anew.
    pub(super) async fn recall_demanded(&mut self) {
        if self.demands.is_on() {
            match self.tools.store.demands().load().await {
                Ok(record) => self.demands.recall(record, |name| self.index.has_issued(name)),
                Err(error) => warn!(%error, "which names may have certificates on demand cannot be read"),
            }
        }
        self.lay_demanded();
    }

    /// Lays the wishes for names nobody has listed behind the configured ones.
    fn lay_demanded(&mut self) {
        let desired = Arc::make_mut(&mut self.desired);
        for listed in desired.demand(self.demands.names()) {
            self.demands.forget(&listed);
        }
        self.owners = desired.owners();
        self.agenda = Agenda::new(desired.wishes.len());
        self.due.clear();
        self.asks.clear();
        self.looking_back.forget();
        self.rows = VectorSync::new_sync();
    }

    /// From now on hellos for names nobody has listed get what they should.
    pub(super) async fn receive_strangers(&mut self) {
        let strangers = match (self.demands.is_on(), self.demands.shows_fallback()) {
            (false, _) => Strangers::Refused,
            (true, false) => Strangers::Noted,
            (true, true) => self.fallback().await.map_or(Strangers::Noted, Strangers::Shown),
        };
        self.shelf.set_strangers(strangers);
    }

    async fn fallback(&self) -> Option<Arc<Certificate>> {
        let name = Name::Dns(Fqdn::parse(FALLBACK).expect("a name"));
        let why = "shown for names nobody has listed".to_owned();
        let step = Step::first(Wish::selfsigned(Names::one(name)), why);
        match Fresh::sign(&self.tools, step).await {
            Ok(fresh) => Some(Certificate::new(&fresh.bundle)),
            Err(error) => {
                error!(%error, "no certificate could be made for names nobody has listed");
                None
            }
        }
    }

    /// Somebody has come for names that nothing is shown for.
    pub(super) async fn meet(&mut self, met: Vec<Stranger>) {
        // It is for the other process to decide.
        if !self.role.leads() {
            return;
        }
        let now = self.tools.clock.now();
        for stranger in met {
            let (name, client) = (Name::Dns(stranger.name.clone()), stranger.client);
            if self.is_listed(&name) {
                continue;
            }
            if let Met::LetIn(why) = self.demands.meet(stranger, now) {
                debug!(%name, %client, why, "asked for");
                self.let_in(name, why, now).await;
            }
        }
    }

    /// Whether a name is none of a stranger's, whatever there is to show for it.
    fn is_listed(&self, name: &Name) -> bool {
        let listed = |name: &Name| {
            self.owners.of(name).is_some_and(|wish| !self.desired.wishes[wish].on_demand)
                || self.elsewhere.has(name)
        };
        listed(name) || name.wildcard().is_some_and(|wildcard| listed(&wildcard))
    }

    /// The operator's program has answered.
    pub(super) async fn take_answer(&mut self, answered: Answered) {
        let now = self.tools.clock.now();
        let name = Name::Dns(answered.name.clone());
        debug!(%name, client = ?answered.client, said = ?answered.said.as_ref().ok(), "asked");
        if self.demands.note_answer(&answered, now) {
            self.let_in(name, "the program that is asked says so", now).await;
        } else if let Some(wish) = self.owners.of(&name) {
            self.agenda.put_now(wish);
        }
    }

    /// A name may have a certificate. That is written down before the CA hears of it.
    async fn let_in(&mut self, name: Name, why: &str, now: SystemTime) {
        let Some(wish) = self.desired.on_demand.as_ref().map(|template| template.wish(name.clone())) else {
            return;
        };
        if !self.demands.let_in(&name, now) {
            return;
        }
        if let Err(error) = self.save_demanded().await {
            warn!(%name, %error, "it cannot be written down that the name may have a certificate; it gets none");
            return self.demands.forget(&name);
        }
        self.tools.recorder.tell([&name], Event::DemandAllowed { why: why.into() });
        let index = self.desired.wishes.len();
        self.owners.add(&wish, index);
        Arc::make_mut(&mut self.desired).wishes.push(wish);
        self.agenda.add();
        // There may be one from before.
        self.read(index).await;
    }

    async fn save_demanded(&self) -> Result<(), StoreError> {
        self.tools.store.demands().save(&self.demands.record()).await
    }

    /// Takes out of a plan what may not be ordered, or not before somebody has been asked.
    pub(super) fn hold_back(&mut self, wish: usize, plan: &mut Plan, now: SystemTime) {
        if plan.steps.is_empty() {
            return;
        }
        let until = match self.demands.permit(self.desired.wishes[wish].names().primary(), now) {
            Permit::Granted => return,
            // The answer has it planned anew.
            Permit::Asking => None,
            Permit::Denied(until) => Some(until),
        };
        plan.steps.clear();
        plan.next = [plan.next, until].into_iter().flatten().min();
    }

    /// Notes who has come, and gives up what is over; returns when to look again.
    pub(super) async fn look_after_demanded(&mut self, now: SystemTime) -> Option<SystemTime> {
        if !self.demands.is_on() {
            return None;
        }
        // A moment further away was noted by a clock that has been set back.
        if self.look_after > now && self.look_after <= now + LOOK_AFTER {
            return Some(self.look_after);
        }
        self.look_after = now + LOOK_AFTER;
        if self.demands.shows_fallback() {
            // What is shown would end one day.
            self.receive_strangers().await;
        }
        if matches!(self.role, Role::Issuer(_)) {
            self.look_at_demanded(now).await;
        }
        Some(self.look_after)
    }

    async fn look_at_demanded(&mut self, now: SystemTime) {
        let before = self.demands.record();
        let mut over = Vec::new();
        for wish in self.desired.wishes.iter().filter(|wish| wish.on_demand) {
            let name = wish.names().primary();
            self.demands.sight(name, self.shelf.item(name), self.shelf.take_met(name), now);
            let held = preference::choose(name, wish, &self.inventory, now).map(|held| held.valid_at(now));
            let valid = if self.inventory.is_unread(name) { Some(true) } else { held };
            if self.demands.is_over(name, valid, now) {
                over.push((wish.lineage.id().clone(), name.clone(), valid.is_none()));
            }
        }
        for (lineage, name, never_had_one) in &over {
            self.tools.recorder.tell([name], Event::DemandOver);
            self.demands.forget(name);
            if let Some(Some(task)) = self.busy.remove(lineage) {
                task.abort();
            }
            self.waiting.remove(lineage);
            self.inventory.forget(lineage, name);
            if *never_had_one && let Err(error) = self.tools.store.states().forget(lineage).await {
                debug!(%name, %error, "what is remembered of it stays");
            }
        }
        if !over.is_empty() {
            self.lay_demanded();
            let wishes = self.desired.wishes.iter().enumerate();
            let unread = wishes.filter(|(_, wish)| self.inventory.is_unread(wish.names().primary()));
            self.unread = unread.map(|(index, _)| index).collect();
            self.shelf.take_off(over.into_iter().map(|(_, name, _)| name).collect());
        }
        if self.demands.record() != before
            && let Err(error) = self.save_demanded().await
        {
            warn!(%error, "which names get certificates on demand cannot be written down");
        }
    }
}
