//! `sidegate explain`: the story of a name, told by the journal of a real issuance.

use std::fs;
use std::path::{Path, PathBuf};

use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};
use crate::house::tool;
use crate::renewing::shop;
use crate::status::tell;

const NAME: &str = "shop.example.com";

/// A place where a certificate was issued and everything has stopped.
async fn issued() -> (Place, Pebble, PathBuf) {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = shop(&place, &pebble);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
    (place, pebble, config)
}

fn verify(config: &Path) -> (Option<i32>, String) {
    let told = tell(config, &["explain", "--verify"]);
    (told.code, told.out)
}

#[tokio::test]
async fn it_tells_an_issuance_in_order_with_rules_and_values() {
    let (place, pebble, config) = issued().await;
    let told = tell(&config, &["explain", NAME]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let mut rest = told.out.as_str();
    for phrase in [
        "started on ",
        &format!("found no certificate; will order one at {}", pebble.directory()),
        "made a selfsigned certificate and serves it",
        "it issues for this storage",
        "begins to issue at ",
        "registered the account ",
        "placed the order ",
        "chose http-01",
        "the first of challenges that can prove the name",
        "posted the answer for http-01",
        "validated by http-01",
        "sent the request for the order ",
        "received the certificate ",
        "committed ",
        "moved latest-by-fqdn, latest-letsencrypt-by-fqdn",
        "serves ",
        "will renew ",
        "a third of its life before its end",
        "not_after = ",
        "(from crt.pem of ",
        "sidegate stopped",
        "\nserved  ",
        "it is from a CA and the next best is self-signed",
        "\nnext    renew at ",
        "not before: that is in ",
    ] {
        let Some(at) = rest.find(phrase) else {
            panic!("`{phrase}` is missing, or in the wrong place, in:\n{}", told.out)
        };
        rest = &rest[at + phrase.len()..];
    }

    let page = include_str!("../../docs/explain.md");
    let shown = page.split("```\n").find(|block| block.contains("  sidegate 0.1.0 started on "));
    // A stand-in is committed beside the attempt, so where that stands in the story differs.
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(plain).collect();
        lines.sort_unstable();
        lines
    };
    let storage = place.storage().display().to_string();
    let out = told.out.replace(&storage, "/var/lib/sidegate");
    assert_eq!(lines(&out), lines(shown.expect("a story")), "the page shows what it tells:\n{out}");

    // Nothing of it is strange to fsck.
    let checked = tool::sidegate(&["fsck", "--storage", &storage]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

/// A line without what differs from one run to the next.
fn plain(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is = |class: fn(u8) -> bool| !bare.is_empty() && bare.bytes().all(class);
        let moment = bare.len() >= 16 && bare.contains('T') && bare.starts_with("20");
        if word.contains("https://") {
            "URL".to_owned()
        } else if moment || is(|b| b.is_ascii_digit()) || (bare.len() >= 6 && is(|b| b.is_ascii_hexdigit())) {
            word.replace(bare, "*")
        } else {
            word.to_owned()
        }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn programs_get_the_same_as_json_and_every_event_is_on_the_page() {
    let (_place, _pebble, config) = issued().await;
    let told = tell(&config, &["explain", NAME, "--json"]).json();
    let events = told["events"].as_array().expect("events");
    let of_ca = |event: &&serde_json::Value| event["provider"] != "selfsigned";
    let kinds: Vec<&str> = events.iter().filter(of_ca).filter_map(|event| event["event"].as_str()).collect();
    let story = [
        "due",
        "order-placed",
        "challenge-chosen",
        "challenge-posted",
        "validated",
        "finalized",
        "received",
        "committed",
        "served",
        "planned",
    ];
    let mut rest = kinds.iter();
    assert!(story.iter().all(|kind| rest.any(|told| told == kind)), "{kinds:?}");
    let page = include_str!("../../docs/explain.md");
    for kind in kinds {
        assert!(page.contains(&format!("`{kind}`")), "{kind} is not on the page");
    }
    let planned = events.iter().rfind(|event| event["event"] == "planned").expect("a plan");
    assert_eq!(told["next"], "renew");
    assert_eq!(told["next_at"], planned["renew_at"]);
    assert!(told["served"].as_str().is_some_and(|served| served.contains("Pebble")), "{told}");
    assert!(told["next_because"].as_array().is_some_and(|why| why.contains(&planned["rule"])), "{told}");

    let told = tell(&config, &["explain", "other.example.com"]);
    assert!(
        told.out.ends_with("Nobody has configured it, or somebody else keeps its certificate.\n"),
        "{}",
        told.out
    );
}

#[tokio::test]
async fn a_flipped_byte_is_found() {
    let (place, _pebble, config) = issued().await;
    let (code, said) = verify(&config);
    assert!(code == Some(0) && said.starts_with("the journal is whole: "), "{said}");
    let segment = place.storage().join("state/journal/00000001.jsonl");
    let mut bytes = fs::read(&segment).expect("a journal");
    let third = bytes.split_inclusive(|b| *b == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    bytes[third + 20] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let (code, said) = verify(&config);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with("00000001.jsonl line 3 does not fit its own sum\n1 lines are damaged, "),
        "{said}"
    );
    let told = tell(&config, &["explain", NAME]);
    assert_eq!(told.code, Some(0), "the rest is still told");
    assert!(told.err.contains("the journal is damaged: 00000001.jsonl line 3"), "{}", told.err);
}

#[tokio::test]
async fn a_kill_in_the_middle_leaves_a_journal_that_is_whole_and_goes_on() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = shop(&place, &pebble);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["placed an order"]).await;
    sidegate.kill();
    let (code, said) = verify(&config);
    assert_eq!(code, Some(0), "{said}");

    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
    let (code, said) = verify(&config);
    assert_eq!(code, Some(0), "{said}");
    let out = tell(&config, &["explain", NAME]).out;
    assert_eq!(out.matches("started on ").count(), 2, "{out}");
    assert_eq!(out.matches("sidegate stopped").count(), 1, "{out}");
}

#[tokio::test]
async fn an_issuance_is_followed_live() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = shop(&place, &pebble);
    let words = ["explain", NAME, "--follow", "-c", config.to_str().expect("text")];
    let watcher = Sidegate::start(&words);
    let lines = Sidegate::start(&[&words[..], &["--json"]].concat());
    let sidegate = Sidegate::serve(&config).await;
    for what in ["placed the order", "posted the answer for http-01", "validated by http-01", "by Pebble"] {
        watcher.said(&[what]).await;
    }
    let line = lines.said(&["\"served\"", "Pebble"]).await;
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&event["event"], &event["names"][0]), (&"served".into(), &NAME.into()));
    sidegate.stop().await;
    watcher.said(&["sidegate stopped"]).await;
}
