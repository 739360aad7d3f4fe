//! Which certificate a client is shown: exact name, wildcard, no name, unknown name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::AlertDescription;
use sidegate::catalog::{Certificate, Entry, Missed, Stranger, Strangers};
use sidegate::ident::Name;
use sidegate::proxy::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::house::backend::soon;
use crate::house::client::Client;
use crate::house::front::{Front, bundle, cold, site};

fn empty() -> Front {
    Front::without_certificates(Options::default(), Vec::new())
}

#[tokio::test]
async fn an_exact_name_comes_before_a_wildcard_and_other_names_are_refused() {
    let mut front = empty();
    let exact = front.publish(&["example.com", "www.example.com"]);
    let wildcard = front.publish(&["*.example.com"]);
    let client = Client::offering(&["h2", "http/1.1"]);
    for (name, expected) in [
        ("example.com", &exact),
        ("www.example.com", &exact),
        ("api.example.com", &wildcard),
        ("API.Example.Com", &wildcard),
    ] {
        let shown = client.hello(front.https, Some(name)).await.expect("a handshake");
        assert_eq!(shown.leaf.der(), expected.leaf().der(), "{name}");
    }
    for name in ["a.b.example.com", "example.org", "com"] {
        let alert = client.alert(front.https, Some(name)).await;
        assert_eq!(alert, AlertDescription::UnrecognisedName, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_sends_no_name_is_shown_the_one_chosen_for_it_or_refused() {
    let mut front = empty();
    let bundle = front.publish(&["example.com"]);
    let client = Client::offering(&["http/1.1"]);
    assert_eq!(client.alert(front.https, None).await, AlertDescription::UnrecognisedName);
    front.publisher.set_unnamed(Some(Name::parse("example.com").expect("a name")));
    let shown = client.hello(front.https, None).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), bundle.leaf().der());
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_hybrid_group_comes_first() {
    let mut front = empty();
    front.publish(&["example.com"]);
    let shown = Client::offering(&["h2", "http/1.1"]).hello(front.https, Some("example.com")).await;
    let shown = shown.expect("a handshake");
    assert_eq!((shown.version, shown.group.as_str()), ("TLSv1_3", "X25519MLKEM768"));
    assert_eq!(shown.alpn.as_deref(), Some("h2"));
    let shown = Client::tls12().hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!((shown.version, shown.alpn.as_deref()), ("TLSv1_2", Some("http/1.1")));
    let shown = Client::offering(&[]).hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!(shown.alpn, None);
    let alert = Client::offering(&["spdy/3"]).alert(front.https, Some("example.com")).await;
    assert_eq!(alert, AlertDescription::NoApplicationProtocol);
}

#[tokio::test]
async fn the_next_handshake_sees_a_new_certificate_and_a_ticket_outlives_it() {
    let mut front = empty();
    let old = front.publish(&["example.com"]);
    let client = Client::offering(&["http/1.1"]);
    let mut shown = client.hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), old.leaf().der());
    assert!(!shown.resumed);
    // Tickets come behind the handshake; the answer to a request comes behind them.
    let mut sender = {
        shown
            .io
            .write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")
            .await
            .expect("sent");
        shown.io
    };
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");

    let new = front.publish(&["example.com"]);
    let resumed = client.hello(front.https, Some("example.com")).await.expect("a handshake");
    assert!(resumed.resumed, "the ticket is still good");
    let fresh = Client::offering(&["http/1.1"]).hello(front.https, Some("example.com")).await;
    assert_eq!(fresh.expect("a handshake").leaf.der(), new.leaf().der());
}

#[tokio::test]
async fn a_hello_for_a_cold_name_waits_for_its_certificate() {
    let mut front = empty();
    front.publisher.publish([cold("example.com")]);
    let waiting = tokio::spawn({
        let (client, to) = (Client::offering(&["http/1.1"]), front.https);
        async move { client.hello(to, Some("example.com")).await }
    });
    let Some(Missed::Cold(wanted)) = front.misses.next().await else { panic!("the name is asked for") };
    assert_eq!(wanted.to_string(), "example.com");
    assert!(!waiting.is_finished());
    let bundle = bundle(&["example.com"]);
    front.publisher.publish([(wanted, Some(Entry::Warm(Certificate::new(&bundle))))]);
    let shown = waiting.await.expect("no panic").expect("a handshake");
    assert_eq!(shown.leaf.der(), bundle.leaf().der());
}

