//! After a failure it is tried out first where that costs nothing.

use sidegate::issuer::{IssueError, Options, Profile, Verdict};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

/// Two CAs: the real one, and the one to try things out at.
pub(super) async fn two(rig: &Rig) -> (FrontOfCa, FrontOfCa, Options) {
    let (real, trial) = (FrontOfCa::start(&rig.pebble).await, FrontOfCa::start(&rig.pebble).await);
    let mut options = rig.options_through(&real);
    options.api_root = Some([real.api_root(), trial.api_root()].concat());
    options.rehearsal = Some(trial.directory());
    (real, trial, options)
}

fn after_a_failure() -> Wish {
    Wish { rehearse: true, ..Wish::new("shop.example.com") }
}

#[tokio::test]
async fn only_what_went_well_there_is_asked_of_the_real_one() {
    let rig = Rig::exact().await;
    let (real, trial, options) = two(&rig).await;
    Wish::new("www.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(trial.seen(), [""; 0], "without a failure there is nothing to try out");

    let wish = after_a_failure();
    trial.plan("/order-plz", 1, Fault::problem(400, "rejectedIdentifier", "not here"));
    let before = real.count("/order-plz");
    let error = wish.ask(&rig.issuer(&options)).await.expect_err("it is refused");
    assert!(matches!(error, IssueError::Refused { .. }), "{error}");
    assert_eq!(error.verdict(), Verdict::After(None), "the real one may think otherwise another day");
    assert_eq!(real.count("/order-plz"), before);

    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!((trial.count("/finalize-order/"), real.count("/order-plz")), (1, before + 1));
    let note = wish.notes.order_now().expect("noted");
    assert_eq!(note.directory, options.directory, "of a rehearsal nothing is noted");
}

#[tokio::test]
async fn that_it_is_down_is_no_reason_to_go_without() {
    let rig = Rig::exact().await;
    let (_real, trial, options) = two(&rig).await;
    trial.plan("/dir", 1000, Fault::html(503));
    after_a_failure().ask(&rig.issuer(&options)).await.expect("it is issued");
}

#[tokio::test]
async fn a_profile_that_it_does_not_offer_is_done_without() {
    let rig = Rig::with(|settings| settings.newer = true).await;
    let (_real, trial, options) = two(&rig).await;
    let at = |path: &str| trial.directory().replace("/dir", path);
    let directory = serde_json::json!({
        "newNonce": at("/nonce-plz"), "newAccount": at("/sign-me-up"), "newOrder": at("/order-plz"),
        "revokeCert": at("/revoke-cert"), "keyChange": at("/rollover-account-key"), "meta": {},
    });
    trial.plan("/dir", 1000, Fault::Answer { status: 200, headers: Vec::new(), body: directory.to_string() });
    let profile = Some(Profile { name: "shortlived".to_owned(), required: true });
    let wish = Wish { profile, ..after_a_failure() };
    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(trial.count("/finalize-order/"), 1, "all the rest is tried out there");
    let note = wish.notes.order_now().expect("an order was noted");
    assert_eq!(note.profile.as_deref(), Some("shortlived"), "where it counts it is asked for");
}

#[tokio::test]
async fn an_order_that_can_be_gone_on_with_is_not_rehearsed() {
    let rig = Rig::exact().await;
    let (real, trial, options) = two(&rig).await;
    let wish = after_a_failure();
    real.plan("/finalize-order/", 1, Fault::Drop);
    wish.ask(&rig.issuer(&options)).await.expect_err("the network fails");
    let before = trial.seen().len();
    wish.ask(&rig.issuer(&options)).await.expect("it is issued");
    assert_eq!(trial.seen().len(), before);
}
