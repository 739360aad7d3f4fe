//! `sidegate explain`: the story of a name, told by the journal of a real issuance.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustls::AlertDescription;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::house::client::Client;
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{PATIENCE, Place, Sidegate};
use crate::house::shop::{configured_through, shop};
use crate::house::tool;
use crate::prune::ended;
use crate::status::{localhost, tell};

const NAME: &str = "shop.example.com";

/// A place where a certificate was issued and everything has stopped.
async fn issued() -> (Place, Pebble, PathBuf) {
    let (place, pebble, config) = shop().await;
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["clients are shown it"]).await;
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
        "a handshake was shown ",
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
        "serving-proved",
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
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{}", told.err);
    assert_eq!(told.err, "sidegate: nobody has configured other.example.com\n");
    let told = tell(&config, &["explain", &NAME.replace("example", "exmaple")]);
    assert!(told.err.ends_with(&format!("; did you mean {NAME}?\n")), "{}", told.err);
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
    assert!(said.starts_with("00000001.jsonl line 3 does not fit its own sum\n1 line damaged, "), "{said}");
    let told = tell(&config, &["explain", NAME]);
    assert_eq!(told.code, Some(0), "the rest is still told");
    assert!(told.err.contains("the journal is damaged: 00000001.jsonl line 3"), "{}", told.err);
    let told = tell(&config, &["fsck"]);
    assert_eq!(told.code, Some(2), "{}{}", told.out, told.err);
    let damaged =
        "state/journal/00000001.jsonl is damaged: line 3 does not fit its own sum\n    what it told is lost";
    assert!(told.out.contains(damaged), "{}", told.out);
}

#[tokio::test]
async fn a_story_ends_when_nobody_reads_it_any_more() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let mut follow = tokio::process::Command::new(env!("CARGO_BIN_EXE_sidegate"));
    follow.args(["explain", "localhost", "--follow", "-c"]).arg(&config).stdout(Stdio::piped());
    let mut follow = follow.kill_on_drop(true).spawn().expect("the program");
    let mut out = BufReader::new(follow.stdout.take().expect("piped")).lines();
    assert!(out.next_line().await.expect("readable").is_some(), "the story begins");
    drop(out);
    let ended = tokio::time::timeout(PATIENCE, follow.wait()).await.expect("it ends, though nothing happens");
    assert!(ended.expect("waited for").success());
    sidegate.stop().await;
}

#[tokio::test]
async fn a_kill_in_the_middle_leaves_a_journal_that_is_whole_and_goes_on() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let front = FrontOfCa::start(&pebble).await;
    let config = configured_through(&place, &front, &pebble);
    front.plan("/authZ/", 1000, Fault::Stall);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["placed an order"]).await;
    sidegate.kill();
    front.heal();
    let (code, said) = verify(&config);
    assert_eq!(code, Some(0), "{said}");

    let sidegate = Sidegate::issued(&config).await;
    sidegate.stop().await;
    let (code, said) = verify(&config);
    assert_eq!(code, Some(0), "{said}");
    let out = tell(&config, &["explain", NAME]).out;
    assert_eq!(out.matches("started on ").count(), 2, "{out}");
    assert_eq!(out.matches("sidegate stopped").count(), 1, "{out}");
}