#[tokio::test]
async fn a_cold_name_that_turns_out_to_have_nothing_is_our_fault() {
    let mut front = empty();
    front.publisher.publish([cold("example.com")]);
    let waiting = tokio::spawn({
        let (client, to) = (Client::offering(&["http/1.1"]), front.https);
        async move { client.alert(to, Some("example.com")).await }
    });
    let Some(Missed::Cold(wanted)) = front.misses.next().await else { panic!("the name is asked for") };
    front.publisher.publish([(wanted, None)]);
    assert_eq!(waiting.await.expect("no panic"), AlertDescription::InternalError);
}

#[tokio::test]
async fn a_name_nobody_listed_is_noted_with_who_asked_and_gets_what_was_chosen_for_it() {
    let mut front = empty();
    let ours = front.publish(&["example.com"]);
    let client = Client::offering(&["http/1.1"]);
    let refused = |name| client.alert(front.https, Some(name));
    assert_eq!(refused("unheard.example.org").await, AlertDescription::UnrecognisedName);
    front.publisher.set_strangers(Strangers::Noted);
    assert_eq!(refused("shop.example.org").await, AlertDescription::UnrecognisedName);
    let noted = |name: &str| {
        let name = name.parse().expect("a name");
        Some(Missed::Strangers(vec![Stranger { name, client: [127, 0, 0, 1].into() }]))
    };
    assert_eq!(front.misses.next().await, noted("shop.example.org"), "the one before was not noted");

    let fallback = bundle(&["fallback.invalid"]);
    front.publisher.set_strangers(Strangers::Shown(Certificate::new(&fallback)));
    let shown = client.hello(front.https, Some("new.example.org")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), fallback.leaf().der());
    assert_eq!(front.misses.next().await, noted("new.example.org"));
    let shown = client.hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), ours.leaf().der());
    assert_eq!(client.alert(front.https, None).await, AlertDescription::UnrecognisedName);
}

#[tokio::test]
async fn a_hello_may_come_byte_by_byte_and_in_the_smallest_records() {
    let mut front = empty();
    let ordinary = front.publish(&["example.com"]);
    let challenge = bundle(&["new.example.com"]);
    let _posted = front.challenges.post_tls_alpn01("new.example.com", Arc::clone(challenge.certified_key()));
    let slow = byte_by_byte(front.https).await;
    let client = |alpn| Client::offering(&[alpn]).in_records_of(32);
    let shown = client("http/1.1").hello(slow, Some("example.com")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), ordinary.leaf().der());
    let shown = client("acme-tls/1").hello(slow, Some("new.example.com")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), challenge.leaf().der());
    let alert = client("http/1.1").alert(slow, Some("example.org")).await;
    assert_eq!(alert, AlertDescription::UnrecognisedName);

    front.publisher.publish([cold("cold.example.com")]);
    let waiting = tokio::spawn(async move { client("http/1.1").hello(slow, Some("cold.example.com")).await });
    let Some(Missed::Cold(wanted)) = front.misses.next().await else { panic!("the name is asked for") };
    let bundle = bundle(&["cold.example.com"]);
    front.publisher.publish([(wanted, Some(Entry::Warm(Certificate::new(&bundle))))]);
    let shown = waiting.await.expect("no panic").expect("a handshake");
    assert_eq!(shown.leaf.der(), bundle.leaf().der());
}

/// Another way to the same server, on which what a client sends arrives byte by byte.
async fn byte_by_byte(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let way = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(server).await.expect("a connection");
            server.set_nodelay(true).expect("a TCP socket");
            tokio::spawn(async move {
                let (mut answers, mut sent) = server.split();
                let (mut says, mut hears) = client.split();
                let slowly = async {
                    while let Ok(byte) = says.read_u8().await {
                        sent.write_all(&[byte]).await?;
                    }
                    sent.shutdown().await
                };
                tokio::join!(slowly, tokio::io::copy(&mut answers, &mut hears))
            });
        }
    });
    way
}

#[tokio::test]
async fn a_client_that_has_to_say_hello_twice_is_answered() {
    let mut front = empty();
    let bundle = front.publish(&["example.com"]);
    let shown = Client::guessing_wrong().hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!((shown.group.as_str(), shown.leaf.der()), ("X25519", bundle.leaf().der()));
}

