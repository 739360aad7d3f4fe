//! A CA that has several chains for a certificate.

use sidegate::pki::Bundle;

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::log::Captured;

async fn rig() -> (Rig, FrontOfCa) {
    let rig = Rig::with(|settings| settings.alternate_roots = 2).await;
    let front = FrontOfCa::start(&rig.pebble).await;
    (rig, front)
}

async fn issued(rig: &Rig, front: &FrontOfCa, preferred: &str) -> Bundle {
    let mut options = rig.options_through(front);
    options.preferred_chain = Some(preferred.to_owned());
    Wish::new("chains.example.com").ask(&rig.issuer(&options)).await.expect("a certificate")
}

#[tokio::test]
async fn the_chain_that_is_preferred_is_taken() {
    let (rig, front) = rig().await;
    let log = Captured::new();
    for chain in [1, 2] {
        let name = rig.pebble.root_name(chain).await;
        assert_ne!(name, rig.pebble.root_name(0).await);
        assert_eq!(issued(&rig, &front, &name).await.chain().top_issuer(), name);
    }
    log.assert_in_order(&["received the certificate", "takes the preferred chain"]);
}

#[tokio::test]
async fn the_first_chain_is_not_asked_about_where_it_is_the_one() {
    let (rig, front) = rig().await;
    let name = rig.pebble.root_name(0).await;
    assert_eq!(issued(&rig, &front, &name).await.chain().top_issuer(), name);
    Wish::new("any.example.com").ask(&rig.issuer(&rig.options_through(&front))).await.expect("a certificate");
    assert_eq!(front.count("/alternate/"), 0, "{:?}", front.seen());
}

#[tokio::test]
async fn a_chain_that_there_is_not_costs_no_certificate() {
    let (rig, front) = rig().await;
    let log = Captured::new();
    let bundle = issued(&rig, &front, "Nobody's Root").await;
    let first = rig.pebble.root_name(0).await;
    assert_eq!(bundle.chain().top_issuer(), first);
    assert!(front.count("/alternate/") >= 2, "{:?}", front.seen());
    let last = rig.pebble.root_name(2).await;
    let told = format!(
        "the CA has no such chain; takes the one it prefers preferred=\"Nobody's Root\" offers=\"{first}, "
    );
    log.assert_in_order(&[&told, &last]);
}

#[tokio::test]
async fn chains_that_cannot_be_read_cost_no_certificate() {
    let (rig, front) = rig().await;
    front.plan("/alternate/", 1, Fault::Drop);
    front.plan("/alternate/", 1, Fault::Endless);
    let log = Captured::new();
    let name = rig.pebble.root_name(2).await;
    let bundle = issued(&rig, &front, &name).await;
    assert_eq!(bundle.chain().top_issuer(), rig.pebble.root_name(0).await);
    log.assert_in_order(&[
        "another chain could not be read",
        "another chain could not be read",
        "no such chain",
    ]);
}
