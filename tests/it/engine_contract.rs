//! What every engine promises, asked of every engine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sidegate::ident::{ItemId, Lineage, LineageId, Name, Names, Provider};
use sidegate::store::engine::{Changed, Changes, Engine, EngineError, Expect, Secrecy};
use sidegate::store::fs::FsEngine;
use sidegate::store::layout::{self, Family, File};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::{Key, Prefix};

/// Runs each sentence on each engine.
macro_rules! contract {
    ($($sentence:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&super::MemoryEngine::new()).await;
            })*
        }
        mod filesystem {
            $(#[tokio::test]
            async fn $sentence() {
                let root = tempfile::tempdir().expect("a directory");
                let engine = super::FsEngine::open(root.path()).expect("a storage");
                super::$sentence(&engine).await;
                super::nothing_is_left_aside(root.path());
            })*
        }
    };
}

contract! {
    a_value_reads_back_and_lists
    a_value_is_replaced_only_as_expected
    two_writers_do_not_both_win
    a_pointer_is_moved_only_as_expected
    two_movers_do_not_both_win
    a_pointer_may_lead_nowhere_yet
    removing_is_whole_and_minds_the_version
    sealing_is_all_or_nothing_and_once
    an_item_does_not_change
    sealing_frees_the_draft_for_the_next_and_keeps_the_claim_until_then
    a_claim_excludes_until_it_is_dropped
    giving_up_a_held_folder_frees_its_name
    what_is_set_aside_is_kept
    reading_all_is_reading_each
    following_all_is_following_each
    what_is_of_another_kind_is_foreign
    a_moved_pointer_is_told
    nothing_there_is_not_an_error_where_it_is_an_answer
}

fn lineage(name: &str) -> LineageId {
    let names = Names::new([Name::parse(name).expect("a name")]).expect("names");
    Lineage::new(names, Provider::Selfsigned).id().clone()
}

fn item(seconds: u64) -> ItemId {
    ItemId::next(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), None)
}

fn pointer(name: &str) -> Key {
    layout::pointer(Family::Any, &Name::parse(name).expect("a name"))
}

async fn put(engine: &dyn Engine, key: &Key, value: &'static str) {
    engine
        .put(key, Bytes::from_static(value.as_bytes()), Expect::Any, Secrecy::Open)
        .await
        .unwrap_or_else(|e| panic!("{key}: {e}"));
}

async fn draft(engine: &dyn Engine, id: &LineageId) {
    put(engine, &layout::draft_file(id, File::DomainList), "example.com\n").await;
    put(engine, &layout::draft_file(id, File::Key), "a key").await;
}

