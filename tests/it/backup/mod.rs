//! `sidegate backup` and `sidegate restore`: what comes back is what was there, and nothing else is believed.

mod beside;
mod moved;
mod ways;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::pki::{KeyType, PrivateKey, crypto};
use sidegate::store::{
    Demanded, DemandedName, Family, Granted, Hooked, LineageState, Pin, Revoked, Span, Store,
};
use sidegate::story::Event;
use tar::{Archive, Builder, EntryType, Header};

use crate::house::issued::lineage;
use crate::house::tool::{Ran, commit, ran, sidegate, store, store_at, told};

const CA: &str = "https://ca.example/dir";

struct Rig(tempfile::TempDir);

impl Rig {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn backup(&self, storage: &str) -> Ran {
        sidegate(&[
            "backup".as_ref(),
            self.path("backup.tar").as_os_str(),
            "--storage".as_ref(),
            self.path(storage).as_os_str(),
        ])
    }

    fn restore(&self, storage: &str) -> Ran {
        sidegate(&[
            "restore".as_ref(),
            self.path("backup.tar").as_os_str(),
            "--storage".as_ref(),
            self.path(storage).as_os_str(),
        ])
    }

    /// The archive's entries: path, kind, contents or target.
    fn entries(&self) -> Vec<Entry> {
        let bytes = fs::read(self.path("backup.tar")).expect("an archive");
        let mut archive = Archive::new(Cursor::new(bytes));
        let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.expect("an entry");
            let path = String::from_utf8(entry.path_bytes().into_owned()).expect("text");
            let target = entry.link_name_bytes().map(|target| target.into_owned());
            let mut value = Vec::new();
            entry.read_to_end(&mut value).expect("readable");
            Entry { path, kind: entry.header().entry_type(), value: target.unwrap_or(value) }
        };
        archive.entries().expect("entries").map(read).collect()
    }

    /// Writes an archive with these entries, and right digests.
    fn forge(&self, entries: &[Entry]) {
        let mut tar = Builder::new(Vec::new());
        let mut digests = String::new();
        for entry in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(entry.kind);
            header.set_mode(0o600);
            if entry.kind == EntryType::Regular {
                let value = if entry.path == DIGESTS { digests.as_bytes() } else { &entry.value };
                header.set_size(value.len() as u64);
                raw_path(&mut header, &entry.path);
                header.set_cksum();
                tar.append(&header, value).expect("written");
                let digest = crypto::hex(&crypto::sha256(&entry.value));
                digests.push_str(&format!("{digest}  {}\n", entry.path));
            } else {
                header.set_size(0);
                let target = String::from_utf8(entry.value.clone()).expect("text");
                header.set_link_name_literal(target).expect("a target");
                raw_path(&mut header, &entry.path);
                header.set_cksum();
                tar.append(&header, &[][..]).expect("written");
            }
        }
        fs::write(self.path("backup.tar"), tar.into_inner().expect("finished")).expect("written");
    }
}

#[derive(Clone)]
struct Entry {
    path: String,
    kind: EntryType,
    value: Vec<u8>,
}

const HEAD: &str = "sidegate-backup.json";
const DIGESTS: &str = "sidegate-backup.sha256";

/// A path as it is, also one that the crate would refuse to write.
fn raw_path(header: &mut Header, path: &str) {
    let field = &mut header.as_gnu_mut().expect("GNU").name;
    field.fill(0);
    field[..path.len()].copy_from_slice(path.as_bytes());
}

/// Every file and link below a folder that a copy of a storage holds, by its path; nothing where there is no folder.
fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = root.exists().then(|| root.to_owned()).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("there");
            let name = path.strip_prefix(root).expect("below").to_str().expect("text").to_owned();
            if meta.is_dir() {
                folders.push(path);
                continue;
            }
            let value = if meta.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else {
                assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
                fs::read(&path).expect("readable")
            };
            found.insert(name, value);
        }
    }
    found
}

