//! An account gets another key, and is not lost on the way.

use std::sync::Arc;

use sidegate::clock::Clock;
use sidegate::issuer::{AcmeIssuer, Issuer, Options, RolledOver};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::sweep::sweep;
use sidegate::store::{Account, AccountId, Store, layout};

use super::rig::{Rig, Wish};
use crate::house::faults;
use crate::house::front_of_ca::{Fault, FrontOfCa};

async fn roll_over(issuer: &AcmeIssuer) -> RolledOver {
    issuer.roll_over().await.expect("another key").expect("of the account")
}

/// The account is there once, with one key, and the CA knows it.
async fn is_whole(rig: &Rig, url: Option<&str>) {
    Wish::new("after.example.com").ask(&rig.issuer(&rig.options())).await.expect("a certificate");
    let account = rig.account().await;
    assert_eq!((account.url.as_deref(), rig.pebble.accounts()), (url, 1));
    assert_eq!(rig.accounts.current().await.expect("it reads"), Some(account.id));
}

#[tokio::test]
async fn the_account_stays_and_its_key_does_not() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    assert_eq!(issuer.roll_over().await.expect("nothing to do"), None);
    Wish::new("before.example.com").ask(&issuer).await.expect("a certificate");
    let before = rig.account().await;
    let done = roll_over(&issuer).await;
    let after = rig.account().await;
    assert_eq!((after.id.as_str(), &after.url), (done.id.as_str(), &before.url));
    assert_eq!((Some(done.account), done.earlier), (before.url.clone(), false));
    assert!(after.key.spki() != before.key.spki() && after.id != before.id);
    Wish::new("same.example.com").ask(&issuer).await.expect("by the process that did it");
    is_whole(&rig, before.url.as_deref()).await;
}

