//! Certificates for names nobody has listed: who may have one, and how many.
//!
//! A hello for such a name never waits. It is noted in the catalog, and here it is decided later, at leisure, what
//! comes of it: [`admission`] says what can be said without asking anybody, [`asks`] asks the operator's program,
//! [`hourly`] keeps the budget. A name that is let in becomes a wish like any other, behind the configured ones. All
//! that grows because of what strangers do has a bound: questions that wait, denials that are remembered, names that
//! are let in, and what the journal is told.

mod admission;
mod asks;
mod denials;
mod hourly;
mod kept;
mod turned_away;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use tracing::warn;

use crate::ask::Ask;
use crate::catalog::Stranger;
use crate::clock;
use crate::ident::{Fqdn, ItemId, Name};
use crate::issuer::registered_domain;
use crate::manager::desired::Wish;
use crate::manager::status::Row;
use crate::store::{Demanded, DemandedName};
use crate::story::{Event, Recorder};

use admission::Admission;
pub(super) use asks::Answered;
use asks::Asks;
use denials::Denials;
use hourly::Hourly;
use kept::Kept;
use turned_away::TurnedAway;

/// Which names that nobody has listed may have a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// These.
    pub allow: BTreeSet<Fqdn>,
    /// All below these.
    pub suffixes: BTreeSet<Fqdn>,
    /// Those for which the program at this URL says yes.
    pub ask: Option<http::Uri>,
    /// Whether the CA may sign names that no public one can.
    pub private: bool,
    /// Whether hellos are shown a certificate of ours until there is one from the CA; they are refused otherwise.
    pub fallback: bool,
    /// At most this many may get their first certificate within an hour.
    pub per_hour: usize,
    /// The same for those below one registered domain.
    pub per_domain_per_hour: usize,
    /// How long a denial is remembered.
    pub deny_ttl: Duration,
    /// At most this many may have a certificate.
    pub max_names: usize,
}

/// The rules, and who is asked.
#[derive(Clone)]
pub struct Demand {
    /// The rules.
    pub options: Options,
    /// The program at [`Options::ask`].
    pub ask: Option<Ask>,
}

/// A permission holds for this long; an order that is placed later asks again.
const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);
/// Whoever could not be asked is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// A name for which nobody has come for this long is not renewed.
const UNSEEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A name that has no certificate, and for which nobody has come for this long, is given up.
const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of names nobody has listed.
pub(super) struct Demands {
    demand: Option<Demand>,
    kept: HashMap<Name, Kept>,
    hourly: Hourly,
    denials: Denials,
    asks: Asks,
    turned_away: TurnedAway,
    recorder: Recorder,
    /// Whether it was told that there is room for no more names.
    told_full: bool,
}

/// What comes of a stranger at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// Nothing, or nothing yet.
    Nothing,
    /// It may have a certificate, for this reason.
    LetIn(&'static str),
}

/// Whether an order may be placed for a name that was let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permit {
    Granted,
    /// Somebody is being asked.
    Asking,
    /// Not now; to be looked at again then.
    Denied(SystemTime),
}

