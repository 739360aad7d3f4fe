use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::proxy::Options;
use crate::proxy::http::forward::tests::{Backend, Front, Wire, house, run};

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A tunnel that has just been opened: both ends.
async fn tunnel(front: &Front, backend: &Backend, early: &str) -> (Wire, Wire) {
    let mut client = front.connect().await;
    client.send(ASK).await;
    let mut upstream = backend.accept().await;
    let head = upstream.head().await;
    assert!(head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
    upstream.send(format!("{YES}{early}")).await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(
        head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nsec-websocket-accept: "), "{head}");
    (client, upstream)
}

#[test]
fn bytes_go_both_ways_and_each_end_may_end_by_itself() {
    run(async {
        let (front, backend) = house().await;
        let (mut client, mut upstream) = tunnel(&front, &backend, "behind the head").await;
        client.until("behind the head").await;
        client.send("ping").await;
        assert_eq!(upstream.exactly(4).await, "ping");
        upstream.send("pong").await;
        assert_eq!(client.exactly(4).await, "pong");
        client.end().await;
        assert_eq!(upstream.rest().await, "", "the end goes through");
        upstream.send("last words").await;
        drop(upstream);
        assert_eq!(client.rest().await, "last words");
    });
}

#[test]
fn what_the_client_sends_too_early_is_not_lost() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(format!("{ASK}hasty")).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(YES).await;
        assert_eq!(upstream.exactly(5).await, "hasty");
    });
}

#[test]
fn more_goes_through_than_is_read_at_once() {
    run(async {
        let (front, backend) = house().await;
        let (mut client, mut upstream) = tunnel(&front, &backend, "").await;
        let large = "0123456789".repeat(100_000);
        let sending = async {
            upstream.send(&large).await;
            upstream.end().await;
        };
        let ((), got) = tokio::join!(sending, client.rest());
        assert!(got == large, "{} of {} bytes", got.len(), large.len());
    });
}

#[test]
fn a_reset_on_one_side_ends_the_other() {
    run(async {
        let (front, backend) = house().await;
        let (mut client, upstream) = tunnel(&front, &backend, "").await;
        upstream.reset();
        assert_eq!(client.rest().await, "");
        let (client, mut upstream) = tunnel(&front, &backend, "").await;
        client.reset();
        assert_eq!(upstream.rest().await, "");
    });
}

#[test]
fn silence_ends_a_tunnel() {
    run(async {
        let backend = Backend::start().await;
        let idle = Duration::from_millis(400);
        let front = Front::start(&backend.target, Options { tunnel_idle: idle, ..Options::default() }).await;
        let began = Instant::now();
        let (mut client, mut upstream) = tunnel(&front, &backend, "").await;
        assert_eq!((client.rest().await, upstream.rest().await), (String::new(), String::new()));
        assert!(began.elapsed() >= idle, "it ended too early");
    });
}

#[tokio::test(start_paused = true)]
async fn talk_keeps_a_tunnel_open() {
    let idle = Duration::from_secs(60);
    let ((mut client, front), (back, mut upstream)) = (duplex(1), duplex(1));
    let tunnel = async {
        let (mut up, mut down) = (Way::new(Bytes::new()), Way::new(Bytes::new()));
        join(front, back, &mut up, &mut down, sleep(idle), idle).await;
        tokio::time::Instant::now()
    };
    let talk = async {
        let mut heard = [0; 1];
        for _ in 0..4 {
            sleep(idle / 2).await;
            client.write_all(b"x").await.expect("sent");
            upstream.read_exact(&mut heard).await.expect("it is open");
            sleep(idle / 2).await;
            upstream.write_all(b"y").await.expect("sent");
            client.read_exact(&mut heard).await.expect("it is open");
        }
        tokio::time::Instant::now()
    };
    let (ended, spoke) = tokio::join!(tunnel, talk);
    assert_eq!(ended - spoke, idle);
}

#[test]
fn a_refused_switch_is_an_answer_like_any_other() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(ASK).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nKeep-Alive: timeout=60\r\n\r\nno")
            .await;
        assert!(client.head().await.starts_with("http/1.1 403 "));
        assert_eq!(client.exactly(2).await, "no");
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(!upstream.head().await.contains("upgrade"), "still HTTP, on the same connection");
    });
}

#[test]
fn nothing_but_websocket_is_switched_to() {
    run(async {
        for (ask, yes) in [
            (ASK.replace("Upgrade: websocket", "Upgrade: h2c"), YES.replace("WebSocket", "h2c")),
            (ASK.replace("Upgrade: websocket", "Upgrade: h2c, websocket"), YES.to_owned()),
            (ASK.replace("keep-alive, Upgrade", "keep-alive"), YES.to_owned()),
            (ASK.replace("GET", "POST"), YES.to_owned()),
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(&ask).await;
            let mut upstream = backend.accept().await;
            let head = upstream.head().await;
            assert!(!head.contains("upgrade"), "{ask}: {head}");
            upstream.send(&yes).await;
            assert!(client.head().await.starts_with("http/1.1 502 "), "{ask}");
        }
        // Asked for one protocol, an upstream does not get to choose another.
        for yes in [YES.replace("WebSocket", "h2c"), YES.replace("Connection: upgrade\r\n", "")] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(ASK).await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send(&yes).await;
            assert!(client.head().await.starts_with("http/1.1 502 "), "{yes}");
        }
    });
}

#[test]
fn only_http_1_1_can_ask() {
    let mut head = Head::get("/", &[("connection", "upgrade"), ("upgrade", "websocket")]);
    assert!(is_wanted(&head));
    for version in [Version::HTTP_10, Version::HTTP_2] {
        head.version = version;
        assert!(!is_wanted(&head));
    }
    head.version = Version::HTTP_11;
    head.fields.add("content-length", b"0");
    assert!(is_wanted(&head));
    for body in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        let head = Head::get("/", &[("connection", "upgrade"), ("upgrade", "websocket"), body]);
        assert!(!is_wanted(&head), "{body:?}");
    }
}
