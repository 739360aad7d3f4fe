//! A clock that jumps, sleeps or is wrong leads to other plans, not to renewals in bulk.

use std::time::Duration;

use sidegate::manager::{Desired, Row, Wish};

use super::world::{CA, DAY, World, issued, names, start, wish};

const HOUR: Duration = Duration::from_secs(3600);

fn three() -> Desired {
    let wishes =
        ["a.example.com", "b.example.com", "c.example.com"].map(|name| Wish::acme(names(&[name]), CA));
    Desired { wishes: wishes.into(), ..Desired::default() }
}

/// Whether the renewal is planned where it belongs.
fn planned(row: &Row) -> bool {
    let usual = start() + DAY * 58..=start() + DAY * 60;
    issued(row) && row.next == "renew" && row.next_at.is_some_and(|at| usual.contains(&at))
}

#[tokio::test]
async fn a_clock_that_runs_ahead_renews_nothing() {
    let mut world = World::new();
    let mut run = world.run(three()).await;
    for _ in 0..3 {
        world.order().await;
    }
    run.until_all(planned).await;

    // Seventy days by our clock, one by the CA's: all three seem due.
    world.ca_time(start() + DAY);
    world.hand.set(start() + DAY * 70);
    world.asked().await;
    run.until_all(planned).await;
    assert!(world.orders.try_recv().is_err());

    // A hundred: all three seem to have ended.
    world.hand.set(start() + DAY * 171);
    while world.clock.now() > start() + DAY * 2 {
        run.status.changed().await;
    }
    run.until_all(planned).await;
    assert!(world.orders.try_recv().is_err());
    for name in ["a.example.com", "b.example.com", "c.example.com"] {
        assert_eq!(run.shown(name).expect("shown").issuer(), "scripted root");
    }
    run.stop().await;
}

#[tokio::test]
async fn what_is_due_by_the_cas_time_is_renewed_at_once() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(planned).await;
    // Our clock is behind by seventy days; the CA is asked about the certificate every six hours.
    world.ca_time(start() + DAY * 70);
    world.hand.advance(HOUR * 6);
    let order = world.order().await;
    assert_eq!(order.at, start() + DAY * 70);
    run.stop().await;
}

#[tokio::test]
async fn a_sleep_of_the_machine_delays_nothing() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(planned).await;
    // Awake again after eighty days, and the CA agrees that it is so late.
    world.ca_time(start() + DAY * 80);
    world.hand.set(start() + DAY * 80);
    assert_eq!(world.order().await.at, start() + DAY * 80);
    run.stop().await;
}
