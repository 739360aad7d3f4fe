//! What is certain to fail is not ordered, is told with its reason, and is looked at again.

use crate::doctor::{acme, pebble};
use crate::house::named::Named;
use crate::house::port;
use crate::house::process::{Place, Sidegate};

const SITE: &str = "[[site]]\nto = 1\ndomains = [\"strict.test\"]\n";
const FORBIDDEN: &str = "strict A 127.0.0.1\nstrict CAA 0 issue \";\"\n";

#[tokio::test]
async fn an_order_that_a_record_forbids_waits_until_it_does_not() {
    let (place, mut named) = (Place::new(), Named::holding(FORBIDDEN).await);
    let pebble = pebble(&place, &named).await;
    let sidegate = Sidegate::serve(&place.configure(&acme(&place, &pebble, &named), SITE)).await;
    let line = sidegate.logged(&["not issued"]).await;
    for words in [
        "not ordered: strict.test: CAA: the CAA records of strict.test allow",
        "Set the record: strict.test. CAA 0 issue",
        "failures=0",
    ] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(pebble.orders(), 0, "the CA never saw it");
    named.hold("strict A 127.0.0.1\nstrict CAA 0 issue \"ca.test\"\n").await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    assert_eq!(pebble.orders(), 1);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_name_without_an_address_waits_for_one() {
    let (place, mut named) = (Place::new(), Named::holding("strict TXT \"x\"\n").await);
    let pebble = pebble(&place, &named).await;
    let sidegate = Sidegate::serve(&place.configure(&acme(&place, &pebble, &named), SITE)).await;
    sidegate
        .logged(&["not issued", "addresses: its name servers have neither an A nor an AAAA record"])
        .await;
    assert_eq!(pebble.orders(), 0, "the CA never saw it");
    named.hold("strict A 127.0.0.1\n").await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn who_does_not_want_it_orders_all_the_same() {
    let (place, named) = (Place::new(), Named::holding(FORBIDDEN).await);
    let pebble = pebble(&place, &named).await;
    let acme = format!("{}\npreflight = false", acme(&place, &pebble, &named));
    let sidegate = Sidegate::serve(&place.configure(&acme, SITE)).await;
    // Pebble does not look at CAA records.
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn servers_that_say_nothing_keep_nobody_from_ordering() {
    let (place, named) = (Place::new(), Named::holding("strict A 127.0.0.1\n").await);
    let pebble = pebble(&place, &named).await;
    let acme = acme(&place, &pebble, &named);
    let nobody = format!("127.0.0.1:{}", port::free());
    let acme = acme.replace(&named.server().to_string(), &nobody);
    let sidegate = Sidegate::serve(&place.configure(&acme, SITE)).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
}
