//! What is to be done now, and when to look again. Pure: the loop in `run` only obeys.

use std::cell::LazyCell;
use std::time::{Duration, SystemTime};

use super::advised::ask_at;
use super::basis::basis as basis_of;
use super::desired::{Ca, Wish};
use super::inventory::{Held, Inventory};
use super::preference;
use super::schedule::{self, Situation, renewal_of, situation};
use super::turn::turn;
use crate::clock;
use crate::ident::{ItemId, LineageId, Provider};
use crate::issuer::{Profile, Window};
use crate::story::Basis;

/// What to do for one wish, and when to plan for it again if nothing about it changes before.
#[derive(Debug, Default)]
pub struct Plan {
    /// Due now, a stand-in first.
    pub steps: Vec<Step>,
    /// The CA is asked now when it would like this item to be renewed.
    pub ask: Option<ItemId>,
    /// When the next step or question will be due, if there will be one.
    pub next: Option<SystemTime>,
}

/// Issue one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to issue.
    pub wish: Wish,
    /// The CA it is ordered from; none where we sign ourselves.
    pub ca: Option<Ca>,
    /// Why now, for people.
    pub why: String,
    /// The item whose place it takes.
    pub replaces: Option<ItemId>,
    /// When that item's CA would like it to be replaced.
    pub window: Option<Window>,
    /// Whether that item is of no use any more: it has ended, or its CA wants it gone.
    pub urgent: bool,
    /// Failures at that CA before this attempt.
    pub failures: u32,
    /// What the moment was computed from, if that item is renewed before its end, and was not revoked.
    pub basis: Option<Basis>,
}

impl Step {
    /// The first certificate of a lineage.
    pub(super) fn first(wish: Wish, why: String) -> Self {
        Self { wish, ca: None, why, replaces: None, window: None, urgent: false, failures: 0, basis: None }
    }

    /// The directory of the CA.
    #[must_use]
    pub fn directory(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| &*ca.directory)
    }

    /// The profile to follow there.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.ca.as_ref()?.profile.as_ref()
    }
}

/// Plans for a wish. Lineages that are `busy` are being issued and are left alone.
///
/// A selfsigned certificate is made only where nothing valid could be served, and never while a CA's is valid; never
/// for a name that nobody has listed.
#[must_use]
pub fn plan(wish: &Wish, inventory: &Inventory, busy: impl Fn(&LineageId) -> bool, now: SystemTime) -> Plan {
    let mut plan = Plan::default();
    // Its id is a hash, and most of the time nobody asks for it.
    let stand_in = LazyCell::new(|| wish.stand_in());
    if !wish.on_demand
        && let Some(why) = stand_in_due(wish, &stand_in, inventory, now, &mut plan.next)
    {
        let replaces = inventory.newest(&stand_in).map(|held| held.id.clone());
        plan.steps.push(Step { replaces, ..Step::first(stand_in.clone(), why) });
    }
    if wish.lineage.provider() != Provider::Selfsigned {
        plan.order(wish, inventory, now);
    }
    plan.steps.retain(|step| !busy(step.wish.lineage.id()));
    plan.ask.take_if(|_| busy(wish.lineage.id()));
    plan
}

impl Plan {
    /// Adds what is due at the CA.
    fn order(&mut self, wish: &Wish, inventory: &Inventory, now: SystemTime) {
        // Somebody's items are there and will be read; nothing is ordered on a guess.
        if wish.names().iter().any(|name| inventory.is_unread(name)) {
            return;
        }
        let newest = inventory.newest(wish);
        if let Some(held) = newest.filter(|held| inventory.is_sound(held, now)) {
            self.ask(held, inventory, now);
            // There is something to be told then.
            look(&mut self.next, schedule::overdue(held.not_before, held.not_after), now);
        }
        let why = match situation(wish, inventory, now) {
            Situation::Refused { try_at, .. } => return look(&mut self.next, try_at, now),
            Situation::Missing { try_at: at, .. } | Situation::Held { renew_at: at, .. } if at > now => {
                return look(&mut self.next, at, now);
            }
            Situation::Missing { failures: 0, .. }
                if newest.is_some_and(|held| inventory.is_revoked(&held.id)) =>
            {
                "the certificate was revoked".to_owned()
            }
            Situation::Missing { failures: 0, .. } => "no valid certificate from the CA".to_owned(),
            Situation::Missing { failures, .. } => {
                format!("no valid certificate from the CA, attempt {}", failures + 1)
            }
            Situation::Held { .. } => renewal_reason(newest, inventory, now),
        };
        self.steps.push(step(wish, inventory, why, now));
    }

