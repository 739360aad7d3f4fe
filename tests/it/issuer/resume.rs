//! An order that was begun is seen through, and never placed twice.

use sidegate::issuer::OrderNote;
use sidegate::pki::{KeyType, PrivateKey};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

#[tokio::test]
async fn a_valid_order_gives_its_certificate_again() {
    let rig = Rig::new().await;
    let wish = Wish::new("shop.example.com");
    let first = wish.ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    let second = wish.ask(&rig.issuer(&rig.options())).await.expect("it is fetched again");
    assert_eq!(first.leaf().serial(), second.leaf().serial());
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn an_order_cancelled_just_after_it_was_noted_is_resumed() {
    let rig = Rig::new().await;
    let wish = Wish::new("shop.example.com www.shop.example.com");
    let issuer = rig.issuer(&rig.options());
    tokio::select! {
        biased;
        () = wish.notes.wait() => {}
        done = wish.ask(&issuer) => panic!("it was issued before it was cancelled: {done:?}"),
    }
    drop(issuer);
    wish.ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn an_order_is_resumed_from_every_step_at_which_the_network_fails() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let options = rig.options_through(&front);
    let wish = Wish::new("shop.example.com");
    // One attempt each: authorization, challenge, order status, finalize, certificate; before and after the CA has
    // seen the request.
    for (path, fault) in [
        ("/authZ/", Fault::Drop),
        ("/chalZ/", Fault::html(502)),
        ("/my-order/", Fault::Drop),
        ("/finalize-order/", Fault::Drop),
        ("/certZ/", Fault::html(503)),
        ("/certZ/", Fault::LoseAnswer),
    ] {
        front.heal();
        front.plan(path, 1, fault);
        wish.ask(&rig.issuer(&options)).await.expect_err(path);
    }
    front.heal();
    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1), "{:#?}", front.seen());
}

#[tokio::test]
async fn a_finalize_whose_answer_got_lost_is_not_an_error() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    front.plan("/finalize-order/", 1, Fault::LoseAnswer);
    let wish = Wish::new("shop.example.com");
    wish.ask(&rig.issuer(&rig.options_through(&front))).await.expect("the order's state tells");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn a_noted_order_that_is_gone_or_not_ours_is_left() {
    let rig = Rig::new().await;
    let wish = Wish::new("shop.example.com");
    wish.ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    let note = wish.notes.order_now().expect("the order is noted");

    wish.notes.set(OrderNote { order: format!("{}0", note.order), ..note.clone() });
    wish.ask(&rig.issuer(&rig.options())).await.expect("another order is placed");
    assert_eq!(rig.pebble.orders(), 2);

    wish.notes.set(OrderNote { account: "https://127.0.0.1/another".to_owned(), ..note.clone() });
    wish.ask(&rig.issuer(&rig.options())).await.expect("another order is placed");
    assert_eq!(rig.pebble.orders(), 3);

    wish.notes.set(OrderNote { directory: "https://127.0.0.1/another".to_owned(), ..note });
    wish.ask(&rig.issuer(&rig.options())).await.expect("another order is placed");
    assert_eq!(rig.pebble.orders(), 4);
}

#[tokio::test]
async fn a_valid_order_of_a_key_that_was_lost_is_left() {
    let rig = Rig::new().await;
    let mut wish = Wish::new("shop.example.com");
    wish.ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    wish.key = PrivateKey::generate(KeyType::P256);
    wish.ask(&rig.issuer(&rig.options())).await.expect("another is issued, for the key there is");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (2, 2));
}

#[tokio::test]
async fn an_order_that_died_while_we_were_away_is_no_failure() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let options = rig.options_through(&front);
    let wish = Wish::new("shop.example.com");
    // The CA is told to look, and finds nobody: the process has died.
    front.plan("/chalZ/", 1, Fault::LoseAnswer);
    front.plan("/authZ/", 1, Fault::Pass);
    front.plan("/authZ/", 1, Fault::Drop);
    wish.ask(&rig.issuer(&options)).await.expect_err("the network fails");
    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(rig.pebble.issued(), 1);
}
