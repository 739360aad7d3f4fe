//! dns-01 with a real DNS server, which the CA asks.

use std::time::Duration;

use sidegate::dns::{Key, Nameserver, Server};
use sidegate::ident::Fqdn;
use sidegate::issuer::solver::dns01::{self, Sight, Way};
use sidegate::issuer::{ChallengeKind, IssueError, Issuer, Options, Verdict};
use tokio::net::UdpSocket;

use super::rehearsal;
use super::rig::{Rig, Wish};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::named::{self, Named};

/// A CA that asks this server.
async fn rig(named: &Named) -> Rig {
    Rig::with(|settings| settings.dns = Some(named.port())).await
}

/// Options with dns-01 alone, by updates signed with this key.
fn options(rig: &Rig, named: &Named, key: Key) -> Options {
    let mut options = rig.options();
    options.challenges = vec![ChallengeKind::Dns01];
    options.dns = Some(dns01::Options {
        way: Way::Update { server: named.server(), key },
        sight: Sight::Servers { servers: vec![named.server()], within: Duration::from_secs(20) },
    });
    options
}

fn ours() -> Key {
    named::key("hmac-sha256")
}

/// Nothing was left in the zone of what was put there, which was so much.
async fn assert_tidy(named: &Named, count: usize) {
    for words in [&["adding an RR", "TXT"][..], &["deleting an RR"]] {
        assert_eq!(named.says(count, words).await.len(), count, "{:#?}", named.said(&["updating zone"]));
    }
}

/// How often the CA was told to look.
fn looks(rig: &Rig) -> usize {
    rig.pebble.count(&["Pulled a task"])
}

#[tokio::test]
async fn a_wildcard_and_what_it_covers_are_proved_in_one_order() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let issuer = rig.issuer(&options(&rig, &named, ours()));
    let bundle =
        Wish::new("example.com *.example.com *.shop.example.com").ask(&issuer).await.expect("issued");
    for name in ["example.com", "a.example.com", "b.shop.example.com"] {
        assert!(bundle.leaf().covers(name), "{name}");
    }
    assert_eq!((rig.pebble.orders(), rig.pebble.issued(), looks(&rig)), (1, 1, 3));
    assert_tidy(&named, 3).await;
}

#[tokio::test]
async fn the_record_goes_to_where_an_alias_leads() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let issuer = rig.issuer(&options(&rig, &named, ours()));
    Wish::new("alias.example.com").ask(&issuer).await.expect("it is issued");
    assert_eq!(named.says(1, &["adding an RR", named::ALIAS_TO]).await.len(), 1);
    assert_tidy(&named, 1).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_set_leaves_the_challenge_unanswered() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let forged = Key::parse("hmac-sha256:sidegate:bm90IHRoZSBzZWNyZXQ=").expect("a key");
    let wish = Wish::new("example.com *.example.com");
    let error = wish.ask(&rig.issuer(&options(&rig, &named, forged))).await.expect_err("the server refuses");
    assert_eq!(error.verdict(), Verdict::After(None));
    let IssueError::Solve(solve) = error else { panic!("{error}") };
    assert!(solve.to_string().starts_with("dns-01 for "), "{solve}");
    assert!(solve.fault.contains("cannot be set: 127.0.0.1:") && solve.fault.contains("BADSIG"), "{solve}");
    assert_eq!((rig.pebble.orders(), looks(&rig)), (1, 0));
    assert_eq!(named.says(1, &["BADSIG"]).await.len(), 1, "what was refused need not be removed");

    // The order is not lost by it.
    wish.ask(&rig.issuer(&options(&rig, &named, ours()))).await.expect("with the right key it is issued");
    assert_eq!((rig.pebble.orders(), looks(&rig)), (1, 2));
    assert_tidy(&named, 2).await;
}

