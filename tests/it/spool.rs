//! Drafts, items, pointers, accounts and states as the rooms above use them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sidegate::clock::{Clock, Hand};
use sidegate::ident::{ItemId, Lineage, Name, Provider};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::engine::{Engine, Expect, Secrecy};
use sidegate::store::layout::{self, AccountFile, File};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::sweep::sweep;
use sidegate::store::{Changed, Family, Issuance, Key, Keying, Store, StoreError};

use crate::house::issued::{answer, lineage, names};

struct House {
    engine: MemoryEngine,
    store: Store,
    hand: Hand,
}

fn house() -> House {
    let engine = MemoryEngine::new();
    let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    House { store: Store::new(Arc::new(engine.clone()), clock), engine, hand }
}

impl House {
    async fn commit(&self, lineage: &Lineage) -> ItemId {
        let mut draft = self.store.spool().open(lineage).await.expect("a draft");
        let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
        draft.commit(&answer(lineage, &key, &request)).await.expect("an item")
    }

    async fn put(&self, key: &Key, value: &'static str) {
        let put = self.engine.put(key, Bytes::from(value), Expect::Any, Secrecy::Open);
        put.await.expect("written");
    }

    /// An item like `whole`, but with one file changed, or without it.
    async fn damaged(&self, whole: &ItemId, file: File, value: Option<Bytes>) -> ItemId {
        let lineage = lineage(&["copy.example"], Provider::Selfsigned);
        let draft = layout::draft(lineage.id());
        for (key, present) in self.engine.read_all(&layout::item(whole)).await.expect("its files") {
            let here = File::named(key.name()).expect("a file of an item");
            let value = if here == file { value.clone() } else { Some(present) };
            if let Some(value) = value {
                let to = layout::draft_file(lineage.id(), here);
                self.engine.put(&to, value, Expect::Any, Secrecy::Open).await.expect("written");
            }
        }
        let id = ItemId::next(SystemTime::UNIX_EPOCH, Some(whole));
        self.engine.seal(&draft, &layout::item(&id)).await.expect("sealed");
        id
    }

    async fn latest(&self, name: &str) -> Option<ItemId> {
        let name = Name::parse(name).expect("a name");
        self.store.database().pointer(Family::Any, &name).await.expect("an answer")
    }
}

fn example() -> Lineage {
    lineage(&["example.com", "www.example.com"], Provider::Letsencrypt)
}

fn noted(key_type: &str) -> Issuance {
    Issuance {
        directory: Some("https://ca.example/directory".into()),
        order: Some("https://ca.example/order/7".into()),
        account: Some("https://ca.example/account/1".into()),
        ..Issuance::new(
            key_type,
            "first certificate",
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_001),
        )
    }
}

#[tokio::test]
async fn a_draft_is_taken_up_where_it_was_left() {
    let house = house();
    let spool = house.store.spool();
    let mut draft = spool.open(&example()).await.expect("a draft");
    let (key, _) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    draft.note_issuance(&noted("p256")).await.expect("noted");
    draft.mark_failed().await.expect("marked");
    assert!(matches!(spool.open(&example()).await, Err(StoreError::Taken { .. })));
    drop(draft);

    let mut again = spool.open_existing(example().id()).await.expect("the draft");
    assert_eq!(again.lineage(), &example());
    assert_eq!(again.issuance(), Some(noted("p256")));
    let (kept, request) = again.request_or_generate(KeyType::P256).await.expect("a request");
    assert_eq!(kept.spki(), key.spki());
    let id = again.commit(&answer(&example(), &kept, &request)).await.expect("an item");
    let item = house.store.database().item(&id).await.expect("the item");
    assert_eq!(item.issuance(), Some(&noted("p256")));
    assert_eq!((item.names(), item.provider()), (example().names(), Provider::Letsencrypt));
    assert_eq!(item.bundle().key().spki(), key.spki());
    assert!(matches!(spool.open_existing(example().id()).await, Err(e) if e.is_absent()));
    assert_eq!(spool.list().await.expect("a list"), []);
}

