use std::time::{Duration, SystemTime};

use super::*;
use crate::ident::Names;
use crate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn certificate(list: &[&str]) -> Arc<Certificate> {
    let names = Names::new(list.iter().map(|text| name(text))).expect("names");
    let key = PrivateKey::generate(KeyType::P256);
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let request = SigningRequest::new(&key, &names).expect("a request");
    let der = request.self_sign(start, start + Duration::from_secs(3600)).expect("a certificate");
    let chain = Chain::self_signed(Leaf::from_der(der.into()).expect("a leaf"));
    Certificate::new(&Bundle::join(key, chain, &names).expect("they fit"))
}

fn warm(resolver: &Resolver, host: Option<&str>) -> Option<Arc<Certificate>> {
    match resolver.lookup(host) {
        Lookup::Warm(certificate) => Some(certificate),
        _ => None,
    }
}

#[test]
fn exact_comes_before_wildcard_and_nothing_else_answers() {
    let (mut publisher, _, resolver, _) = open();
    let (exact, wild, address) =
        (certificate(&["a.example.com"]), certificate(&["*.example.com"]), certificate(&["192.0.2.1"]));
    publisher.publish([
        (name("a.example.com"), Some(Entry::Warm(Arc::clone(&exact)))),
        (name("*.example.com"), Some(Entry::Warm(Arc::clone(&wild)))),
        (name("192.0.2.1"), Some(Entry::Warm(Arc::clone(&address)))),
    ]);
    let is = |host, want: &Arc<Certificate>| {
        assert!(warm(&resolver, Some(host)).is_some_and(|got| Arc::ptr_eq(&got, want)), "{host}");
    };
    is("a.example.com", &exact);
    is("a.example.com.", &exact);
    is("b.example.com", &wild);
    is("192.0.2.1", &address);
    for unknown in ["example.com", "a.b.example.com", "example.org", "*.example.com", "", "."] {
        assert!(
            matches!(resolver.lookup(Some(unknown)), Lookup::Unknown) || unknown.starts_with('*'),
            "{unknown:?} was found"
        );
    }
    assert!(matches!(resolver.lookup(None), Lookup::Unknown));
    publisher.set_unnamed(Some(name("a.example.com")));
    assert!(warm(&resolver, None).is_some_and(|got| Arc::ptr_eq(&got, &exact)));
    publisher.publish([(name("a.example.com"), None)]);
    is("a.example.com", &wild);
    assert!(matches!(resolver.lookup(None), Lookup::Unknown));
}

#[tokio::test]
async fn a_cold_name_is_asked_for_once_and_every_hello_gets_it() {
    let (mut publisher, _, resolver, mut misses) = open();
    publisher.publish([(name("a.example.com"), Some(Entry::Cold))]);
    let mut hellos: Vec<_> = (0..3)
        .map(|_| {
            let Lookup::Cold(waiting) = resolver.lookup(Some("a.example.com")) else { panic!("cold") };
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.wait(waiting).await })
        })
        .collect();
    assert_eq!(misses.next().await, Some(Missed::Cold(name("a.example.com"))));
    let read = certificate(&["a.example.com"]);
    publisher.publish([(name("a.example.com"), Some(Entry::Warm(Arc::clone(&read))))]);
    for hello in hellos.drain(..) {
        let got = hello.await.expect("a hello");
        assert!(got.is_some_and(|got| Arc::ptr_eq(&got, &read)));
    }
    drop(publisher);
    drop(resolver);
    assert_eq!(misses.next().await, None, "each name was asked for once");
}

#[tokio::test]
async fn a_cold_name_that_turns_out_to_be_nothing_is_refused() {
    let (mut publisher, _, resolver, mut misses) = open();
    publisher.publish([(name("a.example.com"), Some(Entry::Cold))]);
    let Lookup::Cold(waiting) = resolver.lookup(Some("a.example.com")) else { panic!("cold") };
    let hello = {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.wait(waiting).await.is_none() })
    };
    let Some(Missed::Cold(wanted)) = misses.next().await else { panic!("a name") };
    publisher.publish([(wanted, None)]);
    assert!(hello.await.expect("a hello"));
}