#[tokio::test]
async fn a_record_that_is_not_seen_everywhere_leaves_the_challenge_unanswered() {
    let (named, behind) = (Named::start().await, Named::start().await);
    let rig = rig(&named).await;
    let mut options = options(&rig, &named, ours());
    let servers = vec![named.server(), behind.server()];
    let sight = Sight::Servers { servers, within: Duration::from_secs(8) };
    options.dns.as_mut().expect("it is set").sight = sight;
    let wish = Wish::new("*.example.com");
    let error = wish.ask(&rig.issuer(&options)).await.expect_err("one of them does not show it");
    let IssueError::Solve(solve) = error else { panic!("{error}") };
    let words = format!("within 8 seconds ({}: does not show it)", behind.server());
    assert!(solve.fault.contains(&words), "{solve}");
    assert_eq!(looks(&rig), 0);
    assert_tidy(&named, 1).await;
}

#[tokio::test]
async fn a_name_server_that_never_answers_is_left_out_in_the_end() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let silent: Server = silent.local_addr().expect("an address").into();
    let mut options = options(&rig, &named, ours());
    let servers = vec![named.server(), silent];
    let sight = Sight::Servers { servers, within: Duration::from_secs(8) };
    options.dns.as_mut().expect("it is set").sight = sight;
    Wish::new("*.example.com").ask(&rig.issuer(&options)).await.expect("a validator would ask the next one");
    assert_eq!(looks(&rig), 1);
    assert_tidy(&named, 1).await;
}

#[tokio::test]
async fn that_a_record_cannot_be_set_is_found_out_where_it_costs_nothing() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let (real, trial, both) = rehearsal::two(&rig).await;
    let forged = Key::parse("hmac-sha256:sidegate:bm90IHRoZSBzZWNyZXQ=").expect("a key");
    let Options { challenges, dns, .. } = options(&rig, &named, forged);
    let wish = Wish { rehearse: true, ..Wish::new("*.example.com") };
    let error = wish.ask(&rig.issuer(&Options { challenges, dns, ..both })).await.expect_err("it is refused");
    assert!(matches!(error, IssueError::Solve(_)), "{error}");
    assert!(trial.count("/order-plz") > 0, "it is tried out");
    assert_eq!(real.count("/order-plz"), 0, "an order would come to the same");
}

#[tokio::test]
async fn where_the_dns_fails_the_next_kind_has_its_turn() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let mut options = options(&rig, &named, ours());
    options.challenges = vec![ChallengeKind::Dns01, ChallengeKind::Http01];
    let issuer = rig.issuer(&options);
    let wish = Wish::new("forbidden.example.com");
    let error = wish.ask(&issuer).await.expect_err("the key may not do it");
    assert!(matches!(&error, IssueError::Solve(solve) if solve.fault.contains("REFUSED")), "{error:?}");
    wish.ask(&issuer).await.expect("http-01 comes next and works");
    assert_eq!(rig.pebble.orders(), 1);
}

#[tokio::test]
async fn what_a_cancelled_attempt_left_is_removed() {
    let named = Named::start().await;
    let rig = rig(&named).await;
    let front = FrontOfCa::start(&rig.pebble).await;
    // The CA is never told that it may look.
    front.plan("/chalZ/", 1, Fault::Stall);
    let mut options = options(&rig, &named, ours());
    options.directory = front.directory();
    options.api_root = Some(front.api_root());
    let issuer = rig.issuer(&options);
    let wish = Wish::new("*.example.com");
    tokio::select! {
        () = front.wait_for("/chalZ/") => {}
        done = wish.ask(&issuer) => panic!("the CA was stalled, but: {done:?}"),
    }
    let line = named.says(1, &["adding an RR"]).await.pop().expect("one was added");
    let value = line.split('"').nth(1).expect("its value").to_owned();
    let name = Fqdn::parse("_acme-challenge.example.com").expect("a name");
    let server = Nameserver::from(named.server());
    assert_eq!(server.shows(&name, &value).await, Ok(()), "it hangs before the CA is told to look");
    issuer.tidy().await;
    assert!(server.shows(&name, &value).await.is_err());
}
