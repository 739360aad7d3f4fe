//! Asking and changing a real DNS server, and servers that refuse, lie or keep silent.

use std::time::{Duration, SystemTime};

use sidegate::clock::Clock;
use sidegate::dns::{DnsError, Key, Nameserver, Rcode, Resolver, Server, Unseen, Updater};
use sidegate::ident::Fqdn;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket};

use crate::house::named::{self, Named};

fn name(text: &str) -> Fqdn {
    Fqdn::parse(text).expect("a name")
}

fn challenge() -> Fqdn {
    name("_acme-challenge.www.example.com")
}

fn updater(server: &Server, key: &Key) -> Updater {
    Updater::new(server.clone(), key.clone(), Clock::system())
}

#[tokio::test]
async fn a_name_has_as_many_records_as_were_added_and_loses_one_at_a_time() {
    for algorithm in ["hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let named = Named::signing_with(algorithm).await;
        let updater = updater(&named.server(), &named::key(algorithm));
        let server = Nameserver::from(named.server());
        for value in ["one", "two", "one"] {
            updater.add(&challenge(), value).await.expect("it is added");
        }
        for value in ["one", "two"] {
            assert_eq!(server.shows(&challenge(), value).await, Ok(()), "{algorithm}");
        }
        assert_eq!(server.shows(&challenge(), "three").await, Err(Unseen::Denied));
        for _ in 0..2 {
            updater.remove(&challenge(), "one").await.expect("it is removed, or was");
        }
        assert!(server.shows(&challenge(), "one").await.is_err(), "{algorithm}");
        assert_eq!(server.shows(&challenge(), "two").await, Ok(()), "the other one stays");
    }
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_asked_for_again() {
    let named = Named::start().await;
    let updater = updater(&named.server(), &named::key("hmac-sha256"));
    let values: Vec<String> = (0..20).map(|number| format!("{number:0>40}")).collect();
    for value in &values {
        updater.add(&challenge(), value).await.expect("it is added");
    }
    let server = Nameserver::from(named.server());
    for value in &values {
        assert_eq!(server.shows(&challenge(), value).await, Ok(()));
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_mend() {
    let named = Named::start().await;
    let ours = named::key("hmac-sha256");
    let stranger = Key::parse(&format!("hmac-sha256:stranger:{}", named::SECRET)).expect("a key");
    let forged = Key::parse("hmac-sha256:sidegate:bm90IHRoZSBzZWNyZXQ=").expect("a key");
    for (key, name, words) in [
        (
            &stranger,
            challenge(),
            "says BADKEY: it does not know the key \"stranger\", or not with this algorithm",
        ),
        (&named::key("hmac-sha512"), challenge(), "says BADKEY: it does not know the key \"sidegate\""),
        (&forged, challenge(), "says BADSIG: its key \"sidegate\" has another secret"),
        (&ours, name(named::FORBIDDEN), "says REFUSED (its policy does not allow it)"),
        (&ours, name("_acme-challenge.example.net"), "says REFUSED"),
    ] {
        let error = updater(&named.server(), key).add(&name, "value").await.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().starts_with(&named.server().to_string()), "{error}");
        assert!(!error.to_string().contains(named::SECRET), "{error}");
    }
}

#[tokio::test]
async fn clocks_that_differ_are_told_by_how_much() {
    let named = Named::start().await;
    for (ours, words) in [
        (SystemTime::now() + Duration::from_secs(3600), "behind ours"),
        (SystemTime::now() - Duration::from_secs(3600), "ahead of ours"),
    ] {
        let (clock, _hand) = Clock::manual(ours);
        let updater = Updater::new(named.server(), named::key("hmac-sha256"), clock);
        let error = updater.add(&challenge(), "value").await.expect_err("it is another time there");
        let DnsError::BadTime { seconds, .. } = error else { panic!("{error}") };
        assert!((3590..3610).contains(&seconds) && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_silent_is_named() {
    let key = named::key("hmac-sha256");
    let nobody = Server::parse(&format!("127.0.0.1:{}", crate::house::port::free())).expect("an address");
    let error = updater(&nobody, &key).add(&challenge(), "value").await.expect_err("nobody listens");
    assert!(matches!(error, DnsError::Unreachable { .. }), "{error}");

    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address: Server = silent.local_addr().expect("an address").into();
    let error = updater(&address, &key).add(&challenge(), "value").await.expect_err("it says nothing");
    assert!(matches!(error, DnsError::Silent { .. }), "{error}");
    assert!(error.to_string().contains("did not answer within 4 seconds"), "{error}");
}

/// A server that answers questions as the real one does, and updates with what it is given.
async fn forger(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> (Named, Server) {
    let named = Named::start().await;
    // The same port for both: questions arrive over UDP, updates over TCP.
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let udp = UdpSocket::bind(tcp.local_addr().expect("an address")).await.expect("the port");
    let address: Server = tcp.local_addr().expect("an address").into();
    let behind = named.port();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let asking = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            asking.send_to(&buffer[..length], ("127.0.0.1", behind)).await.expect("it is sent");
            let length = asking.recv(&mut buffer).await.expect("an answer");
            udp.send_to(&buffer[..length], from).await.expect("it is sent");
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.expect("a length");
            let mut message = vec![0; length.into()];
            stream.read_exact(&mut message).await.expect("a message");
            let answer = answer(&message);
            let length = u16::try_from(answer.len()).expect("a short answer").to_be_bytes();
            let all = [&length[..], &answer].concat();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &all).await.expect("it is sent");
        }
    });
    (named, address)
}

#[tokio::test]
async fn an_answer_that_anybody_could_have_given_is_not_believed() {
    let success = |message: &[u8]| {
        let mut answer = message[..12].to_vec();
        answer[2] |= 0x80;
        answer[4..].fill(0);
        answer
    };
    // Without a signature; with that of the request; that of another message.
    let unsigned = move |message: &[u8]| success(message);
    let echoed = |message: &[u8]| {
        let mut answer = message.to_vec();
        answer[2] |= 0x80;
        answer
    };
    let other = move |message: &[u8]| {
        let mut answer = success(message);
        answer[0] ^= 1;
        answer
    };
    let forgers = [forger(unsigned).await, forger(echoed).await, forger(other).await];
    let words =
        ["there is no signature", "the signature does not fit", "this is not the answer to an update"];
    for ((named, server), words) in forgers.iter().zip(words) {
        let updater = updater(server, &named::key("hmac-sha256"));
        let error = updater.add(&challenge(), "value").await.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert!(Nameserver::from(named.server()).shows(&challenge(), "value").await.is_err());
    }
}

#[tokio::test]
async fn the_way_to_who_has_authority_is_found() {
    let named = Named::start().await;
    let resolver = Resolver::new(vec![named.server()]);
    let found = resolver.nameservers(&challenge()).await.expect("they are found");
    let [server] = &found[..] else { panic!("one name server: {found:?}") };
    assert_eq!(server.name(), "ns.example.com");
    assert_eq!(server.addresses(), [Server::parse("127.0.0.1:53").expect("an address")]);

    assert_eq!(resolver.follow(&challenge()).await.expect("an answer"), challenge());
    let target = resolver.follow(&name(named::ALIAS)).await.expect("an answer");
    assert_eq!(target.as_str(), named::ALIAS_TO);

    let error = resolver.nameservers(&name("a.example.net")).await.expect_err("it knows nothing of it");
    let words = "the name servers of a.example.net cannot be found: 127.0.0.1:";
    assert!(error.to_string().starts_with(words) && error.to_string().contains("REFUSED"), "{error}");
    let error = Resolver::new(Vec::new()).nameservers(&challenge()).await.expect_err("nobody is asked");
    assert!(error.to_string().ends_with("there is no resolver"), "{error}");
    assert_eq!(Rcode::REFUSED.to_string(), "REFUSED");
}
