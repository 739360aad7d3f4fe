//! Limits are kept before the CA has to say so, whatever is restarted or lost in between.

use std::time::{Duration, SystemTime};

use sidegate::ident::{Lineage, Provider};
use sidegate::issuer::{IssueError, Issuer, Limit, Limits, Options, Predecessor, Replacing, Verdict, Window};
use sidegate::pki::KeyType;
use sidegate::store::Issuance;
use sidegate::store::memory::MemoryEngine;

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::{issued, port};

const HOUR: Duration = Duration::from_secs(3600);

/// A CA that gives three certificates for one set of names, one of them in an emergency only.
fn three_of_a_set(mut options: Options) -> Options {
    options.limits = Some(Limits { set: Limit::new(3, HOUR * 34), ..Limits::letsencrypt() });
    options
}

/// When it will be allowed; fails if it is now.
async fn kept(wish: &Wish, issuer: &dyn Issuer) -> SystemTime {
    let error = wish.ask(issuer).await.expect_err("the limit is kept");
    assert!(matches!(error, IssueError::Spent { .. }), "{error}");
    let Verdict::Wait(until) = error.verdict() else { panic!("{error}") };
    until
}

#[tokio::test]
async fn an_order_that_would_be_refused_is_not_placed() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let options = three_of_a_set(rig.options_through(&front));
    for _ in 0..2 {
        Wish::new("shop.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    }
    // Each issuer is a new process: the ledger is what it knows.
    let mut wish = Wish::new("shop.example.com");
    let wait = kept(&wish, &rig.issuer(&options)).await.duration_since(SystemTime::now()).expect("later");
    assert!(wait > HOUR * 33 && wait <= HOUR * 34, "{wait:?}");
    assert_eq!(front.count("/order-plz"), 2);
    Wish::new("shop.example.com www.example.com").ask(&rig.issuer(&options)).await.expect("another set");

    wish.urgent = true;
    wish.ask(&rig.issuer(&options)).await.expect("the last one is for emergencies");
    let wish = Wish { urgent: true, ..Wish::new("shop.example.com") };
    kept(&wish, &rig.issuer(&options)).await;
    assert_eq!(front.count("/order-plz"), 4);
}

#[tokio::test]
async fn a_ledger_that_was_lost_is_written_anew_from_what_was_issued() {
    let rig = Rig::exact().await;
    let options = three_of_a_set(rig.options());
    let lineage = issued::lineage(&["shop.example.com"], Provider::Letsencrypt);
    for _ in 0..2 {
        commit(&rig, &lineage, &options.directory).await;
    }
    kept(&Wish::new("shop.example.com"), &rig.issuer(&options)).await;
    let elsewhere = issued::lineage(&["www.example.com"], Provider::Letsencrypt);
    for _ in 0..2 {
        commit(&rig, &elsewhere, "https://elsewhere.example/directory").await;
    }
    Wish::new("www.example.com").ask(&rig.issuer(&options)).await.expect("another CA issued those");
}

async fn commit(rig: &Rig, lineage: &Lineage, directory: &str) {
    let mut draft = rig.store.spool().open(lineage).await.expect("a draft");
    let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    let issuance = Issuance {
        directory: Some(directory.to_owned()),
        ..Issuance::new(KeyType::P256.as_str(), "a test", SystemTime::now())
    };
    draft.note_issuance(&issuance).await.expect("noted");
    draft.commit(&issued::answer(lineage, &key, &request)).await.expect("committed");
}

#[tokio::test]
async fn a_name_that_has_failed_too_often_is_not_tried() {
    let rig = Rig::with(|settings| {
        settings.nonce_reject = 0;
        settings.http_port = port::free();
        settings.tls_port = port::free();
    })
    .await;
    let mut options = rig.options();
    let failures = Limit::new(2, HOUR);
    options.limits = Some(Limits { failures, set: Limit::new(2, HOUR), ..Limits::letsencrypt() });
    let issuer = rig.issuer(&options);
    for _ in 0..2 {
        let error = Wish::new("shop.example.com").ask(&issuer).await.expect_err("nobody answers");
        assert!(
            matches!(error, IssueError::Unverified { .. }),
            "{error}: what came to nothing was given back"
        );
    }
    kept(&Wish::new("shop.example.com www.example.com"), &issuer).await;
    assert_eq!(rig.pebble.orders(), 2);
    let error = Wish::new("www.example.com").ask(&issuer).await.expect_err("nobody answers");
    assert!(matches!(error, IssueError::Unverified { .. }), "{error}: another name");
}

#[tokio::test]
async fn accounts_are_limited_too() {
    let mut rig = Rig::exact().await;
    let mut options = rig.options();
    options.limits = Some(Limits { accounts: Limit::new(1, HOUR), ..Limits::letsencrypt() });
    let issuer = rig.issuer(&options);
    Wish::new("shop.example.com").ask(&issuer).await.expect("it is issued");
    // The CA forgets the account, and with it the account's orders.
    rig.pebble.restart().await;
    kept(&Wish::new("www.example.com"), &issuer).await;
    assert_eq!(rig.pebble.accounts(), 0);
}

#[tokio::test]
async fn the_word_of_the_ca_is_kept_for_everybody_it_concerns() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let mut options = rig.options_through(&front);
    options.limits = Some(Limits::letsencrypt());
    let issuer = rig.issuer(&options);
    let limit =
        Fault::problem(429, "rateLimited", "too many new orders (300) from this account in the last 3h0m0s");
    front.plan("/order-plz", 1, limit.with_header("Retry-After: 3600"));
    let error = Wish::new("shop.example.com").ask(&issuer).await.expect_err("the CA says so");
    assert!(matches!(error, IssueError::Limited { .. }), "{error}");
    let wait =
        kept(&Wish::new("www.example.com"), &issuer).await.duration_since(SystemTime::now()).expect("later");
    assert!(wait > HOUR - Duration::from_secs(60) && wait <= HOUR, "{wait:?}");
    assert_eq!(front.count("/order-plz"), 1);
}

