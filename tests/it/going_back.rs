//! `sidegate history`, `show` and `rollback`: what was, and serving it again.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use sidegate::ident::Provider;

use crate::house::client::Client;
use crate::house::process::{PATIENCE, Place, Sidegate};
use crate::house::shop::shop;
use crate::house::tool::{commit, store};
use crate::status::{localhost, tell};

const NAME: &str = "shop.example.com";

/// The serial number of what a client is shown.
pub(crate) async fn shown(place: &Place) -> String {
    Client::offering(&["http/1.1"]).hello(place.tls(), Some(NAME)).await.expect("a handshake").leaf.serial()
}

pub(crate) fn history(config: &Path) -> Value {
    let told = tell(config, &["history", NAME, "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    told.json()
}

/// Serial number and id of the items from the CA.
pub(crate) fn from_ca(history: &Value) -> Vec<(String, String)> {
    let items = history["items"].as_array().expect("items").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let from_ca = items.filter(|item| item["provider"] == "letsencrypt");
    from_ca.map(|item| (text(&item["serial"]), text(&item["item"]))).collect()
}

/// A process whose CA has issued twice.
async fn issued_twice(config: &Path) -> Sidegate {
    let sidegate = Sidegate::issued(config).await;
    let told = tell(config, &["renew", NAME, "--force"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    sidegate
}

#[tokio::test]
async fn an_earlier_certificate_is_served_until_the_next_is_issued() {
    let (place, _pebble, config) = shop().await;
    let sidegate = issued_twice(&config).await;
    let before = history(&config);
    let [(first, first_item), (second, second_item)] =
        from_ca(&before).try_into().expect("two certificates of the CA");
    assert_eq!(shown(&place).await, second);
    assert_eq!((&before["version"], &before["served"]), (&1.into(), &Value::from(second_item.as_str())));
    assert!(before["rule"].as_str().expect("text").starts_with("it is the newest"), "{before}");

    let told = tell(&config, &["rollback", NAME]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.contains(&format!("is served with {first_item}: it was gone back to")), "{}", told.out);
    assert_eq!(shown(&place).await, first, "when the command returns it is served");
    let told = tell(&config, &["status"]);
    assert!(told.out.contains("\n  gone back to at 20"), "{}", told.out);
    assert!(tell(&config, &["status", "--json"]).json()["certificates"][0]["pinned"].is_string());
    let exported = tell(&config, &["export", NAME, "--format", "pem"]);
    let item = place.storage().join("database/items").join(&first_item);
    let crt = fs::read_to_string(item.join("crt.pem")).expect("a certificate");
    assert!(exported.out.starts_with(&crt), "what is served is exported: {}", exported.err);
    let told = tell(&config, &["history", NAME]);
    assert!(told.out.contains(&format!("* {first_item}  letsencrypt")), "{}", told.out);
    assert!(told.out.contains("asked for by an operator"), "why it was made: {}", told.out);
    let pointer = place.storage().join("database/latest-by-fqdn").join(NAME);
    let target = fs::read_link(&pointer).expect("a pointer");
    assert!(target.ends_with(&second_item), "pointers go on to mean the newest: {target:?}");

    let told = tell(&config, &["rollback", NAME, "--off"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(shown(&place).await, second);
    let told = tell(&config, &["rollback", NAME, "--to", &first_item]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(shown(&place).await, first);

    let told = tell(&config, &["renew", NAME, "--force"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let third = from_ca(&history(&config)).pop().expect("a certificate").0;
    assert_eq!(shown(&place).await, third);
    assert_eq!(fs::read_dir(place.storage().join("state/pins")).expect("pins").count(), 0);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_pin_set_beside_a_process_is_followed_and_lasts() {
    let (place, _pebble, config) = shop().await;
    let sidegate = issued_twice(&config).await;
    let [(first, _), (second, _)] = from_ca(&history(&config)).try_into().expect("two");
    // Without its socket the process is not asked, but sees what changes in the storage.
    let socket = place.storage().join("state/control/1.sock");
    fs::remove_file(&socket).expect("a socket");
    let told = tell(&config, &["rollback", NAME]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    sidegate.logged(&["pinned names="]).await;
    let followed = async { while shown(&place).await != first {} };
    tokio::time::timeout(PATIENCE, followed).await.expect("it is followed");
    sidegate.signal(Signal::TERM);
    sidegate.ended().await;

    let again = Sidegate::serve(&config).await;
    assert_eq!(shown(&place).await, first, "a restart goes on with it");
    let told = tell(&config, &["rollback", NAME, "--off"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(shown(&place).await, second);
    again.stop().await;
}

#[tokio::test]
async fn going_back_where_no_process_runs_is_told_and_seen_as_well() {
    let place = Place::new();
    let config = localhost(&place);
    let store = store(&place.storage());
    let mut items = Vec::new();
    for _ in 0..2 {
        items.push(commit(&store, &["localhost"], Provider::Selfsigned, None).await.0);
    }
    let status = || tell(&config, &["status"]).out;
    assert!(!status().contains("gone back to"), "{}", status());
    let told = tell(&config, &["rollback", "localhost"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(status().contains("\n  gone back to at 20"), "{}", status());
    let told = tell(&config, &["rollback", "localhost", "--off"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(!status().contains("gone back to"), "{}", status());

    let story = tell(&config, &["explain", "localhost"]).out;
    let went_back = format!("went back to {}", items[0]);
    let mut rest = story.as_str();
    for what in ["operator: rollback\n", &went_back, "operator: rollback --off\n", "serves the newest again"]
    {
        rest = rest.split_once(what).unwrap_or_else(|| panic!("no «{what}» in its place in:\n{story}")).1;
    }
}

#[tokio::test]
async fn what_should_not_be_served_is_not_gone_back_to() {
    let (place, _pebble, config) = shop().await;
    let sidegate = issued_twice(&config).await;
    let [(_, first_item), (second, _)] = from_ca(&history(&config)).try_into().expect("two");
    let refused = |words: &[&str], why: &str| {
        let told = tell(&config, words);
        assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{words:?}");
        assert!(told.err.contains(why), "{words:?}: {}", told.err);
    };
    refused(&["rollback", "other.example.com"], "nobody has configured other.example.com");
    refused(&["rollback", NAME, "--to", "20200101T000000.000000000Z-aaaaaaaaaaaaaaaa"], "there is no item");
    refused(&["rollback", NAME, "--to", "x"], "x");
    let revoked = place.storage().join("state/revoked");
    fs::write(revoked.join(&first_item), r#"{"at": "2026-01-01T00:00:00Z"}"#).expect("written");
    refused(&["rollback", NAME, "--to", &first_item], "was revoked at 2026-01-01T00:00:00Z");
    refused(&["rollback", NAME], "nothing to go back to");
    fs::write(revoked.join(&first_item), "x").expect("written");
    refused(&["rollback", NAME, "--to", &first_item], "is damaged");
    assert_eq!(shown(&place).await, second);
    assert_eq!(fs::read_dir(place.storage().join("state/pins")).expect("pins").count(), 0);
    sidegate.stop().await;
}

#[tokio::test]
async fn an_item_is_shown_without_its_key() {
    let (place, pebble, config) = shop().await;
    let sidegate = issued_twice(&config).await;
    let (serial, item) = from_ca(&history(&config)).pop().expect("an item");
    let live = tell(&config, &["show", &item, "--json"]).json();
    sidegate.stop().await;
    let told = tell(&config, &["show", &item]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    for line in [
        format!("item         {item}\n"),
        format!("names        {NAME}\n"),
        format!("serial       {serial}\n"),
        "key type     p256\n".to_owned(),
        format!("newest for   {NAME}\n"),
        format!("served for   {NAME}\n"),
        format!("directory    {}\n", pebble.directory()),
        "why          asked for by an operator, though".to_owned(),
        "order        https://".to_owned(),
        "fingerprint  ".to_owned(),
        "replaces     ".to_owned(),
        format!("validated    {NAME} by "),
        "challenges   ".to_owned(),
    ] {
        assert!(told.out.contains(&line), "{line:?} is not in\n{}", told.out);
    }
    assert!(!told.out.contains("PRIVATE"), "{}", told.out);
    let told = tell(&config, &["show", NAME]);
    assert!(
        told.err.contains(&format!("is not an item id; `sidegate history {NAME}` lists")),
        "{}",
        told.err
    );
    assert_eq!(tell(&config, &["show", &item, "--json"]).json(), live, "process and storage say the same");
    let openssl = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(place.storage().join("database/items").join(&item).join("crt.pem"))
        .output()
        .expect("openssl");
    let theirs = String::from_utf8(openssl.stdout).expect("text").replace(':', "").to_lowercase();
    assert!(theirs.contains(live["fingerprint"].as_str().expect("text")), "{theirs}");
}
