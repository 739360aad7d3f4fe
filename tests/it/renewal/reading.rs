//! What a process does on a storage that it only reads.

use std::path::Path;
use std::sync::Arc;

use sidegate::ident::Provider;
use sidegate::pki::Leaf;
use sidegate::store::fs::FsEngine;

use super::world::{CA, DAY, Run, World, start, wish};
use crate::house::tool::{commit, commit_until, store_at};

fn reading(root: &Path) -> World {
    let engine = Arc::new(FsEngine::open_to_look(root).expect("a directory"));
    World { engine, ..World::new() }
}

/// Returns when something else is shown than this.
async fn other_than(run: &mut Run, before: &Leaf) -> Leaf {
    loop {
        let now = run.shown("example.com").expect("shown");
        if now.serial() != before.serial() {
            return now;
        }
        run.status.changed().await;
    }
}

#[tokio::test]
async fn what_stands_in_from_memory_is_replaced_before_its_end() {
    let root = tempfile::tempdir().expect("a directory");
    let mut world = reading(root.path());
    let mut run = world.run(wish(&["example.com"])).await;
    let first = run.shown("example.com").expect("shown");
    assert_eq!(first.not_after(), start() + DAY * 90);
    world.hand.advance(DAY * 80);
    let second = other_than(&mut run, &first).await;
    assert_eq!((second.issuer(), second.not_after()), (first.issuer(), start() + DAY * 170));
    assert!(!run.status.issues() && world.orders.try_recv().is_err());
    run.stop().await;
    assert_eq!(std::fs::read_dir(root.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn what_has_ended_is_served_until_another_process_has_renewed_it() {
    let root = tempfile::tempdir().expect("a directory");
    let writer = store_at(root.path(), start());
    let commit = async |end| {
        commit_until(&writer, &["example.com"], Provider::Letsencrypt, Some(CA), end).await;
    };
    commit(start() + DAY * 10).await;
    let mut world = reading(root.path());
    let mut run = world.run(wish(&["example.com"])).await;
    let first = run.shown("example.com").expect("shown");
    world.hand.advance(DAY * 20);
    run.until(|row| row.bare.is_some()).await;
    assert_eq!(run.shown("example.com").expect("shown").serial(), first.serial());
    commit(start() + DAY * 100).await;
    let second = other_than(&mut run, &first).await;
    assert_eq!(second.not_after(), start() + DAY * 100);
    assert!(world.orders.try_recv().is_err());
    run.stop().await;
}

#[tokio::test]
async fn what_moves_before_the_first_wait_for_news_is_followed() {
    let root = tempfile::tempdir().expect("a directory");
    let writer = store_at(root.path(), start());
    let commit = || commit(&writer, &["example.com"], Provider::Letsencrypt, Some(CA));
    commit().await;
    let world = reading(root.path());
    let prepared = world.prepare(wish(&["example.com"])).await;
    let (item, _) = commit().await;
    let mut run = prepared.run();
    run.until(|row| row.served.as_ref().is_some_and(|served| served.item.as_ref() == Some(&item))).await;
    run.stop().await;
}
