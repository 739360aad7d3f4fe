//! What the loop tells of its decisions.

use std::collections::BTreeSet;

use super::Manager;
use crate::ident::{ItemId, Name, Provider};
use crate::manager::basis::basis;
use crate::manager::desired::{Desired, Wish};
use crate::manager::failure;
use crate::manager::inventory::Held;
use crate::manager::plan::Step;
use crate::manager::renew::RenewError;
use crate::manager::schedule;
use crate::store::{Attempts, Family};
use crate::story::{Event, Text};

/// Of the names that came, and of those that went, at most this many are told.
const LISTED: usize = 100;

impl Manager {
    pub(super) fn tell_configured(&self, before: &Desired) {
        let names = |desired: &Desired| -> BTreeSet<Name> {
            desired.wishes.iter().flat_map(Wish::names).cloned().collect()
        };
        let (old, new) = (names(before), names(&self.desired));
        let event = Event::Configured {
            certificates: self.desired.wishes.len() + self.elsewhere.len(),
            came: new.difference(&old).take(LISTED).cloned().collect(),
            went: old.difference(&new).take(LISTED).cloned().collect(),
        };
        self.tools.recorder.tell([], event);
    }

    pub(super) fn tell_committed(&self, step: &Step, held: &Held) {
        let event = Event::Committed {
            item: held.id.as_str().into(),
            provider: Text::of(held.provider),
            replaces: step.replaces.as_ref().map(|item| item.as_str().into()),
            pointers: Family::of(held.provider).map(Text::of).to_vec(),
            not_after: Some(held.not_after.into()),
            stands_in: held.provider == Provider::Selfsigned && self.is_from_ca(step.wish.names().primary()),
        };
        self.tools.recorder.tell(step.wish.names(), event);
    }

    /// Whether a CA is asked for the certificate with this name.
    fn is_from_ca(&self, name: &Name) -> bool {
        let owner = self.owners.of(name).map(|index| self.desired.wishes[index].lineage.provider());
        owner == Some(Provider::Letsencrypt)
    }

    /// Tells that an item is served, and when it will be renewed.
    pub(super) fn tell_served(&self, wish: &Wish, held: &Held) {
        let event = Event::Served {
            item: held.id.as_str().into(),
            issuer: held.issuer.as_str().into(),
            not_after: held.not_after.into(),
        };
        self.tools.recorder.tell(wish.names(), event);
        if held.provider == Provider::Letsencrypt && held.lineage == *wish.lineage.id() {
            self.tools.recorder.tell(wish.names(), Event::Planned(basis(held, None)));
        }
    }

    /// Tells what is served for a wish, if that is another item than this.
    pub(super) fn tell_swapped(&self, wish: &Wish, before: Option<&ItemId>) {
        let shown = self.shelf.item(wish.names().primary()).filter(|shown| Some(*shown) != before);
        if let Some(held) = shown.and_then(|shown| self.inventory.item(shown)) {
            self.tell_served(wish, held);
        }
    }

    /// Tells of items that somebody else has put there: a tool beside this process, or a process before it that could
    /// not tell so any more.
    pub(super) async fn tell_taken_in(&self, items: &[ItemId]) {
        if !self.role.leads() {
            return;
        }
        let database = self.tools.store.database();
        let ours = |held: &&Held| matches!(self.busy.get(&held.lineage), Some(Some(_)));
        for held in items.iter().filter_map(|id| self.inventory.item(id)).filter(|held| !ours(held)) {
            let why = database.item(&held.id).await.ok().and_then(|item| Some(item.issuance()?.why.clone()));
            let why = why.unwrap_or_else(|| "it does not say why it was made".to_owned());
            let event = Event::TakenIn { item: held.id.as_str().into(), why: why.as_str().into() };
            self.tools.recorder.tell(&held.names, event);
        }
    }

    pub(super) fn tell_failed(&self, step: &Step, error: &RenewError, attempts: &Attempts) {
        let rule = failure::rule(error.verdict(), attempts.failures, &self.ladder);
        let event = Event::Failed {
            ca: step.directory().map(Text::from),
            error: error.story().into(),
            failures: attempts.failures,
            rule: rule.into(),
            again: attempts.next.map(Into::into),
        };
        self.tools.recorder.tell(step.wish.names(), event);
    }

    /// Tells once of a certificate that it nears its end.
    pub(super) fn tell_expiring(&mut self, wish: usize, now: std::time::SystemTime) {
        let wish = &self.desired.wishes[wish];
        let newest = self.inventory.newest(wish);
        let late = |held: &&Held| {
            held.provider == Provider::Letsencrypt
                && schedule::overdue(held.not_before, held.not_after) <= now
        };
        let Some(held) = newest.filter(late) else { return };
        if self.expiring.insert(held.id.clone()) {
            let event = Event::Expiring {
                item: held.id.as_str().into(),
                not_after: held.not_after.into(),
                rule: "less is left than half of what a renewal in time leaves".into(),
            };
            self.tools.recorder.tell(wish.names(), event);
        }
    }
}
