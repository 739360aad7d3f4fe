//! Items that stand behind newer ones of the same name, and are better: a start finds what a process knows that has
//! followed the storage since.

use std::time::{Duration, SystemTime};

use sidegate::catalog::Lookup;
use sidegate::ident::{ItemId, Name, Provider};
use sidegate::manager::{Desired, Past, Wish};
use sidegate::store::{Attempts, LineageState};

use super::world::{CA, DAY, OTHER_CA, Run, World, names, start, wish};
use crate::house::process::PATIENCE;
use crate::house::tool::commit_until;

const SECOND: Duration = Duration::from_secs(1);
/// What ends so late is not due: it has begun long ago.
const AGE: Duration = Duration::from_secs(50 * 365 * 86_400);

/// Commits what a CA has issued until then.
async fn issued(world: &World, list: &[&str], directory: &str, end: SystemTime) -> ItemId {
    commit_until(&world.store(), list, Provider::Letsencrypt, Some(directory), end).await
}

/// Has the CA out of reach for long: an earlier process has failed to reach it only just.
async fn without_a_ca(world: &World, list: &[&str]) {
    let wish = Wish::acme(names(list), CA);
    let attempts = Attempts {
        failures: 4,
        last_failure: Some(start()),
        next: Some(start() + DAY * 50),
        ..Attempts::at(Some(CA))
    };
    let state = LineageState {
        names: wish.names().clone(),
        provider: Provider::Letsencrypt,
        attempts: vec![attempts],
        advised: None,
    };
    world.store().states().save(wish.lineage.id(), &state).await.expect("saved");
}

/// Waits until clients are shown this item, by whoever waits for it; and it is the one of which the history says so.
async fn serves(run: &Run, world: &World, host: &str, item: &ItemId) {
    let wanted = world.store().database().item(item).await.expect("an item").bundle().leaf().serial();
    let look = async {
        let mut status = run.status.clone();
        while run.shown(host).is_none_or(|shown| shown.serial() != wanted) {
            status.changed().await;
        }
    };
    if tokio::time::timeout(PATIENCE, look).await.is_err() {
        panic!("{host} is shown {:?}; there is {:?}", run.shown(host), run.status.rows());
    }
    let name = Name::parse(host).expect("a name");
    let past = Past::new(run.status.clone(), world.store());
    let history = past.history(&name, world.clock.now()).await.expect("a history");
    let served: Vec<ItemId> =
        history.items.into_iter().filter(|told| told.served.contains(&name)).map(|told| told.id).collect();
    assert_eq!(served, std::slice::from_ref(item), "{}", history.rule);
}

#[tokio::test]
async fn a_cas_valid_item_is_served_though_the_newer_one_has_ended() {
    let world = World::new();
    without_a_ca(&world, &["example.com"]).await;
    let long = issued(&world, &["example.com"], CA, start() + DAY * 60).await;
    for end in [12, 11] {
        issued(&world, &["example.com"], CA, start() + SECOND * end).await;
    }
    world.hand.advance(SECOND * 30);
    let prepared = world.prepare(wish(&["example.com"])).await;
    assert!(matches!(prepared.resolver.lookup(Some("example.com")), Lookup::Warm(_)), "before anything ran");
    let run = prepared.run();
    serves(&run, &world, "example.com", &long).await;
    run.stop().await;
    let items = world.store().database().items().await.expect("a list");
    assert_eq!(items.len(), 3, "nothing stands in");
}

#[tokio::test]
async fn the_same_item_is_found_when_the_newer_one_ends_while_it_is_served() {
    let world = World::new();
    without_a_ca(&world, &["example.com"]).await;
    let long = issued(&world, &["example.com"], CA, start() + DAY * 60).await;
    let short = issued(&world, &["example.com"], CA, start() + SECOND * 12).await;
    let run = world.run(wish(&["example.com"])).await;
    serves(&run, &world, "example.com", &short).await;
    world.hand.advance(SECOND * 30);
    serves(&run, &world, "example.com", &long).await;
    run.stop().await;
    assert_eq!(world.store().database().items().await.expect("a list").len(), 2, "nothing stands in");
}

