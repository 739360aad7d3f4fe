//! The power is cut after every system call, and the disk has forgotten whatever it was not made to remember.
//!
//! What the program does to its storage is recorded once. From the recording follows every state that the disk may be in
//! after a power cut, and in each of them files are whole or absent, what the program has said that it did is done, and a
//! start mends the rest.
//!
//! The test has teeth: with any `fsync` taken out of the recording a state comes up that breaks one of these rules. Those
//! without which none does are named below, each with what it is good for.

mod chance;
mod states;
mod verdict;

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::Pid;

use super::chosen;
use super::disk::Content;
use super::page::Cut;
use super::recording::Recording;
use super::scene::Scene;
use super::stage::Stage;
use crate::house::tracer::{self, Call, Seen};
use chance::Chance;
use states::{States, Syncs};
use verdict::Judge;

/// Disks of one scene, in a sample, that are started from.
const SAMPLE: usize = 3;

/// Places, as [`verdict::pattern`] writes them, that are synced although nothing here depends on it.
const NEEDLESS: &[&str] = &[
    // Here a process makes its folder for what is not in its place yet.
    "storage/state/aside",
    // The folder for those folders; and that for what a restore puts together, when it goes.
    "storage/state",
    // What a restore had put together has gone to its place.
    "storage/state/incoming",
];

in_every_scene!(after_every_call);

#[test]
fn a_missing_sync_is_found_out() {
    let place = |path: &str| Path::new("/place/storage").join(path);
    let (aside, file) = (place("state/aside/0"), place("state/ledger.json"));
    let calls = [
        Call::Create { path: aside.clone(), truncated: false },
        Call::Write { path: aside.clone(), at: 0, bytes: b"{\"orders\": []}".to_vec() },
        Call::Sync { path: aside.clone() },
        Call::Rename { from: aside, to: file },
        Call::Sync { path: place("state") },
    ];
    let faults = |calls: &[Call]| {
        let folders = ["storage", "storage/state", "storage/state/aside"];
        let old = folders.into_iter().map(|path| (path.into(), Content::Folder)).collect();
        let threads = vec![Pid::this(); calls.len()];
        let seen = Seen { done: calls.to_vec(), threads, ..Seen::default() };
        let recording = Recording::of(seen, old, "/place".into(), true);
        States::default().all(&recording, &Judge::new(&recording), &mut Chance::new())
    };
    assert_eq!(faults(&calls), Vec::<String>::new());
    for (sync, found) in [(2, "is torn"), (4, "is not as it was said to be")] {
        let mut calls = calls.to_vec();
        calls.remove(sync);
        let faults = faults(&calls);
        assert!(faults.iter().any(|fault| fault.ends_with(found)), "{sync}: {faults:?}");
    }
}

async fn after_every_call(scene: Scene) {
    if !tracer::is_allowed() {
        return;
    }
    let mut stage = Stage::set(scene).await;
    let recording = stage.record().await;
    let judge = Judge::new(&recording);
    let mut states = States::default();
    let faults = states.all(&recording, &judge, &mut Chance::new());
    none(scene, &faults);

    let Syncs { needed, again, needless } = Syncs::of(&recording, &judge);
    let (calls, others) = (recording.calls.len(), again + needless.len());
    assert!(needed > 0, "{}: nothing was seen", scene.name());
    let unknown: BTreeSet<_> = needless.iter().filter(|place| !NEEDLESS.contains(&place.as_str())).collect();
    assert!(unknown.is_empty(), "{}: nothing depends on syncing {unknown:#?}", scene.name());

    let disks = states.trees.len();
    let mut trees: Vec<_> = states.trees.into_values().collect();
    trees.sort_unstable();
    let mut faults = Vec::new();
    for (cut, tree) in chosen(trees, SAMPLE) {
        let found = stage.found(&tree).await;
        faults.extend(found.into_iter().map(|fault| format!("cut before call {cut}: {fault}")));
    }
    none(scene, &faults);
    Cut { what: scene.name(), calls, needed, others, states: states.count, disks }.note();
}

fn none(scene: Scene, faults: &[String]) {
    let some = &faults[..faults.len().min(20)];
    assert!(faults.is_empty(), "{}: {} faults\n{}", scene.name(), faults.len(), some.join("\n"));
}