#[tokio::test]
async fn an_issuance_is_followed_live() {
    let (_place, _pebble, config) = shop().await;
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

/// Fails unless the story of a name tells of these things one after another.
fn assert_tells(config: &Path, name: &str, phrases: &[&str]) {
    let told = tell(config, &["explain", name]);
    let mut rest = told.out.as_str();
    for phrase in phrases {
        let Some(at) = rest.find(phrase) else {
            panic!("no «{phrase}» in its place in:\n{}{}", told.out, told.err)
        };
        rest = &rest[at + phrase.len()..];
    }
}

#[tokio::test]
async fn it_tells_who_revoked_what_and_why() {
    let (_place, _pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    assert_eq!(tell(&config, &["revoke", NAME, "--reason", "superseded", "--yes"]).code, Some(0));
    sidegate.logged(&["issuing", "the certificate was revoked"]).await;
    sidegate.stop().await;
    let asked = "asked by an operator: revoke --reason superseded";
    assert_tells(
        &config,
        NAME,
        &[asked, "revoked 20", "    superseded", "begins to issue at ", "was revoked"],
    );
    assert_eq!(verify(&config).0, Some(0));

    // What a CA never signed it cannot revoke, and that is told too.
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    assert_eq!(tell(&config, &["revoke", "localhost", "--yes"]).code, Some(1));
    sidegate.stop().await;
    assert_tells(
        &config,
        "localhost",
        &["could not revoke 20", "a self-signed certificate cannot be revoked"],
    );
}

#[tokio::test]
async fn it_tells_what_was_removed_and_why_whoever_did_it() {
    let place = Place::new();
    for days in [200, 190, 180, 170, 160] {
        ended(&place.storage(), &["old.example"], "https://ca.example/dir", days).await;
    }
    let prune = |keep: usize| {
        let site = "[[site]]\ndomains = [\"old.example\"]\nto = 3000\nissuer = \"selfsigned\"\n";
        place.configure("", &format!("[prune]\nkeep = {keep}\n{site}"))
    };
    let config = prune(2);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["pruned"]).await;
    sidegate.stop().await;
    let two = "it ended more than 30 days ago, and more than 2 newer ones follow it";
    assert_tells(&config, "old.example", &["removed 20", two, "removed 20", two, "sidegate stopped"]);
    let config = prune(0);
    assert_eq!(tell(&config, &["prune"]).code, Some(0));
    let none = "it ended more than 30 days ago, and more than 0 newer ones follow it";
    assert_tells(
        &config,
        "old.example",
        &["sidegate stopped", "removed 20", none, "removed 20", none, "\nserved"],
    );
    assert_eq!(verify(&config).0, Some(0), "the program and the tool write one journal");
}

/// A configuration with names on demand below one suffix, at a CA that nobody reaches.
fn on_demand(place: &Place) -> PathBuf {
    let acme = "directory = \"https://127.0.0.1:1/dir\"\nretry = [\"1h\"]";
    let rules = "[on_demand]\nsuffixes = [\"shops.example.com\"]\nto = 3000\n";
    let site = "[[site]]\ndomains = [\"ours.internal\"]\nissuer = \"selfsigned\"\nto = 3000\n";
    place.configure(acme, &format!("{rules}{site}"))
}

#[tokio::test]
async fn it_tells_who_may_have_a_certificate_on_demand_and_a_crowd_does_not_fill_the_journal() {
    let place = Place::new();
    let config = on_demand(&place);
    let sidegate = Sidegate::serve(&config).await;
    let come = async |name: &str| {
        let alert = Client::offering(&["h2"]).alert(place.tls(), Some(name)).await;
        assert_eq!(alert, AlertDescription::UnrecognisedName, "{name}");
    };
    come("a.shops.example.com").await;
    sidegate.logged(&["gets a certificate on demand", "a.shops.example.com"]).await;
    for number in 0..200 {
        come(&format!("n{number}.example.org")).await;
    }
    come("b.shops.example.com").await;
    sidegate.logged(&["gets a certificate on demand", "b.shops.example.com"]).await;
    sidegate.logged(&["not issued", "a.shops.example.com"]).await;
    sidegate.stop().await;

    let journal =
        fs::read_to_string(place.storage().join("state/journal/00000001.jsonl")).expect("a journal");
    assert_eq!(journal.matches("\"event\":\"demand-denied\"").count(), 20, "so many a day");
    let allowed = ["let in: it gets a certificate on demand", "it is below an allowed suffix"];
    let failed = ["begins to issue at https://127.0.0.1:1/dir", "not issued", "next    order, attempt 2 at "];
    assert_tells(&config, "a.shops.example.com", &[&allowed[..], &failed].concat());
    let denied = ["somebody came for it; it gets no certificate", "nothing allows it", "\nserved  nothing"];
    assert_tells(&config, "n0.example.org", &denied);
    // Of the others it says what the rules say now.
    let told = tell(&config, &["explain", "n199.example.org"]);
    assert!(!told.out.contains("somebody came"), "{}", told.out);
    assert_tells(
        &config,
        "n199.example.org",
        &["nobody has listed the name", "it may have none: nothing allows it"],
    );
    assert_tells(
        &config,
        "c.shops.example.com",
        &["it may have a certificate: it is below an allowed suffix"],
    );
}
