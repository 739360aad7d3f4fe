//! What is beside the items: records, what somebody has decided, and the story. Damaged ones, and those that meet others.

use std::fs;
use std::time::{Duration, SystemTime};

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::store::{Hooked, Pin, Revoked, Store};
use sidegate::story::Event;

use super::{CA, Rig, contents, demanded, furnish};
use crate::house::tool::{commit, store, store_at, told};

#[tokio::test]
async fn what_is_decided_and_told_here_stays_and_what_is_revoked_is_revoked() {
    let rig = Rig::new();
    let (now, name) = (SystemTime::now(), |name| Name::parse(name).expect("a name"));
    let before = now - Duration::from_secs(86_400);
    let old = store_at(&rig.path("old"), before);
    let (gone_back_to, _) =
        commit(&old, &["both.example", "old.example"], Provider::Letsencrypt, Some(CA)).await;
    let (shared, _) = commit(&old, &["both.example", "old.example"], Provider::Letsencrypt, Some(CA)).await;
    rig.backup("old").good();
    rig.restore("new").good();
    // From here on the two go their own ways.
    let pin = |item: &ItemId| Pin { item: item.clone(), over: shared.clone(), since: before };
    for pinned in ["both.example", "old.example"] {
        old.pins().put(&name(pinned), &pin(&gone_back_to)).await.expect("pinned");
    }
    let (only, _) = commit(&old, &["only.example"], Provider::Letsencrypt, Some(CA)).await;
    let (only_newer, _) = commit(&old, &["only.example"], Provider::Letsencrypt, Some(CA)).await;
    let of_only = Pin { item: only, over: only_newer, since: before };
    old.pins().put(&name("only.example"), &of_only).await.expect("pinned");
    let revoked = Revoked { at: before, why: None };
    old.pins().note_revoked(&shared, &revoked).await.expect("noted");
    old.demands().save(&demanded(&["a.example", "b.example"], before)).await.expect("saved");
    old.hooks().save(Hooked { line: 3, attempts: 0 }).await.expect("saved");
    told(&rig.path("old"), [Event::Leads, Event::ProvedBefore, Event::Stopped]).await;
    let new = store(&rig.path("new"));
    new.pins().put(&name("both.example"), &pin(&shared)).await.expect("pinned");
    new.demands().save(&demanded(&["b.example", "c.example"], now)).await.expect("saved");
    told(&rig.path("new"), [Event::Leads]).await;
    let here = contents(&rig.path("new"));
    rig.backup("old").good();
    let said = rig.restore("new").good();

    for left in ["the rollback of both.example", "the rollback of old.example", "the journal"] {
        assert!(said.contains(&format!("left in the archive: {left}: ")), "{said}");
    }
    assert!(said.contains("; 0 accounts, 1 rollback, 1 revoked; no journal\n"), "{said}");
    let after = contents(&rig.path("new"));
    for (path, value) in here.iter().filter(|(path, _)| *path != "state/on-demand.json") {
        assert_eq!(after.get(path), Some(value), "{path} was overwritten");
    }
    assert!(!after.contains_key("state/hooks.json"), "where a hook is in another journal says nothing here");
    let pins: Vec<(Name, ItemId)> =
        new.pins().all().await.expect("pins").into_iter().map(|(name, pin)| (name, pin.item)).collect();
    assert_eq!(pins, [(name("both.example"), shared.clone()), (name("only.example"), of_only.item)]);
    assert!(
        new.pins().all_revoked().await.expect("marks").contains(&shared),
        "also of an item that was here"
    );
    let known = new.demands().load().await.expect("a record");
    assert!(known.names[0].allowed > before, "as it was here");
    let names: Vec<String> = known.names.iter().map(|known| known.name.to_string()).collect();
    assert_eq!(names, ["b.example", "c.example", "a.example"]);
    assert_eq!(known.granted.len(), 4, "what either has spent is spent");
}

#[tokio::test]
async fn a_position_in_a_journal_that_is_gone_makes_way_for_the_one_that_comes() {
    let rig = Rig::new();
    let (old, new) = (store(&rig.path("old")), store(&rig.path("new")));
    told(&rig.path("old"), [Event::Leads, Event::Stopped]).await;
    new.hooks().save(Hooked { line: 900, attempts: 1 }).await.expect("saved");
    // As a crash leaves it that comes when a journal is about to begin.
    fs::create_dir(rig.path("new/state/journal")).expect("made");
    rig.backup("old").good();
    assert!(rig.restore("new").good().ends_with("; the journal\n"));
    assert_eq!(new.hooks().load().await.expect("read"), None, "the archive has none");
    fs::remove_dir_all(rig.path("new/state/journal")).expect("removed");
    old.hooks().save(Hooked { line: 2, attempts: 0 }).await.expect("saved");
    new.hooks().save(Hooked { line: 900, attempts: 1 }).await.expect("saved");
    rig.backup("old").good();
    rig.restore("new").good();
    assert_eq!(new.hooks().load().await.expect("read"), Some(Hooked { line: 2, attempts: 0 }));
}

