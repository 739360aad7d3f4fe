//! From a request to a certificate, and the reasons why there is none.

use sidegate::issuer::{ChallengeKind, IssueError, Issuer, Verdict};
use sidegate::pki::pem;

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::port;

#[tokio::test]
async fn http_01_proves_two_names_in_one_certificate() {
    let rig = Rig::new().await;
    let wish = Wish::new("shop.example.com www.shop.example.com");
    let bundle = wish.ask(&rig.issuer_by(ChallengeKind::Http01)).await.expect("it is issued");

    assert_eq!(bundle.leaf().names().len(), 2);
    let root = pem::certificates(&rig.pebble.issuance_root()).expect("Pebble's root");
    assert_eq!(bundle.chain().ca_pem(), pem::join(root.iter().map(AsRef::as_ref)));
    assert!(!bundle.chain().chain_pem().is_empty(), "Pebble signs with an intermediate");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued(), rig.pebble.accounts()), (1, 1, 1));
}

#[tokio::test]
async fn tls_alpn_01_proves_a_name_and_an_address() {
    let rig = Rig::new().await;
    let wish = Wish::new("shop.example.com 127.0.0.1");
    let bundle = wish.ask(&rig.issuer_by(ChallengeKind::TlsAlpn01)).await.expect("it is issued");
    assert_eq!(bundle.leaf().names().len(), 2);
    assert_eq!(rig.pebble.issued(), 1);
    assert!(!rig.resolver.tls_alpn01("shop.example.com"), "the answer still hangs");
}

#[tokio::test]
async fn a_kind_that_failed_gives_way_to_the_other() {
    // Nobody listens where http-01 knocks.
    let rig = Rig::with(|settings| settings.http_port = port::free()).await;
    let issuer = rig.issuer(&rig.options());
    let wish = Wish::new("shop.example.com");

    let error = wish.ask(&issuer).await.expect_err("http-01 comes first and cannot work");
    assert_eq!(error.verdict(), Verdict::After(None));
    let IssueError::Unverified { name, kind, detail } = error else { panic!("{error}") };
    assert_eq!((name.to_string().as_str(), kind), ("shop.example.com", ChallengeKind::Http01));
    assert!(detail.contains("connection refused"), "{detail}");

    let bundle = wish.ask(&issuer).await.expect("tls-alpn-01 comes next and works");
    assert!(bundle.leaf().covers("shop.example.com"));
    assert_eq!(rig.pebble.orders(), 2, "an order that failed is of no use any more");
}

#[tokio::test]
async fn a_name_the_ca_does_not_want_is_refused_for_good() {
    let rig = Rig::with(|settings| settings.blocklist = vec!["blocked.example.com".to_owned()]).await;
    let wish = Wish::new("blocked.example.com");
    let error = wish.ask(&rig.issuer(&rig.options())).await.expect_err("the name is on the list");
    assert_eq!(error.verdict(), Verdict::Never, "{error}");
    assert!(error.to_string().contains("rejectedIdentifier"), "{error}");
}

#[tokio::test]
async fn a_wildcard_cannot_be_proved_by_what_is_built() {
    let rig = Rig::new().await;
    let wish = Wish::new("*.shop.example.com");
    let error = wish.ask(&rig.issuer(&rig.options())).await.expect_err("no solver can do it");
    assert_eq!(error.verdict(), Verdict::Never);
    let IssueError::Unprovable { name, offered } = error else { panic!("{error}") };
    assert_eq!((name.to_string().as_str(), offered.as_str()), ("*.shop.example.com", "dns-01"));
}

#[tokio::test]
async fn cancelling_takes_the_answers_down() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    // The CA is never told that it may look, so the answer hangs until somebody gives up.
    front.plan("/chalZ/", 1, Fault::Stall);
    let mut options = rig.options_through(&front);
    options.challenges = vec![ChallengeKind::TlsAlpn01];
    let issuer = rig.issuer(&options);
    let wish = Wish::new("shop.example.com");
    let hangs = async {
        front.wait_for("/chalZ/").await;
        rig.resolver.tls_alpn01("shop.example.com")
    };
    let hung = tokio::select! {
        hung = hangs => hung,
        done = wish.ask(&issuer) => panic!("the CA was stalled, but: {done:?}"),
    };
    assert!(hung, "the answer hangs before the CA is told to look");
    assert!(!rig.resolver.tls_alpn01("shop.example.com"), "the answer hangs after the end");
}

#[tokio::test]
async fn every_step_is_told_in_order() {
    let rig = Rig::new().await;
    let log = crate::house::log::Captured::new();
    let wish = Wish::new("shop.example.com www.shop.example.com");
    wish.ask(&rig.issuer_by(ChallengeKind::Http01)).await.expect("it is issued");
    log.assert_in_order(&[
        "terms=\"data:text/plain,Do%20what%20thou%20wilt\"",
        "registered the account",
        "placed an order",
        "posted the answer to the challenge name=",
        "posted the answer to the challenge name=",
        "validated name=",
        "validated name=",
        "finalizes the order names=shop.example.com www.shop.example.com",
        "received the certificate names=shop.example.com www.shop.example.com",
    ]);
    let text = log.text();
    for name in ["shop.example.com", "www.shop.example.com"] {
        assert!(
            text.contains(&format!("posted the answer to the challenge name={name} kind=http-01")),
            "{text}"
        );
        assert!(text.contains(&format!("validated name={name} kind=http-01")), "{text}");
    }
}

#[tokio::test]
async fn the_ca_is_told_who_asks() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let issuer = rig.issuer(&rig.options_through(&front));
    Wish::new("shop.example.com").ask(&issuer).await.expect("it is issued");
    let agent = format!("user-agent: sidegate/{}", env!("CARGO_PKG_VERSION"));
    let heads = front.heads();
    assert!(heads.len() > 5 && heads.iter().all(|head| head.contains(&agent)), "{heads:#?}");
    assert_eq!(issuer.provider().as_str(), "letsencrypt");
}
