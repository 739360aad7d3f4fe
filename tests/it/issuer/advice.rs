//! ARI (RFC 9773): at a CA that has it, and at one that has it only as far as the front in front of it says so.

use sidegate::clock;
use sidegate::issuer::{IssueError, Issuer, Options, Predecessor, Replacing};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

/// The directory gets a `renewalInfo`.
async fn with_renewal_info(rig: &Rig) -> (FrontOfCa, Options) {
    let front = FrontOfCa::start(&rig.pebble).await;
    let ari = front.directory().replace("/dir", "/ari/");
    front.plan(
        "/dir",
        1000,
        Fault::PassReplacing("{\n".to_owned(), format!("{{\n\"renewalInfo\": \"{ari}\",\n")),
    );
    let options = rig.options_through(&front);
    (front, options)
}

fn window(extra: &str) -> Fault {
    let body = r#"{"suggestedWindow":{"start":"2030-01-02T03:04:05Z","end":"2030-01-03T03:04:05Z"},
                   "explanationURL":"https://ca.example/why"}"#;
    let fault = Fault::Answer { status: 200, headers: Vec::new(), body: body.to_owned() };
    if extra.is_empty() { fault } else { fault.with_header(extra) }
}

async fn issued(rig: &Rig, options: &Options) -> Predecessor {
    let bundle = Wish::new("shop.example.com").ask(&rig.issuer(options)).await.expect("it is issued");
    let account = rig.account_at(&options.directory).await.url;
    Predecessor {
        leaf: bundle.leaf().clone(),
        directory: Some(options.directory.clone()),
        account,
        window: None,
    }
}

