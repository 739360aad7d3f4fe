//! The tree on disk is the one of the layout: names, contents of the small files, link targets and modes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Provider};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::fs::FsEngine;
use sidegate::store::{Attempts, LineageState, Store};

use crate::house::issued::{answer, lineage};

/// Every place below the root: a folder with `/`, a link with where it leads, a file with its contents if they are
/// the same every time. Ids that are drawn are replaced by what they stand for.
fn tree(root: &Path, drawn: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    let known = |text: String| drawn.iter().fold(text, |text, (id, word)| text.replace(id, word));
    found.into_iter().map(|(place, what)| (known(place), known(what))).collect()
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = path.symlink_metadata().expect("it is there");
        let place = path.strip_prefix(root).expect("below the root").display().to_string();
        let mode = meta.mode() & 0o7777;
        if meta.is_symlink() {
            found.insert(place, format!("-> {}", fs::read_link(&path).expect("a link").display()));
        } else if meta.is_dir() {
            assert_eq!(mode, 0o700, "{place}");
            found.insert(place + "/", String::new());
            walk(root, &path, found);
        } else {
            assert_eq!(mode, 0o600, "{place}");
            let text = fs::read_to_string(&path).expect("text");
            let small = place.ends_with(".bool") || place.ends_with("domain.list");
            found.insert(place, if small { text } else { kind(&text) });
        }
    }
}

/// What a PEM file holds, block by block; a JSON file its keys.
fn kind(text: &str) -> String {
    let block = |line: &str| Some(line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?.to_owned());
    let blocks: Vec<String> = text.lines().filter_map(block).collect();
    match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text) {
        Ok(record) => record.into_keys().collect::<Vec<_>>().join(" "),
        Err(_) => blocks.join(", "),
    }
}

async fn commit(store: &Store, lineage: &Lineage) -> ItemId {
    let mut draft = store.spool().open(lineage).await.expect("a draft");
    let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    draft.commit(&answer(lineage, &key, &request)).await.expect("an item")
}

