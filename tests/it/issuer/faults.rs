//! A CA that is down, busy, broken or hostile.

use std::time::{Duration, SystemTime};

use sidegate::clock::{Clock, rfc3339};
use sidegate::issuer::{IssueError, Options, Verdict};

use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::test_ca::TestCa;

const HOUR: Duration = Duration::from_secs(3600);

async fn error_of(rig: &Rig, options: &Options) -> IssueError {
    let asked = Wish::new("shop.example.com");
    let asked = asked.ask(&rig.issuer(options)).await;
    asked.expect_err("nothing can be issued")
}

/// The error and all that lies below it, as a log would show it.
fn told(error: &IssueError) -> String {
    let mut text = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    text
}

#[tokio::test]
async fn nonces_thrown_away_are_no_failure() {
    let rig = Rig::with(|settings| settings.nonce_reject = 40).await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let issuer = rig.issuer(&rig.options_through(&front));
    Wish::new("a.example.com b.example.com").ask(&issuer).await.expect("it is issued");
    assert!(front.refused() > 0, "no nonce was thrown away");
}

#[tokio::test]
async fn nonces_thrown_away_for_ever_are_a_failure() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    front.plan("/order-plz", 1000, Fault::problem(400, "badNonce", "JWS has an invalid anti-replay nonce"));
    let error = error_of(&rig, &rig.options_through(&front)).await;
    assert!(matches!(error, IssueError::Nonce { .. }), "{error}");
    assert_eq!(
        error.verdict(),
        Verdict::After(None),
        "whoever asks for nonces without end is asked less often"
    );
    assert_eq!(front.count("/order-plz"), 15, "tries are bounded");
}

#[tokio::test]
async fn a_page_instead_of_an_answer_keeps_its_status() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    for path in ["/dir", "/nonce-plz", "/sign-me-up", "/order-plz"] {
        front.heal();
        front.plan(path, 1000, Fault::html(503));
        let error = error_of(&rig, &rig.options_through(&front)).await;
        assert!(matches!(error, IssueError::Unreachable { until: None, .. }), "{path}: {error}");
        assert!(told(&error).contains("503"), "{path}: {}", told(&error));
    }
}

#[tokio::test]
async fn a_limit_is_obeyed_to_the_moment_it_names() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let limit = Fault::problem(429, "rateLimited", "too many new orders");
    for (fault, least, most) in [
        (limit.clone().with_header("Retry-After: 3600"), HOUR - Duration::from_secs(60), HOUR),
        (Fault::html(503).with_header("Retry-After: 120"), Duration::from_secs(60), Duration::from_secs(120)),
        // A number beyond all reason, once more than any clock can add.
        (limit.clone().with_header("Retry-After: 18446744073709551615"), HOUR, 10 * 24 * HOUR),
    ] {
        front.heal();
        front.plan("/order-plz", 1000, fault);
        let before = front.count("/order-plz");
        let error = error_of(&rig, &rig.options_through(&front)).await;
        let Verdict::After(Some(until)) = error.verdict() else { panic!("{error}") };
        assert!(matches!(error, IssueError::Limited { .. }), "{error}");
        let wait = until.duration_since(SystemTime::now()).expect("it lies ahead");
        assert!(least < wait && wait <= most, "{wait:?}");
        assert_eq!(front.count("/order-plz"), before + 1, "a limit is not tried against");
    }
    front.heal();
    front.plan("/order-plz", 1, limit);
    assert_eq!(error_of(&rig, &rig.options_through(&front)).await.verdict(), Verdict::After(None));
}