#[tokio::test]
async fn what_is_renewed_in_its_window_costs_nothing() {
    let rig = Rig::with(|settings| settings.newer = true).await;
    let options = three_of_a_set(rig.options());
    let issuer = rig.issuer(&options);
    let mut last = None;
    for _ in 0..2 {
        last = Some(Wish::new("shop.example.com").ask(&issuer).await.expect("it is issued"));
    }
    let now = SystemTime::now();
    let mut wish = Wish::new("shop.example.com");
    wish.predecessor = Some(Predecessor {
        leaf: last.expect("issued").leaf().clone(),
        directory: Some(options.directory.clone()),
        account: rig.account().await.url,
        window: Window::new(now - HOUR * 2, now - HOUR),
    });
    // The CA's window is over, as it is in an emergency: the exemption is over with it.
    kept(&wish, &issuer).await;
    let predecessor = wish.predecessor.as_mut().expect("there is one");
    predecessor.window = Window::new(now - HOUR, now + HOUR);
    wish.ask(&issuer).await.expect("it is exempt");
    assert!(matches!(wish.replacing(), Replacing::Named(_)), "{:?}", wish.replacing());
    // What the CA does not take for a replacement is not exempt.
    let again = Wish { predecessor: wish.predecessor, ..Wish::new("shop.example.com") };
    kept(&again, &issuer).await;
}

#[tokio::test]
async fn a_ca_whose_limits_nobody_knows_has_none() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    for _ in 0..6 {
        Wish::new("shop.example.com").ask(&issuer).await.expect("it is issued");
    }
}

#[tokio::test]
async fn a_storage_that_was_lost_orders_little_until_it_is_forced() {
    let mut rig = Rig::exact().await;
    let mut options = rig.options();
    options.limits = Some(Limits::letsencrypt());
    let engine = MemoryEngine::new();
    let ask = async |rig: &Rig| Wish::new("shop.example.com").ask(&rig.issuer(&options)).await;
    rig.start_on(engine.clone(), false, false).await;
    ask(&rig).await.expect("it is issued");

    // The volume is gone at the next start, and at the one after it.
    for _ in 0..2 {
        rig.start_on(engine.emptied(), false, false).await;
        ask(&rig).await.expect("it is issued");
    }
    rig.start_on(engine.emptied(), false, false).await;
    let wait = kept(&Wish::new("shop.example.com"), &rig.issuer(&options)).await;
    assert!(wait > SystemTime::now() + HOUR * 24 * 6, "no more than two in a week");
    Wish::new("www.example.com").ask(&rig.issuer(&options)).await.expect("another set of names");

    let lost = engine.emptied();
    rig.start_on(lost.clone(), false, true).await;
    ask(&rig).await.expect("as forced");
    assert_eq!(rig.pebble.issued(), 5);
    // What it has cost is known all the same: one is left, for emergencies.
    rig.start_on(lost, false, false).await;
    let wait = kept(&Wish::new("shop.example.com"), &rig.issuer(&options)).await;
    assert!(wait < SystemTime::now() + HOUR * 40);
}

#[tokio::test]
async fn a_storage_that_somebody_expects_not_to_be_empty_is_guarded() {
    let mut rig = Rig::exact().await;
    let mut options = rig.options();
    options.limits = Some(Limits::letsencrypt());
    rig.start_on(MemoryEngine::new(), true, false).await;
    for _ in 0..2 {
        Wish::new("shop.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    }
    kept(&Wish::new("shop.example.com"), &rig.issuer(&options)).await;
    // Without a word, a first start is a first start.
    rig.start_on(MemoryEngine::new(), false, false).await;
    for _ in 0..4 {
        Wish::new("shop.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    }
}