/// Two lineages, one of them renewed, revoked and gone back from, an account, something remembered, and a draft.
async fn furnish(store: &Store) -> ItemId {
    let (first, _) = commit(store, &["example.com", "*.example.com"], Provider::Letsencrypt, Some(CA)).await;
    let (newest, _) = commit(store, &["example.com", "*.example.com"], Provider::Letsencrypt, Some(CA)).await;
    let (own, _) = commit(store, &["example.com"], Provider::Selfsigned, None).await;
    let now = SystemTime::now();
    let wildcard = Name::parse("*.example.com").expect("a name");
    let pin = Pin { item: first, over: newest.clone(), since: now };
    store.pins().put(&wildcard, &pin).await.expect("pinned");
    let revoked = Revoked { at: now, why: Some("superseded".to_owned()) };
    store.pins().note_revoked(&own, &revoked).await.expect("noted");
    store.demands().save(&demanded(&["on-demand.example"], now)).await.expect("saved");
    store.hooks().save(Hooked { line: 1, attempts: 2 }).await.expect("saved");
    let mut account =
        store.accounts().create(CA, &PrivateKey::generate(KeyType::P256)).await.expect("created");
    account.url = Some("https://ca.example/acct/1".to_owned());
    store.accounts().note(&account).await.expect("noted");
    store.accounts().prepare(&account, &PrivateKey::generate(KeyType::P256)).await.expect("a key to come");
    let other = lineage(&["other.example"], Provider::Letsencrypt);
    store.states().save(other.id(), &remembered("other.example")).await.expect("saved");
    spend(store, "orders", 600).await;
    let mut draft = store.spool().open(&other).await.expect("a draft");
    draft.request_or_generate(KeyType::P256).await.expect("a key");
    newest
}

fn demanded(names: &[&str], now: SystemTime) -> Demanded {
    let name = |name: &&str| Name::parse(name).expect("a name");
    Demanded {
        names: names.iter().map(name).map(|name| DemandedName { name, allowed: now, seen: now }).collect(),
        granted: names.iter().map(|name| Granted { at: now, domain: (*name).to_owned() }).collect(),
    }
}

fn remembered(name: &str) -> LineageState {
    serde_json::from_value(serde_json::json!({ "names": [name], "provider": "letsencrypt", "failures": 3 }))
        .expect("a state")
}

async fn spend(store: &Store, bucket: &str, seconds: u64) {
    let now = SystemTime::now();
    let spent = |opened: sidegate::store::Opened<'_>| {
        opened.page.full_at.insert(bucket.to_owned(), now + Duration::from_secs(seconds));
    };
    store.ledger().update(CA, Span { since: now, now }, spent).await.expect("spent");
}

#[tokio::test]
async fn what_was_there_comes_back_into_an_empty_storage() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    told(&rig.path("old"), [Event::Leads, Event::ProvedBefore, Event::Stopped]).await;
    assert!(rig.backup("old").good().contains("3 items, 47 files"));
    let mode = fs::metadata(rig.path("backup.tar")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        rig.restore("new").good(),
        "3 items restored, 0 there already; 1 account, 1 rollback, 1 revoked; the journal\n"
    );
    let mut expected = contents(&rig.path("old"));
    expected.retain(|path, _| !path.starts_with("spool/"));
    assert_eq!(contents(&rig.path("new")), expected);
    assert_eq!(
        rig.restore("new").good(),
        "0 items restored, 3 there already; 1 account, 1 rollback, 1 revoked; no journal\n\
         left in the archive: the journal: there is one here, and it goes on\n"
    );
    assert_eq!(contents(&rig.path("new")), expected, "the same again changes nothing");
}

#[tokio::test]
async fn an_archive_is_a_storage_once_it_is_unpacked_and_tells_what_was_changed() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    rig.backup("old").good();
    fs::create_dir(rig.path("by hand")).expect("made");
    let tar = |words: &[&str]| ran(Command::new("tar").current_dir(rig.path("by hand")).args(words));
    tar(&["xf", "../backup.tar"]).good();
    let check =
        || ran(Command::new("sha256sum").current_dir(rig.path("by hand")).args(["--quiet", "-c", DIGESTS]));
    check().good();
    let key = rig.path("by hand").join("database/latest-by-fqdn/example.com/key.pem");
    assert_eq!(
        fs::read(&key).expect("a relative link"),
        fs::read(rig.path("old/database/latest-by-fqdn/example.com/key.pem")).expect("a key")
    );
    fs::write(&key, "x").expect("written");
    check().refused();
}