/// A CA with an account whose roll-over has met this fault, so that nothing was heard of it.
async fn unheard(fault: Fault) -> (Rig, FrontOfCa, Options, Account) {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let options = rig.options_through(&front);
    Wish::new("before.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
    let before = rig.account_at(&options.directory).await;
    front.plan("/rollover-account-key", 1, fault);
    rig.issuer(&options).roll_over().await.expect_err("nothing was heard");
    (rig, front, options, before)
}

#[tokio::test]
async fn a_lost_question_and_a_lost_answer_lose_no_account() {
    for fault in [Fault::Drop, Fault::LoseAnswer] {
        let (rig, _front, options, before) = unheard(fault.clone()).await;
        Wish::new("after.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
        // Of a lost question the CA knows nothing, so that it is put again; with the key that was kept.
        let earlier = roll_over(&rig.issuer(&options)).await.earlier;
        assert_eq!(earlier, matches!(fault, Fault::Drop), "{fault:?}");
        let after = rig.account_at(&options.directory).await;
        assert!(after.url == before.url && after.key.spki() != before.key.spki(), "{fault:?}");
        Wish::new("later.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
        assert_eq!(rig.pebble.accounts(), 1);
    }
}

#[tokio::test]
async fn no_crash_loses_the_account() {
    for fault in [faults::Fault::DiesBefore, faults::Fault::DiesAfter] {
        let mut rig = Rig::exact().await;
        let engine = MemoryEngine::new();
        rig.start_on(engine.clone(), false, false).await;
        Wish::new("before.example.com").ask(&rig.issuer(&rig.options())).await.expect("a certificate");
        let url = rig.account().await.url;
        for at in 0.. {
            let faulty = faults::Faulty::new(Arc::new(engine.clone()), fault, at);
            rig.store = Store::new(faulty.clone(), Clock::system());
            rig.accounts = rig.store.accounts();
            let done = rig.issuer(&rig.options()).roll_over().await;
            rig.store = Store::new(Arc::new(engine.clone()), Clock::system());
            rig.accounts = rig.store.accounts();
            is_whole(&rig, url.as_deref()).await;
            if done.is_ok() && !faulty.happened() {
                assert!(at > 10, "{at} verbs");
                break;
            }
        }
        // Whatever was begun can be ended.
        roll_over(&rig.issuer(&rig.options())).await;
        let left = rig.accounts.next_key(&rig.account().await).await.expect("it reads");
        assert!(left.is_none(), "{:?}", layout::next_account_keys());
    }
}

#[tokio::test]
async fn the_old_key_is_refused_and_registers_nothing() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    Wish::new("before.example.com").ask(&issuer).await.expect("a certificate");
    let before = rig.account().await;
    roll_over(&issuer).await;
    // A storage that was copied before has nothing but the old key.
    let copy = Store::new(Arc::new(MemoryEngine::new()), Clock::system());
    let mut account = copy.accounts().create(&before.directory, &before.key).await.expect("kept");
    account.url = before.url;
    copy.accounts().note(&account).await.expect("noted");
    let stale = rig.issuer_with(&rig.options(), &copy);
    Wish::new("stale.example.com").ask(&stale).await.expect_err("a key that is no longer the account's");
    assert_eq!((rig.pebble.accounts(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn a_process_that_did_not_hear_the_answer_asks_until_it_is_certain() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let options = rig.options_through(&front);
    let issuer = rig.issuer(&options);
    Wish::new("before.example.com").ask(&issuer).await.expect("a certificate");
    front.plan("/rollover-account-key", 1, Fault::Drop);
    issuer.roll_over().await.expect_err("nothing was heard");
    Wish::new("old.example.com").ask(&issuer).await.expect("by the old key");
    // The request arrives late.
    roll_over(&rig.issuer(&options)).await;
    Wish::new("new.example.com").ask(&issuer).await.expect("by the new key");
    let asked = front.count("/sign-me-up");
    Wish::new("later.example.com").ask(&issuer).await.expect("by the new key");
    assert_eq!((front.count("/sign-me-up"), rig.pebble.accounts()), (asked, 1), "it is certain by now");
}

#[tokio::test]
async fn a_ca_that_wants_to_hear_of_an_agreement_is_asked_for_the_account_itself() {
    for fault in [Fault::Drop, Fault::LoseAnswer] {
        let (rig, front, options, before) = unheard(fault.clone()).await;
        front.plan("/sign-me-up", 1, Fault::problem(403, "externalAccountRequired", "who are you?"));
        Wish::new("after.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
        let after = rig.account_at(&options.directory).await;
        assert_eq!(after.id != before.id, matches!(fault, Fault::LoseAnswer), "{fault:?}");
        assert_eq!((after.url, rig.pebble.accounts()), (before.url, 1));
    }
}

#[tokio::test]
async fn orders_that_are_under_way_keep_their_key() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let issuer = rig.issuer(&rig.options_through(&front));
    Wish::new("before.example.com").ask(&issuer).await.expect("a certificate");
    front.plan("/finalize-order/", 1, Fault::Slow(std::time::Duration::from_millis(300)));
    let wish = Wish::new("meanwhile.example.com");
    let (issued, done) = tokio::join!(wish.ask(&issuer), async {
        front.wait_for_nth("/finalize-order/", 2).await;
        roll_over(&issuer).await
    });
    issued.expect("a certificate");
    assert!(!done.earlier);
    let seen = front.seen();
    let at = |path: &str| seen.iter().rposition(|seen| seen.contains(path)).expect(path);
    assert!(at("/rollover-account-key") > at("/certZ/"), "{seen:#?}");
}

#[tokio::test]
async fn what_a_crash_left_is_swept_away_once_the_account_has_its_key() {
    let engine = MemoryEngine::new();
    let store = Store::new(Arc::new(engine.clone()), Clock::system());
    let accounts = store.accounts();
    let key = || PrivateKey::generate(KeyType::P256);
    let (old, next) = (accounts.create("https://ca.example/dir", &key()).await.expect("kept"), key());
    accounts.prepare(&old, &next).await.expect("kept");
    sweep(&store).await.expect("swept");
    assert_eq!(
        accounts.changing().await.expect("listed"),
        std::slice::from_ref(&old.id),
        "it may be the account's"
    );
    let new = accounts.succeed(&old, &next).await.expect("kept");
    assert!(accounts.changing().await.expect("listed").is_empty());
    // As if the process had died before the last step; and one whose account nobody knows.
    accounts.prepare(&old, &next).await.expect("kept");
    let stranger = Account { id: AccountId::parse("ca.example-1").expect("an id"), ..old };
    accounts.prepare(&stranger, &key()).await.expect("kept");
    sweep(&store).await.expect("swept");
    assert_eq!(accounts.changing().await.expect("listed"), [stranger.id]);
    assert_eq!(accounts.find(&new.directory).await.expect("it reads").expect("one").id, new.id);
}

#[tokio::test]
async fn a_key_that_a_backup_brings_back_is_not_the_accounts() {
    let key = || PrivateKey::generate(KeyType::P256);
    // Which of two folders comes first is chance.
    for _ in 0..8 {
        let accounts = Store::new(Arc::new(MemoryEngine::new()), Clock::system()).accounts();
        let (before, after) = (key(), key());
        let registered = async || {
            let mut account = accounts.create("https://ca.example/dir", &before).await.expect("kept");
            account.url = Some("https://ca.example/account/1".to_owned());
            accounts.note(&account).await.expect("noted");
            account
        };
        let old = registered().await;
        accounts.prepare(&old, &after).await.expect("kept");
        let new = accounts.succeed(&old, &after).await.expect("kept");
        assert_eq!(registered().await.id, old.id, "as a restore has it");
        accounts.create("https://other.example/dir", &key()).await.expect("chosen last");
        assert_eq!(accounts.find(&new.directory).await.expect("it reads").expect("one").id, new.id);
    }
}
