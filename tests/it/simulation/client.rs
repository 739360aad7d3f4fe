//! The program's side: its own decisions, made by its own functions, about facts that nobody has signed.
//!
//! Planned by [`plan`], drawn by [`advised`], remembered by [`Failure`], paid for by [`Budget`] on a ledger in memory, and
//! timed by a [`Clock`]. What stands between those is as in `manager::run` and `issuer::acme`, without keys and sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sidegate::clock::{self, Clock, Hand};
use sidegate::ident::{ItemId, Name, Names, Provider};
use sidegate::issuer::{Advice, Budget, Counted, Expense, IssueError, Limits, Verdict, Window};
use sidegate::manager::advised::advised;
use sidegate::manager::{Failure, Held, Inventory, Ladder, Wish};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::{Attempts, Store};
use sidegate::story::Recorder;

use super::draw::Draw;

pub(super) const CA: &str = "https://acme-v02.api.letsencrypt.org/directory";
pub(super) const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
pub(super) const ACCOUNT: &str = "https://ca.test/acct/1";

/// How the program goes about it; the default is how it does.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) ladder: Ladder,
    /// Whether it keeps a ledger, and tries out first what has failed.
    pub(super) careful: bool,
    /// Whether it asks the CA when to renew.
    pub(super) asks: bool,
    /// For which share of its life it takes a certificate to be valid.
    pub(super) believes: f64,
    /// Whether questions are left out whose answer is known to be the one before.
    pub(super) skips: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { ladder: Ladder::default(), careful: true, asks: true, believes: 1.0, skips: true }
    }
}

pub(super) fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What the program knows of one lineage beyond its inventory.
pub(super) struct Mine {
    pub(super) wish: Wish,
    /// What it holds from the CA, with the CA's serial number and the moment it was made at.
    pub(super) serial: Option<u64>,
    pub(super) made: u64,
    /// Attempts so far.
    pub(super) attempts: u64,
    items: u64,
    /// When the last one was committed, as its id has it.
    last: SystemTime,
}

/// The program.
pub(super) struct Client {
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    pub(super) hand: Hand,
    pub(super) inventory: Inventory,
    pub(super) mine: Vec<Mine>,
    pub(super) budget: Budget,
    pub(super) trial: Budget,
    pub(super) registered: bool,
    store: Store,
    draw: Draw,
}

impl Client {
    pub(super) fn new(policy: Policy, names: &[Vec<String>], draw: Draw, start: u64) -> Self {
        let (clock, hand) = Clock::manual(moment(start));
        let store = Store::new(Arc::new(MemoryEngine::new()), clock.clone());
        let mine = names.iter().map(|texts| {
            let list = texts.iter().map(|text| Name::parse(text).expect("a name"));
            let wish = Wish::acme(Names::new(list).expect("names"), CA);
            Mine { wish, serial: None, made: 0, attempts: 0, items: 0, last: SystemTime::UNIX_EPOCH }
        });
        let [budget, trial] = budgets(&store, &clock, policy.careful);
        Self {
            mine: mine.collect(),
            inventory: Inventory::default(),
            registered: false,
            policy,
            clock,
            hand,
            budget,
            trial,
            store,
            draw,
        }
    }

    /// Another process takes over: what is not on disk is gone.
    pub(super) fn restart(&mut self) {
        [self.budget, self.trial] = budgets(&self.store, &self.clock, self.policy.careful);
    }

    pub(super) fn remembered(&self, lineage: usize) -> Attempts {
        self.inventory.attempts(self.mine[lineage].wish.lineage.id(), Some(CA))
    }