#[tokio::test]
async fn two_storages_become_one_and_no_pointer_goes_backwards() {
    let rig = Rig::new();
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    let old = store_at(&rig.path("old"), now - day);
    let (earlier, _) = commit(&old, &["both.example"], Provider::Letsencrypt, Some(CA)).await;
    let (only_old, _) = commit(&old, &["old.example"], Provider::Letsencrypt, Some(CA)).await;
    old.accounts().create(CA, &PrivateKey::generate(KeyType::P256)).await.expect("created");
    spend(&old, "orders", 600).await;
    spend(&old, "accounts", 60).await;
    let new = store(&rig.path("new"));
    let (later, _) = commit(&new, &["both.example"], Provider::Letsencrypt, Some(CA)).await;
    let own = new.accounts().create(CA, &PrivateKey::generate(KeyType::P256)).await.expect("created");
    spend(&new, "orders", 1200).await;
    let kept = lineage(&["other.example"], Provider::Letsencrypt);
    new.states().save(kept.id(), &remembered("other.example")).await.expect("saved");
    let before = contents(&rig.path("new"));
    rig.backup("old").good();
    rig.restore("new").good();

    let after = contents(&rig.path("new"));
    for (path, value) in before.iter().filter(|(path, _)| *path != "state/ledger.json") {
        assert_eq!(after.get(path), Some(value), "{path} was overwritten");
    }
    let lead = async |name| {
        let name = Name::parse(name).expect("a name");
        new.database().pointer(Family::Letsencrypt, &name).await.expect("a pointer")
    };
    assert_eq!(lead("both.example").await, Some(later));
    assert_eq!(lead("old.example").await, Some(only_old));
    new.database().item(&earlier).await.expect("both sides' items are there");
    assert_eq!(new.accounts().current().await.expect("a link"), Some(own.id));
    // What either side has spent is spent.
    let page = new
        .ledger()
        .update(CA, Span { since: now, now }, |opened| opened.page.clone())
        .await
        .expect("a page");
    assert!(page.full_at["orders"] > now + Duration::from_secs(1100), "{page:?}");
    assert!(page.full_at.contains_key("accounts"), "{page:?}");
}

#[tokio::test]
async fn a_storage_in_use_is_backed_up_and_not_restored_into() {
    let rig = Rig::new();
    let store = store(&rig.path("old"));
    furnish(&store).await;
    let role = store.claim_issuer().await.expect("free");
    rig.backup("old").good();
    let before = contents(&rig.path("old"));
    let said = rig.restore("old").refused();
    assert!(said.contains(&format!("process {}", std::process::id())) && said.contains("stop it"), "{said}");
    assert_eq!(contents(&rig.path("old")), before);
    drop(role);
    rig.restore("old").good();
}

#[tokio::test]
async fn a_damaged_item_is_named_and_left_out() {
    let rig = Rig::new();
    let newest = furnish(&store(&rig.path("old"))).await;
    fs::write(rig.path("old").join(format!("database/items/{newest}/key.pem")), "x").expect("damaged");
    let said = rig.backup("old").refused();
    assert!(said.contains(newest.as_str()) && said.contains("key.pem"), "{said}");
    rig.restore("new").good();
    let name = Name::parse("example.com").expect("a name");
    let item =
        store(&rig.path("new")).database().pointer(Family::Letsencrypt, &name).await.expect("a pointer");
    assert!(item.is_some_and(|item| item < newest), "the one before it is");
}

