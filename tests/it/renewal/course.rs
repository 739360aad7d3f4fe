//! Stand-in, issue, renew, fail, come back.

use std::time::Duration;

use sidegate::catalog::Lookup;
use sidegate::ident::Name;
use sidegate::manager::Row;
use sidegate::store::engine::Expect;
use sidegate::store::{Family, layout};

use super::world::{DAY, Fault, World, issued, start, wish};

#[tokio::test]
async fn selfsigned_is_served_first_then_the_cas_and_a_restart_orders_nothing() {
    let mut world = World::new();
    let desired = wish(&["example.com", "www.example.com"]);
    let prepared = world.prepare(desired.clone()).await;
    assert!(
        matches!(prepared.resolver.lookup(Some("www.example.com")), Lookup::Warm(_)),
        "before anything ran"
    );
    assert!(world.orders.try_recv().is_err(), "no CA is asked before the listeners accept");
    drop(prepared);

    let mut run = world.run(desired.clone()).await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "sidegate self-signed");
    run.until(issued).await;
    assert_eq!(world.order().await.names, "example.com www.example.com");
    for name in ["example.com", "www.example.com"] {
        assert_eq!(run.shown(name).expect("shown").issuer(), "scripted root");
    }
    let serial = run.shown("example.com").expect("shown").serial();
    run.stop().await;

    let mut run = world.run(desired).await;
    assert_eq!(
        run.shown("example.com").expect("shown").serial(),
        serial,
        "the same certificate, from the store"
    );
    run.until(|row| row.next == "renew").await;
    world.hand.advance(DAY);
    run.stop().await;
    assert!(world.orders.try_recv().is_err(), "the second start placed no order");
}

#[tokio::test]
async fn a_stand_in_made_before_the_sweep_does_not_come_after_the_cas_item_that_the_sweep_finds() {
    let world = World::new();
    let desired = wish(&["example.com"]);
    let mut run = world.run(desired.clone()).await;
    run.until(issued).await;
    run.stop().await;
    let database = world.store().database();
    let items = database.items().await.expect("a list");
    for family in [Family::Any, Family::Letsencrypt, Family::Selfsigned] {
        // What a process leaves that dies between its item and what leads there.
        let pointers = layout::family(family);
        world.engine.remove(&pointers, Expect::Any).await.expect("removed");
    }

    let mut run = world.run(desired).await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "sidegate self-signed");
    run.until(issued).await;
    run.until(|row| row.next == "renew").await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "scripted root");
    run.stop().await;
    assert_eq!(database.items().await.expect("a list"), items, "nothing was committed");
    let name = Name::parse("example.com").expect("a name");
    let newest = database.pointer(Family::Any, &name).await.expect("an answer");
    assert_eq!(newest.as_ref(), items.last());
}

#[tokio::test]
async fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(issued).await;
    let first = run.shown("example.com").expect("shown");
    let due = run.status.rows()[0].next_at.expect("a moment");
    assert!(due > start() + DAY * 57 && due <= start() + DAY * 60, "{due:?}");
    world.hand.set(due - Duration::from_secs(1));
    assert!(world.orders.try_recv().is_err());
    world.hand.set(due);
    assert_eq!(world.order().await.at, due);
    run.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    assert_ne!(run.shown("example.com").expect("shown").serial(), first.serial());
    run.stop().await;
}

#[tokio::test]
async fn failures_climb_the_ladder_and_a_restart_does_not_forget_them() {
    let mut world = World::new();
    world.script([Fault::Unreachable, Fault::Unreachable, Fault::Unreachable]);
    let mut run = world.run(wish(&["example.com"])).await;
    let mut last = world.order().await.at;
    for minutes in [1, 10] {
        run.until(|row| row.next_at.is_some_and(|at| at > last)).await;
        let row = run.status.rows()[0].clone();
        assert!(row.last_error.is_some_and(|error| error.contains("connection refused")));
        let next = row.next_at.expect("a moment");
        let waited = next.duration_since(last).expect("later").as_secs();
        assert!((minutes * 60..=minutes * 66).contains(&waited), "{waited} s instead of {minutes} min");
        world.hand.set(next);
        last = world.order().await.at;
    }
    run.until(|row| row.next_at.is_some_and(|at| at > last + Duration::from_secs(3600))).await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "sidegate self-signed");
    run.stop().await;

    let mut run = world.run(wish(&["example.com"])).await;
    let next = run.status.rows()[0].next_at.expect("a moment");
    let waited = next.duration_since(last).expect("later").as_secs();
    assert!((6000..=6600).contains(&waited), "the third step, also after a restart: {waited}");
    world.hand.set(next - Duration::from_secs(1));
    assert!(world.orders.try_recv().is_err());
    world.hand.set(next);
    world.order().await;
    run.until(issued).await;
    assert_eq!(run.status.rows()[0].last_error, None, "a success forgets");
    run.stop().await;
}