    /// Has a certificate, by `provider`, that is valid between these moments.
    pub(super) fn hold(&mut self, lineage: usize, provider: Provider, (from, to): (u64, u64)) {
        let now = self.clock.now();
        let mine = &mut self.mine[lineage];
        let life = ((to - from) as f64 * self.policy.believes) as u64;
        mine.items += 1;
        let suffix = self.draw.of("item", &[lineage as u64, mine.items]).letters();
        let wish = if provider == Provider::Selfsigned { mine.wish.stand_in() } else { mine.wish.clone() };
        mine.last = now.max(mine.last + Duration::from_secs(1));
        let held = Held {
            id: item(mine.last, &suffix),
            lineage: wish.lineage.id().clone(),
            names: wish.names().clone(),
            provider,
            directory: wish.cas.first().map(|ca| ca.directory.clone()),
            issuer: String::new(),
            not_before: moment(from),
            not_after: moment(from + life),
        };
        self.inventory.hold(held);
        if provider == Provider::Letsencrypt {
            let id = wish.lineage.id();
            self.inventory.advise(id, None);
            self.inventory.remember(id, Attempts::at(Some(CA)));
        }
    }

    /// What the CA, or the network, has answered when it was asked about renewing.
    pub(super) fn hear(&mut self, lineage: usize, item: &ItemId, said: Result<Option<(u64, u64)>, ()>) {
        let id = self.mine[lineage].wish.lineage.id().clone();
        let now = self.clock.now();
        let said = said.map_err(|()| None).map(|window| {
            let window = window.and_then(|(from, to)| Window::new(moment(from), moment(to)));
            window.map(|window| Advice { window, explanation: None, again: None })
        });
        let before = self.inventory.advised(&id).cloned();
        let share = said.as_ref().ok().and_then(|advice| advice.as_ref()).map_or(0.0, |advice| {
            let from = advice.window.start().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.draw.of("share", &[lineage as u64, from.as_secs()]).share()
        });
        let after = advised(before.as_ref(), item, said, now, share);
        self.inventory.advise(&id, Some(after));
    }

    /// Puts the next question about a lineage to this moment.
    pub(super) fn ask_at(&mut self, lineage: usize, at: SystemTime) {
        let id = self.mine[lineage].wish.lineage.id().clone();
        if let Some(mut advised) = self.inventory.advised(&id).cloned() {
            advised.ask_at = at;
            self.inventory.advise(&id, Some(advised));
        }
    }

    pub(super) fn next_question(&self, lineage: usize) -> Option<SystemTime> {
        self.inventory.advised(self.mine[lineage].wish.lineage.id()).map(|advised| advised.ask_at)
    }

    /// An attempt has come to nothing.
    pub(super) fn fail(&mut self, lineage: usize, error: &IssueError, urgent: bool) {
        if error.verdict() == Verdict::Replan {
            return;
        }
        let name = match error {
            IssueError::Unverified { name, .. } => Some(name.clone()),
            _ => None,
        };
        let wish = &self.mine[lineage].wish;
        let ends = self.inventory.newest(wish).map(|held| held.not_after);
        let failure = Failure {
            verdict: error.verdict(),
            story: error.to_string(),
            name,
            elsewhere: error.elsewhere(),
            urgent,
            ends,
        };
        let jitter = self.draw.of("jitter", &[lineage as u64, self.mine[lineage].attempts]).share();
        let before = self.remembered(lineage);
        let attempts = failure.after(before, &self.policy.ladder, jitter, self.clock.now());
        self.inventory.remember(wish.lineage.id(), attempts);
    }

    /// What an order for this lineage counts as, at production.
    pub(super) fn expense(&self, lineage: usize, urgent: bool) -> Expense<'_> {
        let mine = &self.mine[lineage];
        let counted =
            mine.serial.map_or(Counted::Fully, |_| Counted::after(moment(mine.made), self.clock.now()));
        Expense { names: mine.wish.names(), account: ACCOUNT, counted, urgent }
    }
}

fn budgets(store: &Store, clock: &Clock, careful: bool) -> [Budget; 2] {
    let ledger = store.ledger();
    [CA, STAGING].map(|directory| {
        let limits = Limits::of(directory).filter(|_| careful);
        Budget::new(ledger.clone(), directory, limits, clock.clone(), Recorder::default())
    })
}

/// The id of an item that is committed at this moment.
fn item(at: SystemTime, suffix: &str) -> ItemId {
    let stamp = clock::rfc3339(at).replace(['-', ':'], "").replace('Z', ".000000000Z");
    ItemId::parse(&format!("{stamp}-{suffix}")).expect("an id")
}
