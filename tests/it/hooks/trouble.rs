use std::fs;

use super::{Hook, until};
use crate::going_back::shown;
use crate::house::client::Client;
use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::on_demand::resident;
use crate::status::{localhost, tell};

#[tokio::test]
async fn while_a_hook_hangs_names_are_served_and_renewed_and_a_stop_ends_it() {
    let (place, _pebble, config) = shop().await;
    let hook = Hook::new(&place, "sleep 600 &\necho $! $$ > pids.part\nmv pids.part pids\nwait");
    hook.configure(&config, "timeout = \"10m\"");
    let sidegate = Sidegate::serve(&config).await;
    until(|| hook.path("pids").exists()).await;
    let first = shown(&place).await;
    assert_eq!(tell(&config, &["renew", "shop.example.com", "--force"]).code, Some(0));
    assert_ne!(shown(&place).await, first);
    assert_eq!(tell(&config, &["status"]).code, Some(0));
    assert_eq!(hook.events(), [("issued".to_owned(), 1)], "the others wait");
    sidegate.stop().await;
    for pid in fs::read_to_string(hook.path("pids")).expect("noted").split_whitespace() {
        // Gone with its group, which nobody waits for.
        until(|| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()).await;
    }
}

#[tokio::test]
async fn one_that_takes_too_long_is_killed_and_called_again() {
    let place = Place::new();
    let hook = Hook::new(&place, "test $SIDEGATE_ATTEMPT = 1 || exit 0\nexec sleep 600");
    let config = localhost(&place);
    hook.configure(&config, "timeout = \"10s\"");
    let sidegate = Sidegate::serve(&config).await;
    let line = sidegate.logged(&["WARN", "the hook failed", "hook=issued"]).await;
    assert!(
        line.contains("did not end within 10 seconds, and was killed") && line.contains("again=20"),
        "{line}"
    );
    sidegate.logged(&["the hook was told", "hook=issued", "attempt=2"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events(), [1, 2].map(|attempt| ("issued".to_owned(), attempt)));
}

#[tokio::test]
async fn one_that_always_fails_is_given_up_and_what_comes_after_is_told() {
    let place = Place::new();
    let hook = Hook::new(&place, "test $SIDEGATE_EVENT != issued || { echo no such thing >&2; exit 4; }");
    let config = localhost(&place);
    hook.configure(&config, "");
    let sidegate = Sidegate::serve(&config).await;
    let line = sidegate.logged(&["the hook failed", "attempt=3"]).await;
    assert!(line.contains("failed (exit status: 4): no such thing") && !line.contains("again="), "{line}");
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    sidegate.stop().await;
    let told = tell(&config, &["explain", "localhost"]).out;
    assert!(told.contains("could not tell the hook: issued; gave up\n    /"), "{told}");
}

#[tokio::test]
async fn one_that_talks_without_end_fills_no_memory() {
    let place = Place::new();
    let hook = Hook::new(&place, "yes quarrel | head -c 50000000; echo and the reason; exit 1");
    let config = localhost(&place);
    hook.configure(&config, "timeout = \"10m\"");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    Client::offering(&["h2"]).hello(place.tls(), Some("localhost")).await.expect("a handshake");
    let before = resident(&sidegate);
    let line = sidegate.logged(&["the hook failed", "quarrel quarrel", "and the reason"]).await;
    assert!(line.len() < 1000, "{line}");
    let grown = resident(&sidegate).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    sidegate.stop().await;
}

#[tokio::test]
async fn one_that_is_not_there_is_a_fault_before_anything_changes() {
    let place = Place::new();
    let hook = Hook::new(&place, "");
    let config = localhost(&place);
    hook.configure(&config, "");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=issued"]).await;
    fs::remove_file(hook.program()).expect("removed");
    for words in [&["check"][..], &["serve"]] {
        let told = tell(&config, words);
        assert_eq!(told.code, Some(78), "{}", told.err);
        assert!(
            told.err.contains("hooks.command: ") && told.err.contains("calls.sh is not there."),
            "{}",
            told.err
        );
    }
    sidegate.signal(rustix::process::Signal::HUP);
    sidegate.logged(&["hooks.command", "is not there"]).await;
    assert_eq!(tell(&config, &["status"]).code, Some(0), "what runs goes on, and can be asked");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_keeps_nobody_from_being_served() {
    let place = Place::new();
    let hook = Hook::new(&place, "");
    let config = localhost(&place);
    hook.configure(&config, "");
    // A folder in the place of the first segment.
    fs::create_dir_all(place.storage().join("state/journal/00000001.jsonl")).expect("made");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["hooks are not called", "the journal cannot be read"]).await;
    Client::offering(&["h2"]).hello(place.tls(), Some("localhost")).await.expect("a handshake");
    sidegate.stop().await;
}
