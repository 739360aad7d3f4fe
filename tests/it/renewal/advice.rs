//! What the CA says about renewing (RFC 9773) is what is done.

use std::time::{Duration, SystemTime};

use sidegate::issuer::{Advice, Window};
use sidegate::manager::Row;

use super::world::{DAY, Said, World, issued, start, wish};

const HOUR: Duration = Duration::from_secs(3600);

fn advice(from: SystemTime, to: SystemTime) -> Said {
    let window = Window::new(from, to).expect("a window");
    let explanation = Some("https://ca.test/why".to_owned());
    Ok(Some(Advice { window, explanation, again: None }))
}

/// Whether the renewal is planned within these moments.
fn planned(from: SystemTime, to: SystemTime) -> impl Fn(&Row) -> bool {
    move |row| row.next == "renew" && row.next_at.is_some_and(|at| (from..to).contains(&at))
}

#[tokio::test]
async fn the_moment_is_drawn_once_and_survives_restarts_until_the_window_changes() {
    let mut world = World::new();
    let (from, to) = (start() + DAY * 40, start() + DAY * 42);
    world.advise(advice(from, to));
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(planned(from, to)).await;
    let drawn = run.status.rows()[0].next_at;
    assert_eq!(world.asked().await, run.shown("example.com").expect("shown").serial());
    run.stop().await;

    // Only what was kept tells: the CA is not asked again before six hours are over.
    let mut run = world.run(wish(&["example.com"])).await;
    run.until(issued).await;
    assert_eq!(run.status.rows()[0].next_at, drawn);
    assert!(world.asked.try_recv().is_err());
    world.hand.advance(HOUR * 6);
    world.asked().await;
    // A CA that cannot be asked takes nothing back.
    world.advise(Err(None));
    world.hand.advance(HOUR * 6);
    world.asked().await;
    assert_eq!(run.status.rows()[0].next_at, drawn);

    let (from, to) = (start() + DAY * 10, start() + DAY * 11);
    world.advise(advice(from, to));
    world.hand.advance(HOUR * 6);
    world.asked().await;
    run.until(planned(from, to)).await;
    run.stop().await;
}

#[tokio::test]
async fn a_ca_that_cannot_be_asked_is_asked_again_when_it_says() {
    let mut world = World::new();
    let again = start() + Duration::from_secs(120);
    world.advise(Err(Some(again)));
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    world.asked().await;
    let (from, to) = (start() + DAY * 40, start() + DAY * 42);
    world.advise(advice(from, to));
    world.hand.set(again);
    world.asked().await;
    run.until(planned(from, to)).await;
    run.stop().await;
}

#[tokio::test]
async fn the_renewal_comes_at_the_very_moment_and_names_what_it_replaces() {
    let mut world = World::new();
    // The window of a certificate for 160 hours is shorter than the time between two questions.
    let (from, to) = (start() + HOUR * 77, start() + HOUR * 80);
    world.advise(advice(from, to));
    let mut run = world.run(wish(&["example.com"])).await;
    assert_eq!(world.order().await.replaces, None);
    run.until(planned(from, to)).await;
    let at = run.status.rows()[0].next_at.expect("a moment");
    let serial = run.shown("example.com").expect("shown").serial();
    world.hand.set(at - Duration::from_secs(1));
    world.asked().await;
    assert!(world.orders.try_recv().is_err());
    world.hand.set(at);
    let order = world.order().await;
    assert_eq!((order.at, order.replaces.as_deref()), (at, Some(&*serial)));
    assert!(!order.urgent);
    run.stop().await;
}

#[tokio::test]
async fn a_window_that_has_passed_means_now() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(issued).await;
    let first = world.asked().await;
    world.advise(advice(start() + HOUR, start() + HOUR * 2));
    world.hand.advance(HOUR * 6);
    assert_eq!(world.asked().await, first);
    let order = world.order().await;
    assert_eq!((order.at, order.replaces), (start() + HOUR * 6, Some(first)));
    assert!(order.urgent, "so the CA says that it must go");

    // The CA says so of the new one as well; it is not believed straight away.
    world.asked().await;
    run.until(planned(start() + HOUR * 12, start() + HOUR * 12 + DAY)).await;
    assert!(world.orders.try_recv().is_err());
    world.hand.advance(HOUR * 6 + Duration::from_secs(1));
    world.order().await;
    run.stop().await;
}

#[tokio::test]
async fn a_window_beyond_the_end_of_the_certificate_is_not_waited_for() {
    let mut world = World::new();
    world.advise(advice(start() + DAY * 100, start() + DAY * 120));
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(planned(start() + DAY * 74, start() + DAY * 76)).await;
    run.stop().await;
}