#[tokio::test]
async fn the_ca_is_asked_about_a_certificate_by_key_and_serial_number() {
    let rig = Rig::exact().await;
    let (front, options) = with_renewal_info(&rig).await;
    let leaf = issued(&rig, &options).await.leaf;
    let issuer = rig.issuer(&options);
    front.plan("/ari/", 1, window("Retry-After: 21600"));
    let advice = issuer.advise(&leaf).await.expect("an answer").expect("advice");
    assert_eq!(clock::rfc3339(advice.window.start()), "2030-01-02T03:04:05Z");
    assert_eq!(advice.explanation.as_deref(), Some("https://ca.example/why"));
    assert!(advice.again.is_some());
    let asked = front.seen().into_iter().find(|seen| seen.contains("/ari/")).expect("it was asked");
    let id = asked.strip_prefix("GET /ari/").expect("one slash, and no signature");
    let (key, serial) = id.split_once('.').expect("two parts");
    assert!(!key.is_empty() && !serial.is_empty() && !id.contains('='), "{id}");

    // Not every CA says when to come back.
    front.plan("/ari/", 1, window(""));
    assert_eq!(issuer.advise(&leaf).await.expect("an answer").expect("advice").again, None);
    assert_eq!(front.count("GET /dir"), 2, "the directory is not asked for anew with every question");

    front.plan("/ari/", 1, Fault::html(404));
    let error = issuer.advise(&leaf).await.expect_err("no answer");
    assert!(matches!(error, IssueError::Refused { .. }), "{error}");
    front.plan("/ari/", 1, Fault::html(200));
    let error = issuer.advise(&leaf).await.expect_err("no answer");
    assert!(matches!(error, IssueError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_ca_without_renewal_information_is_not_asked_and_not_told() {
    let rig = Rig::new().await;
    let predecessor = issued(&rig, &rig.options()).await;
    assert_eq!(rig.issuer(&rig.options()).advise(&predecessor.leaf).await.expect("an answer"), None);
    let mut wish = Wish::new("shop.example.com");
    wish.predecessor = Some(predecessor);
    wish.ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    assert_eq!(wish.replacing(), Replacing::Unnamed("the CA has no renewal information".to_owned()));
}

#[tokio::test]
async fn an_order_that_is_refused_with_what_it_replaces_is_placed_once_without() {
    let rig = Rig::exact().await;
    let (front, options) = with_renewal_info(&rig).await;
    let predecessor = issued(&rig, &options).await;
    for fault in [
        Fault::problem(409, "alreadyReplaced", "an order for this certificate was already placed"),
        Fault::problem(404, "malformed", "no such certificate"),
        // This CA does not even know what we mean, so what it does not repeat it has not understood.
        Fault::Pass,
    ] {
        let before = front.count("/order-plz");
        front.plan("/order-plz", 1, fault);
        let mut wish = Wish::new("shop.example.com");
        wish.predecessor = Some(predecessor.clone());
        wish.ask(&rig.issuer(&options)).await.expect("it is issued");
        assert_eq!(front.count("/order-plz"), before + 2);
        assert!(matches!(wish.replacing(), Replacing::Unnamed(_)), "{:?}", wish.replacing());
    }
    // A limit is not tried against a second time.
    let before = front.count("/order-plz");
    front.plan("/order-plz", 1, Fault::problem(429, "rateLimited", "too many"));
    let mut wish = Wish::new("shop.example.com");
    wish.predecessor = Some(predecessor);
    let error = wish.ask(&rig.issuer(&options)).await.expect_err("a limit");
    assert!(matches!(error, IssueError::Limited { .. }), "{error}");
    assert_eq!(front.count("/order-plz"), before + 1);
}

#[tokio::test]
async fn what_another_ca_or_another_account_issued_is_not_claimed() {
    let rig = Rig::exact().await;
    let (front, options) = with_renewal_info(&rig).await;
    let predecessor = issued(&rig, &options).await;
    let elsewhere = Some("https://127.0.0.1/elsewhere".to_owned());
    for (why, predecessor) in [
        ("another CA", Predecessor { directory: elsewhere.clone(), ..predecessor.clone() }),
        ("another CA", Predecessor { directory: None, ..predecessor.clone() }),
        ("another account", Predecessor { account: elsewhere, ..predecessor.clone() }),
        ("another account", Predecessor { account: None, ..predecessor.clone() }),
    ] {
        let before = front.count("/order-plz");
        let mut wish = Wish::new("shop.example.com");
        wish.predecessor = Some(predecessor);
        wish.ask(&rig.issuer(&options)).await.expect("it is issued");
        assert_eq!(front.count("/order-plz"), before + 1);
        let Replacing::Unnamed(told) = wish.replacing() else { panic!("{:?}", wish.replacing()) };
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn a_ca_that_has_it_is_asked_and_told() {
    let rig = Rig::with(|settings| settings.newer = true).await;
    let options = rig.options();
    let predecessor = issued(&rig, &options).await;
    let issuer = rig.issuer(&options);
    let advice = issuer.advise(&predecessor.leaf).await.expect("an answer").expect("advice");
    let (start, end) = (advice.window.start(), advice.window.end());
    assert!(predecessor.leaf.not_before() < start && end <= predecessor.leaf.not_after());
    assert!(advice.again.is_some(), "Pebble says when to ask again");

    let mut wish = Wish::new("shop.example.com");
    wish.predecessor = Some(predecessor.clone());
    wish.ask(&issuer).await.expect("it is issued");
    assert!(matches!(wish.replacing(), Replacing::Named(_)), "{:?}", wish.replacing());
    assert_eq!(rig.pebble.count(&["ARI: order", "is a replacement of"]), 1);

    // It takes one replacement for each certificate.
    let mut wish = Wish::new("shop.example.com");
    wish.predecessor = Some(predecessor);
    wish.ask(&issuer).await.expect("it is issued all the same");
    let Replacing::Unnamed(why) = wish.replacing() else { panic!("{:?}", wish.replacing()) };
    assert!(why.contains("alreadyReplaced"), "{why}");
    assert_eq!(rig.pebble.count(&["ARI: order", "is a replacement of"]), 1);
}
