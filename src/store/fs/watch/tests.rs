use std::path::Path;

use super::*;
use crate::store::layout::{self, Family};

fn watch(root: &Path) -> FolderWatch {
    let folders = Family::ALL.map(layout::family);
    for folder in &folders {
        fs::create_dir_all(root.join(folder.as_str())).expect("a folder");
    }
    FolderWatch::new(folders.map(|folder| (root.join(folder.as_str()), folder)))
}

fn link(root: &Path, name: &str) {
    let to = root.join(layout::family(Family::Any).as_str()).join(name);
    std::os::unix::fs::symlink("../items/i", to).expect("a link");
}

async fn soon(watch: &mut FolderWatch) -> Changed {
    tokio::time::timeout(Duration::from_secs(600), watch.next()).await.expect("news")
}

#[tokio::test]
async fn what_happened_before_the_first_question_is_told_too() {
    let root = tempfile::tempdir().expect("a directory");
    let mut watch = watch(root.path());
    link(root.path(), "a.example");
    let key = layout::family(Family::Any).child("a.example").expect("a key");
    assert_eq!(soon(&mut watch).await, Changed::Pointer(key));
}

/// The clock of the test runs ahead when nothing else is left to do, so this takes no time.
#[tokio::test(start_paused = true)]
async fn without_the_kernels_word_one_looks() {
    let root = tempfile::tempdir().expect("a directory");
    let mut watch = watch(root.path());
    watch.kernel.deafen();
    link(root.path(), "a.example");
    let began = Instant::now();
    assert_eq!(soon(&mut watch).await, Changed::Something);
    assert_eq!(began.elapsed(), LOOK_ALONE);
    let nothing = tokio::time::timeout(10 * LOOK_ALONE, watch.next()).await;
    assert!(nothing.is_err(), "nothing has changed since: {nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn what_another_machine_does_is_seen_although_the_kernel_is_silent_about_it() {
    let place = tempfile::tempdir().expect("a directory");
    let [root, elsewhere] = ["root", "elsewhere"].map(|name| place.path().join(name));
    fs::create_dir(&elsewhere).expect("a folder");
    std::os::unix::fs::symlink(&elsewhere, &root).expect("a link");
    let mut watch = watch(&root).distrusting();
    // Something else is mounted there, as it were.
    fs::rename(&root, place.path().join("old")).expect("moved");
    fs::create_dir_all(root.join(layout::family(Family::Any).as_str())).expect("a folder");
    let began = Instant::now();
    assert_eq!(soon(&mut watch).await, Changed::Something);
    assert_eq!(began.elapsed(), LOOK_ALONE);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_was_replaced_is_watched_again() {
    let root = tempfile::tempdir().expect("a directory");
    let mut watch = watch(root.path());
    let folder = root.path().join(layout::family(Family::Any).as_str());
    fs::rename(&folder, root.path().join("old")).expect("moved");
    assert_eq!(soon(&mut watch).await, Changed::Something);
    fs::create_dir(&folder).expect("made anew");
    assert_eq!(soon(&mut watch).await, Changed::Something);
    link(root.path(), "b.example");
    let key = layout::family(Family::Any).child("b.example").expect("a key");
    assert_eq!(soon(&mut watch).await, Changed::Pointer(key));
}

#[test]
fn too_much_news_is_one() {
    let mut news = VecDeque::new();
    let family = layout::family(Family::Any);
    for n in 0..=MOST {
        tell(&mut news, Changed::Pointer(family.child(&n.to_string()).expect("a key")));
    }
    assert_eq!(news, [Changed::Something]);
}
