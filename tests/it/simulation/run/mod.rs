//! One course of the world, event by event, from the first day to the last.

mod attempt;
mod look;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use sidegate::clock::Epoch;
use sidegate::manager::plan::Step;

use super::ca::{self, Ca};
use super::client::{Client, Policy, moment};
use super::fate::{Blow, Fate};
use super::judge::Course;
use attempt::Order;

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
                Event::Blow(Blow::Clock(by)) => {
                    self.catch_up_all();
                    wrong = by;
                    self.client.hand.set(moment(at.saturating_add_signed(wrong)));
                    self.look_at_all(at.max(self.asleep));
                }
                Event::Blow(Blow::Suspend(until)) => {
                    self.catch_up_all();
                    self.asleep = until;
                    self.look_at_all(until);
                }
                Event::Blow(Blow::Restart) => self.restart(at),
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
                Event::Look(n, look) if look == self.affairs[n].look => self.look(n, at),
                Event::Decide(n, attempt) if attempt == self.affairs[n].attempt => self.decide(n, at).await,
                Event::Look(..) | Event::Decide(..) => {}
            }
            if self.client.clock.epoch() != self.epoch {
                self.epoch = self.client.clock.epoch();
                self.send_away(at);
                self.look_at_all(at);
            }
        }
    }

    /// What does not outlive the process is planned for anew; a plan for anything else would be the one there is.
    fn restart(&mut self, at: u64) {
        self.client.restart();
        self.send_away(at);
        self.running = 0;
        for n in 0..self.affairs.len() {
            if self.affairs[n].running.take().is_some() {
                self.affairs[n].attempt += 1;
                self.look_later(n, at);
            }
        }
    }

    /// What was due and has not begun is planned for anew.
    fn send_away(&mut self, at: u64) {
        for (n, _) in std::mem::take(&mut self.waiting) {
            self.affairs[n].waiting = false;
            self.look_later(n, at);
        }
    }

    fn look_at_all(&mut self, at: u64) {
        (0..self.affairs.len()).for_each(|n| self.look_later(n, at));
    }

    fn look_later(&mut self, n: usize, at: u64) {
        self.affairs[n].look += 1;
        self.queue.push(Reverse((at, Event::Look(n, self.affairs[n].look))));
    }
}
