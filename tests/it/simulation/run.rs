//! One course of the world, event by event, from the first day to the last.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, SystemTime};

use sidegate::clock::Epoch;
use sidegate::ident::Provider;
use sidegate::issuer::{ChallengeKind, Counted, Expense, IssueError};
use sidegate::manager::plan::{Step, plan};
use sidegate::manager::schedule::{Situation, situation};

use super::ca::{self, Ca, Refusal, Request};
use super::client::{CA, Client, Policy, STAGING, moment};
use super::fate::{Blow, DAY, Fate, HOUR};
use super::judge::{Certificate, Course};

/// As in the manager: so many attempts at the same time.
const ABREAST: usize = 8;
/// As in the issuer: an attempt is given up after this.
const PATIENCE: u64 = 15 * 60;
/// A CA without a word of its own is asked again after this, and ours says the same.
const POLL: u64 = 6 * HOUR;
/// A clock that is wrong by less is not corrected.
const TOLERATED: u64 = 300;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The machine; before anything else at that moment.
    Blow(Blow),
    Others(usize),
    Revoke(usize),
    /// A lineage is planned for, unless something has changed since this was put down.
    Look(usize, u64),
    /// An attempt comes to its decision.
    Decide(usize, u64),
}

/// An order that is under way, or was left behind.
struct Order {
    /// Exempt at the CA, and what it was paid for with.
    exempt: bool,
    counted: Counted,
    /// Already a certificate: its serial number, and when it was made.
    issued: Option<(u64, u64)>,
    expires: u64,
}

/// What is going on about a lineage.
#[derive(Default)]
struct Affair {
    /// Of the newest look, or attempt; older ones mean nothing any more.
    look: u64,
    attempt: u64,
    running: Option<Step>,
    /// In which the attempt began.
    epoch: Epoch,
    waiting: bool,
    /// Whether questions have been left out since it was last looked at.
    skipping: bool,
    order: Option<Order>,
}

pub(super) struct Run<'f> {
    fate: &'f Fate,
    client: Client,
    ca: Ca,
    staging: Ca,
    queue: BinaryHeap<Reverse<(u64, Event)>>,
    affairs: Vec<Affair>,
    waiting: VecDeque<(usize, Step)>,
    running: usize,
    /// Until when the machine stands still.
    asleep: u64,
    epoch: Epoch,
    course: Course,
}

/// Lets it happen.
pub(super) async fn run(fate: &Fate, policy: Policy) -> Course {
    let names: Vec<Vec<String>> = fate.lineages.iter().map(|lineage| lineage.names.clone()).collect();
    let client = Client::new(policy, &names, fate.draw, fate.start);
    let mut queue = BinaryHeap::new();
    queue.extend(fate.blows.iter().map(|(at, blow)| Reverse((*at, Event::Blow(*blow)))));
    queue.extend(fate.others.iter().enumerate().map(|(n, (at, ..))| Reverse((*at, Event::Others(n)))));
    for (n, lineage) in fate.lineages.iter().enumerate() {
        queue.extend(lineage.revoked.iter().map(|at| Reverse((*at, Event::Revoke(n)))));
        queue.push(Reverse((fate.start, Event::Look(n, 0))));
    }
    let mut run = Run {
        ca: Ca::new(ca::PRODUCTION),
        staging: Ca::new(ca::STAGING),
        affairs: fate.lineages.iter().map(|_| Affair::default()).collect(),
        course: Course::new(fate.lineages.len()),
        epoch: client.clock.epoch(),
        waiting: VecDeque::new(),
        running: 0,
        asleep: 0,
        fate,
        client,
        queue,
    };
    run.all().await;
    run.course.faults = run.ca.faults;
    run.course
        .faults
        .extend(run.staging.faults.into_iter().map(|(at, what)| (at, format!("staging: {what}"))));
    run.course.orders = run.ca.orders;
    run.course.crowded = run.ca.crowded;
    run.course
}