/// Written out in full: this is the specification, `<package>` being the root, and beside it what the layout leaves
/// to us (`issuance.json`, `account.json`, `state`, `quarantine`).
const EXPECTED: &str = "\
database/
database/items/
database/items/FIRST/
database/items/FIRST/ca.pem CERTIFICATE
database/items/FIRST/chain.pem
database/items/FIRST/crt+chain+key.pem CERTIFICATE, PRIVATE KEY
database/items/FIRST/crt+chain.pem CERTIFICATE
database/items/FIRST/crt.pem CERTIFICATE
database/items/FIRST/csr.pem CERTIFICATE REQUEST
database/items/FIRST/domain.list example.com *.example.com www.example.com⏎
database/items/FIRST/isfailed.bool false
database/items/FIRST/isletsencrypt.bool false
database/items/FIRST/isselfsign.bool true
database/items/FIRST/issuance.json key_type noted why
database/items/FIRST/key.pem PRIVATE KEY
database/items/SECOND/
database/items/SECOND/ca.pem CERTIFICATE
database/items/SECOND/chain.pem CERTIFICATE
database/items/SECOND/crt+chain+key.pem CERTIFICATE, CERTIFICATE, PRIVATE KEY
database/items/SECOND/crt+chain.pem CERTIFICATE, CERTIFICATE
database/items/SECOND/crt.pem CERTIFICATE
database/items/SECOND/csr.pem CERTIFICATE REQUEST
database/items/SECOND/domain.list example.com *.example.com⏎
database/items/SECOND/isfailed.bool false
database/items/SECOND/isletsencrypt.bool true
database/items/SECOND/isselfsign.bool false
database/items/SECOND/issuance.json key_type noted why
database/items/SECOND/key.pem PRIVATE KEY
database/latest-by-fqdn/
database/latest-by-fqdn/*.example.com -> ../items/SECOND
database/latest-by-fqdn/example.com -> ../items/SECOND
database/latest-by-fqdn/www.example.com -> ../items/FIRST
database/latest-letsencrypt-by-fqdn/
database/latest-letsencrypt-by-fqdn/*.example.com -> ../items/SECOND
database/latest-letsencrypt-by-fqdn/example.com -> ../items/SECOND
database/latest-selfsigned-by-fqdn/
database/latest-selfsigned-by-fqdn/*.example.com -> ../items/FIRST
database/latest-selfsigned-by-fqdn/example.com -> ../items/FIRST
database/latest-selfsigned-by-fqdn/www.example.com -> ../items/FIRST
letsencrypt-account/
letsencrypt-account/ca.example-ACCOUNT/
letsencrypt-account/ca.example-ACCOUNT/account.json contacts directory url
letsencrypt-account/ca.example-ACCOUNT/account_key.pem PRIVATE KEY
letsencrypt-account/ca.example-ACCOUNT/account_pub.pem PUBLIC KEY
letsencrypt-account/current -> ca.example-ACCOUNT
quarantine/
spool/
spool/example.org-letsencrypt-DRAFT/
spool/example.org-letsencrypt-DRAFT/csr.pem CERTIFICATE REQUEST
spool/example.org-letsencrypt-DRAFT/domain.list example.org⏎
spool/example.org-letsencrypt-DRAFT/isfailed.bool true
spool/example.org-letsencrypt-DRAFT/isletsencrypt.bool true
spool/example.org-letsencrypt-DRAFT/isselfsign.bool false
spool/example.org-letsencrypt-DRAFT/key.pem PRIVATE KEY
state/
state/aside/
state/control/
state/issuer/
state/lineages/
state/lineages/example.org-letsencrypt-DRAFT.json attempts names provider
state/pins/
state/revoked/
state/rollover/
";

#[tokio::test]
async fn the_tree_is_the_one_of_the_layout() {
    let above = tempfile::tempdir().expect("a directory");
    let root = above.path().join("var/lib/sidegate");
    let engine = FsEngine::open(&root).expect("a storage");
    let (clock, _hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let store = Store::new(Arc::new(engine), clock.clone());

    let first =
        commit(&store, &lineage(&["example.com", "www.example.com", "*.example.com"], Provider::Selfsigned))
            .await;
    let second = commit(&store, &lineage(&["example.com", "*.example.com"], Provider::Letsencrypt)).await;
    let failing = lineage(&["example.org"], Provider::Letsencrypt);
    let mut draft = store.spool().open(&failing).await.expect("a draft");
    draft.request_or_generate(KeyType::P256).await.expect("a request");
    draft.mark_failed().await.expect("marked");
    let state = LineageState {
        names: failing.names().clone(),
        provider: failing.provider(),
        attempts: vec![Attempts {
            failures: 1,
            next: Some(clock.now()),
            last_error: Some("no answer".into()),
            ..Attempts::at(Some("https://ca.example/directory"))
        }],
        advised: None,
    };
    store.states().save(failing.id(), &state).await.expect("saved");
    assert_eq!(store.states().load(failing.id()).await.expect("loaded"), Some(state));
    let key = PrivateKey::generate(KeyType::P256);
    let account = store.accounts().create("https://ca.example/directory", &key).await.expect("an account");

    drop((draft, store));
    let account = account.id.as_str().rsplit('-').next().expect("a suffix").to_owned();
    assert_eq!(account.len(), 16);
    assert!(first.as_str().starts_with("20270115T080000.000000000Z-"), "{first}");
    let draft = failing.id().as_str().rsplit('-').next().expect("a suffix");
    let drawn =
        [(first.as_str(), "FIRST"), (second.as_str(), "SECOND"), (&*account, "ACCOUNT"), (draft, "DRAFT")];
    let mut found = String::new();
    for (place, what) in tree(&root, &drawn) {
        found += format!("{place} {what}").trim_end_matches(' ').replace('\n', "⏎").trim_end();
        found.push('\n');
    }
    assert_eq!(found, EXPECTED);
    assert_eq!(fs::metadata(&root).expect("the root").mode() & 0o7777, 0o700);
}

#[tokio::test]
async fn what_others_made_is_used_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().expect("a directory");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("opened to others");
    fs::create_dir(root.path().join("database")).expect("a folder of theirs");
    let store = Store::new(Arc::new(FsEngine::open(root.path()).expect("a storage")), Clock::system());
    commit(&store, &lineage(&["example.com"], Provider::Selfsigned)).await;
    assert_eq!(fs::metadata(root.path()).expect("the root").mode() & 0o7777, 0o755);
}

#[tokio::test]
async fn a_storage_that_cannot_be_says_what_to_do() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("a-file");
    fs::write(&file, "").expect("written");
    for place in [file.clone(), file.join("below")] {
        let error = FsEngine::open(&place).err().expect("not a directory").to_string();
        assert!(error.contains("a-file") && error.contains("--storage DIR"), "{error}");
    }
}

#[tokio::test]
async fn what_a_dead_engine_left_aside_is_removed_and_what_a_live_one_has_is_not() {
    let root = tempfile::tempdir().expect("a directory");
    let live = FsEngine::open(root.path()).expect("a storage");
    let aside = root.path().join("state/aside");
    let dead = aside.join("0123456789abcdef");
    fs::create_dir(&dead).expect("a folder");
    fs::write(dead.join("0"), "half a key").expect("written");
    let second = FsEngine::open(root.path()).expect("the same storage");
    assert!(!dead.exists());
    let own = fs::read_dir(&aside).expect("a folder").count();
    assert_eq!(own, 2);
    let store = Store::new(Arc::new(live), Clock::system());
    commit(&store, &lineage(&["example.com"], Provider::Selfsigned)).await;
    drop((store, second));
    assert_eq!(fs::read_dir(&aside).expect("a folder").count(), 0);
}
