//! The kind of certificate a CA makes, where it offers several.

use std::time::Duration;

use sidegate::issuer::{IssueError, Profile, Verdict};

use super::rig::{Rig, Wish};

/// A CA that offers profiles, and names the one for short lives as Let's Encrypt does.
async fn rig() -> Rig {
    Rig::with(|settings| settings.newer = true).await
}

fn wish(name: &str, required: bool) -> Wish {
    let profile = Some(Profile { name: name.to_owned(), required });
    Wish { profile, ..Wish::new("profiled.example.com") }
}

#[tokio::test]
async fn the_profile_that_is_offered_is_the_one_that_is_got() {
    let rig = rig().await;
    let issuer = rig.issuer(&rig.options());
    for required in [false, true] {
        let wish = wish("shortlived", required);
        let bundle = wish.ask(&issuer).await.expect("a certificate");
        let life = bundle.leaf().not_after().duration_since(bundle.leaf().not_before()).expect("a span");
        assert!(life < Duration::from_secs(7 * 24 * 3600), "{life:?}");
        let note = wish.notes.order_now().expect("an order was noted");
        assert_eq!(note.profile.as_deref(), Some("shortlived"));
    }
}

#[tokio::test]
async fn a_profile_that_is_only_preferred_is_done_without() {
    let rig = rig().await;
    let wish = wish("gold", false);
    wish.ask(&rig.issuer(&rig.options())).await.expect("a certificate of the CA's choice");
    assert_eq!(wish.notes.order_now().expect("an order was noted").profile, None);
}

#[tokio::test]
async fn without_a_required_profile_nothing_is_ordered() {
    let rig = rig().await;
    let wish = wish("gold", true);
    let error = wish.ask(&rig.issuer(&rig.options())).await.expect_err("there is no such profile");
    assert_eq!(error.verdict(), Verdict::Never);
    let IssueError::Refused { detail, .. } = &error else { panic!("{error}") };
    assert_eq!(detail, "it offers no profile \"gold\"; it offers default, shortlived");
    assert_eq!((rig.pebble.orders(), wish.notes.order_now().is_none()), (0, true));
}

#[tokio::test]
async fn a_ca_without_profiles_is_asked_for_none() {
    let rig = Rig::new().await;
    wish("shortlived", false).ask(&rig.issuer(&rig.options())).await.expect("a certificate");
    let error = wish("shortlived", true).ask(&rig.issuer(&rig.options())).await.expect_err("it offers none");
    assert!(error.to_string().contains("it offers none"), "{error}");
}
