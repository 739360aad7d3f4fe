//! Dying at every verb on the way from a draft to an item: afterwards a sweep finds nothing torn.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Provider};
use sidegate::pki::KeyType;
use sidegate::store::engine::Engine;
use sidegate::store::fs::FsEngine;
use sidegate::store::memory::MemoryEngine;
use sidegate::store::sweep::{SweepReport, sweep};
use sidegate::store::{Family, Issuance, Store, StoreError};

use crate::house::faults::{Fault, Faulty};
use crate::house::issued::{answer, lineage};

const NAMES: [&str; 2] = ["example.com", "*.example.com"];

fn store(engine: Arc<dyn Engine>) -> Store {
    Store::new(engine, Clock::system())
}

/// The way a certificate goes, as the manager goes it. Returns the key it saw first of all.
async fn issue(store: &Store, lineage: &Lineage, seen: &mut Option<Vec<u8>>) -> Result<ItemId, StoreError> {
    let mut draft = store.spool().open(lineage).await?;
    let (key, request) = draft.request_or_generate(KeyType::P256).await?;
    seen.get_or_insert_with(|| key.spki());
    draft
        .note_issuance(&Issuance {
            directory: Some("https://ca.example/directory".into()),
            order: Some("https://ca.example/order/1".into()),
            ..Issuance::new(
                KeyType::P256.as_str(),
                "a test",
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            )
        })
        .await?;
    draft.commit(&answer(lineage, &key, &request)).await
}

/// What must be true after any crash and a sweep, and what the next attempt makes of it.
async fn all_is_whole(engine: &Arc<dyn Engine>, lineage: &Lineage, before: &[ItemId], seen: Option<&[u8]>) {
    let store = store(Arc::clone(engine));
    let database = store.database();
    sweep(&store).await.expect("a sweep");

    let items = database.items().await.expect("a list");
    assert!(items.len() <= before.len() + 1, "one attempt makes at most one item");
    for id in &items {
        database.item(id).await.expect("every item is whole");
    }
    let newest = items.last();
    for family in Family::of(lineage.provider()) {
        for name in lineage.names() {
            // All names of the item alike, and to the newest one, or to none if there is none.
            assert_eq!(
                database.pointer(family, name).await.expect("an answer").as_ref(),
                newest,
                "{family}/{name}"
            );
        }
    }
    let again = sweep(&store).await.expect("a second sweep");
    let drafts = store.spool().list().await.expect("a list");
    assert_eq!(again, SweepReport { items: items.len(), drafts: drafts.clone(), ..SweepReport::default() });

    let committed = items.len() > before.len();
    assert!(!(committed && drafts.contains(lineage.id())), "a draft is in the spool or it is an item");
    if committed {
        return;
    }
    // The next attempt goes on with the key of the first, if the first ever gave one out.
    let mut key = None;
    let id = loop {
        match issue(&store, lineage, &mut key).await {
            // A program that another test is just starting has a copy of our locks until it runs.
            Err(error) if error.is_taken() => tokio::task::yield_now().await,
            done => break done.expect("the next attempt"),
        }
    };
    assert!(before.iter().all(|old| *old < id));
    if let Some(seen) = seen {
        assert_eq!(key.as_deref(), Some(seen), "a key that was given out is not lost");
    }
    assert_eq!(store.spool().list().await.expect("a list"), []);
}

/// Fails or dies at every verb there is, first on an empty storage, then as a renewal.
async fn at_every_verb(
    faults: &[Fault],
    provider: Provider,
    new_engine: impl Fn() -> (Arc<dyn Engine>, Option<tempfile::TempDir>),
) {
    let lineage = lineage(&NAMES, provider);
    for &fault in faults {
        for renewal in [false, true] {
            let mut verbs = 0;
            loop {
                let (engine, _root) = new_engine();
                let mut before = Vec::new();
                if renewal {
                    let first = issue(&store(Arc::clone(&engine)), &lineage, &mut None).await;
                    before.push(first.expect("no fault yet"));
                }
                let faulty = Faulty::new(Arc::clone(&engine), fault, verbs);
                let mut seen = None;
                let outcome =
                    issue(&store(Arc::clone(&faulty) as Arc<dyn Engine>), &lineage, &mut seen).await;
                let what = format!("{fault:?} at verb {verbs}, renewal {renewal}: {outcome:?}");
                if !faulty.happened() {
                    outcome.expect("no fault, no error");
                    break;
                }
                if let Err(StoreError::PointersLag { item, .. }) = &outcome {
                    let known = store(Arc::clone(&engine)).database().item(item).await;
                    assert!(known.is_ok(), "{what}: it says the item is committed");
                }
                assert!(outcome.is_err(), "{what}: a fault that nobody notices");
                all_is_whole(&engine, &lineage, &before, seen.as_deref()).await;
                verbs += 1;
            }
            assert!(verbs > 15, "{verbs} verbs are fewer than a commit needs");
        }
    }
}

fn memory() -> (Arc<dyn Engine>, Option<tempfile::TempDir>) {
    (Arc::new(MemoryEngine::new()), None)
}

fn filesystem() -> (Arc<dyn Engine>, Option<tempfile::TempDir>) {
    let root = tempfile::tempdir().expect("a directory");
    (Arc::new(FsEngine::open(root.path()).expect("a storage")), Some(root))
}

#[tokio::test]
async fn nothing_is_torn_in_memory() {
    at_every_verb(&Fault::ALL, Provider::Selfsigned, memory).await;
    at_every_verb(&Fault::ALL, Provider::Letsencrypt, memory).await;
}

#[tokio::test]
async fn nothing_is_torn_on_disk() {
    at_every_verb(&[Fault::DiesAfter], Provider::Letsencrypt, filesystem).await;
}

/// A sweep that dies can be run again, wherever it died.
#[tokio::test]
async fn a_sweep_may_die_too() {
    let lineage = lineage(&NAMES, Provider::Letsencrypt);
    for at in 0.. {
        let (engine, _) = memory();
        // The item is there, its pointers are not.
        let committing =
            Faulty::new(Arc::clone(&engine), Fault::Fails, verbs_before_pointing(&lineage).await);
        let outcome = issue(&store(committing), &lineage, &mut None).await;
        let Err(StoreError::PointersLag { item, .. }) = outcome else { panic!("{outcome:?}") };

        let dying = Faulty::new(Arc::clone(&engine), Fault::DiesBefore, at);
        let swept = sweep(&store(Arc::clone(&dying) as Arc<dyn Engine>)).await;
        let after = sweep(&store(Arc::clone(&engine))).await.expect("a sweep that lives");
        let database = store(engine).database();
        for name in lineage.names() {
            assert_eq!(database.pointer(Family::Any, name).await.expect("an answer"), Some(item.clone()));
        }
        assert!(after.quarantined.is_empty(), "a whole item is never set aside");
        if !dying.happened() {
            swept.expect("no fault, no error");
            break;
        }
    }
}

/// The number of the first verb whose failure leaves an item without all of its pointers.
async fn verbs_before_pointing(lineage: &Lineage) -> usize {
    for at in 0.. {
        let faulty = Faulty::new(memory().0, Fault::Fails, at);
        match issue(&store(faulty), lineage, &mut None).await {
            Err(StoreError::PointersLag { .. }) => return at,
            Err(_) => {}
            Ok(_) => break,
        }
    }
    panic!("no verb moves a pointer");
}
