//! A configuration that is taken over while something is under way.

use std::time::Duration;

use sidegate::manager::{Desired, Wish};
use tokio::sync::oneshot;

use super::world::{CA, Fault, World, issued, names, wish};

#[tokio::test]
async fn what_is_refused_by_an_earlier_configuration_is_tried_with_the_next_one() {
    let mut world = World::new();
    let (word, said) = oneshot::channel();
    world.script([Fault::RefusedAfter(said)]);
    let mut run = world.run(wish(&["one.example.com"])).await;
    world.order().await;
    let both = ["one.example.com", "two.example.com"].map(|name| Wish::acme(names(&[name]), CA));
    let desired = Desired { wishes: both.into(), ..Desired::default() };
    run.commands.configure(world.options(desired)).await;
    assert_eq!(world.order().await.names, "two.example.com", "the configuration has been taken over");

    word.send(()).expect("the order is waiting");
    assert_eq!(world.order().await.names, "one.example.com");
    run.until_all(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn what_a_dropped_order_has_left_is_taken_back_though_its_ca_is_not_configured_any_more() {
    let mut world = World::new();
    world.script([Fault::Hang]);
    let run = world.run(wish(&["one.example.com"])).await;
    world.order().await;
    let mut options = world.options(Desired::default());
    options.issuers.letsencrypt.clear();
    run.commands.configure(options).await;
    let tidied = tokio::time::timeout(Duration::from_secs(20), world.tidied.recv()).await;
    tidied.expect("somebody tidies up").expect("the CA");
    run.stop().await;
}

#[tokio::test]
async fn what_an_order_of_an_earlier_configuration_has_left_is_taken_back_at_the_end() {
    let mut world = World::new();
    world.script([Fault::Hang]);
    let mut run = world.run(wish(&["one.example.com"])).await;
    world.order().await;
    let wishes = [Wish::acme(names(&["one.example.com"]), CA), Wish::selfsigned(names(&["two.example.com"]))];
    let mut options = world.options(Desired { wishes: wishes.into(), ..Desired::default() });
    options.issuers.letsencrypt.clear();
    run.commands.configure(options).await;
    while run.status.rows().len() < 2 {
        run.status.changed().await;
    }
    run.stop().await;
    world.tidied.try_recv().expect("somebody has tidied up");
}
