use std::fs;
use std::path::Path;

use super::{Hook, until};
use crate::house::process::{Place, Sidegate};
use crate::status::{localhost, tell};

fn told(events: &[(&str, u64)]) -> Vec<(String, u64)> {
    events.iter().map(|(event, attempt)| ((*event).to_owned(), *attempt)).collect()
}

fn renew(config: &Path) {
    let told = tell(config, &["renew", "localhost", "--force"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
}

#[tokio::test]
async fn what_the_journal_had_when_we_were_killed_is_told_after_the_restart() {
    let place = Place::new();
    // It waits until it is let go, so that there is something it has not been told of.
    let hook = Hook::new(&place, "until test -e go; do sleep 0.05; done");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"issued\", \"renewed\"]\ntimeout = \"10m\"");
    let sidegate = Sidegate::serve(&config).await;
    let journal = place.storage().join("state/journal/00000001.jsonl");
    sidegate.logged(&["serving", "item="]).await;
    hook.called(1).await;
    renew(&config);
    until(|| fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"replaces\""))).await;
    sidegate.kill();
    assert_eq!(hook.events(), told(&[("issued", 1)]), "it hangs, and was told of nothing else");

    fs::write(hook.path("go"), "").expect("written");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=issued", "attempt=2"]).await;
    sidegate.logged(&["the hook was told", "hook=renewed", "attempt=1"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events(), told(&[("issued", 1), ("issued", 2), ("renewed", 1)]));

    // What was told is not told again.
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["items are whole"]).await;
    renew(&config);
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events().len(), 4);
}

#[tokio::test]
async fn one_that_ends_us_does_so_three_times_and_not_for_ever() {
    let place = Place::new();
    let hook = Hook::new(&place, "kill -9 $PPID");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"issued\"]");
    for _ in 0..3 {
        let sidegate = Sidegate::start(&["serve".as_ref(), "-c".as_ref(), config.as_os_str()]);
        assert_eq!(sidegate.ended().await.code(), None, "killed");
    }
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook failed", "sidegate ended each time while it ran"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events(), told(&[("issued", 1), ("issued", 2), ("issued", 3)]));
}

#[tokio::test]
async fn a_hook_that_comes_later_is_not_told_of_what_was_before() {
    let place = Place::new();
    let hook = Hook::new(&place, "");
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    renew(&config);
    let without = fs::read_to_string(&config).expect("written");
    hook.configure(&config, "events = [\"issued\", \"renewed\"]");
    let with = fs::read_to_string(&config).expect("written");
    sidegate.signal(rustix::process::Signal::HUP);
    sidegate.logged(&["configured anew"]).await;
    renew(&config);
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    assert_eq!(hook.events().len(), 1, "not of the two before");
    sidegate.stop().await;

    // While there was none, nothing was owed.
    fs::write(&config, without).expect("written");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["items are whole"]).await;
    renew(&config);
    sidegate.stop().await;
    assert!(!place.storage().join("state/hooks.json").exists());
    fs::write(&config, with).expect("written");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["items are whole"]).await;
    renew(&config);
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events(), told(&[("renewed", 1), ("renewed", 1)]));
}

#[tokio::test]
async fn a_process_that_follows_calls_none_until_it_has_the_role() {
    let (place, other) = (Place::new(), Place::new());
    let hook = Hook::new(&place, "");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"issued\", \"renewed\"]");
    let beside = localhost(&other);
    hook.configure(&beside, "events = [\"issued\", \"renewed\"]");
    let text = fs::read_to_string(&beside).expect("written");
    let shared = text.replace(&format!("{:?}", other.storage()), &format!("{:?}", place.storage()));
    fs::write(&beside, shared).expect("written");

    let leader = Sidegate::serve(&config).await;
    leader.logged(&["the hook was told", "hook=issued"]).await;
    let follower = Sidegate::serve(&beside).await;
    follower.logged(&["another process issues"]).await;
    // It hangs, and so it is what whoever comes next begins with.
    hook.change("test $SIDEGATE_ATTEMPT = 2 || exec sleep 60");
    renew(&config);
    hook.called(2).await;
    leader.kill();
    follower.logged(&["the hook was told", "hook=renewed", "attempt=2"]).await;
    follower.stop().await;
    assert_eq!(hook.events(), told(&[("issued", 1), ("renewed", 1), ("renewed", 2)]));
}
