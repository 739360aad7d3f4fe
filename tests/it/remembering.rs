//! The kind of challenge that validated a name is remembered with its certificate, also across restarts.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::going_back::{from_ca, history};
use crate::house::pebble::{Pebble, Settings};
use crate::house::port;
use crate::house::process::{Place, Sidegate};
use crate::house::shop::configured;
use crate::renewing::not_renewed;
use crate::status::tell;

const NAME: &str = "shop.example.com";

/// What the newest item of the CA says of how its names were validated.
fn noted(place: &Place, config: &Path) -> Value {
    let (_, item) = from_ca(&history(config)).pop().expect("a certificate");
    let path = place.storage().join("database/items").join(item).join("issuance.json");
    let issuance: Value = serde_json::from_slice(&fs::read(path).expect("a note")).expect("JSON");
    issuance["validated"].clone()
}

/// A configuration with both kinds that look at this machine, http-01 first.
fn both(place: &Place, pebble: &Pebble) -> std::path::PathBuf {
    let config = configured(place, pebble);
    let text = fs::read_to_string(&config).expect("a file");
    let text = text.replace("[\"http-01\"]", "[\"http-01\", \"tls-alpn-01\"]\nretry = [\"1s\"]");
    fs::write(&config, text).expect("written");
    config
}

/// Waits until all is read that the program has said of its newest certificate.
async fn caught_up(sidegate: &Sidegate, config: &Path) {
    let (_, item) = from_ca(&history(config)).pop().expect("a certificate");
    sidegate.logged(&["serving", &item]).await;
}

/// How often an answer for this kind was put up.
fn posted(sidegate: &Sidegate, kind: &str) -> usize {
    let words = ["posted the answer to the challenge", kind];
    sidegate.log().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

#[tokio::test]
async fn a_renewal_begins_with_the_kind_that_worked_also_after_a_restart() {
    let place = Place::new();
    // Nobody answers where the CA looks for http-01.
    let pebble = Pebble::start(Settings::new(port::free(), place.https)).await;
    let config = both(&place, &pebble);
    let sidegate = Sidegate::issued(&config).await;
    assert_eq!((posted(&sidegate, "http-01"), posted(&sidegate, "tls-alpn-01")), (1, 1));
    assert_eq!(noted(&place, &config), json!({ NAME: "tls-alpn-01" }));
    assert_eq!(not_renewed(&config).await, None);
    caught_up(&sidegate, &config).await;
    assert_eq!((posted(&sidegate, "http-01"), posted(&sidegate, "tls-alpn-01")), (1, 2));
    sidegate.stop().await;

    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["swept"]).await;
    let (orders, issued) = (pebble.orders(), pebble.issued());
    assert_eq!(not_renewed(&config).await, None);
    caught_up(&sidegate, &config).await;
    assert_eq!((posted(&sidegate, "http-01"), posted(&sidegate, "tls-alpn-01")), (0, 1));
    assert_eq!((pebble.orders(), pebble.issued()), (orders + 1, issued + 1), "nothing was tried in vain");
    assert_eq!(noted(&place, &config), json!({ NAME: "tls-alpn-01" }));
    let story = tell(&config, &["explain", NAME]);
    assert!(story.out.contains("the name was validated by it the last time"), "{}", story.out);
    sidegate.stop().await;
}

#[tokio::test]
async fn another_order_of_kinds_counts_for_more_than_what_worked() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = both(&place, &pebble);
    let sidegate = Sidegate::issued(&config).await;
    assert_eq!(noted(&place, &config), json!({ NAME: "http-01" }));

    let text = fs::read_to_string(&config).expect("a file");
    let text = text.replace("[\"http-01\", \"tls-alpn-01\"]", "[\"tls-alpn-01\", \"http-01\"]");
    fs::write(&config, text).expect("written");
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["configured"]).await;
    for renewal in 1..=2 {
        assert_eq!(not_renewed(&config).await, None);
        caught_up(&sidegate, &config).await;
        assert_eq!(posted(&sidegate, "tls-alpn-01"), renewal, "{:#?}", sidegate.log());
        assert_eq!(noted(&place, &config), json!({ NAME: "tls-alpn-01" }));
    }
    assert_eq!(posted(&sidegate, "http-01"), 1);
    sidegate.stop().await;
}

#[tokio::test]
async fn an_item_that_does_not_say_begins_with_the_first_kind() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = both(&place, &pebble);
    let sidegate = Sidegate::issued(&config).await;
    sidegate.stop().await;
    // As an earlier version has left it; and a kind that only a later one knows.
    for (validated, kind) in
        [(None, "http-01"), (Some("carrier-pigeon-01"), "http-01"), (Some("tls-alpn-01"), "tls-alpn-01")]
    {
        let (_, item) = from_ca(&history(&config)).pop().expect("a certificate");
        let path = place.storage().join("database/items").join(item).join("issuance.json");
        let mut issuance: Value = serde_json::from_slice(&fs::read(&path).expect("a note")).expect("JSON");
        let fields = issuance.as_object_mut().expect("an object");
        match validated {
            None => fields.remove("validated"),
            Some(kind) => {
                fields.insert("validated".to_owned(), json!({ NAME: kind, "other.example.com": kind }))
            }
        };
        fs::write(&path, issuance.to_string()).expect("written");
        let sidegate = Sidegate::serve(&config).await;
        assert_eq!(not_renewed(&config).await, None);
        caught_up(&sidegate, &config).await;
        assert_eq!(posted(&sidegate, kind), 1, "{validated:?}: {:#?}", sidegate.log());
        assert_eq!(noted(&place, &config), json!({ NAME: kind }), "other names are not its own");
        sidegate.stop().await;
    }
}
