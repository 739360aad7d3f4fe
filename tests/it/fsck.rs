//! `sidegate fsck`: every kind of damage is found, told without touching anything, repaired without losing a byte, and gone
//! afterwards, and no name suffers for another's.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Name, Provider};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::fs::FsEngine;
use sidegate::store::{Account, Family, LineageState, Span, Store};

use crate::house::issued::{answer, lineage};

/// A storage with two items of `a.example`, an older and a newer, and one of `b.example`, which nothing is done to.
struct Storage {
    root: PathBuf,
    _above: tempfile::TempDir,
    old: ItemId,
    new: ItemId,
    other: ItemId,
    draft: Lineage,
    account: Account,
}

impl Storage {
    async fn new() -> Self {
        let above = tempfile::tempdir().expect("a directory");
        let root = above.path().join("storage");
        let store = open(&root);
        let (a, b) =
            (lineage(&["a.example"], Provider::Letsencrypt), lineage(&["b.example"], Provider::Letsencrypt));
        let old = commit(&store, &a).await;
        let other = commit(&store, &b).await;
        let new = commit(&store, &a).await;
        let draft = lineage(&["d.example"], Provider::Letsencrypt);
        let mut spooled = store.spool().open(&draft).await.expect("a draft");
        spooled.request_or_generate(KeyType::P256).await.expect("a request");
        let key = PrivateKey::generate(KeyType::P256);
        let mut account = store.accounts().create("https://ca.example/dir", &key).await.expect("an account");
        account.url = Some("https://ca.example/account/1".into());
        store.accounts().note(&account).await.expect("noted");
        let next = PrivateKey::generate(KeyType::P256);
        store.accounts().prepare(&account, &next).await.expect("a key to come");
        store.states().save(draft.id(), &state(&draft)).await.expect("saved");
        store
            .ledger()
            .update("https://ca.example/dir", Span { since: UNIX_EPOCH, now: UNIX_EPOCH }, |_| ())
            .await
            .expect("a ledger");
        Self { root, _above: above, old, new, other, draft, account }
    }

    fn path(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    fn item(&self, file: &str) -> PathBuf {
        self.path("database/items").join(self.new.as_str()).join(file)
    }

    fn pointer(&self) -> PathBuf {
        self.path("database/latest-by-fqdn/a.example")
    }

    fn account(&self, file: &str) -> PathBuf {
        self.path("letsencrypt-account").join(self.account.id.as_str()).join(file)
    }

    fn drafted(&self, file: &str) -> PathBuf {
        self.path("spool").join(self.draft.id().as_str()).join(file)
    }

    fn fsck(&self, flags: &[&str]) -> Output {
        fsck(&self.root, flags)
    }
}

fn fsck(root: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.arg("fsck").arg("--storage").arg(root).args(flags).output().expect("the program runs")
}

fn open(root: &Path) -> Store {
    Store::new(Arc::new(FsEngine::open(root).expect("a storage")), Clock::system())
}

async fn commit(store: &Store, lineage: &Lineage) -> ItemId {
    let mut draft = store.spool().open(lineage).await.expect("a draft");
    let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    draft.commit(&answer(lineage, &key, &request)).await.expect("an item")
}

fn state(lineage: &Lineage) -> LineageState {
    LineageState {
        names: lineage.names().clone(),
        provider: lineage.provider(),
        attempts: Vec::new(),
        advised: None,
    }
}

/// Everything there is to know of a tree, by place.
fn listing(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("it is there");
            let holds = if meta.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if meta.is_file() {
                fs::read(&path).expect("a file")
            } else {
                Vec::new()
            };
            let sum = sidegate::pki::crypto::hex(&sidegate::pki::crypto::sha256(&holds));
            let facts = (meta.mode(), meta.uid(), meta.gid(), meta.mtime_nsec(), meta.ino());
            all.insert(path, format!("{facts:?} {sum}"));
        }
    }
    all
}