#[tokio::test]
async fn a_crowd_of_strangers_is_noted_as_far_as_there_is_room_and_is_in_nobodys_way() {
    let (mut publisher, _, resolver, mut misses) = open();
    assert!(matches!(resolver.lookup(Some("x.example.org")), Lookup::Unknown));
    publisher.set_strangers(Strangers::Noted);
    assert!(matches!(resolver.lookup(Some("x.example.org")), Lookup::Stranger(None)));
    assert!(matches!(resolver.lookup(None), Lookup::Unknown));
    for number in 0..10 * NOTED {
        resolver.note(&format!("n{number}.example.org"), [192, 0, 2, 1].into());
    }
    for no_name in ["", "192.0.2.1", "a..b", "*.example.org.."] {
        resolver.note(no_name, [192, 0, 2, 1].into());
    }
    publisher.publish([(name("a.example.com"), Some(Entry::Cold))]);
    let Lookup::Cold(waiting) = resolver.lookup(Some("a.example.com")) else { panic!("cold") };
    let hello = tokio::spawn(async move { resolver.wait(waiting).await.is_none() });
    tokio::task::yield_now().await;
    assert_eq!(misses.next().await, Some(Missed::Cold(name("a.example.com"))), "whoever waits comes first");
    publisher.publish([(name("a.example.com"), None)]);
    assert!(hello.await.expect("a hello"));
    let mut noted = 0;
    while let Some(Missed::Strangers(met)) = misses.next().await {
        noted += met.len();
        if noted == NOTED {
            drop(publisher);
            break;
        }
    }
    assert_eq!(noted, NOTED);
}

#[test]
fn the_account_answers_for_what_nobody_has_posted() {
    let (mut publisher, challenges, resolver, _) = open();
    assert_eq!(resolver.http01_of_account("token"), None);
    publisher.set_account(Some("thumbprint"));
    assert_eq!(resolver.http01_of_account("token").as_deref(), Some("token.thumbprint"));
    drop(challenges.post_http01("other", "other.thumbprint"));
    assert!(resolver.http01("token").is_none(), "what was posted here is told apart");
    publisher.set_account(None);
    assert_eq!(resolver.http01_of_account("token"), None);
}

#[test]
fn a_challenge_hangs_as_long_as_its_guard() {
    let (_, challenges, resolver, _) = open();
    let posted = challenges.post_http01("token", "token.thumbprint");
    assert_eq!(resolver.http01("token").as_deref(), Some("token.thumbprint"));
    let again = challenges.post_http01("token", "token.thumbprint");
    drop(posted);
    assert!(resolver.http01("token").is_some(), "the first guard took down the second's answer");
    drop(again);
    assert!(resolver.http01("token").is_none());

    let certified = Arc::clone(certificate(&["a.example.com"]).certified_key());
    let posted = challenges.post_tls_alpn01("a.example.com", certified);
    assert!(resolver.tls_alpn01("a.example.com"));
    drop(posted);
    assert!(!resolver.tls_alpn01("a.example.com"));
}

/// Readers on other threads never find a name missing while its certificate is swapped.
#[test]
fn a_name_is_never_missing_in_a_swap() {
    let (mut publisher, _, resolver, _) = open();
    let sides =
        [certificate(&["a.example.com", "b.example.com"]), certificate(&["a.example.com", "b.example.com"])];
    let both = |side: &Arc<Certificate>| {
        ["a.example.com", "b.example.com"].map(|n| (name(n), Some(Entry::Warm(Arc::clone(side)))))
    };
    publisher.publish(both(&sides[0]));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(warm(&resolver, Some("a.example.com")).is_some());
                    assert!(warm(&resolver, Some("b.example.com")).is_some());
                }
            });
        }
        for round in 0..2000 {
            publisher.publish(both(&sides[round % 2]));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
