//! What will happen, whatever anybody does: drawn from the seed before the first day.

use super::draw::Draw;
use super::spans::Spans;

pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const YEAR: u64 = 365 * DAY;

/// 2026-11-22, in seconds since 1970; years are counted from here.
const TODAY: u64 = 1_795_305_600;
/// When the default profile goes to 64 days, and to 45: 2027-02-10 and 2028-02-16.
const SHORTER: [(u64, u64); 2] = [(1_802_217_600, 64), (1_834_272_000, 45)];

/// How much there is, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) lineages: u64,
    /// In days.
    pub(super) days: u64,
    /// The most that the start may be later than today, in days.
    pub(super) later: u64,
}

/// Something that happens to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    /// Its clock shows so many seconds more than it is, from now on.
    Clock(i64),
    /// It stands still until then.
    Suspend(u64),
    /// The program is started again.
    Restart,
}

/// The lineages of one run.
#[derive(Debug, Clone)]
pub(super) struct Lineage {
    /// The primary one first.
    pub(super) names: Vec<String>,
    /// What its names count by.
    pub(super) domains: Vec<String>,
    /// Whether it is for the profile of 160 hours.
    pub(super) short: bool,
    /// When its first name cannot be verified.
    pub(super) broken: Spans,
    /// When the CA revokes what it has at that moment.
    pub(super) revoked: Vec<u64>,
}

/// All of it.
pub(super) struct Fate {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) draw: Draw,
    pub(super) lineages: Vec<Lineage>,
    /// When the CA cannot be reached.
    pub(super) down: Spans,
    /// When the machine stands still.
    pub(super) asleep: Spans,
    pub(super) blows: Vec<(u64, Blow)>,
    /// When somebody else gets certificates for a domain of ours, and how many.
    pub(super) others: Vec<(u64, String, u64)>,
    /// Whether the CA says when to renew.
    pub(super) advises: bool,
}

impl Fate {
    pub(super) fn new(seed: u64, size: Size) -> Self {
        let draw = Draw::new(seed);
        let start = TODAY + draw.of("start", &[]).between(0, size.later.max(1)) * DAY;
        let end = start + size.days * DAY;
        let span = (start, end);
        let down = episodes(draw.of("down", &[]), span, 6.0, (600, 12 * DAY));
        let asleep = episodes(draw.of("asleep", &[]), span, 3.0, (HOUR, 5 * DAY));
        let all = moments(draw.of("incident", &[]), span, 0.2);
        let lineages: Vec<Lineage> =
            (0..size.lineages).map(|n| Lineage::new(draw, n, size.lineages, span, &all)).collect();
        let others = moments(draw.of("others", &[]), span, 4.0).into_iter().enumerate().map(|(n, at)| {
            let whose = draw.of("whose", &[n as u64]).between(0, size.lineages) as usize;
            (at, lineages[whose].domains[0].clone(), draw.of("taken", &[n as u64]).between(5, 60))
        });
        let advises = draw.of("advises", &[]).share() < 0.75;
        Self {
            blows: blows(draw, span, &asleep),
            others: others.collect(),
            start,
            end,
            draw,
            lineages,
            down,
            asleep,
            advises,
        }
    }

    /// For how long a certificate that is made then is valid.
    pub(super) fn lifetime(&self, lineage: usize, at: u64) -> u64 {
        if self.lineages[lineage].short {
            return 160 * HOUR;
        }
        SHORTER.iter().rev().find(|(since, _)| at >= *since).map_or(90, |(_, days)| *days) * DAY
    }
}

impl Lineage {
    fn new(draw: Draw, n: u64, of: u64, span: (u64, u64), incidents: &[u64]) -> Self {
        let own = |what: &str| draw.of(what, &[n]);
        // A tenth are of one domain, which has more of them than it may get in a week where there are many.
        let domain = if n < of / 10 { "crowd.com".to_owned() } else { format!("d{}.com", n / 2) };
        let mut names = vec![format!("n{n}.{domain}")];
        if own("two").share() < 0.3 {
            names.push(format!("www.n{n}.{domain}"));
        }
        let mut broken = episodes(own("broken"), span, 0.15, (HOUR, 25 * DAY));
        if own("given up").share() < 0.005 {
            broken = Spans::new(broken.iter().chain([(own("when").between(span.0, span.1), u64::MAX)]));
        }
        let mut revoked = moments(own("revoked"), span, 0.03);
        revoked.extend_from_slice(incidents);
        revoked.sort_unstable();
        Self { names, domains: vec![domain], short: own("short").share() < 0.05, broken, revoked }
    }
}

/// Moments, so many a year.
fn moments(draw: Draw, (start, end): (u64, u64), yearly: f64) -> Vec<u64> {
    let mean = YEAR as f64 / yearly;
    let mut at = start as f64;
    let gap = |n: u64| -(1.0 - draw.of("gap", &[n]).share()).ln() * mean;
    (0..)
        .map(|n| {
            at += gap(n);
            at as u64
        })
        .take_while(|at| *at < end)
        .collect()
}

/// Stretches that begin so often a year, and how short and long they may be.
fn episodes(draw: Draw, span: (u64, u64), yearly: f64, (shortest, longest): (u64, u64)) -> Spans {
    let begun = moments(draw, span, yearly).into_iter().enumerate();
    Spans::new(begun.map(|(n, at)| (at, at + draw.of("long", &[n as u64]).magnitude(shortest, longest))))
}

fn blows(draw: Draw, span: (u64, u64), asleep: &Spans) -> Vec<(u64, Blow)> {
    let restarts = moments(draw.of("restart", &[]), span, 12.0).into_iter().map(|at| (at, Blow::Restart));
    let suspends = asleep.iter().map(|(from, to)| (from, Blow::Suspend(to)));
    let wrong = episodes(draw.of("clock", &[]), span, 3.0, (HOUR, 30 * DAY));
    let clocks = wrong.iter().enumerate().flat_map(|(n, (from, to))| {
        let by = draw.of("by", &[n as u64]).magnitude(400, 400 * DAY) as i64;
        let by = if draw.of("back", &[n as u64]).share() < 0.5 { -by } else { by };
        [(from, Blow::Clock(by)), (to, Blow::Clock(0))]
    });
    let mut all: Vec<(u64, Blow)> = restarts.chain(suspends).chain(clocks).collect();
    all.sort_unstable();
    all
}