#[tokio::test]
async fn another_primary_name_is_the_same_draft() {
    let house = house();
    drop(house.store.spool().open(&example()).await.expect("a draft"));
    let turned = lineage(&["www.example.com", "example.com"], Provider::Letsencrypt);
    let draft = house.store.spool().open(&turned).await.expect("the same draft");
    let (list, _) = house
        .engine
        .read(&layout::draft_file(draft.lineage().id(), File::DomainList))
        .await
        .expect("the list");
    assert_eq!(list, "www.example.com example.com\n");
}

#[tokio::test]
async fn a_key_is_used_again_unless_it_is_compromised() {
    let house = house();
    let key = PrivateKey::generate(KeyType::P256);
    let keying = |barred| Keying { reuse: Some(key.clone()), barred, ..Keying::from(KeyType::P256) };
    let mut draft = house.store.spool().open(&example()).await.expect("a draft");
    let (first, request) = draft.request_or_generate(keying(Vec::new())).await.expect("a request");
    assert_eq!((first.spki(), request.spki()), (key.spki(), key.spki()));
    draft.note_issuance(&noted("p256")).await.expect("noted");
    drop(draft);
    // Meanwhile somebody has revoked its certificate for that reason.
    let mut draft = house.store.spool().open(&example()).await.expect("the draft");
    let (second, _) = draft.request_or_generate(keying(vec![key.spki()])).await.expect("a request");
    assert_ne!(second.spki(), key.spki());
    assert_eq!(draft.issuance(), None, "its order would give a certificate for that key");
    drop(draft);
    let mut draft = house.store.spool().open(&example()).await.expect("the draft");
    let (third, _) = draft.request_or_generate(keying(Vec::new())).await.expect("a request");
    assert_eq!(third.spki(), second.spki(), "an attempt goes on with the key that it has begun with");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_set_aside_with_its_order() {
    for (text, key_type) in [(Some("-----BEGIN PRIV"), "p256"), (None, "rsa4096")] {
        let house = house();
        let mut draft = house.store.spool().open(&example()).await.expect("a draft");
        let (key, _) = draft.request_or_generate(KeyType::P256).await.expect("a request");
        draft.note_issuance(&noted(key_type)).await.expect("noted");
        drop(draft);
        if let Some(torn) = text {
            house.put(&layout::draft_file(example().id(), File::Key), torn).await;
        }
        let mut draft = house.store.spool().open(&example()).await.expect("the draft");
        let (new, _) = draft.request_or_generate(KeyType::P256).await.expect("a new request");
        assert_ne!(new.spki(), key.spki());
        assert_eq!(draft.issuance(), None);
        assert_eq!(house.engine.list(&layout::quarantine()).await.expect("a list").len(), 1);
    }
}

#[tokio::test]
async fn what_does_not_belong_into_a_draft_does_not_get_into_the_item() {
    let house = house();
    let stray = layout::draft(example().id()).child("key.pem.swp").expect("a key");
    house.put(&stray, "an editor's").await;
    let id = house.commit(&example()).await;
    let files = house.engine.list(&layout::item(&id)).await.expect("a list");
    assert_eq!(files.len(), File::ALL.len());
    assert_eq!(house.engine.list(&layout::quarantine()).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn a_draft_that_somebody_meddles_with_becomes_a_complete_item_or_none() {
    let house = house();
    let mut draft = house.store.spool().open(&example()).await.expect("a draft");
    let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    let stray = layout::draft(example().id()).child("notes.txt").expect("a key");
    house.put(&stray, "somebody's").await;
    let taken = layout::draft_file(example().id(), File::Key).as_prefix();
    house.engine.remove(&taken, Expect::Any).await.expect("removed");
    let error = draft.commit(&answer(&example(), &key, &request)).await.expect_err("no key, no item");
    assert!(error.to_string().contains("key.pem"), "{error}");
    assert_eq!(house.store.database().items().await.expect("a list"), []);
    let id = house.commit(&example()).await;
    assert_eq!(house.engine.list(&layout::item(&id)).await.expect("a list").len(), File::ALL.len());
}

#[tokio::test]
async fn a_certificate_of_another_draft_changes_nothing() {
    let house = house();
    let other = lineage(&["other.example"], Provider::Letsencrypt);
    let mut others = house.store.spool().open(&other).await.expect("a draft");
    let (key, request) = others.request_or_generate(KeyType::P256).await.expect("a request");
    let bundle = answer(&other, &key, &request);
    let draft = house.store.spool().open(&example()).await.expect("a draft");
    assert!(matches!(draft.commit(&bundle).await, Err(StoreError::NotOurs { .. })));

    let mut draft = house.store.spool().open(&example()).await.expect("the draft is still there");
    let (_, _) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    let wrong_key = PrivateKey::generate(KeyType::P256);
    let bundle = answer(&example(), &wrong_key, &request);
    assert!(matches!(draft.commit(&bundle).await, Err(StoreError::NotOurs { .. })));
    assert_eq!(house.store.database().items().await.expect("a list"), []);
}

#[tokio::test]
async fn a_draft_that_is_given_up_leaves_nothing() {
    let house = house();
    let mut draft = house.store.spool().open(&example()).await.expect("a draft");
    draft.request_or_generate(KeyType::P256).await.expect("a request");
    draft.give_up().await.expect("gone");
    assert_eq!(house.engine.list(&layout::spool()).await.expect("a list"), []);
}

#[tokio::test]
async fn a_clock_that_goes_back_hides_no_renewal() {
    let house = house();
    let first = house.commit(&example()).await;
    house.hand.set(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let second = house.commit(&example()).await;
    assert!(first < second);
    assert_eq!(house.latest("www.example.com").await, Some(second));
}

#[tokio::test]
async fn pointers_move_for_each_name_in_both_of_their_families_and_are_told() {
    let house = house();
    let mut changes = house.store.changes();
    let own = house.commit(&lineage(&["example.com", "*.example.com"], Provider::Selfsigned)).await;
    for family in [Family::Any, Family::Selfsigned] {
        for name in &names(&["example.com", "*.example.com"]) {
            assert_eq!(changes.next().await, Changed::Pointer(family, name.clone()));
        }
    }
    let theirs = house.commit(&example()).await;
    let database = house.store.database();
    let all = |family| {
        let database = database.clone();
        async move {
            let pointers = database.pointers(family).await.expect("pointers");
            pointers.into_iter().map(|(name, id)| (name.to_string(), id)).collect::<Vec<_>>()
        }
    };
    let (apex, wild, www) =
        ("example.com".to_owned(), "*.example.com".to_owned(), "www.example.com".to_owned());
    assert_eq!(
        all(Family::Any).await,
        [(wild.clone(), own.clone()), (apex.clone(), theirs.clone()), (www.clone(), theirs.clone())]
    );
    assert_eq!(all(Family::Letsencrypt).await, [(apex.clone(), theirs.clone()), (www, theirs)]);
    assert_eq!(all(Family::Selfsigned).await, [(wild, own.clone()), (apex, own)]);
}

#[tokio::test]
async fn a_damaged_item_names_its_file_and_the_one_before_it_is_found() {
    let house = house();
    let good = house.commit(&example()).await;
    let other = house.commit(&lineage(&["b.example"], Provider::Selfsigned)).await;
    let read = |id: ItemId, file: File| {
        let engine = house.engine.clone();
        async move { engine.read(&layout::item_file(&id, file)).await.expect("a file").0 }
    };
    let bytes = |text: &'static str| Some(Bytes::from(text));
    let cases = [
        (File::Key, None),
        (File::Key, bytes("")),
        (File::Key, Some(read(other.clone(), File::Key).await)),
        (File::Crt, None),
        (File::Crt, bytes("\0\0\0\0\0\0\0\0")),
        (File::Crt, Some(read(other.clone(), File::Crt).await)),
        (File::Chain, bytes("")),
        (File::Ca, Some(read(other, File::Crt).await)),
        (File::CrtChain, bytes("-----BEGIN CERTIFICATE-----")),
        (File::CrtChainKey, bytes("")),
        (File::DomainList, bytes("example.com another.example\n")),
        (File::DomainList, bytes("../../etc/passwd\n")),
        (File::DomainList, bytes("\n")),
        (File::IsFailed, bytes("true")),
        (File::IsLetsencrypt, bytes("perhaps")),
        (File::IsSelfsign, bytes("true")),
        (File::Csr, None),
    ];
    for (file, value) in cases {
        let bad = house.damaged(&good, file, value.clone()).await;
        let error = house.store.database().item(&bad).await.expect_err("damaged");
        assert!(matches!(error, StoreError::Damaged { .. }), "{file:?} {value:?}: {error:?}");
        assert!(error.to_string().contains(bad.as_str()), "{error}");
        let www = Name::parse("www.example.com").expect("a name");
        let carriers = house.store.database().items_for(&www).await.expect("items");
        assert_eq!(carriers.last(), Some(&good), "{file:?}");
        assert!(carriers.len() <= 2);

        // With a pointer to it, as if it had gone bad after its commit.
        let apex = layout::pointer(Family::Any, &Name::parse("example.com").expect("a name"));
        house.engine.point(&apex, &layout::item(&bad), Expect::Any).await.expect("pointed");
        let report = sweep(&house.store).await.expect("a sweep");
        assert_eq!(report.quarantined.len(), 1, "{file:?}: {report:?}");
        assert_eq!(house.latest("example.com").await, Some(good.clone()), "{file:?}");
        assert_eq!(house.store.database().items_for(&www).await.expect("items"), std::slice::from_ref(&good));
    }
    assert!(sweep(&house.store).await.expect("a sweep").is_clean());
}

#[tokio::test]
async fn an_unreadable_record_does_not_spoil_a_certificate() {
    let house = house();
    let good = house.commit(&example()).await;
    for record in [None, Some(Bytes::from("{"))] {
        let copy = house.damaged(&good, File::Issuance, record).await;
        let item = house.store.database().item(&copy).await.expect("whole without it");
        assert_eq!(item.issuance(), None);
    }
}

#[tokio::test]
async fn a_sweep_mends_pointers_and_leaves_the_rest_alone() {
    let house = house();
    let old = house.commit(&example()).await;
    let new = house.commit(&example()).await;
    let of = |family, name: &str| layout::pointer(family, &Name::parse(name).expect("a name"));
    let engine = &house.engine;
    // Lags behind, is missing, is a plain file, leads to an item without the name, leads nowhere.
    engine.point(&of(Family::Any, "example.com"), &layout::item(&old), Expect::Any).await.expect("pointed");
    let missing = of(Family::Letsencrypt, "example.com").as_prefix();
    engine.remove(&missing, Expect::Any).await.expect("removed");
    engine.remove(&of(Family::Any, "www.example.com").as_prefix(), Expect::Any).await.expect("removed");
    house.put(&of(Family::Any, "www.example.com"), "a copy of a certificate").await;
    engine.point(&of(Family::Any, "b.example"), &layout::item(&new), Expect::Any).await.expect("pointed");
    let nowhere = ItemId::next(SystemTime::UNIX_EPOCH, None);
    engine
        .point(&of(Family::Selfsigned, "example.com"), &layout::item(&nowhere), Expect::Any)
        .await
        .expect("pointed");
    // And what is none of ours.
    let family = layout::family(Family::Any);
    house.put(&family.child("README").expect("a key"), "not a name we would write").await;
    house.put(&layout::items().child("lost+found").expect("a key"), "").await;
    let draft = house.store.spool().open(&example()).await.expect("a live draft");

    let report = sweep(&house.store).await.expect("a sweep");
    for name in ["example.com", "www.example.com"] {
        assert_eq!(house.latest(name).await.as_ref(), Some(&new));
    }
    assert_eq!(house.latest("b.example").await, None);
    assert_eq!((report.items, report.moved.len(), report.removed.len()), (2, 3, 2), "{report:?}");
    assert_eq!(report.strays.len(), 2, "{report:?}");
    assert_eq!(report.drafts, [example().id().clone()]);
    assert_eq!(
        house.engine.list(&layout::quarantine()).await.expect("a list").len(),
        1,
        "the plain file is kept"
    );
    draft.clear_failed().await.expect("a live draft stays usable");
}

#[tokio::test]
async fn one_process_issues() {
    let house = house();
    let claim = house.store.claim_issuer().await.expect("free");
    assert!(matches!(house.store.claim_issuer().await, Err(StoreError::Taken { .. })));
    drop(claim);
    house.store.claim_issuer().await.expect("free again");
}

#[tokio::test]
async fn an_account_is_found_by_its_directory_and_not_by_current() {
    const ONE: &str = "https://one.example/directory";
    const TWO: &str = "https://two.example:14000/dir";
    let house = house();
    let accounts = house.store.accounts();
    assert!(accounts.find(ONE).await.expect("an answer").is_none());
    let key = PrivateKey::generate(KeyType::P256);
    let mut one = accounts.create(ONE, &key).await.expect("an account");
    one.url = Some("https://one.example/account/1".into());
    one.contacts = vec!["mailto:me@example.com".into()];
    accounts.note(&one).await.expect("noted");
    let two = accounts.create(TWO, &PrivateKey::generate(KeyType::P256)).await.expect("an account");
    assert_eq!(accounts.current().await.expect("an answer"), Some(two.id.clone()));

    let found = accounts.find(ONE).await.expect("an answer").expect("the account");
    assert_eq!((&found.id, found.key.spki(), &found.url), (&one.id, key.spki(), &one.url));
    assert_eq!(found.contacts, one.contacts);
    assert_eq!(accounts.find(TWO).await.expect("an answer").expect("the account").url, None);
    assert!(one.id.as_str().starts_with("one.example-") && two.id.as_str().starts_with("two.example-"));
}

#[tokio::test]
async fn an_account_whose_registration_was_cut_short_is_found_and_used_again() {
    const DIRECTORY: &str = "https://ca.example/directory";
    let house = house();
    let accounts = house.store.accounts();
    let key = PrivateKey::generate(KeyType::P256);
    let account = accounts.create(DIRECTORY, &key).await.expect("an account");
    for lost in [AccountFile::Record, AccountFile::Pub] {
        let place = layout::account_file(&account.id, lost).as_prefix();
        house.engine.remove(&place, Expect::Any).await.expect("removed");
    }
    assert!(accounts.find("https://ca.example/other").await.expect("an answer").is_none());
    let found = accounts.find(DIRECTORY).await.expect("an answer").expect("the account");
    assert_eq!((found.key.spki(), found.url), (key.spki(), None));
    let public = house.engine.read(&layout::account_file(&account.id, AccountFile::Pub)).await;
    assert_eq!(public.expect("written again").0, key.public_pem());
}

#[tokio::test]
async fn a_damaged_account_is_passed_over() {
    const DIRECTORY: &str = "https://ca.example/directory";
    let house = house();
    let accounts = house.store.accounts();
    let bad = accounts.create(DIRECTORY, &PrivateKey::generate(KeyType::P256)).await.expect("an account");
    house.put(&layout::account_file(&bad.id, AccountFile::Key), "\0\0\0").await;
    assert!(accounts.find(DIRECTORY).await.expect("an answer").is_none());
    let good = accounts.create(DIRECTORY, &PrivateKey::generate(KeyType::P256)).await.expect("an account");
    assert_eq!(accounts.find(DIRECTORY).await.expect("an answer").expect("the good one").id, good.id);
}

#[tokio::test]
async fn a_damaged_record_of_failures_is_forgotten_and_kept() {
    let house = house();
    let states = house.store.states();
    let id = example().id().clone();
    assert_eq!(states.load(&id).await.expect("an answer"), None);
    house.put(&layout::lineage_state(&id), "{\"names\": []}").await;
    assert_eq!(states.list().await.expect("a list"), std::slice::from_ref(&id));
    assert_eq!(states.load(&id).await.expect("an answer"), None);
    assert_eq!(states.list().await.expect("a list"), []);
    assert_eq!(house.engine.list(&layout::quarantine()).await.expect("a list").len(), 1);
}