    /// Asks the CA about a valid certificate, or notes when to.
    fn ask(&mut self, held: &Held, inventory: &Inventory, now: SystemTime) {
        match inventory.advised_about(held).map(|advised| ask_at(advised, now)) {
            Some(at) if at > now => look(&mut self.next, at, now),
            _ => self.ask = Some(held.id.clone()),
        }
    }
}

/// The next certificate of a wish, whether it is due or not.
pub(super) fn step(wish: &Wish, inventory: &Inventory, why: String, now: SystemTime) -> Step {
    let urgent = inventory.newest(wish).is_some_and(|held| inventory.is_done_with(held, now));
    step_at(turn(wish, inventory, urgent, now, now).ca, wish, inventory, why, now)
}

/// The next certificate of a wish, from this CA.
pub(super) fn step_at(
    ca: Option<&Ca>,
    wish: &Wish,
    inventory: &Inventory,
    why: String,
    now: SystemTime,
) -> Step {
    let newest = inventory.newest(wish);
    let replaces = newest.map(|held| held.id.clone());
    let urgent = newest.is_some_and(|held| inventory.is_done_with(held, now));
    let ca = ca.cloned();
    let directory = ca.as_ref().map(|ca| &*ca.directory);
    let failures = inventory.attempts(wish.lineage.id(), directory).failures;
    let drawn = newest.and_then(|held| inventory.advised_about(held)?.drawn.as_ref());
    let window = drawn.and_then(|drawn| Window::new(drawn.start, drawn.end));
    let basis = newest.filter(|held| inventory.is_sound(held, now));
    let basis = basis.map(|held| basis_of(held, inventory.advised_about(held)));
    Step { ca, replaces, window, urgent, failures, basis, ..Step::first(wish.clone(), why) }
}

/// Notes a moment to look again. What is past is being done already, or it would have become a step.
fn look(next: &mut Option<SystemTime>, at: SystemTime, now: SystemTime) {
    if at > now {
        *next = Some(next.map_or(at, |next| next.min(at)));
    }
}

/// Why a selfsigned certificate is due for the names of `wish`, if it is.
fn stand_in_due(
    wish: &Wish,
    stand_in: &LazyCell<Wish, impl FnOnce() -> Wish>,
    inventory: &Inventory,
    now: SystemTime,
    next: &mut Option<SystemTime>,
) -> Option<String> {
    let why = wish.names().iter().filter(|name| !inventory.is_unread(name)).find_map(|name| {
        match preference::choose(name, wish, inventory, now) {
            None => Some(format!("nothing valid could be served for {name}")),
            Some(held) if inventory.is_revoked(&held.id) => {
                Some(format!("the certificate for {name} was revoked"))
            }
            Some(held) if !held.valid_at(now) => {
                Some(format!("the certificate for {name} ended {}", clock::rfc3339(held.not_after)))
            }
            // What is served will end one day: a stand-in is renewed before, a CA's is replaced at its end.
            Some(held) if held.provider == Provider::Selfsigned && held.lineage == *stand_in.lineage.id() => {
                let at = renewal_of(held);
                look(next, at, now);
                (at <= now).then(|| "the selfsigned certificate nears its end".to_owned())
            }
            Some(held) => {
                look(next, held.not_after + Duration::from_secs(1), now);
                None
            }
        }
    })?;
    // Making one cannot fail for long but for a full disk, and a full disk is not asked in a loop.
    match inventory.attempts(stand_in.lineage.id(), None).not_before(now) {
        Some(at) if at > now => {
            look(next, at, now);
            None
        }
        _ => Some(why),
    }
}

fn renewal_reason(newest: Option<&Held>, inventory: &Inventory, now: SystemTime) -> String {
    let Some(held) = newest else { return "renewal".to_owned() };
    let left = held.not_after.duration_since(now).unwrap_or_default().as_secs() / 86_400;
    let drawn = inventory.advised_about(held).and_then(|advised| advised.drawn.as_ref());
    match drawn {
        Some(drawn) => {
            let (start, end) = (clock::rfc3339(drawn.start), clock::rfc3339(drawn.end));
            format!("renewal, in the CA's window from {start} to {end}, {left} days of validity left")
        }
        None => format!("renewal, {left} days of validity left"),
    }
}

#[cfg(test)]
#[path = "tests/plan.rs"]
mod tests;
