//! An order that was begun is seen through, and never placed twice.

use sidegate::issuer::{ChallengeKind, IssueError, Issuer, Limits, OrderNote};
use sidegate::pki::{KeyType, PrivateKey};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::port;

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
    for (path, times, fault) in [
        ("/authZ/", 1, Fault::Drop),
        ("/chalZ/", 1, Fault::html(502)),
        ("/my-order/", 10, Fault::Drop),
        ("/finalize-order/", 1, Fault::Drop),
        ("/certZ/", 1, Fault::html(503)),
        ("/certZ/", 1, Fault::LoseAnswer),
    ] {
        front.heal();
        front.plan(path, times, fault);
        wish.ask(&rig.issuer(&options)).await.expect_err(path);
    }
    front.heal();
    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1), "{:#?}", front.seen());
}

#[tokio::test]
async fn a_finalize_whose_answer_got_lost_is_not_an_error() {
    let rig = Rig::exact().await;
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
async fn an_order_that_died_while_we_were_away_is_no_failure_but_for_the_ca() {
    let port = port::free();
    let mut rig = Rig::with(|settings| {
        settings.http_port = port;
        // The other kind never works here, so this one must not be given up for having found nobody.
        settings.tls_port = port::free();
        settings.nonce_reject = 0;
    })
    .await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let mut options = rig.options_through(&front);
    options.limits = Some(Limits::letsencrypt());
    let issuer = rig.issuer(&options);
    let wish = Wish::new("shop.example.com");
    // The CA is told to look, nobody is there to be found, and nobody is there to hear of it: a process has died.
    front.plan("/chalZ/", 1, Fault::LoseAnswer);
    front.plan("/authZ/", 1, Fault::Pass);
    front.plan("/authZ/", 1, Fault::Drop);
    wish.ask(&issuer).await.expect_err("the network fails");
    rig.pebble.wait_for_line(&["authz", "set INVALID"]).await;

    rig.answer_http01_at(port).await;
    // A process of its own: the ledger is what it knows.
    let issuer = rig.issuer(&options);
    wish.ask(&issuer).await.expect("another order is placed at once");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (2, 1));
    assert_eq!(left_of_set(&issuer, &wish).await, 4, "what came to nothing was given back");
    assert_eq!(rig.failures(&options, "shop.example.com").await, 1, "the CA has counted it");
}

#[tokio::test]
async fn an_order_that_nobody_can_go_on_with_costs_nothing() {
    let rig = Rig::exact().await;
    let mut options = rig.options();
    options.limits = Some(Limits::letsencrypt());
    let issuer = rig.issuer(&options);
    // A process that dies after the order is placed and before it is noted, more often than there are tokens.
    for _ in 0..6 {
        let wish = Wish::new("shop.example.com");
        wish.notes.refuse();
        let error = wish.ask(&rig.issuer(&options)).await.expect_err("the disk is full");
        assert!(matches!(error, IssueError::Note(_)), "{error}");
    }
    let wish = Wish::new("shop.example.com");
    tokio::select! {
        biased;
        () = wish.notes.wait() => {}
        done = wish.ask(&issuer) => panic!("it was issued before it was cancelled: {done:?}"),
    }
    let note = wish.notes.order_now().expect("the order is noted");
    // The CA has forgotten it.
    wish.notes.set(OrderNote { order: format!("{}0", note.order), ..note });
    wish.ask(&issuer).await.expect("another order is placed");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (8, 1));
    assert_eq!(left_of_set(&issuer, &wish).await, 4);
}

/// How many certificates with the same names the CA allows now.
async fn left_of_set(issuer: &dyn Issuer, wish: &Wish) -> u32 {
    let left = issuer.left(&[&wish.names]).await.expect("the ledger reads");
    left[0].iter().find(|left| left.of.starts_with("set ")).expect("the limit is known").left
}

#[tokio::test]
async fn an_order_that_cannot_be_noted_goes_no_further() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let wish = Wish::new("shop.example.com");
    wish.notes.refuse();
    let error = wish.ask(&rig.issuer(&rig.options_through(&front))).await.expect_err("the disk is full");
    assert!(matches!(error, IssueError::Note(_)), "{error}");
    assert_eq!((front.count("/order-plz") > 0, front.count("/chalZ/")), (true, 0));
}

#[tokio::test]
async fn two_orders_for_one_name_take_turns() {
    let rig = Rig::new().await;
    let issuer = rig.issuer_by(ChallengeKind::TlsAlpn01);
    let (one, two) = (Wish::new("shop.example.com"), Wish::new("shop.example.com www.example.com"));
    let (one, two) = tokio::join!(one.ask(&issuer), two.ask(&issuer));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(rig.pebble.accounts(), 1, "two orders at once register one account");
}