/// What files hold, wherever they are, except what a process at work writes on the way.
fn bytes(root: &Path) -> Vec<Vec<u8>> {
    let aside = root.join("state/aside");
    let files = listing(root)
        .into_keys()
        .filter(|path| !path.starts_with(&aside) && !path.is_symlink() && path.is_file());
    files.map(|path| fs::read(path).expect("a file")).collect()
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    fs::write(file, bytes).expect("written");
}

fn link(target: impl AsRef<Path>, place: &Path) {
    let _ = fs::remove_file(place);
    symlink(target, place).expect("a link");
}

fn chmod(place: &Path, mode: u32) {
    fs::set_permissions(place, Permissions::from_mode(mode)).expect("its mode");
}

struct Damage {
    what: &'static str,
    inflict: fn(&Storage),
    /// Part of what is said.
    says: &'static str,
    /// What `fsck` and `fsck --repair` end with, and `fsck` after them.
    codes: [i32; 3],
}

const fn damage(what: &'static str, says: &'static str, inflict: fn(&Storage)) -> Damage {
    Damage { what, inflict, says, codes: [1, 1, 0] }
}

const DAMAGES: &[Damage] = &[
    damage("a byte of crt.pem", "crt", |s| flip(&s.item("crt.pem"))),
    damage("a byte of key.pem", "key", |s| flip(&s.item("key.pem"))),
    damage("a byte of chain.pem", "chain", |s| flip(&s.item("chain.pem"))),
    damage("a byte of ca.pem", "is damaged", |s| flip(&s.item("ca.pem"))),
    damage("a byte of crt+chain+key.pem", "crt+chain+key.pem", |s| flip(&s.item("crt+chain+key.pem"))),
    damage("another name in domain.list", "does not carry", |s| {
        fs::write(s.item("domain.list"), "b.example\n").expect("written");
    }),
    damage("a failed item", "isfailed.bool", |s| {
        fs::write(s.item("isfailed.bool"), "true").expect("written")
    }),
    damage("a missing file", "isselfsign.bool: it is missing", |s| {
        fs::remove_file(s.item("isselfsign.bool")).expect("removed");
    }),
    damage("an empty file", "crt.pem", |s| fs::write(s.item("crt.pem"), "").expect("written")),
    damage("an empty item", "it is missing", |s| {
        fs::create_dir(s.path("database/items/20370101T000000.000000000Z-aaaaaaaaaaaaaaaa")).expect("made");
    }),
    damage("a link in the place of an item", "is a link where a folder belongs", |s| {
        let place = s.path("database/items/20370101T000000.000000000Z-aaaaaaaaaaaaaaaa");
        link(s.old.as_str(), &place);
    }),
    damage("a link in the place of a file", "is a link where a file belongs", |s| {
        fs::copy(s.item("key.pem"), s.path("quarantine/key.pem")).expect("copied");
        link("/dev/null", &s.item("key.pem"));
    }),
    damage("a stray file in an item", "does not belong here", |s| {
        fs::write(s.item("key.pem~"), "an editor's").expect("written");
    }),
    damage("a stray folder in an item", "does not belong here", |s| {
        fs::create_dir_all(s.item("deep/deeper")).expect("made");
        fs::write(s.item("deep/deeper/file"), "somebody's").expect("written");
    }),
    damage("an absolute link", "not a relative link", |s| {
        link(s.path("database/items").join(s.new.as_str()), &s.pointer());
    }),
    damage("a link to an older item", "not to the newest", |s| {
        link(Path::new("../items").join(s.old.as_str()), &s.pointer());
    }),
    damage("a link to nowhere", "not to the newest", |s| {
        link("../items/20370101T000000.000000000Z-aaaaaaaaaaaaaaaa", &s.pointer());
    }),
    damage("a link out of the storage", "not a relative link", |s| {
        link("../../../../etc/passwd", &s.pointer())
    }),
    damage("a link to another's item", "not to the newest", |s| {
        link(Path::new("../items").join(s.other.as_str()), &s.pointer());
    }),
    damage("a link of a name without items", "no whole item of this name", |s| {
        let place = s.path("database/latest-by-fqdn/c.example");
        link(Path::new("../items").join(s.new.as_str()), &place);
    }),
    damage("a lost link", "is missing", |s| fs::remove_file(s.pointer()).expect("removed")),
    damage("a copy in the place of a link", "is a folder where a link belongs", |s| {
        fs::remove_file(s.pointer()).expect("removed");
        fs::create_dir(s.pointer()).expect("made");
        fs::copy(s.item("crt.pem"), s.pointer().join("crt.pem")).expect("copied");
    }),
    damage("a temporary link left dangling", "does not belong here", |s| {
        link("../items/gone", &s.path("database/latest-by-fqdn/.a.example.tmp"));
    }),
    damage("a stray file", "does not belong here", |s| {
        fs::write(s.path("notes.txt"), "mine").expect("written")
    }),
    damage("a stray folder", "does not belong here", |s| {
        fs::create_dir(s.path("database/items/backup")).expect("made");
        fs::write(s.path("database/items/backup/key.pem"), "mine").expect("written");
    }),
    damage("a name that is no text", "does not belong here", |s| {
        let name = std::ffi::OsStr::from_bytes(b"\xff\n\x1b[31m");
        fs::write(s.path("spool").join(name), "mine").expect("written");
    }),
    damage("something in the folder for writing", "does not belong here", |s| {
        fs::create_dir(s.path("state/aside/mine")).expect("made");
        fs::write(s.path("state/aside/mine/key.pem"), "mine").expect("written");
    }),
    damage("a folder open to others", "(mode 0755)", |s| chmod(&s.path("database"), 0o755)),
    damage("a key open to others", "(mode 0644)", |s| chmod(&s.item("key.pem"), 0o644)),
    damage("the storage open to others", "(mode 0750)", |s| chmod(&s.root, 0o750)),
    damage("a missing folder", "is missing", |s| {
        fs::remove_dir_all(s.path("database/latest-selfsigned-by-fqdn")).expect("removed");
    }),
    damage("a file in the place of a folder", "is a file where a folder belongs", |s| {
        fs::rename(s.path("database/latest-letsencrypt-by-fqdn"), s.path("quarantine/moved")).expect("moved");
        fs::write(s.path("database/latest-letsencrypt-by-fqdn"), "mine").expect("written");
    }),
    damage("a file in the place of the lock's", "is a file where a folder belongs", |s| {
        fs::remove_dir(s.path("state/issuer")).expect("removed");
        fs::write(s.path("state/issuer"), "mine").expect("written");
    }),
    damage("a torn account", "account_key.pem", |s| {
        fs::write(s.account("account_key.pem"), "-----").expect("written")
    }),
    damage("a torn key that an account is about to have", "is damaged", |s| {
        let place = format!("state/rollover/{}.pem", s.account.id);
        fs::write(s.path(&place), "-----").expect("written");
    }),
    damage("an account without its record", "account.json", |s| flip(&s.account("account.json"))),
    damage("another public key", "does not belong to account_key.pem", |s| {
        let other = PrivateKey::generate(KeyType::P256);
        fs::write(s.account("account_pub.pem"), other.public_pem()).expect("written");
    }),
    damage("a lost public key", "is missing", |s| {
        fs::remove_file(s.account("account_pub.pem")).expect("removed")
    }),
    damage("a lost link to the account", "is missing", |s| {
        fs::remove_file(s.path("letsencrypt-account/current")).expect("removed");
    }),
    damage("a link to an account that is not there", "no whole account", |s| {
        link("gone.example-0123", &s.path("letsencrypt-account/current"));
    }),
    damage("a torn draft", "key.pem", |s| fs::write(s.drafted("key.pem"), "").expect("written")),
    damage("a draft of other names", "another draft", |s| {
        fs::write(s.drafted("domain.list"), "e.example\n").expect("written");
    }),
    damage("a stray file in a draft", "does not belong here", |s| {
        fs::write(s.drafted(".key.pem.swp"), "mine").expect("written");
    }),
    damage("a torn ledger", "ledger.json is damaged", |s| {
        fs::write(s.path("state/ledger.json"), "{").expect("written")
    }),
    damage("a torn memory of names on demand", "on-demand.json is damaged", |s| {
        fs::write(s.path("state/on-demand.json"), "{\"names\":").expect("written");
    }),
    damage("a torn memory of hooks", "hooks.json is damaged", |s| {
        fs::write(s.path("state/hooks.json"), "{\"line\":").expect("written");
    }),
    damage("a torn pin", "state/pins/a.example is damaged", |s| {
        fs::create_dir_all(s.path("state/pins")).expect("a folder");
        fs::write(s.path("state/pins/a.example"), "{\"item\":").expect("written");
    }),
    Damage {
        codes: [2, 2, 2],
        ..damage("a torn word about a revocation", "it counts as revoked", |s| {
            fs::create_dir_all(s.path("state/revoked")).expect("a folder");
            fs::write(s.path("state/revoked").join(s.old.as_str()), "{\"at\":").expect("written");
        })
    },
    damage("a torn note", "is damaged", |s| {
        let note = s.path("state/lineages").join(format!("{}.json", s.draft.id()));
        fs::write(note, "{\"names\":").expect("written");
    }),
    Damage {
        codes: [2, 2, 2],
        ..damage("a byte of csr.pem", "move the item away", |s| flip(&s.item("csr.pem")))
    },
    Damage {
        codes: [2, 2, 2],
        ..damage("the storage in two places", "one filesystem", |s| {
            fs::rename(s.path("spool"), s.path("quarantine/spool")).expect("moved");
            link("quarantine/spool", &s.path("spool"));
        })
    },
];