fn nothing_is_left_aside(root: &std::path::Path) {
    let aside = root.join(layout::aside().as_str());
    for own in std::fs::read_dir(aside).expect("the folder") {
        let left: Vec<_> =
            std::fs::read_dir(own.expect("an entry").path()).expect("its own folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn a_value_reads_back_and_lists(engine: &dyn Engine) {
    let id = lineage("example.com");
    draft(engine, &id).await;
    let key = layout::draft_file(&id, File::Key);
    assert_eq!(engine.read(&key).await.expect("the value").0, "a key");
    let listed = engine.list(&layout::draft(&id)).await.expect("a list");
    assert_eq!(listed, [layout::draft_file(&id, File::DomainList), key]);
    let drafts = engine.list(&layout::spool()).await.expect("a list");
    assert_eq!(drafts.iter().map(Key::as_prefix).collect::<Vec<_>>(), [layout::draft(&id)]);
}

async fn a_value_is_replaced_only_as_expected(engine: &dyn Engine) {
    let key = layout::lineage_state(&lineage("example.com"));
    let write = |text: &'static str, expect| engine.put(&key, Bytes::from(text), expect, Secrecy::Open);
    let first = write("1", Expect::Absent).await.expect("nothing is there");
    assert!(matches!(write("2", Expect::Absent).await, Err(EngineError::Conflict { .. })));
    let second = write("2", Expect::Is(first)).await.expect("it is the first");
    assert!(matches!(write("3", Expect::Is(first)).await, Err(EngineError::Conflict { .. })));
    assert_eq!(engine.read(&key).await.expect("a value"), (Bytes::from("2"), second));
    write("3", Expect::Any).await.expect("whatever is there");
    engine.remove(&key.as_prefix(), Expect::Any).await.expect("removed");
    assert!(matches!(write("4", Expect::Is(second)).await, Err(EngineError::Conflict { .. })));
    assert!(matches!(engine.read(&key).await, Err(EngineError::Absent { .. })));
}

async fn two_writers_do_not_both_win(engine: &dyn Engine) {
    let key = layout::lineage_state(&lineage("example.com"));
    let write = |text: String, expect| engine.put(&key, Bytes::from(text), expect, Secrecy::Open);
    let mut seen = write("start".into(), Expect::Absent).await.expect("a value");
    for round in 0..20 {
        let (a, b, c) = tokio::join!(
            write(format!("a{round}"), Expect::Is(seen)),
            write(format!("b{round}"), Expect::Is(seen)),
            write(format!("c{round}"), Expect::Is(seen)),
        );
        let won: Vec<_> = [a, b, c].into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        seen = won[0];
        assert_eq!(engine.read(&key).await.expect("a value").1, seen);
    }
}

async fn a_pointer_is_moved_only_as_expected(engine: &dyn Engine) {
    let pointer = pointer("*.example.com");
    let (one, two) = (layout::item(&item(1)), layout::item(&item(2)));
    engine.point(&pointer, &one, Expect::Absent).await.expect("nothing is there");
    assert!(matches!(engine.point(&pointer, &two, Expect::Absent).await, Err(EngineError::Conflict { .. })));
    let (target, seen) = engine.follow(&pointer).await.expect("followed").expect("a pointer");
    assert_eq!(target, one);
    engine.point(&pointer, &two, Expect::Is(seen)).await.expect("it leads to the first");
    assert!(matches!(
        engine.point(&pointer, &one, Expect::Is(seen)).await,
        Err(EngineError::Conflict { .. })
    ));
    let (target, _) = engine.follow(&pointer).await.expect("followed").expect("a pointer");
    assert_eq!(target, two);
    engine.point(&layout::current_account(), &layout::account(&account()), Expect::Any).await.expect("set");
    let (current, _) = engine.follow(&layout::current_account()).await.expect("followed").expect("a pointer");
    assert_eq!(current, layout::account(&account()));
}

fn account() -> layout::AccountId {
    layout::AccountId::parse("ca.example-0123456789abcdef").expect("an id")
}

async fn two_movers_do_not_both_win(engine: &dyn Engine) {
    let pointer = pointer("example.com");
    let targets: Vec<Prefix> = (1..=3).map(|n| layout::item(&item(n))).collect();
    let (a, b, c) = tokio::join!(
        engine.point(&pointer, &targets[0], Expect::Absent),
        engine.point(&pointer, &targets[1], Expect::Absent),
        engine.point(&pointer, &targets[2], Expect::Absent),
    );
    let won: Vec<usize> = [a, b, c].iter().enumerate().filter(|(_, r)| r.is_ok()).map(|(i, _)| i).collect();
    assert_eq!(won.len(), 1);
    let (target, _) = engine.follow(&pointer).await.expect("followed").expect("a pointer");
    assert_eq!(target, targets[won[0]]);
}

async fn a_pointer_may_lead_nowhere_yet(engine: &dyn Engine) {
    let nowhere = layout::item(&item(9));
    engine.point(&pointer("example.com"), &nowhere, Expect::Any).await.expect("pointed");
    let (target, _) = engine.follow(&pointer("example.com")).await.expect("followed").expect("a pointer");
    assert_eq!(target, nowhere);
    assert!(matches!(engine.read_all(&nowhere).await, Err(EngineError::Absent { .. })));
}

async fn removing_is_whole_and_minds_the_version(engine: &dyn Engine) {
    let id = lineage("example.com");
    draft(engine, &id).await;
    engine.remove(&layout::draft(&id), Expect::Any).await.expect("removed");
    assert_eq!(engine.list(&layout::spool()).await.expect("a list"), []);
    engine.remove(&layout::draft(&id), Expect::Any).await.expect("nothing there is success");

    let pointer = pointer("example.com");
    engine.point(&pointer, &layout::item(&item(1)), Expect::Any).await.expect("pointed");
    let (_, seen) = engine.follow(&pointer).await.expect("followed").expect("a pointer");
    engine.point(&pointer, &layout::item(&item(2)), Expect::Any).await.expect("moved");
    let removed = engine.remove(&pointer.as_prefix(), Expect::Is(seen)).await;
    assert!(matches!(removed, Err(EngineError::Conflict { .. })), "{removed:?}");
    let removed = engine.remove(&pointer.as_prefix(), Expect::Absent).await;
    assert!(matches!(removed, Err(EngineError::Conflict { .. })), "{removed:?}");
    let (_, seen) = engine.follow(&pointer).await.expect("followed").expect("still there");
    engine.remove(&pointer.as_prefix(), Expect::Is(seen)).await.expect("removed");
    assert!(engine.follow(&pointer).await.expect("followed").is_none());
    assert!(matches!(
        engine.remove(&pointer.as_prefix(), Expect::Is(seen)).await,
        Err(EngineError::Conflict { .. })
    ));
}

async fn sealing_is_all_or_nothing_and_once(engine: &dyn Engine) {
    let (a, b, id) = (lineage("a.example"), lineage("b.example"), item(1));
    draft(engine, &a).await;
    draft(engine, &b).await;
    engine.seal(&layout::draft(&a), &layout::item(&id)).await.expect("sealed");
    assert!(matches!(
        engine.seal(&layout::draft(&b), &layout::item(&id)).await,
        Err(EngineError::Exists { .. })
    ));
    assert!(matches!(
        engine.seal(&layout::draft(&a), &layout::item(&item(2))).await,
        Err(EngineError::Absent { .. })
    ));
    let (value, _) = engine.read(&layout::item_file(&id, File::Key)).await.expect("the file");
    assert_eq!(value, "a key");
    let names: BTreeSet<String> =
        engine.list(&layout::spool()).await.expect("a list").iter().map(|k| k.name().to_owned()).collect();
    assert_eq!(names, BTreeSet::from([b.to_string()]));
}

async fn an_item_does_not_change(engine: &dyn Engine) {
    let (a, id) = (lineage("a.example"), item(1));
    draft(engine, &a).await;
    engine.seal(&layout::draft(&a), &layout::item(&id)).await.expect("sealed");
    let key = layout::item_file(&id, File::Key);
    for expect in [Expect::Any, Expect::Absent] {
        let put = engine.put(&key, Bytes::from("other"), expect, Secrecy::Secret).await;
        assert!(matches!(put, Err(EngineError::Sealed { .. })), "{put:?}");
        let new = engine.put(&layout::item_file(&id, File::Csr), Bytes::new(), expect, Secrecy::Open).await;
        assert!(matches!(new, Err(EngineError::Sealed { .. })), "{new:?}");
    }
    assert!(matches!(engine.remove(&key.as_prefix(), Expect::Any).await, Err(EngineError::Sealed { .. })));
    assert!(matches!(engine.set_aside(&key.as_prefix()).await, Err(EngineError::Sealed { .. })));
    assert!(matches!(
        engine.point(&key, &layout::item(&id), Expect::Any).await,
        Err(EngineError::Sealed { .. })
    ));
    assert_eq!(engine.read(&key).await.expect("the file").0, "a key");
    engine.remove(&layout::item(&id), Expect::Any).await.expect("but it can go as a whole");
}

async fn sealing_frees_the_draft_for_the_next_and_keeps_the_claim_until_then(engine: &dyn Engine) {
    let a = lineage("a.example");
    let claim = engine.claim(&layout::draft(&a)).await.expect("free");
    draft(engine, &a).await;
    engine.seal(&layout::draft(&a), &layout::item(&item(1))).await.expect("sealed");
    let next = engine.claim(&layout::draft(&a)).await.expect("the next draft is another folder");
    assert!(matches!(engine.claim(&layout::draft(&a)).await, Err(EngineError::Taken { .. })));
    drop(claim);
    assert!(matches!(engine.claim(&layout::draft(&a)).await, Err(EngineError::Taken { .. })));
    drop(next);
    engine.claim(&layout::draft(&a)).await.expect("free again");
}

async fn a_claim_excludes_until_it_is_dropped(engine: &dyn Engine) {
    let claim = engine.claim(&layout::issuer_role()).await.expect("free");
    assert_eq!(claim.what(), &layout::issuer_role());
    match engine.claim(&layout::issuer_role()).await {
        Err(EngineError::Taken { holder, .. }) => assert_eq!(holder.as_deref(), Some("this process")),
        other => panic!("{other:?}"),
    }
    let other = engine.claim(&layout::draft(&lineage("a.example"))).await.expect("another folder is free");
    drop((claim, other));
    engine.claim(&layout::issuer_role()).await.expect("free again");
}

async fn giving_up_a_held_folder_frees_its_name(engine: &dyn Engine) {
    let place = layout::draft(&lineage("a.example"));
    let claim = engine.claim(&place).await.expect("free");
    engine.remove(&place, Expect::Any).await.expect("removed");
    let next = engine.claim(&place).await.expect("a new folder");
    drop(claim);
    assert!(matches!(engine.claim(&place).await, Err(EngineError::Taken { .. })));
    drop(next);
}

async fn what_is_set_aside_is_kept(engine: &dyn Engine) {
    let (a, id) = (lineage("a.example"), item(1));
    draft(engine, &a).await;
    engine.seal(&layout::draft(&a), &layout::item(&id)).await.expect("sealed");
    let to = engine.set_aside(&layout::item(&id)).await.expect("moved");
    assert_eq!(to.folder(), layout::quarantine());
    assert!(to.name().contains(id.as_str()), "{to} does not say what it was");
    let kept = engine.read_all(&to).await.expect("its files");
    assert_eq!(kept.len(), 2);
    assert_eq!(engine.list(&layout::items()).await.expect("a list"), []);

    // The same place twice, and one value alone.
    let key = layout::lineage_state(&a);
    for _ in 0..2 {
        put(engine, &key, "{").await;
        let to = engine.set_aside(&key.as_prefix()).await.expect("moved");
        let key = to.folder().child(to.name()).expect("a key");
        assert_eq!(engine.read(&key).await.expect("the value").0, "{");
    }
    assert!(matches!(engine.set_aside(&key.as_prefix()).await, Err(EngineError::Absent { .. })));
}

async fn reading_all_is_reading_each(engine: &dyn Engine) {
    let id = lineage("example.com");
    draft(engine, &id).await;
    let mut each = Vec::new();
    for key in engine.list(&layout::draft(&id)).await.expect("a list") {
        let (value, _) = engine.read(&key).await.expect("a value");
        each.push((key, value));
    }
    assert_eq!(engine.read_all(&layout::draft(&id)).await.expect("all"), each);
}

async fn following_all_is_following_each(engine: &dyn Engine) {
    for (n, name) in ["b.example", "*.a.example", "192.0.2.1", "2001:db8::1"].iter().enumerate() {
        let target = layout::item(&item(n as u64));
        engine.point(&pointer(name), &target, Expect::Any).await.expect("pointed");
    }
    let mut each = Vec::new();
    for key in engine.list(&layout::family(Family::Any)).await.expect("a list") {
        let (target, _) = engine.follow(&key).await.expect("followed").expect("a pointer");
        each.push((key, Some(target)));
    }
    assert_eq!(each.len(), 4);
    assert_eq!(engine.follow_all(&layout::family(Family::Any)).await.expect("all"), each);
}

async fn what_is_of_another_kind_is_foreign(engine: &dyn Engine) {
    let pointer = pointer("example.com");
    put(engine, &pointer, "a copy somebody made").await;
    assert!(matches!(engine.follow(&pointer).await, Err(EngineError::Foreign { .. })));
    let all = engine.follow_all(&layout::family(Family::Any)).await.expect("all");
    assert_eq!(all, [(pointer.clone(), None)]);
    engine.set_aside(&pointer.as_prefix()).await.expect("moved");
    engine.point(&pointer, &layout::item(&item(1)), Expect::Absent).await.expect("free now");
    assert!(matches!(engine.read(&pointer).await, Err(EngineError::Foreign { .. })));
    assert!(matches!(engine.read_all(&layout::family(Family::Any)).await, Err(EngineError::Foreign { .. })));
    // A folder in the place of a file.
    let id = lineage("a.example");
    draft(engine, &id).await;
    let folder = layout::spool().child(id.as_str()).expect("a key");
    assert!(matches!(engine.read(&folder).await, Err(EngineError::Foreign { .. })));
    // A file in the place of a folder.
    let file = layout::draft_file(&id, File::Key).as_prefix();
    assert!(matches!(engine.list(&file).await, Err(EngineError::Foreign { .. })));
    assert!(matches!(engine.read_all(&file).await, Err(EngineError::Foreign { .. })));
    assert!(matches!(engine.follow_all(&file).await, Err(EngineError::Foreign { .. })));
    assert!(matches!(engine.claim(&file).await, Err(EngineError::Foreign { .. })));
    assert!(matches!(engine.seal(&file, &layout::item(&item(2))).await, Err(EngineError::Foreign { .. })));
}

async fn a_moved_pointer_is_told(engine: &dyn Engine) {
    let mut changes = engine.changes();
    let (first, second) = (pointer("a.example"), layout::pointer(Family::Selfsigned, &name("b.example")));
    for (n, key) in [&first, &second, &first].into_iter().enumerate() {
        let target = layout::item(&item(n as u64));
        engine.point(key, &target, Expect::Any).await.expect("pointed");
        hear(&mut changes, key).await;
    }
    engine.remove(&first.as_prefix(), Expect::Any).await.expect("removed");
    hear(&mut changes, &first).await;
    let current = layout::current_account();
    engine.point(&current, &layout::account(&account()), Expect::Any).await.expect("pointed");
    hear(&mut changes, &current).await;
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// Waits for the news of this pointer, which may come more than once and among others.
async fn hear(changes: &mut Changes, key: &Key) {
    let heard = async {
        loop {
            match changes.next().await {
                Changed::Pointer(moved) if moved == *key => break,
                Changed::Something => break,
                Changed::Pointer(_) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), heard).await.expect("news");
}

async fn nothing_there_is_not_an_error_where_it_is_an_answer(engine: &dyn Engine) {
    let nowhere = layout::draft(&lineage("nowhere.example"));
    assert_eq!(engine.list(&nowhere).await.expect("a list"), []);
    assert!(engine.follow(&pointer("nowhere.example")).await.expect("an answer").is_none());
    assert!(matches!(engine.read_all(&nowhere).await, Err(EngineError::Absent { .. })));
    assert!(matches!(
        engine.read(&layout::draft_file(&lineage("nowhere.example"), File::Key)).await,
        Err(EngineError::Absent { .. })
    ));
}

/// Engines are handed around as one trait object.
#[tokio::test]
async fn an_engine_is_an_object() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    assert_eq!(engine.list(&Prefix::root()).await.expect("a list").len(), 5);
}