impl Run<'_> {
    async fn all(&mut self) {
        let mut wrong = 0_i64;
        while let Some(Reverse((at, event))) = self.queue.pop() {
            if at >= self.fate.end {
                break;
            }
            let ours = matches!(event, Event::Look(..) | Event::Decide(..));
            if ours && at < self.asleep {
                self.queue.push(Reverse((self.asleep, event)));
                continue;
            }
            // The clock stands at what the machine shows; a correction is the clock's own affair.
            self.client.hand.set(moment(at.saturating_add_signed(wrong)));
            match event {
                Event::Blow(blow) => {
                    self.catch_up_all();
                    match blow {
                        Blow::Clock(by) => {
                            wrong = by;
                            self.client.hand.set(moment(at.saturating_add_signed(wrong)));
                        }
                        Blow::Suspend(until) => self.asleep = until,
                        Blow::Restart => self.restart(),
                    }
                    self.look_at_all(at.max(self.asleep));
                }
                Event::Others(n) => {
                    let (_, domain, certificates) = &self.fate.others[n];
                    self.ca.crowd(domain, *certificates, at);
                }
                Event::Revoke(n) => {
                    if let Some(serial) = self.client.mine[n].serial {
                        self.ca.revoke(serial, at);
                        self.course.revoked(n, at);
                    }
                }
                Event::Look(n, look) if look == self.affairs[n].look => self.look(n, at).await,
                Event::Decide(n, attempt) if attempt == self.affairs[n].attempt => self.decide(n, at).await,
                Event::Look(..) | Event::Decide(..) => {}
            }
            if self.client.clock.epoch() != self.epoch {
                self.epoch = self.client.clock.epoch();
                self.send_away();
                self.look_at_all(at);
            }
        }
    }

    /// What does not outlive the process.
    fn restart(&mut self) {
        self.client.restart();
        self.send_away();
        self.running = 0;
        for affair in &mut self.affairs {
            affair.attempt += 1;
            affair.running = None;
        }
    }

    /// What was due and has not begun is planned for anew.
    fn send_away(&mut self) {
        for (n, _) in self.waiting.drain(..) {
            self.affairs[n].waiting = false;
        }
    }

    fn look_at_all(&mut self, at: u64) {
        (0..self.affairs.len()).for_each(|n| self.look_later(n, at));
    }

    fn look_later(&mut self, n: usize, at: u64) {
        self.affairs[n].look += 1;
        self.queue.push(Reverse((at, Event::Look(n, self.affairs[n].look))));
    }

    /// Plans for a lineage, and does what is due, as `manager::run` would.
    async fn look(&mut self, n: usize, at: u64) {
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
    fn catch_up(&mut self, n: usize) {
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

    fn catch_up_all(&mut self) {
        (0..self.affairs.len()).for_each(|n| self.catch_up(n));
    }

    fn begin(&mut self, n: usize, step: Step, at: u64) {
        if self.running >= ABREAST {
            self.affairs[n].waiting = true;
            self.waiting.push_back((n, step));
            return;
        }
        self.running += 1;
        self.client.mine[n].attempts += 1;
        let affair = &mut self.affairs[n];
        (affair.running, affair.epoch, affair.waiting) = (Some(step), self.epoch, false);
        affair.attempt += 1;
        // The CA is slow at times; nobody waits for ever.
        let key = [n as u64, self.client.mine[n].attempts];
        let slow = self.fate.draw.of("slow", &key).share() < 0.01;
        let wait = if slow { PATIENCE } else { self.fate.draw.of("takes", &key).between(2, 45) };
        self.queue.push(Reverse((at + wait, Event::Decide(n, affair.attempt))));
    }

    /// An attempt comes to its end.
    async fn decide(&mut self, n: usize, at: u64) {
        let Some(step) = self.affairs[n].running.take() else { return };
        self.running -= 1;
        match self.attempt(n, &step, at).await {
            Ok((serial, made)) => {
                let to = made + self.fate.lifetime(n, made);
                let mine = &mut self.client.mine[n];
                (mine.serial, mine.made) = (Some(serial), made);
                self.affairs[n].order = None;
                self.client.hold(n, Provider::Letsencrypt, (made, to));
                self.course.held(n, Certificate { from: at, made, to });
            }
            Err(error) => self.client.fail(n, &error, step.urgent),
        }
        self.look_later(n, at);
        if let Some((next, step)) = self.waiting.pop_front() {
            self.begin(next, step, at);
        }
    }

    /// What `issuer::acme` does, in its order.
    async fn attempt(&mut self, n: usize, step: &Step, at: u64) -> Result<(u64, u64), IssueError> {
        self.course.attempted(n, at);
        let key = [n as u64, self.client.mine[n].attempts];
        if let Some(end) = self.fate.down.end_of(at) {
            let told = self.fate.draw.of("told", &key).share() < 0.3;
            let wait = Duration::from_secs((end - at).min(2 * HOUR));
            return Err(unreachable(told.then(|| self.client.clock.now() + wait)));
        }
        if let Some(by) = self.client.clock.agree(moment(at), self.affairs[n].epoch) {
            return Err(IssueError::Clock { directory: CA.to_owned(), by });
        }
        if !self.client.registered {
            self.client.budget.account().await?;
            self.ca.register(at);
            self.client.registered = true;
        }
        if let Some(order) = self.affairs[n].order.take().filter(|order| order.expires > at) {
            match order.issued {
                Some(issued) => return Ok(issued),
                None => {
                    // What killed a noted order was most likely our absence.
                    if let Ok(issued) = self.validate(n, &order, step.urgent, at).await {
                        return Ok(issued);
                    }
                }
            }
        }
        if step.failures > 0 && self.client.policy.careful {
            self.rehearse(n, step.urgent, at).await?;
        }
        let order = self.place(n, step, at).await?;
        if self.fate.draw.of("slow", &key).share() < 0.01 {
            // We have given it up; the CA has not, half of the times.
            let made = self.fate.draw.of("made", &key).share() < 0.5;
            let mut order = order;
            order.issued = made.then(|| (self.issue(n, order.exempt, at), at));
            self.affairs[n].order = Some(order);
            return Err(unreachable(None));
        }
        let validated = self.validate(n, &order, step.urgent, at).await;
        if validated.is_err() {
            let expense = Expense { counted: order.counted, ..self.client.expense(n, step.urgent) };
            self.client.budget.no_certificate(expense).await?;
        }
        validated
    }

    /// Tries it out where it costs nothing.
    async fn rehearse(&mut self, n: usize, urgent: bool, at: u64) -> Result<(), IssueError> {
        let expense = Expense { counted: Counted::Fully, ..self.client.expense(n, urgent) };
        if self.client.trial.order(expense).await.is_err() {
            return Ok(());
        }
        let (lineage, wish) = (&self.fate.lineages[n], &self.client.mine[n].wish);
        let request = Request { names: &lineage.names, domains: &lineage.domains, replaces: None };
        let exempt = match self.staging.order(&request, at) {
            Ok(exempt) => exempt,
            Err(Refusal { .. }) => return Ok(()),
        };
        if lineage.broken.end_of(at).is_some() {
            self.staging.unverified(&lineage.names[0], at);
            self.client.trial.failed(expense.account, wish.names().primary()).await?;
            self.client.trial.no_certificate(expense).await?;
            return Err(self.unverified(n, STAGING));
        }
        self.staging.issue(&request, exempt, 90 * DAY, at);
        self.client.trial.verified(expense.account, wish.names()).await
    }

    async fn place(&mut self, n: usize, step: &Step, at: u64) -> Result<Order, IssueError> {
        let lineage = &self.fate.lineages[n];
        let claims = self.client.mine[n].serial.filter(|_| self.fate.advises && self.client.policy.asks);
        let mut expense = self.client.expense(n, step.urgent);
        if claims.is_some() {
            expense.counted = expense.counted.replacing(step.window, self.client.clock.now());
        }
        self.client.budget.order(expense).await?;
        let request = Request { names: &lineage.names, domains: &lineage.domains, replaces: claims };
        match self.ca.order(&request, at) {
            Ok(exempt) => {
                self.course.ordered(n, at);
                let expires = at + if lineage.short { 8 * HOUR } else { 7 * DAY };
                Ok(Order { exempt, counted: expense.counted, issued: None, expires })
            }
            Err(Refusal { detail, retry_after }) => {
                self.client.budget.no_certificate(expense).await?;
                let wait = retry_after.unwrap_or(DAY);
                let until = self.client.clock.now() + Duration::from_secs(wait);
                self.client.budget.limited(expense, &detail, until).await?;
                self.course.crowded_out(n, (at, at + wait));
                Err(IssueError::Limited { directory: CA.to_owned(), detail, until: Some(until) })
            }
        }
    }

    async fn validate(
        &mut self,
        n: usize,
        order: &Order,
        urgent: bool,
        at: u64,
    ) -> Result<(u64, u64), IssueError> {
        let lineage = &self.fate.lineages[n];
        let expense = self.client.expense(n, urgent);
        if lineage.broken.end_of(at).is_some() {
            self.ca.unverified(&lineage.names[0], at);
            self.client.budget.failed(expense.account, expense.names.primary()).await?;
            return Err(self.unverified(n, CA));
        }
        self.client.budget.verified(expense.account, expense.names).await?;
        Ok((self.issue(n, order.exempt, at), at))
    }

    fn issue(&mut self, n: usize, exempt: bool, at: u64) -> u64 {
        let lineage = &self.fate.lineages[n];
        let request = Request { names: &lineage.names, domains: &lineage.domains, replaces: None };
        self.ca.issue(&request, exempt, self.fate.lifetime(n, at), at)
    }

    fn unverified(&self, n: usize, directory: &str) -> IssueError {
        let name = self.client.mine[n].wish.names().primary().clone();
        let detail = format!("nobody answers; that was at {directory}");
        IssueError::Unverified { name, kind: ChallengeKind::Http01, detail }
    }
}

fn unreachable(until: Option<SystemTime>) -> IssueError {
    IssueError::Unreachable { directory: CA.to_owned(), source: "no answer".into(), until }
}
