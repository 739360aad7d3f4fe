//! What nobody needs any more goes, and nothing else does.

use std::path::Path;
use std::time::{Duration, SystemTime};

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::store::{Family, Store};

use crate::house::issued;
use crate::house::process::{Place, Sidegate};
use crate::house::tool::{Ran, commit_until, sidegate, store, store_at};
use crate::status::{localhost, tell};

const CA: &str = "https://ca.example/dir";
const DAY: Duration = Duration::from_secs(86_400);

/// A storage whose items were committed, and have ended, so many days ago.
struct Rig(tempfile::TempDir);

impl Rig {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn storage(&self) -> std::path::PathBuf {
        self.0.path().join("storage")
    }

    fn store(&self) -> Store {
        store(&self.storage())
    }

    async fn ended(&self, names: &[&str], directory: &str, days: u32) -> ItemId {
        ended(&self.storage(), names, directory, days).await
    }

    fn prune(&self, words: &[&str]) -> Ran {
        self.prune_by("", words)
    }

    /// Where the configuration has this rule.
    fn prune_by(&self, rule: &str, words: &[&str]) -> Ran {
        let config = self.0.path().join("x.toml");
        let text = format!(
            "[acme]\ndirectory = \"https://ca.example/dir\"\n[prune]\n{rule}\n\
             [[site]]\ndomains = [\"a.example\"]\nto = 3000\n"
        );
        std::fs::write(&config, text).expect("written");
        let (config, storage) = (config.to_str().expect("text").to_owned(), self.storage());
        let all = [&["prune", "-c", &config, "--storage", storage.to_str().expect("text")], words].concat();
        sidegate(&all)
    }

    async fn items(&self) -> Vec<ItemId> {
        self.store().database().items().await.expect("a listing")
    }

    async fn leads(&self, name: &str) -> Option<ItemId> {
        let name = Name::parse(name).expect("a name");
        self.store().database().pointer(Family::Letsencrypt, &name).await.expect("a pointer")
    }
}

/// Committed a day before it ended.
pub(crate) async fn ended(storage: &Path, names: &[&str], directory: &str, days: u32) -> ItemId {
    let end = SystemTime::now() - days * DAY;
    let store = store_at(storage, end - DAY);
    commit_until(&store, names, Provider::Letsencrypt, Some(directory), end).await
}

#[tokio::test]
async fn what_has_ended_and_was_followed_goes_and_the_two_before_stay() {
    let rig = Rig::new();
    let mut items = Vec::new();
    for days in [200, 150, 100, 80, 60, 10] {
        items.push(rig.ended(&["a.example"], CA, days).await);
    }
    let said = rig.prune(&["--dry-run"]).good();
    assert_eq!(said.matches("would remove").count(), 3, "{said}");
    assert_eq!(rig.items().await, items, "nothing was done");
    rig.prune(&[]).good();
    assert_eq!(rig.items().await, items[3..], "the current one, and two before it");
    assert_eq!(rig.prune(&[]).good(), "nothing to remove\n");
    // Not long enough ago.
    rig.prune(&["--keep", "0", "--expired-for", "70d"]).good();
    assert_eq!(rig.items().await, items[4..]);
    rig.prune(&["--keep", "0", "--expired-for", "0"]).good();
    assert_eq!(rig.items().await, items[5..], "the current one stays, whatever is asked for");
    assert_eq!(rig.leads("a.example").await.as_ref(), items.last());
}

#[tokio::test]
async fn what_is_kept_for_ever_by_configuration_goes_only_if_a_number_of_days_is_said() {
    let (rig, rule) = (Rig::new(), "keep = 1\nexpired_for = \"off\"");
    let mut items = Vec::new();
    for days in [200, 150, 100, 80] {
        items.push(rig.ended(&["a.example"], CA, days).await);
    }
    assert_eq!(rig.prune_by(rule, &[]).good(), "nothing to remove\n");
    rig.prune_by(rule, &["--expired-for", "30d"]).good();
    assert_eq!(rig.items().await, items[2..], "the current one, and the one before it that is configured");
}

#[tokio::test]
async fn what_a_link_leads_to_is_served_or_is_pinned_stays() {
    let rig = Rig::new();
    let pinned = rig.ended(&["a.example"], CA, 200).await;
    let gone = rig.ended(&["a.example"], CA, 190).await;
    // The only one with this name beside the other.
    let led_to = rig.ended(&["a.example", "b.example"], CA, 180).await;
    // Of the CA that is configured: it is shown, though another CA's are newer.
    let served = rig.ended(&["a.example"], CA, 170).await;
    let trial = rig.ended(&["a.example"], "https://staging.example/dir", 100).await;
    let newest = rig.ended(&["a.example"], "https://staging.example/dir", 90).await;
    let pins = rig.storage().join("state/pins");
    std::fs::create_dir_all(&pins).expect("made");
    let (item, over) = (pinned.to_string(), newest.to_string());
    let pin = serde_json::json!({ "item": item, "over": over, "since": "2027-01-01T00:00:00Z" });
    std::fs::write(pins.join("a.example"), pin.to_string()).expect("written");
    rig.prune(&["--keep", "0"]).good();
    assert_eq!(rig.items().await, [pinned, led_to, served, newest]);
    assert_ne!(gone, trial);
}

