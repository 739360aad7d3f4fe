//! Certificates that nobody is to rely on any longer.

use sidegate::clock::Clock;
use sidegate::issuer::{By, IssueError, Issuer, Reason, SelfsignedIssuer, Verdict};
use sidegate::pki::{Bundle, KeyType, Leaf, PrivateKey};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

/// A certificate for a key of this kind.
async fn issued(rig: &Rig, issuer: &dyn Issuer, kind: KeyType) -> (Bundle, PrivateKey) {
    let mut wish = Wish::new("revoked.example.com");
    wish.key = PrivateKey::generate(kind);
    let bundle = wish.ask(issuer).await.expect("a certificate");
    assert_eq!(status(rig, bundle.leaf()).await, ("Valid".to_owned(), None));
    (bundle, wish.key)
}

async fn status(rig: &Rig, leaf: &Leaf) -> (String, Option<u64>) {
    rig.pebble.status_of(&leaf.serial()).await
}

fn revoked(reason: Reason) -> (String, Option<u64>) {
    // Without a reason nothing is said of it.
    let code = Some(u64::from(reason.code())).filter(|code| *code > 0);
    ("Revoked".to_owned(), code)
}

#[tokio::test]
async fn the_account_that_ordered_a_certificate_has_it_revoked() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    let (bundle, _) = issued(&rig, &issuer, KeyType::P256).await;
    // A process of its own, that has only what is kept.
    let later = rig.issuer(&rig.options());
    later.revoke(bundle.leaf(), Reason::Superseded, By::Account).await.expect("it is revoked");
    assert_eq!(status(&rig, bundle.leaf()).await, revoked(Reason::Superseded));
    later.revoke(bundle.leaf(), Reason::Superseded, By::Account).await.expect("once is as good as twice");
    assert_eq!(rig.pebble.accounts(), 1);
}

#[tokio::test]
async fn whoever_has_the_key_has_it_revoked_without_an_account() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    let stranger = Rig::new().await;
    let elsewhere = stranger.issuer(&rig.options());
    for kind in [KeyType::P256, KeyType::P384, KeyType::Rsa2048] {
        let (bundle, key) = issued(&rig, &issuer, kind).await;
        let by = By::Key(&key);
        elsewhere.revoke(bundle.leaf(), Reason::KeyCompromise, by).await.expect("it is revoked");
        assert_eq!(status(&rig, bundle.leaf()).await, revoked(Reason::KeyCompromise), "{kind:?}");
        elsewhere.revoke(bundle.leaf(), Reason::KeyCompromise, by).await.expect("that is known");
    }
    assert_eq!(rig.pebble.accounts(), 1);
}

#[tokio::test]
async fn nothing_is_revoked_on_a_word_that_does_not_count() {
    let rig = Rig::new().await;
    let issuer = rig.issuer(&rig.options());
    let (bundle, _) = issued(&rig, &issuer, KeyType::P256).await;

    let other = PrivateKey::generate(KeyType::P256);
    let error = issuer.revoke(bundle.leaf(), Reason::Unspecified, By::Key(&other)).await;
    assert!(matches!(error, Err(IssueError::Unusable(_))), "{error:?}");

    let stranger = Rig::new().await;
    let elsewhere = stranger.issuer(&rig.options());
    let error = elsewhere.revoke(bundle.leaf(), Reason::Unspecified, By::Account).await;
    assert!(matches!(error, Err(IssueError::Account(_))), "{error:?}");
    // Its account has ordered and proved something, but nothing of this.
    Wish::new("other.example.com").ask(&elsewhere).await.expect_err("its answers are not found here");
    let error = elsewhere.revoke(bundle.leaf(), Reason::Unspecified, By::Account).await;
    assert!(matches!(error, Err(IssueError::Refused { .. })), "{error:?}");

    assert_eq!(status(&rig, bundle.leaf()).await, ("Valid".to_owned(), None));
    assert_eq!(rig.pebble.accounts(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_made_up_for_by_asking_again() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let issuer = rig.issuer(&rig.options_through(&front));
    let (bundle, _) = issued(&rig, &issuer, KeyType::P256).await;
    front.plan("/revoke-cert", 1, Fault::LoseAnswer);
    let error = issuer.revoke(bundle.leaf(), Reason::Superseded, By::Account).await;
    assert!(matches!(error, Err(IssueError::Unreachable { .. })), "{error:?}");
    issuer.revoke(bundle.leaf(), Reason::Superseded, By::Account).await.expect("it is revoked");
    assert_eq!(status(&rig, bundle.leaf()).await, revoked(Reason::Superseded));
}

#[tokio::test]
async fn a_ca_without_revocation_says_so_and_so_does_a_certificate_that_signed_itself() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let (bundle, _) = issued(&rig, &rig.issuer(&rig.options()), KeyType::P256).await;
    front.plan("/dir", 1, Fault::PassReplacing("revokeCert".to_owned(), "revokeNothing".to_owned()));
    let issuer = rig.issuer(&rig.options_through(&front));
    let error = issuer.revoke(bundle.leaf(), Reason::Unspecified, By::Account).await.expect_err("it cannot");
    let text = error.to_string();
    assert!(text.ends_with("refuses: it takes no revocations"), "{text}");

    let selfsigned = SelfsignedIssuer::new(Clock::system());
    let (own, _) = {
        let wish = Wish::new("own.example.com");
        (wish.ask(&selfsigned).await.expect("it signs itself"), wish.key)
    };
    let error =
        selfsigned.revoke(own.leaf(), Reason::Unspecified, By::Account).await.expect_err("nobody could");
    assert_eq!(error.verdict(), Verdict::Never);
    assert!(error.to_string().starts_with("a self-signed certificate cannot be revoked"), "{error}");
}
