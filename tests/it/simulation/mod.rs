//! Years of renewals in seconds: a virtual clock, and a CA that counts for itself.
//!
//! A seed draws all that will happen: outages, revocations, slow answers, names that cannot be verified for a while,
//! clocks that jump, machines that sleep, other people's certificates, restarts, and the shorter lifetimes of 2027 and
//! 2028. The program's own decisions meet that, and three properties have to hold:
//!
//! - no served name runs out while the CA could be reached for a third of the time there is to renew it;
//! - no limit is met that the CA publishes, unless others have used it up, and then its word is obeyed;
//! - no more than a twentieth more orders are placed than the minimum (which `judge` defines).
//!
//! A failure tells its seed, and the same seed leads to the same failure: nothing here asks a clock, a thread or chance.

mod bucket;
mod ca;
mod client;
mod draw;
mod fate;
mod judge;
mod run;
mod spans;

use std::time::Duration;

use sidegate::manager::Ladder;

use client::Policy;
use fate::{Fate, Size};
use judge::{Broken, Course, Tally};

/// Ten years of a thousand lineages; of half of them in a build for debugging, which takes several times as long.
const FULL: Size = Size { lineages: if cfg!(debug_assertions) { 500 } else { 1000 }, days: 3650, later: 1 };
/// Enough of both to meet everything that can happen.
const SHORT: Size = Size { lineages: 30, days: 500, later: 900 };

/// So many seeds, unless the environment says another number.
const SEEDS: u64 = 100;

async fn course(seed: u64, size: Size, policy: Policy) -> (Fate, Course) {
    let fate = Fate::new(seed, size);
    let course = run::run(&fate, policy).await;
    (fate, course)
}

/// Fails with what does not hold, and with how to see it again; says how much was ordered.
async fn holds(seed: u64, size: Size, test: &str) -> Tally {
    let (fate, course) = course(seed, size, Policy::default()).await;
    let broken = course.broken(&fate);
    let told: Vec<String> = broken.iter().take(12).map(ToString::to_string).collect();
    assert!(
        broken.is_empty(),
        "with seed {seed} {} things went wrong:\n  {}\nto see it again: \
         SIMULATION_SEED={seed} cargo test --test it simulation::{test}",
        broken.len(),
        told.join("\n  ")
    );
    course.tally(&fate)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn short_courses_of_many_seeds() {
    let one = number("SIMULATION_SEED");
    let (from, count) = one.map_or((0, number("SIMULATION_SEEDS").unwrap_or(SEEDS)), |seed| (seed, 1));
    let mut all = Tally::default();
    for seed in from..from + count {
        all += holds(seed, SHORT, "short_courses_of_many_seeds").await;
    }
    println!("{all:?} in {count} courses");
    assert!(all.is_sparing() || one.is_some(), "{all:?} in {count} courses");
}

#[tokio::test]
async fn ten_years_of_many_lineages() {
    let seed = number("SIMULATION_SEED").unwrap_or(2026);
    let all = holds(seed, FULL, "ten_years_of_many_lineages").await;
    println!("{all:?} with seed {seed}");
    assert!(all.is_sparing(), "{all:?} with seed {seed}");
    assert!(all.orders > FULL.lineages * 50, "{all:?}: not much can have happened");
}

#[tokio::test]
async fn a_seed_leads_to_the_same_course_every_time() {
    let (_, one) = course(7, SHORT, Policy::default()).await;
    let (_, other) = course(7, SHORT, Policy::default()).await;
    assert_eq!(one.history(), other.history());
    let (_, another) = course(8, SHORT, Policy::default()).await;
    assert_ne!(one.history(), another.history());
}

/// What makes a course of years short is that most questions about renewals are not asked.
#[tokio::test]
async fn questions_that_bring_no_news_change_nothing() {
    let size = Size { lineages: 12, days: 200, later: 900 };
    for seed in 0..3 {
        let (_, with) = course(seed, size, Policy { skips: false, ..Policy::default() }).await;
        let (_, without) = course(seed, size, Policy::default()).await;
        assert_eq!(with.history(), without.history(), "seed {seed}");
    }
}

/// What goes wrong by a policy in the course of some seeds, and how much it orders.
async fn outcome_of(policy: Policy, seeds: std::ops::Range<u64>) -> (Vec<Broken>, Tally) {
    let (mut broken, mut all) = (Vec::new(), Tally::default());
    for seed in seeds {
        let (fate, course) = course(seed, SHORT, policy.clone()).await;
        broken.extend(course.broken(&fate));
        all += course.tally(&fate);
    }
    (broken, all)
}

#[tokio::test]
async fn who_renews_at_the_last_moment_runs_out() {
    let late = Policy { asks: false, believes: 1.45, ..Policy::default() };
    let (broken, _) = outcome_of(late, 0..6).await;
    assert!(broken.iter().any(|broken| matches!(broken, Broken::Expired(_))), "{broken:?}");
}

#[tokio::test]
async fn who_neither_waits_nor_counts_meets_the_limits() {
    let ladder = Ladder::new(vec![Duration::from_secs(10)]);
    let (broken, _) = outcome_of(Policy { ladder, careful: false, ..Policy::default() }, 0..2).await;
    assert!(broken.iter().any(|broken| matches!(broken, Broken::Limit(_))), "{broken:?}");
}

#[tokio::test]
async fn who_renews_twice_as_often_orders_too_much() {
    let (_, all) = outcome_of(Policy { asks: false, believes: 0.5, ..Policy::default() }, 0..2).await;
    assert!(!all.is_sparing(), "{all:?}");
}
