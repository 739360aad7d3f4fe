//! WebSocket through TLS.

use sidegate::proxy::Options;

use crate::house::backend::{Backend, Wire};
use crate::house::client::Client;
use crate::house::front::{Front, site};

const NAME: &str = "app.example";

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn house() -> (Front, Backend) {
    let backend = Backend::start().await;
    (Front::start(Options::default(), &[site(&[NAME], backend.address())]), backend)
}

async fn connect(front: &Front) -> Wire {
    let hello = Client::offering(&["http/1.1"]).hello(front.https, Some(NAME)).await;
    Wire::new(hello.expect("a handshake").io)
}

/// Both ends of a tunnel, and what the app said right behind its 101.
async fn tunnel(front: &Front, backend: &Backend, early: &str) -> (Wire, Wire) {
    let mut client = connect(front).await;
    client.send(ASK).await;
    let mut upstream = backend.accept().await;
    let head = upstream.head().await;
    assert!(head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), "{head}");
    upstream.send(format!("{YES}{early}")).await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nsec-websocket-accept: "), "{head}");
    (client, upstream)
}

#[tokio::test]
async fn a_websocket_talks_both_ways_and_is_one_line_when_it_is_over() {
    let (front, backend) = house().await;
    let (mut client, mut upstream) = tunnel(&front, &backend, "welcome").await;
    client.until("welcome").await;
    client.send("ping").await;
    upstream.until("ping").await;
    upstream.send("pong").await;
    client.until("pong").await;
    assert_eq!(front.lines(), 0, "nothing is said before the end");
    client.end().await;
    assert_eq!(upstream.rest().await, "", "the end goes through");
    upstream.send("bye").await;
    drop(upstream);
    assert_eq!(client.rest().await, "bye", "and the other side may finish");
    let line = front.line();
    assert_eq!(line["status"], 101);
}

#[tokio::test]
async fn an_app_that_says_no_is_heard() {
    let (front, backend) = house().await;
    let mut client = connect(&front).await;
    client.send(ASK).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno").await;
    assert!(client.head().await.starts_with("http/1.1 426 "));
    client.until("no").await;
}

#[tokio::test]
async fn other_protocols_are_neither_asked_for_nor_switched_to() {
    for other in ["h2c", "TLS/1.0", "connect-udp"] {
        let (front, backend) = house().await;
        let mut client = connect(&front).await;
        client.send(ASK.replace("websocket\r\nSec", &format!("{other}\r\nSec"))).await;
        let mut upstream = backend.accept().await;
        let head = upstream.head().await;
        assert!(!head.contains("upgrade"), "{other}: {head}");
        upstream.send(YES.replace("websocket\r\nSec", &format!("{other}\r\nSec"))).await;
        assert!(client.head().await.starts_with("http/1.1 502 "), "{other}");
        assert_eq!(front.line()["reason"], "upstream_malformed");
    }
}
