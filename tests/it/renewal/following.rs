//! What a process does that follows another one, when it cannot read what has moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::pki::Bundle;
use sidegate::store::{Family, Pin, Prefix, layout};
use tokio::sync::mpsc;

use super::world::{CA, Fault, Run, World, issued, start, wish};
use crate::house::faults::{Faulty, Trouble};
use crate::house::tool::commit;

const MINUTE: Duration = Duration::from_secs(60);

/// Verbs on places that fail while they are out of reach.
struct Outage {
    now: Arc<AtomicBool>,
    met: mpsc::UnboundedReceiver<()>,
}

/// The same store as another process sees it, which cannot always read the places that begin like this.
fn seen_badly(world: &World, places: &Prefix) -> (World, Outage) {
    let (now, (meet, met)) = (Arc::new(AtomicBool::new(false)), mpsc::unbounded_channel());
    let (is_out, places) = (Arc::clone(&now), places.to_string());
    let trouble = move |place: &Prefix| {
        let out = is_out.load(Ordering::SeqCst) && place.as_str().starts_with(&places);
        out.then(|| {
            let _ = meet.send(());
            Trouble::Fails
        })
    };
    let engine = Faulty::troubled(Arc::clone(&world.engine), trouble);
    let there = World { engine, clock: world.clock.clone(), hand: world.hand.clone(), ..World::new() };
    (there, Outage { now, met })
}

async fn committed(world: &World) -> (ItemId, Bundle) {
    commit(&world.store(), &["example.com"], Provider::Letsencrypt, Some(CA)).await
}

/// Lets the time pass until clients are shown this.
async fn served(run: &Run, world: &World, bundle: &Bundle) {
    for _ in 0..1000 {
        if run.shown("example.com").is_some_and(|shown| shown.serial() == bundle.leaf().serial()) {
            return;
        }
        world.hand.advance(MINUTE);
        tokio::task::yield_now().await;
    }
    panic!("never served; there is {:?}", run.status.rows());
}

#[tokio::test]
async fn what_has_moved_and_cannot_be_read_is_read_a_minute_later() {
    for places in [layout::family(Family::Letsencrypt), layout::items()] {
        let world = World::new();
        committed(&world).await;
        let (follower, mut outage) = seen_badly(&world, &places);
        let leader = world.run(wish(&["example.com"])).await;
        let run = follower.run(wish(&["example.com"])).await;
        outage.now.store(true, Ordering::SeqCst);
        let (_, newer) = committed(&world).await;
        outage.met.recv().await.expect("it is looked at");
        outage.now.store(false, Ordering::SeqCst);
        served(&run, &world, &newer).await;
        run.stop().await;
        leader.stop().await;
    }
}

#[tokio::test]
async fn a_pin_that_could_not_be_read_is_served_also_if_the_role_is_taken_over_meanwhile() {
    let name = Name::parse("example.com").expect("a name");
    for takes_over in [false, true] {
        let world = World::new();
        let (item, pinned) = committed(&world).await;
        let (follower, outage) = seen_badly(&world, &layout::pins());
        let mut leader = Some(world.run(wish(&["example.com"])).await);
        let run = follower.run(wish(&["example.com"])).await;
        served(&run, &world, &pinned).await;
        let (over, newer) = committed(&world).await;
        served(&run, &world, &newer).await;
        let pin = Pin { item, over, since: start() };
        world.store().pins().put(&name, &pin).await.expect("pinned");
        outage.now.store(true, Ordering::SeqCst);
        run.commands.follow_pins().await;
        outage.now.store(false, Ordering::SeqCst);
        if let Some(leader) = leader.take_if(|_| takes_over) {
            leader.stop().await;
        }
        served(&run, &world, &pinned).await;
        assert_eq!(run.status.issues(), takes_over);
        run.stop().await;
    }
}

#[tokio::test]
async fn failures_that_another_process_has_made_good_are_forgotten_with_the_role() {
    let mut world = World::new();
    world.script([Fault::Unreachable]);
    let mut leader = world.run(wish(&["example.com"])).await;
    world.order().await;
    leader.until(|row| row.last_error.is_some()).await;
    let mut follower = world.run(wish(&["example.com"])).await;
    follower.until(|row| row.last_error.is_some()).await;
    world.hand.set(leader.status.rows()[0].next_at.expect("a moment"));
    world.order().await;
    leader.until(issued).await;
    follower.until(issued).await;
    leader.stop().await;
    world.hand.set(follower.status.rows()[0].next_at.expect("the renewal"));
    assert!(!world.order().await.rehearse, "nothing has failed since");
    follower.stop().await;
}