#[tokio::test]
async fn a_moment_named_by_the_ca_is_waited_for() {
    let mut world = World::new();
    let until = start() + Duration::from_secs(7 * 3600);
    world.script([Fault::LimitedUntil(until)]);
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(|row| row.next_at == Some(until)).await;
    run.stop().await;
}

#[tokio::test]
async fn nonces_that_are_rejected_without_end_climb_the_ladder() {
    let mut world = World::new();
    world.script([Fault::Nonce, Fault::Nonce]);
    let mut run = world.run(wish(&["example.com"])).await;
    for minutes in [1, 10] {
        let last = world.order().await.at;
        run.until(|row| row.next_at.is_some_and(|at| at > last)).await;
        let next = run.status.rows()[0].next_at.expect("a moment");
        let waited = next.duration_since(last).expect("later").as_secs();
        assert!((minutes * 60..=minutes * 66).contains(&waited), "{waited} s instead of {minutes} min");
        world.hand.set(next);
    }
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn a_refusal_rests_for_a_day_or_until_the_configuration_changes() {
    let mut world = World::new();
    world.script([Fault::Refused, Fault::Refused]);
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    let rests_until = |at| {
        move |row: &Row| {
            row.next.ends_with("or at once when the configuration changes") && row.next_at == Some(at)
        }
    };
    run.until(rests_until(start() + DAY)).await;
    world.hand.set(start() + DAY - Duration::from_secs(1));
    assert!(world.orders.try_recv().is_err());
    world.hand.set(start() + DAY);
    assert_eq!(world.order().await.at, start() + DAY, "the CA may have been mistaken");
    run.until(rests_until(start() + DAY * 2)).await;
    world.hand.advance(Duration::from_secs(3600));
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    assert_eq!(world.order().await.at, start() + DAY + Duration::from_secs(3600), "at once");
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn a_renewal_that_was_refused_or_died_once_comes_long_before_the_end() {
    for fault in [Fault::Refused, Fault::Panic] {
        let mut world = World::new();
        let mut run = world.run(wish(&["example.com"])).await;
        world.order().await;
        run.until(issued).await;
        let due = run.status.rows()[0].next_at.expect("a moment");
        let first = run.shown("example.com").expect("shown").serial();
        world.script([fault]);
        world.hand.set(due);
        world.order().await;
        run.until(|row| row.next_at == Some(due + DAY) && row.last_error.is_some()).await;
        world.hand.set(due + DAY);
        assert_eq!(world.order().await.at, due + DAY);
        run.until(|row| row.next == "renew").await;
        assert_ne!(run.shown("example.com").expect("shown").serial(), first);
        run.stop().await;
    }
}

#[tokio::test]
async fn being_stopped_in_the_middle_is_no_failure_and_the_order_is_gone_on_with() {
    let mut world = World::new();
    world.script([Fault::Hang]);
    let run = world.run(wish(&["example.com"])).await;
    assert!(!world.order().await.resumed);
    run.stop().await;

    let mut run = world.run(wish(&["example.com"])).await;
    let order = world.order().await;
    assert_eq!((order.names.as_str(), order.at, order.resumed), ("example.com", start(), true));
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn a_second_process_follows_and_takes_over() {
    let mut world = World::new();
    let mut first = world.run(wish(&["example.com"])).await;
    world.order().await;
    first.until(issued).await;

    let mut second = world.run(wish(&["example.com"])).await;
    assert_eq!(second.shown("example.com").expect("shown").issuer(), "scripted root");
    let due = first.status.rows()[0].next_at.expect("a moment");
    world.hand.set(due);
    world.order().await;
    first.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    let renewed = first.shown("example.com").expect("shown").serial();
    second.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    assert_eq!(
        second.shown("example.com").expect("shown").serial(),
        renewed,
        "what the first commits, both show"
    );
    assert!(world.orders.try_recv().is_err(), "one of them orders");

    first.stop().await;
    let due = second.status.rows()[0].next_at.expect("a moment");
    world.hand.set(due);
    world.order().await;
    second.stop().await;
}

#[tokio::test]
async fn a_name_that_leaves_the_configuration_is_not_shown_any_more() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com", "www.example.com"])).await;
    world.order().await;
    run.until(issued).await;
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    assert_eq!(world.order().await.names, "example.com");
    run.until(|row| row.names.len() == 1 && row.next == "renew").await;
    assert!(run.shown("example.com").is_some());
    assert!(run.shown("www.example.com").is_none());
    run.stop().await;
}

#[tokio::test]
async fn a_limit_that_is_kept_is_no_failure() {
    let mut world = World::new();
    let until = start() + DAY;
    world.script([Fault::Spent(until), Fault::Unreachable]);
    let mut run = world.run(wish(&["example.com"])).await;
    assert!(!world.order().await.rehearse, "there was no failure yet");
    run.until(|row| row.next_at == Some(until)).await;
    run.stop().await;
    // A reload and a restart wait for the same moment.
    let mut run = world.run(wish(&["example.com"])).await;
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    run.until(|row| row.next_at == Some(until)).await;
    assert!(world.orders.try_recv().is_err());
    world.hand.set(until);
    let order = world.order().await;
    assert!(!order.rehearse, "nor was this one");
    run.until(|row| row.next_at.is_some_and(|at| at > until)).await;
    let next = run.status.rows()[0].next_at.expect("a moment");
    assert!(next <= until + Duration::from_secs(66), "the first step of the ladder: {next:?}");
    world.hand.set(next);
    assert!(world.order().await.rehearse, "after a failure it is tried out first");
    run.stop().await;
}

#[tokio::test]
async fn the_last_of_a_limit_is_for_what_has_ended_or_is_recalled() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    assert!(!world.order().await.urgent, "a first certificate can wait");
    run.until(issued).await;
    let due = run.status.rows()[0].next_at.expect("a moment");
    let allowed = start() + DAY * 100;
    world.script([Fault::Spent(allowed), Fault::Spent(allowed)]);
    world.hand.set(due);
    assert!(!world.order().await.urgent, "so can a renewal");
    run.until(|row| row.next_at == Some(allowed)).await;
    run.stop().await;

    // It ends before the limit allows a renewal; a restart in between changes nothing.
    let mut run = world.run(wish(&["example.com"])).await;
    world.hand.set(start() + DAY * 91);
    let order = world.order().await;
    assert!(order.urgent, "it has ended");
    assert_eq!(order.at, start() + DAY * 91);
    // Not even the last one was left: that is waited for.
    run.until(|row| row.next.starts_with("order") && row.next_at == Some(allowed)).await;
    assert!(world.orders.try_recv().is_err());
    run.stop().await;
}

#[tokio::test]
async fn a_name_that_has_failed_is_remembered_in_another_certificate_too() {
    let mut world = World::new();
    world.script([Fault::Unverified, Fault::Unverified]);
    let mut run = world.run(wish(&["bad.example.com", "a.example.com"])).await;
    let mut next = start();
    for _ in 0..2 {
        world.hand.set(next);
        let at = world.order().await.at;
        run.until(|row| row.next_at.is_some_and(|next| next > at)).await;
        next = run.status.rows()[0].next_at.expect("a moment");
    }
    // What is written down is in whole seconds.
    let left = |row: &Row| row.next_at.and_then(|at| next.duration_since(at).ok());
    let waits = |row: &Row| left(row).is_some_and(|less| less < Duration::from_secs(1));
    // The set changes, and with it the lineage; the name is the same at the same CA.
    run.commands.configure(world.options(wish(&["bad.example.com", "b.example.com"]))).await;
    run.until(|row| row.names[1].to_string() == "b.example.com" && waits(row)).await;
    assert!(world.orders.try_recv().is_err());
    run.stop().await;
    let mut run = world.run(wish(&["b.example.com", "bad.example.com"])).await;
    run.until(waits).await;
    // A certificate without it has nothing to do with that.
    run.commands.configure(world.options(wish(&["a.example.com", "b.example.com"]))).await;
    assert_eq!(world.order().await.names, "a.example.com b.example.com");
    run.stop().await;
}
