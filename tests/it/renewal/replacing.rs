//! A configuration that is taken over while something is under way.

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
