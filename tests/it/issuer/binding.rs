//! Accounts that belong to an agreement made elsewhere.

use sidegate::issuer::{Binding, IssueError, Verdict};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

const KID: &str = "kid-1";
const KEY: [u8; 32] = *b"thirty-two bytes of the customer";

async fn rig() -> Rig {
    // The key in base64url.
    let customer = (KID, "dGhpcnR5LXR3byBieXRlcyBvZiB0aGUgY3VzdG9tZXI");
    Rig::with(|settings| settings.customer = Some(customer)).await
}

fn binding(kid: &str, key: &[u8]) -> Option<Binding> {
    Some(Binding { kid: kid.to_owned(), key: key.to_vec().into() })
}

#[tokio::test]
async fn a_customer_gets_an_account_whose_key_was_kept_before() {
    let rig = rig().await;
    let mut options = rig.options();
    options.binding = binding(KID, &KEY);
    Wish::new("bound.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
    let account = rig.account().await;
    assert!(account.url.is_some());
    // A process that has lost its notes finds the same account by the same key.
    Wish::new("again.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
    assert_eq!((rig.account().await.url, rig.pebble.accounts()), (account.url, 1));
}

#[tokio::test]
async fn a_ca_that_wants_to_hear_of_the_agreement_first_hears_of_it() {
    let rig = rig().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let body = r#"{"type":"urn:ietf:params:acme:error:externalAccountRequired","detail":"who are you?","status":403}"#;
    let headers = vec!["Content-Type: application/problem+json".to_owned()];
    front.plan("/sign-me-up", 1, Fault::Answer { status: 403, headers, body: body.to_owned() });
    let mut options = rig.options_through(&front);
    options.binding = binding(KID, &KEY);
    Wish::new("first.example.com").ask(&rig.issuer(&options)).await.expect("a certificate");
    assert_eq!(rig.pebble.accounts(), 1);
}

#[tokio::test]
async fn who_is_no_customer_is_told_so_and_does_not_come_back() {
    let rig = rig().await;
    let mut options = rig.options();
    for wrong in [None, binding(KID, &[7; 32]), binding("kid-2", &KEY)] {
        options.binding = wrong;
        let error = Wish::new("stranger.example.com").ask(&rig.issuer(&options)).await;
        let error = error.expect_err("the CA does not know us");
        let IssueError::Refused { detail, .. } = &error else { panic!("{error}") };
        assert!(!detail.contains("thirty"), "the key is not told: {detail}");
        if options.binding.is_none() {
            assert_eq!(error.verdict(), Verdict::Never, "{error}");
        }
    }
    assert_eq!(rig.pebble.accounts(), 0);
}
