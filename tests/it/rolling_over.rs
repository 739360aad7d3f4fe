//! `sidegate account rollover`: the account stays what it is to the CA, also where the process is killed in the middle.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};
use crate::house::shop::{configured_through, shop};
use crate::renewing::{asked, not_renewed};
use crate::status::{localhost, tell};

const ROLLOVER: &[&str] = &["account", "rollover"];

/// The names of what is in a folder of the storage.
fn names(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.storage().join(folder)).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// The one account, to which `current` leads.
fn account(place: &Place) -> String {
    let mut accounts = names(place, "letsencrypt-account");
    accounts.retain(|name| name != "current");
    let current = fs::read_link(place.storage().join("letsencrypt-account/current")).expect("a link");
    assert_eq!(accounts, [current.to_str().expect("text")], "one account, and it is the current one");
    accounts.remove(0)
}

/// How often the journal says that an account has another key.
fn told_in_journal(place: &Place) -> usize {
    let segments = names(place, "state/journal").into_iter();
    let read = |name| fs::read_to_string(place.storage().join("state/journal").join(name)).expect("text");
    segments.map(|name| read(name).matches("account-rolled-over").count()).sum()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

#[tokio::test]
async fn the_process_that_runs_goes_on_with_the_new_key_and_the_old_one_is_refused() {
    let (place, pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    let before = account(&place);
    copy(&place.storage(), &place.path("before"));

    let told = tell(&config, ROLLOVER);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let after = account(&place);
    assert_ne!(after, before);
    assert!(told.out.starts_with(&format!("{}\n  the account https://", pebble.directory())), "{}", told.out);
    assert!(
        told.out.contains(&format!("kept in {after}\n")) && !told.out.contains("earlier"),
        "{}",
        told.out
    );
    assert!(names(&place, "state/rollover").is_empty());
    assert_eq!(not_renewed(&config).await, None);
    assert_eq!(told_in_journal(&place), 1);

    let named = tell(&config, &["account", "rollover", "--directory", &pebble.directory()]);
    assert_eq!(named.code, Some(0), "{}", named.err);
    assert_ne!(account(&place), after);
    let unknown = tell(&config, &["account", "rollover", "--directory", "https://other.example/dir"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("no CA with the directory https://other.example/dir"), "{}", unknown.err);
    sidegate.stop().await;

    // A copy from before has a key that is nobody's any more.
    fs::rename(place.storage(), place.path("after")).expect("moved");
    fs::rename(place.path("before"), place.storage()).expect("moved");
    let stale = Sidegate::serve(&config).await;
    let refused = not_renewed(&config).await.expect("the old key is refused");
    assert!(refused.contains("JWS verification error"), "{refused}");
    stale.stop().await;
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test]
async fn without_a_process_it_is_done_on_the_storage() {
    let (place, pebble, config) = shop().await;
    fs::create_dir(place.storage()).expect("made");
    let none = tell(&config, ROLLOVER);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("there is no account at any CA"), "{}", none.err);
    let sidegate = Sidegate::issued(&config).await;
    sidegate.stop().await;

    let before = account(&place);
    let told = tell(&config, ROLLOVER);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_ne!(account(&place), before);
    assert_eq!(told_in_journal(&place), 1);
    let story = tell(&config, &["explain", "--verify"]);
    assert_eq!(story.code, Some(0), "{}", story.err);
    let sidegate = Sidegate::serve(&config).await;
    assert_eq!(not_renewed(&config).await, None);
    sidegate.stop().await;
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test]
async fn where_nobody_is_asked_there_is_no_account() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    let told = tell(&config, ROLLOVER);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    assert!(told.err.contains("there is no account at any CA"), "{}", told.err);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_kill_before_the_answer_loses_no_account() {
    for fault in [Fault::Stall, Fault::KeepAnswer] {
        let taken = matches!(fault, Fault::KeepAnswer);
        let place = Place::new();
        let exact = Settings { nonce_reject: 0, ..Settings::new(place.http, place.https) };
        let pebble = Pebble::start(exact).await;
        let front = FrontOfCa::start(&pebble).await;
        let config = configured_through(&place, &front, &pebble);
        let sidegate = Sidegate::issued(&config).await;
        let before = account(&place);
        front.plan("/rollover-account-key", 1, fault);
        let asking = tokio::spawn({
            let config = config.clone();
            async move { asked(&config, ROLLOVER).await }
        });
        match taken {
            true => front.has_kept_an_answer().await,
            false => front.wait_for("/rollover-account-key").await,
        }
        sidegate.kill();
        assert_eq!(asking.await.expect("no panic").code, Some(1));
        let pending = [format!("{before}.pem")];
        assert_eq!(names(&place, "state/rollover"), pending);
        let sound = asked(&config, &["fsck"]).await;
        assert_eq!(sound.code, Some(0), "both keys have their places: {}", sound.out);

        let sidegate = Sidegate::serve(&config).await;
        assert_eq!(not_renewed(&config).await, None, "taken by the CA: {taken}");
        assert_eq!(account(&place) != before, taken);
        let told = asked(&config, ROLLOVER).await;
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert_eq!(told.out.contains("an earlier roll-over made that key"), !taken, "{}", told.out);
        assert_ne!(account(&place), before);
        assert_eq!(not_renewed(&config).await, None);
        assert!(names(&place, "state/rollover").is_empty());
        sidegate.stop().await;
        assert_eq!(pebble.accounts(), 1);
    }
}
