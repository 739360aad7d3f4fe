//! Looking at a lineage: its plan, and the questions to the CA.

use std::time::{Duration, SystemTime};

use sidegate::ident::Provider;
use sidegate::manager::plan::plan;
use sidegate::manager::schedule::{Situation, situation};

use super::Run;
use crate::simulation::client::moment;
use crate::simulation::fate::{DAY, HOUR};

/// A CA without a word of its own is asked again after this, and ours says the same.
const POLL: u64 = 6 * HOUR;
/// A clock that is wrong by less is not corrected.
const TOLERATED: u64 = 300;

impl Run<'_> {
    /// Plans for a lineage, and does what is due, as `manager::run` would.
    pub(super) fn look(&mut self, n: usize, at: u64) {
        self.catch_up(n);
        let mut answered = false;
        let next = loop {
            let now = self.client.clock.now();
            let busy = self.affairs[n].running.is_some() || self.affairs[n].waiting;
            let wish = &self.client.mine[n].wish;
            let id = wish.lineage.id();
            let plan = plan(wish, &self.client.inventory, |lineage| busy && lineage == id, now);
            if let Some(item) = plan.ask.filter(|_| self.client.policy.asks && !answered) {
                answered = true;
                let said = self.ask(n, at);
                self.client.hear(n, &item, said);
                continue;
            }
            let mut again = false;
            for step in plan.steps {
                if step.wish.lineage.provider() == Provider::Selfsigned {
                    let valid = (now - Duration::from_secs(DAY)).duration_since(SystemTime::UNIX_EPOCH);
                    let from = valid.unwrap_or_default().as_secs();
                    self.client.hold(n, Provider::Selfsigned, (from, from + 91 * DAY));
                    again = true;
                } else {
                    self.begin(n, step, at);
                }
            }
            if !again {
                break plan.next;
            }
        };
        let skip = self.skipped_until(n, at);
        self.affairs[n].skipping = skip.is_some();
        if let Some(next) = skip.or_else(|| Some(self.true_time(next?, at))) {
            self.look_later(n, next.max(at + 1));
        }
    }

    /// When the machine will show a moment.
    fn true_time(&self, shown: SystemTime, at: u64) -> u64 {
        at + shown.duration_since(self.client.clock.now()).unwrap_or_default().as_secs()
    }

    /// The CA is asked when it would like what a lineage has to be renewed.
    fn ask(&mut self, n: usize, at: u64) -> Result<Option<(u64, u64)>, ()> {
        if self.fate.down.end_of(at).is_some() {
            return Err(());
        }
        if self.client.clock.agree(moment(at), self.client.clock.epoch()).is_some() {
            return Err(());
        }
        let serial = self.client.mine[n].serial.filter(|_| self.fate.advises);
        Ok(serial.map(|serial| self.ca.window(serial)))
    }

    /// Where nothing but known answers would come until then: the moment when something else will.
    fn skipped_until(&self, n: usize, at: u64) -> Option<u64> {
        let client = &self.client;
        let question = client.next_question(n).filter(|_| client.policy.skips && client.policy.asks)?;
        let skew = client.clock.now().duration_since(moment(at)).map_err(|e| e.duration());
        let skew = skew.unwrap_or_else(|behind| behind).as_secs();
        let serial = client.mine[n].serial?;
        if skew > TOLERATED || self.affairs[n].running.is_some() || self.affairs[n].waiting {
            return None;
        }
        let wish = &client.mine[n].wish;
        let held = client.inventory.newest(wish)?;
        let known = client.inventory.advised(wish.lineage.id())?;
        let (from, to) = self.ca.window(serial);
        let same =
            known.drawn.as_ref().is_some_and(|drawn| (drawn.start, drawn.end) == (moment(from), moment(to)));
        if known.item != held.id || (self.fate.advises && !same) {
            return None;
        }
        let due = match situation(wish, &client.inventory, client.clock.now()) {
            Situation::Held { renew_at, .. } => self.true_time(renew_at, at),
            _ => return None,
        };
        let news = self.fate.lineages[n].revoked.iter().copied().find(|revoked| *revoked > at);
        let news = news.filter(|_| self.fate.advises).map(|news| {
            let first = self.true_time(question, at);
            first + news.saturating_sub(first).div_ceil(POLL) * POLL
        });
        let ends = self.true_time(held.not_after + Duration::from_secs(1), at);
        [Some(due), news, Some(ends)].into_iter().flatten().min()
    }

    /// Puts the next question where it would be, had those before been asked.
    pub(super) fn catch_up(&mut self, n: usize) {
        if !std::mem::take(&mut self.affairs[n].skipping) {
            return;
        }
        let Some(question) = self.client.next_question(n) else { return };
        let now = self.client.clock.now();
        let late = now.duration_since(question).unwrap_or_default().as_secs();
        // A question that is due this very second is asked.
        let missed = late.div_ceil(POLL);
        if missed > 0 {
            self.client.ask_at(n, question + Duration::from_secs(missed * POLL));
        }
    }

    pub(super) fn catch_up_all(&mut self) {
        (0..self.affairs.len()).for_each(|n| self.catch_up(n));
    }
}