#[tokio::test]
async fn a_moment_in_a_page_that_is_no_problem_document_is_obeyed_too() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let until = rfc3339(SystemTime::now() + HOUR).replace('T', " ").replace('Z', " UTC");
    let body = format!("<html>service busy, retry after {until}</html>");
    for status in [429, 503] {
        front.heal();
        front.plan("/order-plz", 1, Fault::Answer { status, headers: Vec::new(), body: body.clone() });
        let error = error_of(&rig, &rig.options_through(&front)).await;
        let Verdict::After(Some(until)) = error.verdict() else { panic!("{status}: {error}") };
        assert!(
            until.duration_since(SystemTime::now()).expect("it lies ahead") > HOUR - Duration::from_secs(60)
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_orders_nothing_before_it_is_planned_anew() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let clock = Clock::system();
    let options = rig.options_through(&front);
    let issuer = rig.issuer_by_clock(&options, clock.clone());
    front.plan("/dir", 1, Fault::PassWith("Date: Sun, 22 Nov 2020 10:00:00 GMT".to_owned()));
    let error = Wish::new("shop.example.com").ask(&issuer).await.expect_err("it is another time");
    assert_eq!(error.verdict(), Verdict::Replan, "{error}");
    assert_eq!(front.seen(), ["GET /dir"]);
    let now = rfc3339(clock.now());
    assert!(now.starts_with("2020-11-22T10:0"), "{now}");
    let error = Wish::new("shop.example.com").ask(&issuer).await.expect_err("it was decided before");
    assert_eq!(error.verdict(), Verdict::Replan, "{error}");
    assert_eq!(front.count("/order-plz"), 0);

    let clock = Clock::system();
    let issuer = rig.issuer_by_clock(&options, clock.clone());
    front.plan("/dir", 1, Fault::PassWith("Date: Sun, 22 Nov 2020 10:00:00 GMT\r\nAge: 60".to_owned()));
    Wish::new("www.example.com").ask(&issuer).await.expect("an answer from a cache tells no time");
}

#[tokio::test]
async fn a_ca_that_is_down_or_not_trusted_is_unreachable() {
    let mut rig = Rig::new().await;
    let mut options = rig.options();
    options.api_root = Some(TestCa::new("somebody else").root_pem().as_bytes().to_vec());
    let error = error_of(&rig, &options).await;
    assert!(matches!(error, IssueError::Unreachable { .. }), "{error}");
    assert!(told(&error).contains("UnknownIssuer"), "{}", told(&error));

    rig.pebble.stop();
    let error = error_of(&rig, &rig.options()).await;
    assert_eq!(error.verdict(), Verdict::After(None));
    assert!(told(&error).contains("refused"), "{}", told(&error));
}

#[tokio::test]
async fn answers_without_end_or_without_beginning_are_bounded() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    let mut options = rig.options_through(&front);
    options.timeouts.request = Duration::from_millis(500);
    for path in ["/dir", "/nonce-plz", "/order-plz", "/authZ/", "/certZ/"] {
        front.heal();
        front.plan(path, 1000, Fault::Stall);
        let error = error_of(&rig, &options).await;
        assert!(told(&error).contains("no complete answer within 0.5 seconds"), "{path}: {}", told(&error));
    }
    // Enough time to read without end, if nothing else stopped it.
    options.timeouts.request = HOUR;
    for path in ["/dir", "/order-plz", "/certZ/"] {
        front.heal();
        front.plan(path, 1000, Fault::Endless);
        let error = error_of(&rig, &options).await;
        assert!(told(&error).contains("length limit exceeded"), "{path}: {}", told(&error));
    }
}

#[tokio::test]
async fn nonsense_is_told_from_a_refusal() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    for path in ["/dir", "/order-plz", "/authZ/"] {
        front.heal();
        front.plan(path, 1000, Fault::html(200));
        let error = error_of(&rig, &rig.options_through(&front)).await;
        assert!(matches!(error, IssueError::Unreachable { .. }), "{path}: {error}");
    }
    front.heal();
    front.plan("/certZ/", 1000, Fault::html(200));
    let error = error_of(&rig, &rig.options_through(&front)).await;
    assert!(matches!(error, IssueError::Unusable(_)), "{error}");
    assert_eq!(error.verdict(), Verdict::After(None));
}

#[tokio::test]
async fn a_slow_ca_takes_its_time_and_no_more() {
    let rig = Rig::new().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    front.plan("", 1000, Fault::Slow(Duration::from_millis(50)));
    let mut options = rig.options_through(&front);
    Wish::new("shop.example.com").ask(&rig.issuer(&options)).await.expect("it is issued");

    options.timeouts.issuance = Duration::from_millis(200);
    let error = error_of(&rig, &options).await;
    assert!(told(&error).contains("no certificate within"), "{}", told(&error));
}

#[tokio::test]
async fn a_ca_that_does_not_decide_is_left_and_come_back_to() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    // The CA says that it will look, and never does.
    let looking = serde_json::json!({
        "type": "http-01", "url": "https://127.0.0.1/", "token": "token", "status": "processing",
    });
    front.plan("/chalZ/", 1, Fault::Answer { status: 200, headers: Vec::new(), body: looking.to_string() });
    let mut options = rig.options_through(&front);
    options.timeouts.decision = Duration::from_secs(3);
    let wish = Wish::new("shop.example.com");

    // It asks to be asked again at once: that is no reason to do so.
    front.plan("/my-order/", 1000, Fault::PassWith("Retry-After: 0".to_owned()));
    let error = wish.ask(&rig.issuer(&options)).await.expect_err("it does not decide");
    assert!(told(&error).contains("has not decided yet"), "{}", told(&error));
    assert!((1..12).contains(&front.count("/my-order/")), "{:#?}", front.seen());

    front.heal();
    front.plan("/chalZ/", 1, Fault::Answer { status: 200, headers: Vec::new(), body: looking.to_string() });
    front.plan("/my-order/", 1000, Fault::PassWith("Retry-After: 3600".to_owned()));
    let error = wish.ask(&rig.issuer(&options)).await.expect_err("it does not decide");
    let Verdict::After(Some(until)) = error.verdict() else { panic!("{error}") };
    assert!(until.duration_since(SystemTime::now()).expect("it lies ahead") > HOUR - Duration::from_secs(60));

    front.heal();
    wish.ask(&rig.issuer(&rig.options_through(&front))).await.expect("it is issued");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1));
}

#[tokio::test]
async fn a_look_that_the_network_spoils_is_made_again() {
    let rig = Rig::exact().await;
    let front = FrontOfCa::start(&rig.pebble).await;
    front.plan("/my-order/", 2, Fault::Drop);
    Wish::new("shop.example.com").ask(&rig.issuer(&rig.options_through(&front))).await.expect("it is issued");
}