#[tokio::test]
async fn the_wait_for_a_cold_name_ends_with_the_handshakes_deadline() {
    let options = Options { handshake: Duration::from_millis(200), ..Options::default() };
    let mut front = Front::without_certificates(options, Vec::new());
    front.publisher.publish([cold("example.com")]);
    let began = Instant::now();
    let error = Client::offering(&["h2"]).hello(front.https, Some("example.com")).await.err();
    assert_eq!(error.expect("it was cut").kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(began.elapsed() >= Duration::from_millis(200), "it was waited for");
}

#[tokio::test]
async fn a_validation_opens_no_connection_to_an_app() {
    // Never waited for: what it has not accepted at once nobody has opened.
    let app = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    app.set_nonblocking(true).expect("a socket");
    let opened = || app.accept().map(|(connection, _)| connection).map_err(|error| error.kind());
    let site = site(&["example.com"], app.local_addr().expect("it is bound"));
    let front = Front::start(Options::default(), &[site]);
    let challenge = bundle(&["example.com"]);
    let ca = Client::offering(&["acme-tls/1"]);
    assert_eq!(ca.alert(front.https, Some("example.com")).await, AlertDescription::NoApplicationProtocol);
    let posted = front.challenges.post_tls_alpn01("example.com", Arc::clone(challenge.certified_key()));
    for name in ["example.com", "EXAMPLE.com"] {
        let mut shown = ca.hello(front.https, Some(name)).await.expect("a handshake");
        assert_eq!(shown.leaf.der(), challenge.leaf().der());
        // Somebody who would like to reach the app by this door.
        let request = b"GET /secret HTTP/1.1\r\nHost: example.com\r\n\r\n";
        // The other side may have closed already.
        let _ = shown.io.write_all(request).await;
        let _ = shown.io.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(ca.alert(front.https, Some("other.example.com")).await, AlertDescription::UnrecognisedName);
    drop(posted);
    assert_eq!(opened().err(), Some(std::io::ErrorKind::WouldBlock));

    // The first connection to the app is that of the first client who is no validation.
    let mut client = Client::offering(&["http/1.1"]).hello(front.https, Some("example.com")).await;
    let client = &mut client.as_mut().expect("a handshake").io;
    client.write_all(b"GET /first HTTP/1.1\r\nHost: example.com\r\n\r\n").await.expect("sent");
    let app = TcpListener::from_std(app).expect("a runtime");
    let (mut wire, _) = soon(app.accept()).await.expect("a connection");
    let mut head = [0; 10];
    wire.read_exact(&mut head).await.expect("a request");
    assert_eq!(&head, b"GET /first");
}

#[tokio::test]
async fn a_validation_sees_its_challenge_and_nothing_else() {
    let mut front = empty();
    let ordinary = front.publish(&["example.com"]);
    let ca = Client::offering(&["acme-tls/1"]);
    let alert = ca.alert(front.https, Some("example.com")).await;
    assert_eq!(alert, AlertDescription::NoApplicationProtocol, "nothing is posted");

    let challenge = bundle(&["example.com"]);
    let posted = front.challenges.post_tls_alpn01("example.com", Arc::clone(challenge.certified_key()));
    let mut shown = ca.hello(front.https, Some("example.com")).await.expect("a handshake");
    assert_eq!(shown.alpn.as_deref(), Some("acme-tls/1"));
    assert_eq!(shown.leaf.der(), challenge.leaf().der());
    let end = shown.io.read(&mut [0; 16]).await;
    assert_eq!(end.expect("a clean end"), 0, "the handshake was the answer");

    // A name that has no certificate yet can be validated all the same.
    let first = bundle(&["new.example.com"]);
    let also = front.challenges.post_tls_alpn01("new.example.com", Arc::clone(first.certified_key()));
    let shown = ca.hello(front.https, Some("new.example.com")).await.expect("a handshake");
    assert_eq!(shown.leaf.der(), first.leaf().der());
    drop(also);
    assert_eq!(ca.alert(front.https, Some("new.example.com")).await, AlertDescription::UnrecognisedName);

    // RFC 8737 asks for acme-tls/1 alone; whoever offers more is a client like others.
    let both = Client::offering(&["acme-tls/1", "http/1.1"]);
    for client in [both, Client::offering(&["h2"]), Client::offering(&[])] {
        let shown = client.hello(front.https, Some("example.com")).await.expect("a handshake");
        assert_eq!(shown.leaf.der(), ordinary.leaf().der());
    }
    drop(posted);
    assert_eq!(ca.alert(front.https, Some("example.com")).await, AlertDescription::NoApplicationProtocol);
}
