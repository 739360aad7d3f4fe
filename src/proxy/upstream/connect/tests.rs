use std::net::{Ipv4Addr, Ipv6Addr};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::pki::crypto;

fn dialer(roots: Vec<Vec<u8>>) -> Dialer {
    Dialer::new(Duration::from_secs(1), Duration::from_secs(3), Duration::ZERO, believing(roots))
}

fn believing(these: Vec<Vec<u8>>) -> Roots {
    let roots = Roots::default();
    roots.believe(|| these);
    roots
}

/// A port of 127.0.0.1 where nobody listens, nor can anybody else while the socket is held.
fn silent_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    (socket, port)
}

async fn dial(dialer: &Dialer, target: &str, winner: &Winner) -> (Result<Stream, ConnectError>, Vec<String>) {
    let mut tried = Tried::default();
    let target = Target::parse(target).expect("a target");
    let result = dialer.dial(&target, winner, &mut tried).await;
    if let Ok((_, address)) = &result {
        assert_eq!(tried.last(), Some(&**address));
    }
    (result.map(|(stream, _)| stream), tried.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn localhost_is_whichever_family_answers_and_the_winner_is_asked_first() {
    let (v4, port) = silent_port();
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.expect("the same port of ::1");
    let (dialer, winner) = (dialer(Vec::new()), Winner::default());
    let target = format!("localhost:{port}");
    let (result, tried) = dial(&dialer, &target, &winner).await;
    assert!(result.is_ok());
    assert_eq!(tried, [format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
    let (result, tried) = dial(&dialer, &target, &winner).await;
    assert!(result.is_ok());
    assert_eq!(tried, [format!("[::1]:{port}")], "remembered");
    // The app comes back on the other family.
    drop(v6);
    let _v4 = v4.listen(16).expect("a listener");
    let (result, tried) = dial(&dialer, &target, &winner).await;
    assert!(result.is_ok());
    assert_eq!(tried, [format!("[::1]:{port}"), format!("127.0.0.1:{port}")]);
}

#[tokio::test]
async fn a_machine_that_vanishes_is_noticed() {
    let app = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a port");
    let port = app.local_addr().expect("an address").port();
    // The unspecified address leads to this machine, and does not say so.
    for (host, asks) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let target = format!("{host}:{port}");
        let (result, _) = dial(&dialer(Vec::new()), &target, &Winner::default()).await;
        let Ok(Stream::Tcp(io)) = result else { panic!("a TCP connection to {target}") };
        assert_eq!(SockRef::from(&io).keepalive().expect("a TCP socket"), asks, "{target}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_every_address_said() {
    let (_held, port) = silent_port();
    let (result, _) = dial(&dialer(Vec::new()), &port.to_string(), &Winner::default()).await;
    let error = result.err().expect("nobody listens");
    assert_eq!(error.fault, Fault::Refused);
    let said = error.to_string();
    assert!(
        said.contains(&format!("127.0.0.1:{port}: ")) && said.contains(&format!("; [::1]:{port}: ")),
        "{said}"
    );
    assert!(said.contains("refused"), "{said}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_fault_of_its_own() {
    let (result, tried) = dial(&dialer(Vec::new()), "http://no-such-name.invalid", &Winner::default()).await;
    let error = result.err().expect("no such name");
    assert_eq!((error.fault, &*tried), (Fault::Name, &["no-such-name.invalid:80".to_owned()][..]));
}

/// An https app with a certificate for `name`; returns its port and the CA's certificate.
async fn https_app(name: &str) -> (u16, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf =
        CertificateParams::new([name.to_owned()]).expect("a name").signed_by(&key, &ca).expect("a leaf");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            // A client that does not trust us ends the handshake; that is what some tests are about.
            if let Ok(mut io) = acceptor.accept(io).await {
                let about = {
                    let (_, tls) = io.get_ref();
                    let alpn = String::from_utf8_lossy(tls.alpn_protocol().unwrap_or_default()).into_owned();
                    format!("{} {alpn}", tls.server_name().unwrap_or("-"))
                };
                io.write_all(about.as_bytes()).await.expect("written");
                io.shutdown().await.expect("an end");
            }
        }
    });
    (port, ca.der().to_vec())
}

#[tokio::test]
async fn an_https_app_is_verified_by_its_name_and_our_roots() {
    let (port, ca) = https_app("localhost").await;
    let target = format!("https://localhost:{port}");
    let (result, _) = dial(&dialer(vec![b"no certificate".to_vec(), ca]), &target, &Winner::default()).await;
    let mut about = String::new();
    result.expect("trusted").read_to_string(&mut about).await.expect("an end");
    assert_eq!(about, "localhost http/1.1", "the name is in the hello, and no HTTP/2 is offered");
}

#[tokio::test]
async fn an_https_app_by_address_needs_a_certificate_for_the_address() {
    let (port, ca) = https_app("127.0.0.1").await;
    let (result, _) = dial(&dialer(vec![ca]), &format!("https://127.0.0.1:{port}"), &Winner::default()).await;
    assert!(result.is_ok());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_or_for_another_name_is_refused() {
    let (port, _) = https_app("localhost").await;
    let (_, other) = https_app("localhost").await;
    let (result, tried) =
        dial(&dialer(vec![other]), &format!("https://localhost:{port}"), &Winner::default()).await;
    let error = result.err().expect("not our CA");
    assert_eq!(error.fault, Fault::Tls);
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}: TLS: ")), "{error}");
    assert_eq!(tried, [format!("127.0.0.1:{port}")]);

    let (port, ca) = https_app("other.example").await;
    let (result, _) = dial(&dialer(vec![ca]), &format!("https://localhost:{port}"), &Winner::default()).await;
    let error = result.err().expect("another name");
    assert_eq!(error.fault, Fault::Tls);
    assert!(error.to_string().contains("not valid for"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(3));
    let short = Dialer::new(short, long, Duration::ZERO, believing(Vec::new()));
    let (result, _) = dial(&short, &format!("https://127.0.0.1:{port}"), &Winner::default()).await;
    let error = result.err().expect("nobody shakes hands");
    assert_eq!(error.fault, Fault::Timeout);
    assert!(error.to_string().contains("no answer within 200ms"), "{error}");
}
