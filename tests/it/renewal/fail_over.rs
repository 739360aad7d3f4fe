//! Another CA is asked while the preferred one cannot give a certificate, and only then.

use std::time::Duration;

use sidegate::manager::Row;

use super::world::{CA, DAY, Fault, OTHER_CA, World, issued, start, wish, wish_of_either};

const HOUR: Duration = Duration::from_secs(3600);

fn issued_by<'a>(issuer: &'a str) -> impl Fn(&Row) -> bool + 'a {
    move |row| row.next == "renew" && row.served.as_ref().is_some_and(|served| served.issuer == issuer)
}

#[tokio::test]
async fn the_other_ca_is_asked_at_once_and_the_preferred_one_again_at_the_renewal() {
    let mut world = World::new();
    world.script([Fault::Unreachable]);
    let mut run = world.run(wish_of_either(&["example.com"])).await;
    let orders = [world.order().await, world.order().await];
    assert_eq!(orders.map(|order| (order.directory, order.at)), [(CA, start()), (OTHER_CA, start())]);
    run.until(issued_by("other root")).await;
    assert_eq!(run.status.rows()[0].last_error, None, "what went wrong has been mended");
    let due = run.status.rows()[0].next_at.expect("a moment");
    run.stop().await;

    // What has failed where is known after a restart, and that the other CA's certificate is as good as any.
    let mut run = world.run(wish_of_either(&["example.com"])).await;
    run.until(issued_by("other root")).await;
    world.hand.set(due - HOUR);
    assert!(world.orders.try_recv().is_err());
    world.hand.set(due);
    let order = world.order().await;
    assert_eq!((order.directory, order.at, order.rehearse), (CA, due, true));
    assert!(order.replaces.is_some(), "who issued that one is for the issuer to see");
    run.until(issued_by("scripted root")).await;
    run.stop().await;
}

#[tokio::test]
async fn each_ca_has_a_ladder_of_its_own_that_survives_a_restart() {
    let mut world = World::new();
    world.script([Fault::Unreachable, Fault::Unreachable]);
    let until = start() + HOUR;
    world.other.script([Fault::LimitedUntil(until), Fault::Refused]);
    let mut run = world.run(wish_of_either(&["example.com"])).await;
    assert_eq!([world.order().await.directory, world.order().await.directory], [CA, OTHER_CA]);
    let waits = |row: &Row| row.next.starts_with("order") && row.next_at.is_some_and(|at| at > start());
    run.until(waits).await;
    let first = run.status.rows()[0].next_at.expect("a moment");
    assert!(first <= start() + Duration::from_secs(66), "the preferred one's first step: {first:?}");
    run.stop().await;

    let mut run = world.run(wish_of_either(&["example.com"])).await;
    world.hand.set(first);
    assert_eq!(world.order().await.directory, CA);
    run.until(|row| row.next_at.is_some_and(|at| at > first)).await;
    let second = run.status.rows()[0].next_at.expect("a moment");
    assert!(second > first + Duration::from_secs(590), "the second step: {second:?}");
    assert!(world.orders.try_recv().is_err(), "the other one has said when it may be asked");

    // The preferred CA's third attempt succeeds long before the other one's limit ends.
    world.hand.set(second);
    assert_eq!(world.order().await.directory, CA);
    run.until(issued_by("scripted root")).await;
    run.stop().await;
}

#[tokio::test]
async fn a_name_that_does_not_lead_here_is_not_taken_to_another_ca() {
    let mut world = World::new();
    world.script([Fault::Unverified]);
    let mut run = world.run(wish_of_either(&["example.com"])).await;
    assert_eq!(world.order().await.directory, CA);
    run.until(|row| row.next_at.is_some_and(|at| at > start())).await;
    world.hand.set(run.status.rows()[0].next_at.expect("a moment"));
    assert_eq!(world.order().await.directory, CA);
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn a_ca_that_refuses_is_passed_over_and_where_both_do_it_is_asked_again_a_day_later() {
    let mut world = World::new();
    world.script([Fault::Refused]);
    let mut run = world.run(wish_of_either(&["a.example.com"])).await;
    assert_eq!([world.order().await.directory, world.order().await.directory], [CA, OTHER_CA]);
    run.until(issued_by("other root")).await;
    run.stop().await;

    world.script([Fault::Refused]);
    world.other.script([Fault::Refused]);
    let mut run = world.run(wish_of_either(&["b.example.com"])).await;
    assert_eq!([world.order().await.directory, world.order().await.directory], [CA, OTHER_CA]);
    run.until(|row| {
        row.next.ends_with("when the configuration changes") && row.next_at == Some(start() + DAY)
    })
    .await;
    world.hand.set(start() + DAY);
    assert_eq!(world.order().await.directory, CA);
    run.until(issued_by("scripted root")).await;
    run.stop().await;
}

#[tokio::test]
async fn a_certificate_of_a_ca_that_is_not_configured_any_more_satisfies_nobody() {
    let mut world = World::new();
    world.script([Fault::Unreachable]);
    let mut run = world.run(wish_of_either(&["example.com"])).await;
    run.until(issued_by("other root")).await;
    while world.orders.try_recv().is_ok() {}
    world.hand.advance(DAY);
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    assert_eq!(world.order().await.directory, CA);
    run.until(issued_by("scripted root")).await;
    run.stop().await;
}
