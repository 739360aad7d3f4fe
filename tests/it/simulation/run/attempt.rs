//! Attempts: begun, decided, and what they cost at the CA.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use sidegate::ident::Provider;
use sidegate::issuer::{ChallengeKind, Counted, Expense, IssueError};
use sidegate::manager::plan::Step;

use super::{Event, Run};
use crate::simulation::ca::{Refusal, Request};
use crate::simulation::client::{CA, STAGING, moment};
use crate::simulation::fate::{DAY, HOUR};
use crate::simulation::judge::Certificate;

/// As in the manager: so many attempts at the same time.
const ABREAST: usize = 8;
/// As in the issuer: an attempt is given up after this.
const PATIENCE: u64 = 15 * 60;

/// An order that is under way, or was left behind.
pub(super) struct Order {
    /// Exempt at the CA.
    exempt: bool,
    /// Already a certificate: its serial number, and when it was made.
    issued: Option<(u64, u64)>,
    expires: u64,
}

impl Run<'_> {
    pub(super) fn begin(&mut self, n: usize, step: Step, at: u64) {
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
    pub(super) async fn decide(&mut self, n: usize, at: u64) {
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
            if made {
                let Expense { account, names, .. } = self.client.expense(n, step.urgent);
                self.client.budget.verified(account, names).await?;
                order.issued = Some((self.issue(n, order.exempt, at), at));
            }
            self.affairs[n].order = Some(order);
            return Err(unreachable(None));
        }
        self.validate(n, &order, step.urgent, at).await
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
            let failed = [wish.names().primary().clone()];
            self.client.trial.no_certificate(expense.account, wish.names(), &failed).await?;
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
                Ok(Order { exempt, issued: None, expires })
            }
            Err(Refusal { detail, retry_after }) => {
                self.client.budget.no_certificate(expense.account, expense.names, &[]).await?;
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
            let failed = [expense.names.primary().clone()];
            self.client.budget.no_certificate(expense.account, expense.names, &failed).await?;
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
