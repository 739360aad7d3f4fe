//! One account at a CA, whatever is lost on the way to it.

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

#[tokio::test]
async fn the_account_is_found_again_by_its_key() {
    let rig = Rig::new().await;
    Wish::new("a.example.com").ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    let mut account = rig.account().await;
    let url = account.url.take();
    assert!(url.is_some(), "the account's URL is kept");
    rig.accounts.note(&account).await.expect("it is kept");

    Wish::new("b.example.com").ask(&rig.issuer(&rig.options())).await.expect("it is issued");
    assert_eq!(rig.account().await.url, url);
    assert_eq!(rig.pebble.accounts(), 1);
}

#[tokio::test]
async fn a_registration_whose_answer_got_lost_is_not_repeated() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    // The first request asks whether the key is known; the one whose answer is lost registers it.
    front.plan("/sign-me-up", 1, Fault::Pass);
    front.plan("/sign-me-up", 1, Fault::LoseAnswer);
    let options = rig.options_through(&front);
    let wish = Wish::new("a.example.com");
    wish.ask(&rig.issuer(&options)).await.expect_err("the answer is lost");
    assert_eq!(rig.pebble.accounts(), 1, "{:?}", front.seen());

    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(rig.pebble.accounts(), 1);
}

#[tokio::test]
async fn a_ca_that_has_forgotten_the_account_gets_the_same_key_again() {
    let mut rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    let wish = Wish::new("a.example.com");
    wish.ask(&issuer).await.expect("it is issued");
    let before = rig.account().await;

    rig.pebble.restart().await;
    // The noted order is gone as well.
    wish.ask(&issuer).await.expect("it is issued by a CA without memory");
    let after = rig.account().await;
    assert_eq!(before.key.spki(), after.key.spki());
    assert_eq!((rig.pebble.accounts(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn the_contact_is_told_once_and_again_when_it_changes() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let mut options = rig.options_through(&front);
    options.email = Some("ops@example.com".to_owned());
    Wish::new("a.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    let told = front.count("/my-account/");
    assert!(told > 0, "the CA was not told");
    assert_eq!(rig.account_at(&options.directory).await.contacts, ["mailto:ops@example.com"]);

    Wish::new("b.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(front.count("/my-account/"), told, "the CA was told again");

    options.email = None;
    Wish::new("c.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    assert!(rig.account_at(&options.directory).await.contacts.is_empty());
}

#[tokio::test]
async fn an_address_the_ca_does_not_take_is_no_reason_to_go_without() {
    let rig = Rig::new().await;
    let mut options = rig.options();
    options.email = Some("not an address".to_owned());
    Wish::new("a.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    assert!(rig.account().await.contacts.is_empty());
}

#[tokio::test]
async fn the_account_whose_challenges_are_posted_is_the_one_chosen_last() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let (straight, through) = (rig.options(), rig.options_through(&front));
    let (one, other) = (rig.issuer(&straight), rig.issuer(&through));
    for (issuer, options, name) in [
        (&one, &straight, "a.example.com"),
        (&other, &through, "b.example.com"),
        (&one, &straight, "c.example.com"),
    ] {
        Wish::new(name).ask(issuer).await.expect("it is issued");
        let account = rig.account_at(&options.directory).await;
        assert_eq!(rig.accounts.current().await.expect("a link"), Some(account.id), "{name}");
    }
    let thumbprint = rig.accounts.current_thumbprint().await.expect("a key").expect("an account");
    assert_eq!(thumbprint.len(), 43, "{thumbprint}");
}
