//! A move to another machine, by the real program: it goes on there as if nothing had happened.

use std::fs;
use std::path::{Path, PathBuf};

use crate::going_back::{from_ca, history, shown};
use crate::hooks::{Hook, until};
use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::status::{localhost, tell};

/// The same configuration on a machine with an empty storage, into which this archive is restored.
fn moved(place: &Place, config: &Path, archive: &Path) -> PathBuf {
    fs::rename(place.storage(), place.path("left behind")).expect("renamed");
    let told = tell(config, &["restore", archive.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    place.storage()
}

#[tokio::test]
async fn a_rollback_the_story_and_what_was_spent_move_along() {
    let (place, _pebble, config) = shop().await;
    let sidegate = Sidegate::issued(&config).await;
    assert_eq!(tell(&config, &["renew", "shop.example.com", "--force"]).code, Some(0));
    assert_eq!(tell(&config, &["rollback", "shop.example.com"]).code, Some(0));
    let [(first, first_item), (second, second_item)] =
        from_ca(&history(&config)).try_into().expect("two certificates of the CA");
    assert_eq!(shown(&place).await, first);
    // While it serves and writes.
    let archive = place.path("moving.tar");
    let told = tell(&config, &["backup", archive.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    sidegate.stop().await;

    let storage = moved(&place, &config, &archive);
    let told = tell(&config, &["explain", "--verify"]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let before = fs::read_to_string(storage.join("state/journal/00000001.jsonl")).expect("a journal");
    let sidegate = Sidegate::serve(&config).await;
    assert_eq!(shown(&place).await, first, "it is served there as it was here");
    sidegate.logged(&["items are whole"]).await;
    let story = tell(&config, &["explain", "shop.example.com"]).out;
    assert!(story.contains(&format!("went back to {first_item}")), "{story}");
    let told = tell(&config, &["status", "--json"]).json();
    assert_eq!(told["certificates"][0]["item"], first_item.as_str());
    assert_eq!(tell(&config, &["rollback", "shop.example.com", "--off"]).code, Some(0));
    assert_eq!(shown(&place).await, second, "{second_item}");
    sidegate.stop().await;
    let after = fs::read_to_string(storage.join("state/journal/00000001.jsonl")).expect("a journal");
    assert!(after.len() > before.len() && after.starts_with(&before), "the journal goes on");
    assert_eq!(tell(&config, &["explain", "--verify"]).code, Some(0), "as one chain");
    assert!(!after[before.len()..].contains("\"order-placed\""), "nothing was ordered there");
}

#[tokio::test]
async fn what_a_hook_has_not_been_told_moves_along() {
    let place = Place::new();
    let hook = Hook::new(&place, "sleep 600");
    let config = localhost(&place);
    hook.configure(&config, "timeout = \"10m\"");
    let sidegate = Sidegate::serve(&config).await;
    hook.called(1).await;
    let archive = place.path("moving.tar");
    let told = tell(&config, &["backup", archive.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    sidegate.stop().await;

    hook.change("");
    moved(&place, &config, &archive);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=issued", "attempt=2"]).await;
    until(|| hook.calls().len() >= 2).await;
    sidegate.stop().await;
    let calls = hook.calls();
    assert_eq!(calls[0].line, calls[1].line, "of the same line, on the other machine");
}
