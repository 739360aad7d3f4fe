//! A configuration that is taken over while the storage is in trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidegate::ident::Provider;
use sidegate::manager::{Desired, Wish};
use sidegate::store::Prefix;
use tokio::sync::mpsc;

use super::world::{CA, World, issued, names, wish};
use crate::house::faults::{Faulty, Trouble};
use crate::house::tool::commit;

#[tokio::test]
async fn what_cannot_be_listed_is_listed_later_and_nothing_is_ordered_on_a_guess() {
    let mut world = World::new();
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let trouble = move |_: &_| is_broken.load(Ordering::SeqCst).then_some(Trouble::Fails);
    for name in ["one.example.com", "two.example.com"] {
        commit(&world.store(), &[name], Provider::Letsencrypt, Some(CA)).await;
    }
    world.engine = Faulty::troubled(Arc::clone(&world.engine), trouble);
    let mut run = world.run(wish(&["one.example.com"])).await;
    run.until(issued).await;
    let before = run.shown("one.example.com").expect("shown");

    broken.store(true, Ordering::SeqCst);
    let both = ["one.example.com", "two.example.com"].map(|name| Wish::acme(names(&[name]), CA));
    let desired = Desired { wishes: both.into(), ..Desired::default() };
    run.commands.configure(world.options(desired)).await;
    run.until_all(|row| row.next.starts_with("read")).await;
    assert_eq!(run.shown("one.example.com").expect("still shown").serial(), before.serial());

    broken.store(false, Ordering::SeqCst);
    world.hand.advance(Duration::from_secs(61));
    run.until_all(issued).await;
    assert_eq!(run.status.rows().len(), 2);
    assert!(world.orders.try_recv().is_err(), "a certificate that is there was ordered");
    run.stop().await;
}

#[tokio::test]
async fn stand_ins_that_are_given_up_while_they_are_committed_keep_no_other_one_out() {
    let mut world = World::new();
    let stuck = Arc::new(AtomicBool::new(true));
    let is_stuck = Arc::clone(&stuck);
    let (sender, mut begun) = mpsc::unbounded_channel();
    let trouble = move |place: &Prefix| {
        let is_draft = place.as_str().starts_with("spool/") && place.as_str().contains("-selfsigned-");
        let hangs = is_draft && is_stuck.load(Ordering::SeqCst);
        hangs.then(|| {
            let _ = sender.send(());
            Trouble::Hangs
        })
    };
    world.engine = Faulty::troubled(Arc::clone(&world.engine), trouble);
    let own = |name: &str| Wish::selfsigned(names(&[name]));
    let many = (0..8).map(|number| own(&format!("n{number}.example.com"))).collect();
    let mut run = world.run(Desired { wishes: many, ..Desired::default() }).await;
    // As many as there is room for.
    for _ in 0..4 {
        begun.recv().await.expect("it is committed");
    }

    // What hangs by now hangs for ever.
    stuck.store(false, Ordering::SeqCst);
    let other = Desired { wishes: vec![own("other.example.com")], ..Desired::default() };
    run.commands.configure(world.options(other)).await;
    run.until_all(|row| row.names[0].to_string() == "other.example.com" && row.served.is_some()).await;
    run.stop().await;
}