#[tokio::test]
async fn a_pin_that_cannot_be_read_keeps_everything() {
    let rig = Rig::new();
    for days in [200, 100] {
        rig.ended(&["a.example"], CA, days).await;
    }
    let pins = rig.storage().join("state/pins");
    std::fs::create_dir_all(&pins).expect("made");
    std::fs::write(pins.join("a.example"), "x").expect("written");
    assert!(rig.prune(&["--keep", "0"]).refused().contains("state/pins/a.example"));
    assert_eq!(rig.items().await.len(), 2);
}

#[tokio::test]
async fn names_nobody_has_configured_are_listed_and_go_if_that_is_said() {
    let rig = Rig::new();
    let both = rig.ended(&["a.example", "old.example"], CA, 50).await;
    let own = rig.ended(&["a.example"], CA, 40).await;
    let old = rig.ended(&["old.example"], CA, 30).await;
    let lineage = issued::lineage(&["old.example"], Provider::Letsencrypt);
    drop(rig.store().spool().open(&lineage).await.expect("a draft"));
    let said = rig.prune(&[]).good();
    assert!(said.contains(&format!("not configured  {old}")) && said.contains("--unconfigured"), "{said}");
    assert_eq!(rig.items().await, [both.clone(), own.clone(), old.clone()]);
    let json = rig.prune(&["--unconfigured", "--dry-run", "--json"]).good();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["removed"][0]["item"], &json["dry_run"]), (&old.as_str().into(), &true.into()));
    rig.prune(&["--unconfigured"]).good();
    assert_eq!(rig.items().await, [both.clone(), own]);
    assert_eq!(rig.leads("old.example").await, Some(both), "back to the newest that stays");
    assert!(rig.store().spool().list().await.expect("a listing").is_empty());
}

#[tokio::test]
async fn without_a_configuration_not_everything_goes() {
    let rig = Rig::new();
    rig.ended(&["a.example"], CA, 50).await;
    let storage = rig.storage();
    let words = ["prune", "--unconfigured", "--storage", storage.to_str().expect("text")];
    assert!(sidegate(&words).refused().contains("-c FILE"));
    assert_eq!(rig.items().await.len(), 1);
}

#[tokio::test]
async fn only_whoever_issues_removes_anything() {
    let rig = Rig::new();
    for days in [200, 190, 180, 170] {
        rig.ended(&["a.example"], CA, days).await;
    }
    let store = rig.store();
    let role = store.claim_issuer().await.expect("free");
    let said = rig.prune(&[]).refused();
    assert!(
        said.contains(&format!("process {}", std::process::id())) && said.contains("--dry-run"),
        "{said}"
    );
    assert!(rig.prune(&["--dry-run"]).good().contains("would remove"));
    assert_eq!(rig.items().await.len(), 4);
    drop(role);
    rig.prune(&[]).good();
    assert_eq!(rig.items().await.len(), 3);
}

#[tokio::test]
async fn a_process_that_issues_does_it_by_itself_unless_that_is_switched_off() {
    for (prune, left) in [("expired_for = \"off\"", 4), ("keep = 1", 2)] {
        let place = Place::new();
        for days in [200, 190, 180, 170] {
            ended(&place.storage(), &["a.example"], CA, days).await;
        }
        let site = format!(
            "[prune]\n{prune}\n[[site]]\ndomains = [\"a.example\"]\nto = \"3000\"\nissuer = \"selfsigned\"\n"
        );
        let config = place.configure("", &site);
        let running = Sidegate::serve(&config).await;
        let said = if left == 4 { "committed" } else { "pruned" };
        running.logged(&[said]).await;
        running.stop().await;
        let items = store(&place.storage()).database().items().await.expect("a listing");
        let old = items.iter().filter(|id| id.time() < SystemTime::now() - 100 * DAY).count();
        assert_eq!(old, left, "{prune}");
    }
}

#[tokio::test]
async fn a_process_that_issues_is_asked_and_serves_on() {
    let place = Place::new();
    let old = ended(&place.storage(), &["old.example"], CA, 10).await.to_string();
    let config = localhost(&place);
    let running = Sidegate::serve(&config).await;
    running.logged(&["serving", "item="]).await;
    let told = tell(&config, &["prune", "--unconfigured", "--dry-run", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let json = told.json();
    let removed = json["removed"].as_array().expect("a list");
    assert_eq!(removed.len(), 1, "{json}");
    assert_eq!((&removed[0]["item"], &json["dry_run"]), (&old.as_str().into(), &true.into()));
    let left = tell(&config, &["prune"]);
    assert!(left.out.contains(&format!("not configured  {old}")), "{}{}", left.out, left.err);

    let told = tell(&config, &["prune", "--unconfigured"]);
    assert_eq!(
        (told.code, told.out.starts_with(&format!("removed  {old}"))),
        (Some(0), true),
        "{}",
        told.err
    );
    let items = store(&place.storage()).database().items().await.expect("a listing");
    assert_eq!(items.len(), 1, "what is served stays: {items:?}");
    assert_eq!(tell(&config, &["prune", "--unconfigured"]).out, "nothing to remove\n");
    let told = tell(&config, &["status", "localhost"]);
    assert!(told.code == Some(0) && told.out.contains("which issues"), "{}{}", told.out, told.err);
    running.stop().await;
    let story = tell(&config, &["explain", "old.example"]).out;
    assert!(
        story.contains("asked by an operator: prune") && story.contains(&format!("removed {old}")),
        "{story}"
    );
}
