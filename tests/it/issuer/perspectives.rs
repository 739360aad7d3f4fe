//! A CA looks from several places, and some of them come late: an answer stays until the authorization is final.

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};

/// So many looks at an order are enough for any test.
const ALL: usize = 10_000;

#[tokio::test]
async fn an_answer_stays_for_those_who_come_late() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let issuer = rig.issuer(&rig.options_through(&front));
    // The one perspective that Pebble is has decided; the others, it says, have not.
    let undecided =
        Fault::PassReplacing("\"status\": \"ready\"".to_owned(), "\"status\": \"pending\"".to_owned());
    front.plan("/my-order/", ALL, undecided);
    let wish = Wish::new("late.example.com");
    let is_up = || rig.resolver.http01(&rig.token()).is_some();
    let (issued, ()) = tokio::join!(wish.ask(&issuer), async {
        rig.pebble.wait_for_line(&["set VALID by completed challenge"]).await;
        for _ in 0..2 {
            assert!(is_up(), "the answer is gone before the decision");
            front.wait_for_nth("/my-order/", front.count("/my-order/") + 1).await;
        }
        front.heal();
    });
    issued.expect("a certificate");
    assert!(!is_up(), "the answer is still there");
}
