//! What others may have left in the storage directory: nothing of it hangs, climbs, or spoils what is whole.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Name, Provider};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::fs::FsEngine;
use sidegate::store::sweep::sweep;
use sidegate::store::{Family, Store, StoreError};

use crate::house::issued::{answer, lineage};
use crate::house::process::PATIENCE;

struct House {
    root: tempfile::TempDir,
    store: Store,
}

fn house() -> House {
    let root = tempfile::tempdir().expect("a directory");
    let engine = FsEngine::open(root.path()).expect("a storage");
    House { store: Store::new(Arc::new(engine), Clock::system()), root }
}

impl House {
    fn path(&self, place: &str) -> std::path::PathBuf {
        self.root.path().join(place)
    }

    async fn commit(&self, lineage: &Lineage) -> Result<ItemId, StoreError> {
        let whole = async {
            let mut draft = self.store.spool().open(lineage).await?;
            let (key, request) = draft.request_or_generate(KeyType::P256).await?;
            draft.commit(&answer(lineage, &key, &request)).await
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("nothing hangs")
    }
}

fn example() -> Lineage {
    lineage(&["example.com"], Provider::Selfsigned)
}

/// A pipe: opening it waits for the other end, unless one takes care.
fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

#[tokio::test]
async fn a_draft_full_of_strange_things_is_cleared_and_committed() {
    let house = house();
    let draft = house.path("spool").join(example().id().as_str());
    fs::create_dir(&draft).expect("a folder");
    pipe(&draft.join("key.pem"));
    fs::create_dir_all(draft.join("csr.pem/deep")).expect("a folder");
    symlink("/etc/passwd", draft.join("domain.list")).expect("a link");
    symlink("nowhere", draft.join("isfailed.bool")).expect("a link");
    fs::write(draft.join("issuance.json"), "{\"noted\": 7}").expect("written");
    fs::write(draft.join(".key.pem.swp"), "an editor's").expect("written");
    fs::write(draft.join("crt.pem"), vec![0; 9 << 20]).expect("written");
    fs::write(draft.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "").expect("written");
    let id = house.commit(&example()).await.expect("an item");
    house.store.database().item(&id).await.expect("a whole one");
    assert!(fs::read_to_string("/etc/passwd").expect("still there").contains("root"));
    assert_eq!(fs::read_dir(house.path("quarantine")).expect("a folder").count(), 6);
}

#[tokio::test]
async fn something_else_in_the_place_of_a_draft_is_set_aside() {
    for link in [false, true] {
        let house = house();
        let draft = house.path("spool").join(example().id().as_str());
        if link {
            fs::create_dir(house.path("elsewhere")).expect("a folder");
            symlink("../elsewhere", &draft).expect("a link");
        } else {
            fs::write(&draft, "a file").expect("written");
        }
        house.commit(&example()).await.expect("an item");
        assert_eq!(fs::read_dir(house.path("quarantine")).expect("a folder").count(), 1);
    }
}

#[tokio::test]
async fn pointers_of_others_lead_nowhere_and_are_replaced() {
    let house = house();
    let names = ["a.example", "b.example", "c.example", "d.example"];
    let family = house.path("database/latest-by-fqdn");
    symlink("/etc/passwd", family.join(names[0])).expect("a link");
    symlink("../../../etc/passwd", family.join(names[1])).expect("a link");
    fs::write(family.join(names[2]), "a copy").expect("written");
    fs::create_dir(family.join(names[3])).expect("a folder");
    symlink("../items/i", family.join(std::ffi::OsStr::from_bytes(b"\xff"))).expect("a link");
    assert_eq!(house.store.database().pointers(Family::Any).await.expect("pointers"), []);

    let id = house.commit(&lineage(&names, Provider::Selfsigned)).await.expect("an item");
    for name in names {
        let link = fs::read_link(family.join(name)).expect("a link");
        assert_eq!(link.to_str(), Some(&*format!("../items/{id}")));
    }
    assert_eq!(fs::read_dir(house.path("quarantine")).expect("a folder").count(), 4);
}

#[tokio::test]
async fn items_of_others_are_named_or_set_aside_and_the_whole_one_stays() {
    let house = house();
    let good = house.commit(&example()).await.expect("an item");
    let items = house.path("database/items");
    let id = |n: char| format!("20370101T000000.000000000Z-aaaaaaaaaaaaaaa{n}");
    fs::write(items.join(id('a')), "a file").expect("written");
    fs::create_dir(items.join(id('b'))).expect("an empty one");
    fs::create_dir(items.join(id('c'))).expect("a folder");
    pipe(&items.join(id('c')).join("key.pem"));
    fs::create_dir(items.join("..not-an-id")).expect("a folder");
    for n in ['a', 'b', 'c'] {
        let error = house.store.database().item(&ItemId::parse(&id(n)).expect("an id")).await;
        assert!(error.is_err(), "{n}");
    }
    let report = tokio::time::timeout(PATIENCE, sweep(&house.store)).await.expect("no hang");
    let report = report.expect("a sweep");
    assert_eq!(report.items, 1);
    assert_eq!(report.quarantined.len(), 3, "{report:?}");
    assert_eq!(report.strays, ["database/items/..not-an-id"]);
    let name = Name::parse("example.com").expect("a name");
    let latest = house.store.database().pointer(Family::Any, &name).await.expect("an answer");
    assert_eq!(latest, Some(good));
    assert!(sweep(&house.store).await.expect("a sweep").quarantined.is_empty());
}

/// Not hostile, only busy: a sweep reads a list of items that is out of date while it works on it.
#[tokio::test]
async fn sweeps_and_commits_at_once_end_at_the_newest() {
    let house = house();
    let commits = async {
        let mut last = None;
        for _ in 0..15 {
            last = Some(house.commit(&example()).await.expect("an item"));
        }
        last
    };
    let sweeps = async {
        for _ in 0..15 {
            let report = sweep(&house.store).await.expect("a sweep");
            assert_eq!((report.quarantined.len(), report.removed.len()), (0, 0), "{report:?}");
        }
    };
    let (last, ()) = tokio::join!(commits, sweeps);
    let name = Name::parse("example.com").expect("a name");
    for family in [Family::Any, Family::Selfsigned] {
        assert_eq!(house.store.database().pointer(family, &name).await.expect("an answer"), last);
    }
}

#[tokio::test]
async fn current_may_be_anything() {
    let house = house();
    symlink("/etc", house.path("letsencrypt-account/current")).expect("a link");
    let key = PrivateKey::generate(KeyType::P256);
    let account = house.store.accounts().create("https://ca.example/", &key).await.expect("an account");
    let link = fs::read_link(house.path("letsencrypt-account/current")).expect("a link");
    assert_eq!(link.to_str(), Some(account.id.as_str()));
}

/// Another process: `flock` holds the folder as another sidegate would.
#[tokio::test]
async fn what_another_process_holds_is_taken_and_says_by_whom() {
    let house = house();
    let issuer = house.path("state/issuer");
    let mut other = std::process::Command::new("flock")
        .arg(&issuer)
        .args(["sh", "-c", "echo held; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("flock of util-linux");
    let mut held = [0; 5];
    std::io::Read::read_exact(other.stdout.as_mut().expect("its output"), &mut held).expect("it says so");
    match house.store.claim_issuer().await {
        Err(StoreError::Taken { holder, .. }) => {
            assert!(holder.as_deref().is_none_or(|who| who.starts_with("process ")), "{holder:?}");
        }
        other => panic!("{other:?}"),
    }
    drop(other.stdin.take());
    other.wait().expect("it ended");
    house.store.claim_issuer().await.expect("free as soon as the process is gone");
}