#[tokio::test]
async fn nothing_of_an_archive_is_believed_that_is_not_whole() {
    let rig = Rig::new();
    let old = store(&rig.path("old"));
    let (id, _) = commit(&old, &["example.com"], Provider::Letsencrypt, Some(CA)).await;
    rig.backup("old").good();
    let good = rig.entries();
    let at = |path: &str| good.iter().position(|entry| entry.path.ends_with(path)).expect(path);
    let file =
        |path: &str, value: &[u8]| Entry { path: path.into(), kind: EntryType::Regular, value: value.into() };
    let link = |path: &str, to: &str| Entry { path: path.into(), kind: EntryType::Symlink, value: to.into() };
    let with = |entry: Entry| {
        let mut entries = good.clone();
        entries.insert(1, entry);
        entries
    };
    let changed = |path: &str, value: &[u8]| {
        let mut entries = good.clone();
        entries[at(path)].value = value.to_vec();
        entries
    };
    let without = |path: &str| {
        let mut entries = good.clone();
        entries.remove(at(path));
        entries
    };
    let other_key = PrivateKey::generate(KeyType::P256).to_pem();
    let stranger = ItemId::next(SystemTime::now(), None);
    let pin =
        |item: &ItemId| format!(r#"{{"item":"{item}","over":"{item}","since":"2027-01-01T00:00:00Z"}}"#);
    let segments = (1..=9).map(|number| file(&format!("state/journal/0000000{number}.jsonl"), b"x\n"));
    let hard = Entry { kind: EntryType::Link, ..link("database/x", "/etc/passwd") };
    let cases = [
        (with(file("../escaped", b"x")), "../escaped does not belong"),
        (with(file("/tmp/escaped", b"x")), "/tmp/escaped does not belong"),
        (with(file("state/aside/x", b"x")), "does not belong"),
        (with(link("database/latest-by-fqdn/example.com", "/etc/passwd")), "does not belong"),
        (
            with(link(
                "database/latest-by-fqdn/a.example",
                &format!("../items/{}", ItemId::next(SystemTime::now(), None)),
            )),
            "leads to nothing",
        ),
        (with(hard), "neither a file nor a link"),
        (with(Entry { kind: EntryType::Directory, ..link("database", "") }), "neither a file nor a link"),
        (with(Entry { kind: EntryType::Fifo, ..link("state/ledger.json", "") }), "neither a file nor a link"),
        (with(good[at("/key.pem")].clone()), "comes twice"),
        (with(file("state/ledger.json", &vec![b' '; 9 << 20])), "larger than anything"),
        (with(file("state/pins/example.com", pin(&stranger).as_bytes())), "there is no copy"),
        (with(file("state/pins/other.example", pin(&id).as_bytes())), "is not for this name"),
        (with(file("state/pins/example.com", b"x")), "state/pins/example.com is damaged"),
        (with(file(&format!("state/revoked/{stranger}"), b"{}")), "there is no copy"),
        (with(file("state/on-demand.json", b"x")), "on-demand.json is damaged"),
        (with(file("state/hooks.json", b"x")), "hooks.json is damaged"),
        (with(file("state/journal/1.jsonl", b"x")), "does not belong"),
        ([&good[..1], &segments.collect::<Vec<_>>(), &good[1..]].concat(), "more of them than a journal has"),
        (changed("/key.pem", other_key.as_bytes()), "is damaged"),
        (changed("/crt.pem", b"x"), "is damaged"),
        (without("/csr.pem"), "csr.pem"),
        (without(HEAD), "does not begin"),
        (without(DIGESTS), "its end is missing"),
        (changed(HEAD, br#"{"format":2,"sidegate":"9.0.0","made":""}"#), "sidegate 9.0.0"),
    ];
    for (entries, words) in cases {
        rig.forge(&entries);
        let said = rig.restore("new").refused();
        assert!(said.contains(words), "{words:?} is not in {said}");
        assert_eq!(contents(&rig.path("new")), BTreeMap::new(), "{words}");
    }
    assert!(!rig.path("escaped").exists());
    // The same by chance: a flipped bit, and half a file.
    rig.forge(&good);
    let bytes = fs::read(rig.path("backup.tar")).expect("an archive");
    rig.restore("whole").good();
    let needle = b"BEGIN CERTIFICATE";
    let at = bytes.windows(needle.len()).position(|window| window == needle).expect("a certificate") + 60;
    let mut flipped = bytes.clone();
    flipped[at] ^= 1;
    for damaged in [&flipped[..], &bytes[..bytes.len() / 2], b"", b"no archive at all"] {
        fs::write(rig.path("backup.tar"), damaged).expect("written");
        rig.restore("new").refused();
        assert_eq!(contents(&rig.path("new")), BTreeMap::new());
    }
    assert!(rig.path("whole").join(format!("database/items/{id}")).exists());
}

#[tokio::test]
async fn an_item_of_the_same_id_with_other_contents_is_not_overwritten() {
    let rig = Rig::new();
    let (old, new) = (store(&rig.path("old")), store(&rig.path("new")));
    let (id, _) = commit(&old, &["example.com"], Provider::Letsencrypt, Some(CA)).await;
    let (other, _) = commit(&new, &["example.com"], Provider::Letsencrypt, Some(CA)).await;
    let items = rig.path("new/database/items");
    fs::rename(items.join(other.as_str()), items.join(id.as_str())).expect("renamed");
    let before = contents(&rig.path("new"));
    rig.backup("old").good();
    assert!(rig.restore("new").refused().contains("other contents"));
    assert_eq!(contents(&rig.path("new")), before);
}

#[tokio::test]
async fn an_item_that_is_damaged_here_makes_way_for_its_copy() {
    let rig = Rig::new();
    let id = furnish(&store(&rig.path("old"))).await;
    rig.backup("old").good();
    let key = rig.path(&format!("old/database/items/{id}/key.pem"));
    let whole = fs::read(&key).expect("a key");
    for (damage, count) in [(Some("x"), 1), (None, 2)] {
        match damage {
            Some(garbage) => fs::write(&key, garbage).expect("written"),
            None => fs::remove_file(&key).expect("removed"),
        }
        let said = rig.restore("old").good();
        assert!(
            said.starts_with("1 item restored, 2 there already") && said.contains("in quarantine/"),
            "{said}"
        );
        assert_eq!(fs::read(&key).expect("a key"), whole);
        assert_eq!(fs::read_dir(rig.path("old/quarantine")).expect("a folder").count(), count);
    }
    assert!(rig.restore("old").good().starts_with("0 items restored, 3 there already"));
}

#[tokio::test]
async fn a_backup_can_go_through_a_pipe() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    let line = format!(
        "{} backup - --storage {} > {}",
        env!("CARGO_BIN_EXE_sidegate"),
        rig.path("old").display(),
        rig.path("backup.tar").display()
    );
    ran(Command::new("sh").args(["-c", &line])).good();
    assert!(rig.restore("new").good().starts_with("3 items restored"));
}
