//! What came of it, judged by the world's own records.
//!
//! The minimum of orders. An ideal client keeps each certificate to the last moment of what its CA, or the rule of
//! thirds and halves, allows: two thirds of its life (half below ten days) and one hundredth more where the CA names a
//! window. It orders again then and at each revocation, and never in vain but for the one order that finds out that a
//! name cannot be verified just now. It begins when the program has its first certificate of a lineage, and goes by the
//! lifetimes of those days. What it orders until the last day is the minimum.

use std::fmt;

use super::fate::{DAY, Fate};
use super::spans::Spans;

/// A certificate that was served from a moment on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certificate {
    pub(super) from: u64,
    /// When the CA made it.
    pub(super) made: u64,
    pub(super) to: u64,
}

/// How many orders were placed, and how many would have done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) orders: u64,
    pub(super) minimum: u64,
}

impl Tally {
    /// Whether no more than a twentieth was in vain.
    pub(super) fn is_sparing(self) -> bool {
        self.orders * 100 <= self.minimum * 105
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.orders += more.orders;
        self.minimum += more.minimum;
    }
}

/// What happened to one lineage.
#[derive(Debug, Clone, Default)]
struct Story {
    certificates: Vec<Certificate>,
    ordered: Vec<u64>,
    attempted: Vec<u64>,
    revoked: Vec<u64>,
    crowded_out: Vec<(u64, u64)>,
}

/// All that happened.
#[derive(Debug, Clone)]
pub(super) struct Course {
    stories: Vec<Story>,
    /// What the CA should not have been asked for.
    pub(super) faults: Vec<(u64, String)>,
    /// Orders that were placed.
    pub(super) orders: u64,
    /// Orders refused because others had taken what there was.
    pub(super) crowded: u64,
}

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// A name was without a valid certificate although there was time enough to get one.
    Expired(String),
    /// The CA had to refuse what its published limits forbid.
    Limit(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Expired(what) | Self::Limit(what)) = self;
        f.write_str(what)
    }
}

impl Course {
    pub(super) fn new(lineages: usize) -> Self {
        Self { stories: vec![Story::default(); lineages], faults: Vec::new(), orders: 0, crowded: 0 }
    }

    pub(super) fn held(&mut self, lineage: usize, certificate: Certificate) {
        self.stories[lineage].certificates.push(certificate);
    }

    pub(super) fn ordered(&mut self, lineage: usize, at: u64) {
        self.stories[lineage].ordered.push(at);
    }

    pub(super) fn attempted(&mut self, lineage: usize, at: u64) {
        self.stories[lineage].attempted.push(at);
    }

    pub(super) fn revoked(&mut self, lineage: usize, at: u64) {
        self.stories[lineage].revoked.push(at);
    }

    /// A limit that others had used up, and until when.
    pub(super) fn crowded_out(&mut self, lineage: usize, span: (u64, u64)) {
        self.stories[lineage].crowded_out.push(span);
    }

    /// When each order of each lineage was placed.
    pub(super) fn history(&self) -> Vec<&[u64]> {
        self.stories.iter().map(|story| &*story.ordered).collect()
    }

    /// What went wrong on some day. How much was ordered is judged of many courses, or of a long one: in a short one a
    /// few certificates at its end weigh too much.
    pub(super) fn broken(&self, fate: &Fate) -> Vec<Broken> {
        let expired = self.stories.iter().enumerate().flat_map(|(n, story)| story.expired(n, fate));
        let limits =
            self.faults.iter().map(|(at, what)| Broken::Limit(format!("{}: {what}", day(fate, *at))));
        expired.chain(limits).collect()
    }

    /// What was ordered, beside the fewest orders by which all could have been served as they were.
    pub(super) fn tally(&self, fate: &Fate) -> Tally {
        let minimum = self.stories.iter().enumerate().map(|(n, story)| story.minimum(n, fate)).sum();
        Tally { orders: self.orders, minimum }
    }
}

impl Story {
    /// Certificates that ended before there was another, with a third of the time to renew them left unused.
    fn expired(&self, n: usize, fate: &Fate) -> Vec<Broken> {
        let lineage = &fate.lineages[n];
        let away = [&fate.down, &fate.asleep, &lineage.broken].map(|spans| spans.iter().collect::<Vec<_>>());
        let mut away: Vec<(u64, u64)> = away.concat();
        away.extend(&self.crowded_out);
        let away = Spans::new(away);
        let mut expired = Vec::new();
        for (index, certificate) in self.certificates.iter().enumerate() {
            let next = self.certificates.get(index + 1).map_or(fate.end, |next| next.from);
            if next <= certificate.to {
                continue;
            }
            let life = certificate.to - certificate.made;
            let window = if life < 10 * DAY { life / 2 } else { life / 3 };
            let due = certificate.to - window;
            let reachable = window - away.within(due, certificate.to);
            if reachable * 3 >= window {
                expired.push(Broken::Expired(format!(
                    "{} had no valid certificate from {} on, though the CA could be reached for {} of {} hours",
                    lineage.names[0],
                    day(fate, certificate.to),
                    reachable / 3600,
                    window / 3600
                )));
            }
        }
        expired
    }

    fn minimum(&self, n: usize, fate: &Fate) -> u64 {
        let Some(first) = self.certificates.first() else { return self.ordered.len() as u64 };
        let mut orders = 0;
        let mut at = first.made;
        while at < fate.end {
            orders += 1;
            let life = fate.lifetime(n, at);
            let kept = if life < 10 * DAY { life / 2 } else { life / 3 * 2 };
            let end = at + kept + if fate.advises { life / 100 } else { 0 };
            let revoked = self.revoked.iter().copied().find(|revoked| *revoked > at && fate.advises);
            at = revoked.map_or(end, |revoked| revoked.min(end));
        }
        let broken = fate.lineages[n].broken.iter();
        let found_out = broken.filter(|(from, to)| self.attempted.iter().any(|at| (*from..*to).contains(at)));
        orders + found_out.count() as u64
    }
}

/// A moment, as the day of the run.
fn day(fate: &Fate, at: u64) -> String {
    let since = at.saturating_sub(fate.start);
    format!("day {} {:02}:{:02}", since / DAY, since % DAY / 3600, since % 3600 / 60)
}