#[tokio::test]
async fn what_a_process_has_followed_is_served_again_when_what_came_after_it_ends() {
    let world = World::new();
    without_a_ca(&world, &["example.com"]).await;
    let long = issued(&world, &["example.com"], CA, start() + DAY * 60).await;
    let run = world.run(wish(&["example.com"])).await;
    serves(&run, &world, "example.com", &long).await;
    let short = issued(&world, &["example.com"], CA, start() + SECOND * 12).await;
    serves(&run, &world, "example.com", &short).await;
    world.hand.advance(SECOND * 30);
    serves(&run, &world, "example.com", &long).await;
    run.stop().await;
}

#[tokio::test]
async fn what_was_issued_for_the_configured_names_is_found_behind_what_was_issued_for_more() {
    let mut world = World::new();
    let both = ["example.com", "www.example.com"];
    let own = issued(&world, &both[..1], CA, start() + AGE).await;
    issued(&world, &both, CA, start() + AGE).await;
    let mut run = world.run(wish(&both[..1])).await;
    serves(&run, &world, "example.com", &own).await;
    run.until(|row| row.next_at.is_some_and(|at| at > start())).await;
    run.stop().await;
    assert!(world.orders.try_recv().is_err(), "nothing is ordered that is there");
}

#[tokio::test]
async fn what_the_configured_ca_has_issued_is_found_behind_what_another_one_has() {
    let mut world = World::new();
    let own = issued(&world, &["example.com"], CA, start() + AGE).await;
    for _ in 0..20 {
        issued(&world, &["example.com"], OTHER_CA, start() + AGE).await;
    }
    let mut run = world.run(wish(&["example.com"])).await;
    serves(&run, &world, "example.com", &own).await;
    run.until(|row| row.next_at.is_some_and(|at| at > start())).await;
    run.stop().await;
    assert!(world.orders.try_recv().is_err());
}

#[tokio::test]
async fn what_came_unseen_behind_a_newer_one_is_found_while_the_process_runs() {
    let world = World::new();
    let before = issued(&world, &["example.com"], CA, start() + AGE).await;
    issued(&world, &["example.com"], OTHER_CA, start() + AGE).await;
    let run = world.run(wish(&["example.com"])).await;
    serves(&run, &world, "example.com", &before).await;
    // The process looks when both are there, and the pointer leads to the second one.
    let own = issued(&world, &["example.com"], CA, start() + AGE).await;
    issued(&world, &["example.com"], OTHER_CA, start() + AGE).await;
    serves(&run, &world, "example.com", &own).await;
    run.stop().await;
}

#[tokio::test]
async fn a_wildcards_older_item_is_found_as_well() {
    let world = World::new();
    without_a_ca(&world, &["www.example.com"]).await;
    let long = issued(&world, &["*.example.com"], CA, start() + DAY * 60).await;
    issued(&world, &["*.example.com"], CA, start() + SECOND * 12).await;
    world.hand.advance(SECOND * 30);
    let run = world.run(wish(&["www.example.com"])).await;
    serves(&run, &world, "www.example.com", &long).await;
    run.stop().await;
}

#[tokio::test]
async fn with_very_many_names_whoever_waits_is_shown_the_better_one_and_nothing_before() {
    const NAMES: usize = 600;
    let host = "n550.example.com";
    let world = World::new();
    without_a_ca(&world, &[host]).await;
    let long = issued(&world, &[host], CA, start() + DAY * 60).await;
    issued(&world, &[host], CA, start() + SECOND * 12).await;
    world.hand.advance(SECOND * 30);
    let wish = |number| Wish::selfsigned(names(&[&format!("n{number}.example.com")]));
    let mut desired = Desired { wishes: (0..NAMES).map(wish).collect(), ..Desired::default() };
    desired.wishes[550] = Wish::acme(names(&[host]), CA);
    let prepared = world.prepare(desired).await;
    let Lookup::Cold(waiting) = prepared.resolver.lookup(Some(host)) else {
        panic!("it is read when it is asked for")
    };
    let run = prepared.run();
    let met = run.resolver.wait(waiting).await.expect("a certificate");
    let wanted = world.store().database().item(&long).await.expect("an item");
    assert_eq!(met.certified_key().cert[0], *wanted.bundle().leaf().der());
    serves(&run, &world, host, &long).await;
    run.stop().await;
}