#[tokio::test]
async fn a_torn_line_of_the_journal_stays_behind_and_a_damaged_one_comes_along() {
    let rig = Rig::new();
    store(&rig.path("old"));
    told(&rig.path("old"), [Event::Leads, Event::ProvedBefore, Event::Stopped]).await;
    let segment = rig.path("old/state/journal/00000001.jsonl");
    let mut lines = fs::read(&segment).expect("a segment");
    lines[10] ^= 1;
    fs::write(&segment, [&lines[..], b"{\"n\":4,\"at"].concat()).expect("written");
    rig.backup("old").good();
    rig.restore("new").good();
    assert_eq!(fs::read(rig.path("new/state/journal/00000001.jsonl")).expect("a segment"), lines);
}

#[tokio::test]
async fn what_a_restore_would_refuse_is_named_and_left_out_of_the_backup() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    told(&rig.path("old"), [Event::Leads]).await;
    let there = contents(&rig.path("old"));
    let of = |ending: &str| there.keys().find(|path| path.ends_with(ending)).expect(ending).clone();
    let state = there.keys().find(|path| path.starts_with("state/lineages/")).expect("a state").clone();
    let next_key = there.keys().find(|path| path.starts_with("state/rollover/")).expect("a key").clone();
    let damaged = [
        of("ledger.json"),
        of("on-demand.json"),
        of("hooks.json"),
        of("account.json"),
        of("pins/*.example.com"),
        state,
        next_key,
    ];
    for path in &damaged {
        fs::write(rig.path("old").join(path), "{").expect("damaged");
    }
    let said = rig.backup("old").refused();
    for path in &damaged {
        assert!(said.contains(&format!("left out: {path} is damaged")), "{path} is not in {said}");
    }
    assert_eq!(said.lines().count(), damaged.len(), "{said}");
    rig.restore("new").good();
    let mut expected = contents(&rig.path("old"));
    expected.retain(|path, _| !path.starts_with("spool/") && !damaged.contains(path));
    assert_eq!(contents(&rig.path("new")), expected);
}

#[tokio::test]
async fn a_rollback_to_an_item_that_is_left_out_is_left_out_too() {
    let rig = Rig::new();
    let old = store(&rig.path("old"));
    furnish(&old).await;
    let (_, pin) = old.pins().all().await.expect("pins").pop().expect("a pin");
    fs::write(rig.path("old").join(format!("database/items/{}/key.pem", pin.item)), "x").expect("damaged");
    let said = rig.backup("old").refused();
    assert!(said.contains("left out: state/pins/*.example.com is damaged: it leads to"), "{said}");
    rig.restore("new").good();
}

#[tokio::test]
async fn a_rollback_of_a_name_that_a_wildcard_covers_here_stays_behind() {
    let rig = Rig::new();
    let before = SystemTime::now() - Duration::from_secs(86_400);
    let wild = ["*.both.example", "*.old.example"];
    let old = store_at(&rig.path("old"), before);
    let (first, _) = commit(&old, &wild, Provider::Letsencrypt, Some(CA)).await;
    let (second, _) = commit(&old, &wild, Provider::Letsencrypt, Some(CA)).await;
    for pinned in ["www.both.example", "www.old.example"] {
        let pin = Pin { item: first.clone(), over: second.clone(), since: before };
        old.pins().put(&Name::parse(pinned).expect("a name"), &pin).await.expect("pinned");
    }
    rig.backup("old").good();
    commit(&store(&rig.path("new")), &["*.both.example"], Provider::Letsencrypt, Some(CA)).await;
    let said = rig.restore("new").good();
    assert!(said.contains("left in the archive: the rollback of www.both.example: "), "{said}");
    let pins = store(&rig.path("new")).pins().all().await.expect("pins");
    let pins: Vec<String> = pins.into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(pins, ["www.old.example"]);
}

#[tokio::test]
async fn a_rollback_to_an_item_of_other_names_is_left_out() {
    let rig = Rig::new();
    let old = store(&rig.path("old"));
    let (item, _) = commit(&old, &["a.example"], Provider::Letsencrypt, Some(CA)).await;
    let pin = Pin { over: item.clone(), item, since: SystemTime::now() };
    old.pins().put(&Name::parse("b.example").expect("a name"), &pin).await.expect("pinned");
    let said = rig.backup("old").refused();
    let why = format!("state/pins/b.example is damaged: {} is not for this name", pin.item);
    assert!(said.contains(&format!("left out: {why}")), "{said}");
    rig.restore("new").good();
}

#[tokio::test]
async fn two_reasons_for_one_revocation_are_none() {
    let rig = Rig::new();
    let old = store(&rig.path("old"));
    let (first, _) = commit(&old, &["a.example"], Provider::Letsencrypt, Some(CA)).await;
    let (second, _) = commit(&old, &["b.example"], Provider::Letsencrypt, Some(CA)).await;
    let note = async |storage: &Store, item: &ItemId, why: &str| {
        let revoked = Revoked { at: SystemTime::UNIX_EPOCH, why: Some(why.to_owned()) };
        storage.pins().note_revoked(item, &revoked).await.expect("noted");
    };
    note(&old, &first, "keyCompromise").await;
    note(&old, &second, "superseded").await;
    let new = store(&rig.path("new"));
    note(&new, &first, "superseded").await;
    note(&new, &second, "superseded").await;
    rig.backup("old").good();
    rig.restore("new").good();
    let why = async |item: &ItemId| new.pins().revoked(item).await.expect("readable").expect("noted").why;
    assert_eq!(why(&first).await, None, "which counts as the worst");
    assert_eq!(why(&second).await.as_deref(), Some("superseded"));
}
