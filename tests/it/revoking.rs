//! `sidegate revoke`: the CA says so, it is noted, and clients are shown another certificate.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::going_back::{from_ca, history, shown};
use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::status::{localhost, tell};

const NAME: &str = "shop.example.com";

/// What `history` says of an item.
fn told_of<'a>(history: &'a Value, item: &str) -> &'a Value {
    let mut items = history["items"].as_array().expect("items").iter();
    items.find(|told| told["item"] == item).expect("it is there")
}

/// The reason that is kept of a revocation.
fn noted(place: &Place, item: &str) -> Value {
    let text = fs::read(place.storage().join("state/revoked").join(item)).expect("a note");
    let note: Value = serde_json::from_slice(&text).expect("JSON");
    note["why"].clone()
}

fn refused(config: &Path, words: &[&str], code: i32, why: &str) {
    let told = tell(config, words);
    assert_eq!((told.code, told.out.as_str()), (Some(code), ""), "{words:?}: {}", told.err);
    assert!(told.err.contains(why), "{words:?}: {}", told.err);
}

#[tokio::test]
async fn what_is_served_is_revoked_by_name_and_another_one_is_issued() {
    let (place, pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    let (first, item) = from_ca(&history(&config)).pop().expect("a certificate");
    assert_eq!(shown(&place).await, first);

    let told = tell(&config, &["revoke", NAME, "--reason", "superseded", "--yes"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.starts_with(&format!("revoked: {item}\nit was served")), "{}", told.out);
    assert_ne!(shown(&place).await, first, "when the command returns it is not served any more");
    assert_eq!(pebble.status_of(&first).await, ("Revoked".to_owned(), Some(4)));
    assert_eq!(noted(&place, &item), "superseded");

    sidegate.logged(&["serving", "issuer=\"Pebble", &issued_after(&config, &item).await]).await;
    let after = history(&config);
    let (second, served) = from_ca(&after).pop().expect("a certificate");
    assert_eq!((shown(&place).await, &after["served"]), (second.clone(), &Value::from(served.as_str())));
    assert!(told_of(&after, &item)["revoked"].is_string(), "{after}");
    assert_eq!(told_of(&after, &served)["why"], "the certificate was revoked");
    assert!(tell(&config, &["history", NAME]).out.contains("    revoked\n"));
    refused(&config, &["rollback", NAME, "--to", &item], 1, "was revoked at");
    sidegate.stop().await;
    // A process that starts anew knows.
    let again = Sidegate::serve(&config).await;
    assert_eq!(shown(&place).await, second);
    again.stop().await;
}

/// The CA's item that follows this one.
async fn issued_after(config: &Path, item: &str) -> String {
    let followed = async {
        loop {
            let (_, last) = from_ca(&history(config)).pop().expect("a certificate");
            if last != item {
                return last;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), followed).await.expect("another one is issued")
}

#[tokio::test]
async fn an_earlier_item_is_revoked_with_its_own_key_and_not_gone_back_to() {
    let (place, pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    let renewed = tell(&config, &["renew", NAME, "--force"]);
    assert_eq!(renewed.code, Some(0), "{}", renewed.err);
    let [(first, item), (second, newest)] = from_ca(&history(&config)).try_into().expect("two");
    let back = tell(&config, &["rollback", NAME]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    assert_eq!(shown(&place).await, first);

    let by_key = ["revoke", &item, "--with", "certificate", "--reason", "keyCompromise", "--yes"];
    let told = tell(&config, &by_key);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(shown(&place).await, second, "its pin is gone");
    assert_eq!(fs::read_dir(place.storage().join("state/pins")).expect("pins").count(), 0);
    assert_eq!(pebble.status_of(&first).await, ("Revoked".to_owned(), Some(1)));
    assert_eq!(pebble.status_of(&second).await, ("Valid".to_owned(), None));
    let told = tell(&config, &["show", &item]);
    assert!(told.out.contains("\nrevoked      20"), "{}", told.out);

    // The CA's word that it had been revoked before is as good; the note is made again.
    let note = place.storage().join("state/revoked").join(&item);
    fs::remove_file(&note).expect("a note");
    let told = tell(&config, &by_key);
    assert_eq!((told.code, told.out), (Some(0), format!("revoked: {item}\n")), "{}", told.err);
    assert_eq!(noted(&place, &item), "keyCompromise");
    let after = history(&config);
    assert_eq!((after["served"].as_str(), from_ca(&after).len()), (Some(newest.as_str()), 2));
    assert_eq!(pebble.issued(), 2, "what is served is sound, so nothing is ordered");
    sidegate.stop().await;
}

#[tokio::test]
async fn what_cannot_be_revoked_is_refused_and_nothing_is_noted() {
    let place = Place::new();
    let config = localhost(&place);
    refused(&config, &["revoke", "localhost"], 64, "--yes");
    refused(&config, &["revoke", "localhost", "--yes", "--reason", "lost"], 64, "keyCompromise");
    refused(&config, &["revoke", "localhost", "--yes", "--with", "luck"], 64, "certificate");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let unknown = "20200101T000000.000000000Z-aaaaaaaaaaaaaaaa";
    refused(&config, &["revoke", unknown, "--yes"], 1, "there is no item");
    refused(&config, &["revoke", "other.example.com", "--yes"], 1, "nobody has configured");
    refused(&config, &["revoke", "localhost", "--yes"], 1, "a self-signed certificate cannot be revoked");
    refused(&config, &["revoke", "localhost"], 64, "there is no terminal to ask at");
    sidegate.stop().await;
    refused(&config, &["revoke", "localhost", "--yes"], 1, "no process uses the storage");
    assert_eq!(fs::read_dir(place.storage().join("state/revoked")).expect("notes").count(), 0);
}

#[tokio::test]
async fn at_a_terminal_it_is_asked_first() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let answered = |answer: &str| {
        let line = format!("{} revoke localhost -c {}", env!("CARGO_BIN_EXE_sidegate"), config.display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("script, of util-linux");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(answer.as_bytes()).expect("written");
        let out = child.wait_with_output().expect("it ends");
        (out.status.code(), String::from_utf8(out.stdout).expect("text"))
    };
    let (code, said) = answered("n\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("for localhost, until 20") && said.contains("[y/N]"), "{said}");
    assert!(said.contains("nothing is revoked"), "{said}");
    let (code, said) = answered("y\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a self-signed certificate cannot be revoked"), "it was meant: {said}");
    sidegate.stop().await;
}