#[tokio::test]
async fn every_damage_is_found_and_repaired_and_nothing_is_lost() {
    for damage in DAMAGES {
        let storage = Storage::new().await;
        let what = damage.what;
        let clean = storage.fsck(&[]);
        assert_eq!(clean.status.code(), Some(0), "before {what}: {clean:?}");
        (damage.inflict)(&storage);

        let before = listing(&storage.root);
        let found = storage.fsck(&[]);
        assert_eq!(listing(&storage.root), before, "{what}: a look changed something");
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(said.contains(damage.says), "{what}: no «{}» in\n{said}", damage.says);
        assert!(!said.contains('\u{1b}'), "{what}: a terminal obeys a name");
        let [look, repair, again] = damage.codes.map(Some);
        assert_eq!(found.status.code(), look, "{what}: {said}");

        let former = bytes(&storage.root);
        let repaired = storage.fsck(&["--repair"]);
        assert_eq!(repaired.status.code(), repair, "{what}: {repaired:?}");
        let kept = bytes(&storage.root);
        for file in former {
            assert!(kept.contains(&file), "{what}: lost {:?}", String::from_utf8_lossy(&file));
        }
        let after = storage.fsck(&[]);
        assert_eq!(after.status.code(), again, "{what}, afterwards: {after:?}");
        names_are_served(&storage, what).await;
    }
}