impl Demands {
    /// No name is known, and no rule that would let one in.
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            demand: None,
            kept: HashMap::new(),
            hourly: Hourly::default(),
            denials: Denials::default(),
            asks: Asks::default(),
            turned_away: TurnedAway::default(),
            recorder,
            told_full: false,
        }
    }

    /// The rules from now on. What was denied may be allowed by them.
    pub(super) fn set(&mut self, demand: Option<Demand>) {
        self.denials = Denials::default();
        self.asks = Asks::default();
        self.kept.values_mut().for_each(Kept::forgive);
        self.demand = demand;
    }

    pub(super) fn is_on(&self) -> bool {
        self.demand.is_some()
    }

    /// Whether hellos are shown a certificate of ours meanwhile.
    pub(super) fn shows_fallback(&self) -> bool {
        self.demand.as_ref().is_some_and(|demand| demand.options.fallback)
    }

    /// Takes over what an earlier process has let in, as far as it has a certificate.
    pub(super) fn recall(&mut self, record: Demanded, has_one: impl Fn(&Name) -> bool) {
        let Some(demand) = &self.demand else { return };
        self.hourly = Hourly::of(record.granted);
        let known = record.names.into_iter().filter(|known| has_one(&known.name));
        for DemandedName { name, allowed, seen } in known.take(demand.options.max_names) {
            self.kept.entry(name).or_insert_with(|| Kept::new(allowed, seen));
        }
    }

    /// What the next process has to know.
    pub(super) fn record(&self) -> Demanded {
        let names = self.kept.iter().map(|(name, kept)| DemandedName {
            name: name.clone(),
            allowed: kept.allowed,
            seen: kept.seen,
        });
        let mut names: Vec<DemandedName> = names.collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Demanded { names, granted: self.hourly.granted() }
    }

    /// The names that were let in.
    pub(super) fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.kept.keys().cloned().collect();
        names.sort();
        names
    }

    /// Gives a name up.
    pub(super) fn forget(&mut self, name: &Name) {
        self.kept.remove(name);
        self.told_full = false;
    }

    /// Somebody has come for a name that nothing is shown for.
    pub(super) fn meet(&mut self, stranger: Stranger, now: SystemTime) -> Met {
        let name = Name::Dns(stranger.name.clone());
        if let Some(kept) = self.kept.get_mut(&name) {
            kept.seen = now;
            return Met::Nothing;
        }
        let Some(demand) = &self.demand else { return Met::Nothing };
        if self.asks.has(&stranger.name) || self.denials.has(&stranger.name, now) {
            return Met::Nothing;
        }
        let admission = match admission::of(&stranger.name, &demand.options) {
            Admission::Denied(why) => Err(why),
            admission => self.find_room(&name, now).map(|()| admission),
        };
        match admission {
            Ok(Admission::Allowed(why)) => return Met::LetIn(why),
            Ok(Admission::Ask) => self.asks.put(stranger.name, stranger.client),
            Ok(Admission::Denied(why)) | Err(why) => self.turn_away(&stranger.name, why, now),
        }
        Met::Nothing
    }

    /// Whether the budget has room for another name, or why not. That is logged, once.
    fn find_room(&mut self, name: &Name, now: SystemTime) -> Result<(), &'static str> {
        let Some(Demand { options, .. }) = &self.demand else { return Err("nothing allows it") };
        if self.kept.len() >= options.max_names {
            if !std::mem::replace(&mut self.told_full, true) {
                warn!(max_names = options.max_names, "no more names get a certificate on demand");
            }
            return Err("as many names as max_names allows have certificates on demand");
        }
        let domain = registered_domain(name);
        let limits = [("", options.per_hour), (&*domain, options.per_domain_per_hour)];
        let Some((of, until)) = self.hourly.short(limits, now) else { return Ok(()) };
        let (limit, why) = if of.is_empty() {
            ("per_hour", "of per_hour nothing is left")
        } else {
            ("per_domain_per_hour", "of per_domain_per_hour nothing is left")
        };
        if self.hourly.tell(&of, until, now) {
            let again = clock::rfc3339(until);
            warn!(limit, domain, again, "the budget for names on demand is spent");
        }
        Err(why)
    }

    /// Tells that a stranger's name gets no certificate, if there is anything left to tell today.
    fn turn_away(&mut self, name: &Fqdn, why: &'static str, now: SystemTime) {
        if self.turned_away.is_to_be_told(name, now) {
            self.recorder.tell([&Name::Dns(name.clone())], Event::DemandDenied { why: why.into() });
        }
    }

    /// Lets a name in, if there is room for it still.
    pub(super) fn let_in(&mut self, name: &Name, now: SystemTime) -> bool {
        let room = self.find_room(name, now).is_ok();
        if room {
            self.hourly.take(registered_domain(name), now);
            self.kept.insert(name.clone(), Kept::new(now, now));
        }
        room
    }

    /// Waits for the next answer of the operator's program; for ever, where it is not being asked.
    pub(super) async fn answered(&mut self) -> Answered {
        self.asks.next(self.demand.as_ref().and_then(|demand| demand.ask.as_ref())).await
    }

    /// Notes an answer; whether the name, which nothing is known of yet, is to be let in.
    pub(super) fn note_answer(&mut self, answer: &Answered, now: SystemTime) -> bool {
        let name = Name::Dns(answer.name.clone());
        let said = match &answer.said {
            Ok(said) => *said,
            Err(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                self.asks.complain(
                    now,
                    || warn!(%name, %error, cause, "whether a name may have a certificate is not known"),
                );
                false
            }
        };
        let wait = self.demand.as_ref().map_or(ASK_AGAIN, |demand| demand.options.deny_ttl);
        let wait = if answer.said.is_err() { wait.min(ASK_AGAIN) } else { wait };
        match self.kept.get_mut(&name) {
            Some(kept) if said => kept.allow(now),
            // The certificate that is there is good for a while.
            Some(kept) if answer.said.is_err() => {
                kept.hold_back(None, now + ASK_AGAIN);
            }
            Some(kept) => deny(&self.recorder, &name, kept, "no longer allowed", now),
            None if said => return true,
            None => {
                self.denials.put(answer.name.clone(), now + wait, now);
                let why = match answer.said {
                    Ok(_) => "the program that is asked says no",
                    Err(_) => "the program that is asked does not answer",
                };
                self.turn_away(&answer.name, why, now);
            }
        }
        false
    }

    /// Whether an order may be placed now for a name that was let in.
    pub(super) fn permit(&mut self, name: &Name, now: SystemTime) -> Permit {
        let (Some(demand), Some(kept), Some(fqdn)) = (&self.demand, self.kept.get_mut(name), name.fqdn())
        else {
            return Permit::Denied(now + HOLDS);
        };
        if kept.holds(HOLDS, now) {
            return Permit::Granted;
        }
        if let Some(until) = kept.held_back(now) {
            return Permit::Denied(until);
        }
        if kept.seen + UNSEEN < now {
            deny(&self.recorder, name, kept, "nobody has come for it for 30 days", now);
            return Permit::Denied(now + HOLDS);
        }
        match admission::of(fqdn, &demand.options) {
            Admission::Allowed(_) => {
                kept.allow(now);
                Permit::Granted
            }
            Admission::Ask => {
                self.asks.put_first(fqdn.clone());
                Permit::Asking
            }
            Admission::Denied(_) => {
                deny(&self.recorder, name, kept, "no longer allowed", now);
                Permit::Denied(now + HOLDS)
            }
        }
    }

    /// Notes whether somebody has come for a name whose certificate is shown. `met` tells whether anybody has met the
    /// certificate since it was last asked; `item` is what it stands for.
    pub(super) fn sight(&mut self, name: &Name, item: Option<&ItemId>, met: bool, now: SystemTime) {
        if let Some(kept) = self.kept.get_mut(name) {
            kept.sight(item, met, now);
        }
    }

    /// Whether a name is to be given up: it has no certificate, or one that has ended and will not be renewed.
    pub(super) fn is_over(&self, name: &Name, valid: Option<bool>, now: SystemTime) -> bool {
        let Some(kept) = self.kept.get(name) else { return true };
        match valid {
            Some(true) => false,
            Some(false) => kept.is_denied() || kept.seen + UNSEEN < now,
            None => kept.is_denied() || kept.seen + GIVEN_UP < now,
        }
    }

    /// The row of a wish, with what keeps it from being renewed.
    pub(super) fn remark(&self, wish: &Wish, row: Row) -> Row {
        let denial = self.kept.get(wish.names().primary()).filter(|_| wish.on_demand).and_then(Kept::denial);
        match denial {
            Some(why) => Row { next: format!("nothing: {why}"), next_at: None, let_go: true, ..row },
            None => row,
        }
    }
}

/// Says once that a name is not renewed any more.
fn deny(recorder: &Recorder, name: &Name, kept: &mut Kept, why: &'static str, now: SystemTime) {
    if kept.hold_back(Some(why), now + HOLDS) {
        recorder.tell([name], Event::DemandWithdrawn { why: why.into() });
    }
}

impl Options {
    /// What the rules say of a name that nobody has listed, in words.
    #[must_use]
    pub fn say(&self, name: &Fqdn) -> String {
        match admission::of(name, self) {
            Admission::Allowed(why) => format!("it may have a certificate: {why}"),
            Admission::Ask => "the program of on_demand.ask decides, when somebody comes for it".to_owned(),
            Admission::Denied(why) => format!("it may have none: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
