//! When a lineage is looked at again. Pure: no clock, no disk, no await.

use std::time::{Duration, SystemTime};

use super::Options;
use super::desired::Wish;
use super::inventory::{Held, Inventory};
use super::turn::{Turn, turn};
use crate::ident::ItemId;
use crate::pki::crypto;
use crate::store::Advised;

/// Where a lineage stands. Each state carries its own next moment, so nothing can be due without saying when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situation {
    /// There is no certificate of the lineage, or the newest has ended or was revoked.
    Missing {
        /// When to try.
        try_at: SystemTime,
        /// Failures so far.
        failures: u32,
    },
    /// There is a valid one.
    Held {
        /// When its life or its CA has it renewed.
        due: SystemTime,
        /// When to renew it, failures taken into account.
        renew_at: SystemTime,
        /// Failures since it was issued.
        failures: u32,
    },
    /// Due, but refused by the CA that may be asked soonest. A mistake of the CA's passes; ours ends when the
    /// configuration changes, which does not wait for the moment.
    Refused {
        /// When to try all the same.
        try_at: SystemTime,
        /// Failures so far.
        failures: u32,
        /// What the CA said.
        reason: String,
    },
}

impl Situation {
    /// What is done next about the wish, in words, and when.
    #[must_use]
    pub(super) fn next(&self, wish: &Wish, now: SystemTime) -> (String, SystemTime) {
        let attempt = |failures: u32| match failures {
            0 => wish.verb().to_owned(),
            failures => format!("{}, attempt {}", wish.verb(), failures + 1),
        };
        let (what, at) = match *self {
            Self::Missing { try_at, failures } => (attempt(failures), try_at),
            Self::Held { renew_at, .. } => ("renew".to_owned(), renew_at),
            Self::Refused { try_at, failures, .. } => {
                (format!("{}, or at once when the configuration changes", attempt(failures)), try_at)
            }
        };
        (what, at.max(now))
    }
}

/// How long to wait after the first, second, … failure; the last step repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder(Vec<Duration>);

impl Ladder {
    /// A ladder of these steps; without any, the default.
    #[must_use]
    pub fn new(steps: Vec<Duration>) -> Self {
        if steps.is_empty() { Self::default() } else { Self(steps) }
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Duration] {
        &self.0
    }

    /// The wait after this many failures in a row, a tenth longer at most: `jitter` is 0 to 1.
    #[must_use]
    pub fn wait(&self, failures: u32, jitter: f64) -> Duration {
        let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let base = self.0[step.min(self.0.len() - 1)];
        base + base.mul_f64(0.1 * jitter.clamp(0.0, 1.0))
    }
}

impl Default for Ladder {
    /// That of [`Options::RETRY`].
    fn default() -> Self {
        Self(Options::RETRY.to_vec())
    }
}

/// Certificates that live shorter than this are renewed at half of their life.
const SHORT_LIVED: Duration = Duration::from_secs(10 * 86_400);

/// CAs date their certificates back, by no more than this.
const DATED_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// A new certificate is kept for this long though the CA wants it replaced already: at most four renewals a day come of
/// that.
const REST: Duration = Duration::from_secs(6 * 60 * 60);

/// When to renew a certificate: a third of its life before its end, half for a short-lived one, and up to a fiftieth of
/// its life earlier, so that what was issued together is not renewed together.
///
/// The draw is taken from the item's id: it is the same after every restart.
#[must_use]
pub fn renewal(id: &ItemId, not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    let draw = crypto::sha256(id.as_str().as_bytes());
    let jitter = f64::from(u16::from_be_bytes([draw[0], draw[1]])) / 65_536.0;
    not_after - left_to(not_before, not_after) - lifetime.mul_f64(jitter / 50.0)
}

/// When a certificate should long since have been renewed: half of what an unadvised renewal would have left is gone.
#[must_use]
pub(super) fn overdue(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    not_after - left_to(not_before, not_after) / 2
}

/// How much of its life a certificate has left at its renewal, at least.
fn left_to(not_before: SystemTime, not_after: SystemTime) -> Duration {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    if lifetime < SHORT_LIVED { lifetime / 2 } else { lifetime / 3 }
}

/// Where the lineage of a wish stands.
#[must_use]
pub fn situation(wish: &Wish, inventory: &Inventory, now: SystemTime) -> Situation {
    let newest = inventory.newest(wish);
    let due = newest
        .filter(|held| inventory.is_sound(held, now))
        .map(|held| due(held, inventory.advised_about(held)).0);
    let urgent = newest.is_some_and(|held| inventory.is_done_with(held, now));
    let then = due.unwrap_or(now).max(now);
    let Turn { ca, at, failures, refused } = turn(wish, inventory, urgent, now, then);
    match due {
        _ if refused && at > then => {
            let directory = ca.map(|ca| &*ca.directory);
            let said = inventory.attempts(wish.lineage.id(), directory).last_error;
            Situation::Refused { try_at: at, failures, reason: said.unwrap_or_default() }
        }
        Some(due) => Situation::Held { due, renew_at: due.max(at), failures },
        None => Situation::Missing { try_at: at, failures },
    }
}

/// By which rule the moment of a renewal was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Its CA says nothing: [`renewal`].
    Lifetime,
    /// Drawn from the window that its CA has named.
    Window,
    /// That window was over before the item was made.
    Rest,
    /// That window leaves too little.
    Latest,
}

impl Rule {
    /// The rule in words, as it holds for this item.
    pub(super) fn words(self, held: &Held) -> &'static str {
        let short = held.not_after.duration_since(held.not_before).unwrap_or_default() < SHORT_LIVED;
        match self {
            Self::Lifetime if short => {
                "half of its life before its end, since that is short, and up to a fiftieth of it earlier, drawn from the item's id"
            }
            Self::Lifetime => {
                "a third of its life before its end, and up to a fiftieth of it earlier, drawn from the item's id"
            }
            Self::Window => "drawn from the window that the CA names",
            Self::Rest => "six hours after it was made, since the window that the CA names was over by then",
            Self::Latest => {
                "a sixth of its life before its end (a quarter of a short one), since the CA names a later window"
            }
        }
    }
}

/// When an item should be renewed, and by which rule: when its CA says so, if it does.
///
/// A CA that is mistaken, or means harm, gets its way within bounds: half of what an unadvised renewal would have left
/// is kept, and a window that was over before the item was made does not lead from one renewal straight to the next.
#[must_use]
pub(super) fn due(held: &Held, advised: Option<&Advised>) -> (SystemTime, Rule) {
    let Some(drawn) = advised.and_then(|advised| advised.drawn.as_ref()) else {
        return (renewal_of(held), Rule::Lifetime);
    };
    // A clock that was ahead once leaves ids ahead of the time; when a certificate was made it says itself.
    let dated = held.not_before + DATED_BACK;
    // Most windows lie ahead of that, and the id need not be read.
    let made = (drawn.end <= dated).then(|| held.id.time().min(dated));
    let rest = made.filter(|made| drawn.end <= *made).map(|made| made + REST);
    let (at, rule) = match rest.filter(|rest| drawn.renew_at < *rest) {
        Some(rest) => (rest, Rule::Rest),
        None => (drawn.renew_at, Rule::Window),
    };
    let latest = overdue(held.not_before, held.not_after);
    if at > latest { (latest, Rule::Latest) } else { (at, rule) }
}

/// When an item should be renewed, its CA not being asked.
#[must_use]
pub(super) fn renewal_of(held: &Held) -> SystemTime {
    renewal(&held.id, held.not_before, held.not_after)
}

#[cfg(test)]
#[path = "tests/schedule.rs"]
mod tests;