/// The other name has what it had, and the damaged one its newest whole item.
async fn names_are_served(storage: &Storage, what: &str) {
    let database = open(&storage.root).database();
    for family in [Family::Any, Family::Letsencrypt] {
        let pointer = async |name: &str| {
            let name = Name::parse(name).expect("a name");
            database.pointer(family, &name).await.expect("an answer").expect("a pointer")
        };
        assert_eq!(pointer("b.example").await, storage.other, "{what}");
        let own = pointer("a.example").await;
        assert!([&storage.old, &storage.new].contains(&&own), "{what}: {own}");
        assert_eq!(
            Some(&own),
            database.items_for(&Name::parse("a.example").expect("a name")).await.expect("items").first()
        );
        database.item(&own).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    database.item(&storage.other).await.expect("untouched");
}

#[tokio::test]
async fn many_damages_at_once_are_all_repaired() {
    let storage = Storage::new().await;
    // Those that leave places for the others to be inflicted on.
    for what in [
        "a stray file",
        "a lost link",
        "a key open to others",
        "a torn ledger",
        "a lost public key",
        "a torn draft",
    ] {
        let damage = DAMAGES.iter().find(|damage| damage.what == what).expect("it stands in the table");
        (damage.inflict)(&storage);
    }
    let found: serde_json::Value = serde_json::from_slice(&storage.fsck(&["--json"]).stdout).expect("JSON");
    assert_eq!(found["findings"].as_array().expect("a list").len(), 6, "{found}");
    assert_eq!((&found["code"], &found["items"]), (&1.into(), &3.into()));
    let repaired: serde_json::Value =
        serde_json::from_slice(&storage.fsck(&["--json", "--repair"]).stdout).expect("JSON");
    for finding in repaired["findings"].as_array().expect("a list") {
        assert_eq!(finding["state"], "repaired", "{finding}");
    }
    assert_eq!(storage.fsck(&[]).status.code(), Some(0));
}

#[tokio::test]
async fn what_belongs_to_another_user_is_given_back() {
    let storage = Storage::new().await;
    let file = storage.item("crt.pem");
    if std::os::unix::fs::chown(&file, Some(12345), None).is_err() {
        // Only root can make this damage.
        return;
    }
    let found = storage.fsck(&[]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    assert!(String::from_utf8_lossy(&found.stdout).contains("belongs to user 12345"), "{found:?}");
    assert_eq!(storage.fsck(&["--repair"]).status.code(), Some(1));
    let owner = |path: &Path| path.symlink_metadata().expect("it is there").uid();
    assert_eq!(owner(&file), owner(&storage.root));
    assert_eq!(storage.fsck(&[]).status.code(), Some(0));
}

/// A container gets a volume whose root belongs to root and lets a group in.
#[tokio::test]
async fn the_root_of_a_volume_may_be_the_platforms() {
    let storage = Storage::new().await;
    let owner = |path: &Path, user| std::os::unix::fs::lchown(path, Some(user), Some(user));
    let mut places = listing(&storage.root).into_keys();
    if places.any(|place| owner(&place, 12345).is_err()) {
        // Only root can give files away.
        return;
    }
    chmod(&storage.root, 0o2775);
    let said = storage.fsck(&[]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    owner(&storage.root, 12345).expect("root may");
    let said = storage.fsck(&[]);
    assert_eq!(said.status.code(), Some(1), "what is ours is closed to others: {said:?}");
}

#[tokio::test]
async fn nothing_is_repaired_while_somebody_issues_and_a_look_is_free() {
    let storage = Storage::new().await;
    fs::write(storage.path("notes.txt"), "mine").expect("written");
    let store = open(&storage.root);
    let _role = store.claim_issuer().await.expect("nobody else has it");
    let refused = storage.fsck(&["--repair"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("state/issuer is in use by") && said.contains("stop"), "{said}");
    assert!(storage.path("notes.txt").exists());
    assert_eq!(storage.fsck(&[]).status.code(), Some(1));
}

#[test]
fn where_there_is_no_storage_none_is_made() {
    let above = tempfile::tempdir().expect("a directory");
    let root = above.path().join("none");
    for flags in [&[][..], &["--repair"]] {
        let said = fsck(&root, flags);
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stderr).contains("--storage"), "{said:?}");
        assert!(!root.exists());
    }
}

#[tokio::test]
async fn an_account_that_a_crash_left_without_a_key_is_none() {
    let storage = Storage::new().await;
    let begun = storage.path("letsencrypt-account/ca.example-0123456789abcdef");
    fs::create_dir(&begun).expect("made");
    chmod(&begun, 0o700);
    let told = fsck(&storage.root, &[]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
}
