//! dns-persist-01 with a real ACME CA, a real DNS server and the real program: a record that the owner of a name sets once.

use std::time::{Duration, SystemTime};

use crate::doctor::{acme, doctor, pebble};
use crate::house::client::Client;
use crate::house::named::Named;
use crate::house::pebble::Pebble;
use crate::house::process::{Place, Sidegate};

const BOTH: &str = "\"good.test\", \"*.good.test\"";
const ADDRESS: &str = "good A 127.0.0.1\n";
const ONLY: &str = "challenges = [\"dns-persist-01\"]";

fn configure(
    place: &Place,
    pebble: &Pebble,
    named: &Named,
    general: &str,
    names: &str,
) -> std::path::PathBuf {
    let acme = format!("{}\n{general}", acme(place, pebble, named));
    place.configure(&acme, &format!("[[site]]\nto = 1\ndomains = [{names}]\n"))
}

/// The records that a text wants to be set, as lines of a zone.
fn records(told: &str) -> Vec<String> {
    let told = told.replace("\\\"", "\"");
    let record = |rest: &str| rest.split_inclusive('"').take(2).collect::<String>();
    told.match_indices("_validation-persist.")
        .map(|(at, _)| &told[at..])
        .filter(|rest| rest.split(' ').nth(1) == Some("TXT"))
        .map(record)
        .collect()
}

#[test]
fn records_are_found_in_what_is_told() {
    let told =
        "_validation-persist.a.test has none. Set: _validation-persist.a.test. TXT \\\"x; y=z\\\" again=1";
    assert_eq!(records(told), ["_validation-persist.a.test. TXT \"x; y=z\""]);
}

/// The record without its last quote, with this before it.
fn until(record: &str, moment: u64) -> String {
    let open = record.strip_suffix('"').expect("a text");
    format!("{ADDRESS}{open}; persistUntil={moment}\"\n")
}

#[tokio::test]
async fn the_record_that_is_told_is_waited_for_and_enough() {
    let (place, mut named) = (Place::new(), Named::holding(ADDRESS).await);
    let pebble = pebble(&place, &named).await;
    let config = configure(&place, &pebble, &named, ONLY, BOTH);
    let (out, code) = doctor(&config, &["good.test"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("our account at the CA, and there is none yet"), "{out}");

    let sidegate = Sidegate::serve(&config).await;
    let line = sidegate.logged(&["not issued", "failures=0"]).await;
    let told = records(&line);
    assert_eq!(told.len(), 2, "{line}");
    assert!(told[0].contains("\"ca.test; accounturi=https://127.0.0.1:"), "{line}");
    assert!(told[0].ends_with("; policy=wildcard\"") && !told[1].contains("policy"), "{line}");
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 0));
    let (out, code) = doctor(&config, &["*.good.test"]);
    assert_eq!((code, records(&out)), (Some(2), vec![told[0].clone()]), "{out}");

    // What is enough for the name is not for its wildcard.
    named.hold(&format!("{ADDRESS}{}\n", told[1])).await;
    let line = sidegate.logged(&["not issued", "has a record, but not for wildcards"]).await;
    assert_eq!((records(&line), pebble.orders()), (vec![told[0].clone()], 0), "{line}");

    named.hold(&format!("{ADDRESS}{}\n", told[0])).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    for name in ["good.test", "*.good.test"] {
        sidegate.logged(&["validated", &format!("name={name} "), "kind=dns-persist-01"]).await;
    }
    let shown =
        Client::offering(&["h2"]).hello(place.tls(), Some("shop.good.test")).await.expect("a handshake");
    assert!(shown.leaf.issuer().starts_with("Pebble") && shown.leaf.covers("good.test"));
    assert_eq!((pebble.orders(), pebble.issued()), (1, 1));
    let (out, code) = doctor(&config, &["*.good.test"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("_validation-persist.good.test has the record\n"), "{out}");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_record_that_has_run_out_is_not_shown_to_the_ca_and_one_that_will_is_told_of() {
    let (place, mut named) = (Place::new(), Named::holding(ADDRESS).await);
    let pebble = pebble(&place, &named).await;
    let config = configure(&place, &pebble, &named, ONLY, "\"good.test\"");
    let sidegate = Sidegate::serve(&config).await;
    let record = records(&sidegate.logged(&["not issued"]).await).remove(0);
    named.hold(&until(&record, 1_700_000_000)).await;
    let line = sidegate.logged(&["not issued", "it ended 2023-11-14T22:13:20Z", "failures=0"]).await;
    assert_eq!((records(&line), pebble.orders()), (vec![record.clone()], 0), "{line}");

    let in_a_month = SystemTime::now() + Duration::from_secs(30 * 86_400);
    let in_a_month = in_a_month.duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs();
    named.hold(&until(&record, in_a_month)).await;
    let line = sidegate.logged(&["the standing record ends"]).await;
    assert!(line.contains("WARN") && records(&line) == [record.clone()], "{line}");
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    let (out, code) = doctor(&config, &["good.test"]);
    assert_eq!((code, records(&out)), (Some(1), vec![record]), "{out}");
    sidegate.stop().await;
}

#[tokio::test]
async fn who_does_not_look_before_an_order_looks_before_the_ca_does() {
    let (place, mut named) = (Place::new(), Named::holding(ADDRESS).await);
    let pebble = pebble(&place, &named).await;
    let general = format!("{ONLY}\npreflight = false");
    let sidegate = Sidegate::serve(&configure(&place, &pebble, &named, &general, "\"good.test\"")).await;
    let line =
        sidegate.logged(&["not issued", "dns-persist-01 for good.test", "no record for this CA"]).await;
    assert_eq!((pebble.orders(), pebble.count(&["Pulled a task"])), (1, 0), "the CA is not told to look");
    named.hold(&format!("{ADDRESS}{}\n", records(&line)[0])).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    assert_eq!(pebble.orders(), 1, "it goes on with the same order");
    sidegate.stop().await;
}

#[tokio::test]
async fn without_the_record_another_kind_proves_the_name() {
    let (place, named) = (Place::new(), Named::holding(ADDRESS).await);
    let pebble = pebble(&place, &named).await;
    let general = "challenges = [\"dns-persist-01\", \"http-01\"]";
    let sidegate = Sidegate::serve(&configure(&place, &pebble, &named, general, "\"good.test\"")).await;
    sidegate.logged(&["not issued", "dns-persist-01 for good.test", "failures=1"]).await;
    sidegate.logged(&["validated", "name=good.test", "kind=http-01"]).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    assert_eq!(pebble.orders(), 1);
    sidegate.stop().await;
}
