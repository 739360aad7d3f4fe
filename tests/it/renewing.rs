//! `sidegate renew`: through the process that runs, with the CA's word as the outcome.

use std::fs;
use std::path::Path;

use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::status::{Told, localhost, tell};

/// Runs a tool, while what the test has started goes on.
pub(crate) async fn asked(config: &Path, words: &'static [&'static str]) -> Told {
    let config = config.to_owned();
    tokio::task::spawn_blocking(move || tell(&config, words)).await.expect("no panic")
}

/// Why the shop's certificate is not renewed, if it is not.
pub(crate) async fn not_renewed(config: &Path) -> Option<String> {
    let told = asked(config, &["renew", "shop.example.com", "--force"]).await;
    (told.code != Some(0)).then_some(told.err)
}

#[tokio::test]
async fn a_renewal_is_asked_for_and_waited_for() {
    let (_place, pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    let item = || tell(&config, &["status", "--json"]).json()["certificates"][0]["item"].clone();
    let (first, issued) = (item(), pebble.issued());

    let told = tell(&config, &["renew", "shop.example.com"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{}", told.err);
    assert!(told.err.contains("not due: the certificate is to be renewed at 20"), "{}", told.err);
    assert!(told.err.contains("--force"), "{}", told.err);

    // This CA has no staging environment that we know, so nothing is ordered to try it out.
    let told = tell(&config, &["renew", "shop.example.com", "--dry-run"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.starts_with("looked at: https://"), "{}", told.out);
    assert_eq!((item(), pebble.issued()), (first.clone(), issued), "a trial changes nothing");

    let told = tell(&config, &["renew", "shop.example.com", "--force"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let second = item();
    assert_ne!(second, first);
    assert!(
        told.out.starts_with(&format!("renewed: {}\n", second.as_str().expect("an item"))),
        "{}",
        told.out
    );
    assert!(told.out.contains("Pebble"), "and how it is now: {}", told.out);
    assert_eq!(pebble.issued(), issued + 1);

    let told = tell(&config, &["renew", "other.example.com"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("nobody has configured other.example.com"), "{}", told.err);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_failure_is_the_outcome_too_and_is_remembered() {
    let place = Place::new();
    let acme = "directory = \"https://127.0.0.1:1/directory\"";
    let config = place.configure(acme, "[[site]]\ndomains = [\"www.example.com\"]\nto = 3000\n");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["not issued"]).await;
    let told = tell(&config, &["renew", "www.example.com"]);
    assert!(told.err.contains("not due: after a failure the next attempt is to be made at"), "{}", told.err);
    let told = tell(&config, &["renew", "www.example.com", "--force"]);
    assert_eq!(told.code, Some(1), "{}", told.out);
    assert!(told.err.contains("not issued: https://127.0.0.1:1/directory"), "{}", told.err);
    let next = tell(&config, &["status", "--json"]).json()["certificates"][0]["next"].clone();
    assert_eq!(next, "order, attempt 3", "it is one more failure");
    let told = tell(&config, &["renew", "www.example.com", "--dry-run"]);
    assert!(told.err.contains("not issued: https://127.0.0.1:1/directory"), "{}", told.err);
    sidegate.stop().await;
}

#[tokio::test]
async fn what_we_sign_ourselves_is_signed_anew_and_without_a_process_nothing_is() {
    let place = Place::new();
    let config = localhost(&place);
    fs::create_dir(place.storage()).expect("made");
    let told = tell(&config, &["renew", "localhost", "--force"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("no process uses the storage"), "{}", told.err);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let told = tell(&config, &["renew", "localhost", "--force"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(fs::read_dir(place.storage().join("database/items")).expect("items").count(), 2);
    let told = tell(&config, &["renew", "localhost", "--dry-run"]);
    assert!(told.out.starts_with("nothing to try out"), "{}{}", told.out, told.err);
    sidegate.stop().await;
}
