use std::sync::Arc;

use rustls::version::TLS13;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::proxy::tls::tests::{Pair, VERSIONS, name, pattern};

type Client = client::TlsStream<TcpStream>;

/// Two sockets that are each other's other end.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = listener.local_addr().expect("an address");
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(to));
    (ours.expect("a connection").0, theirs.expect("a connection"))
}

/// A connection whose handshake is over, and its client.
async fn shaken(version: &'static rustls::SupportedProtocolVersion) -> (TlsStream, Client) {
    let pair = Pair::new();
    let config = pair.client_config(version);
    shaken_over(&pair, config, sockets().await).await
}

async fn shaken_over(
    pair: &Pair,
    config: ClientConfig,
    (ours, theirs): (TcpStream, TcpStream),
) -> (TlsStream, Client) {
    let mut stream = TlsStream::new(ours, Session::new(&pair.server).expect("a session"));
    let connector = TlsConnector::from(Arc::new(config));
    let server = async {
        stream.shake_hands().await.expect("a handshake");
        // TLS 1.2 has the last word of a handshake on our side.
        stream.flush().await.expect("sent");
    };
    let (client, ()) = tokio::join!(connector.connect(name(), theirs), server);
    (stream, client.expect("a handshake"))
}

#[tokio::test]
async fn bytes_go_both_ways_at_once_through_the_smallest_buffers() {
    for version in VERSIONS {
        let (ours, theirs) = sockets().await;
        for socket in [&ours, &theirs] {
            SockRef::from(socket).set_send_buffer_size(1).expect("a TCP socket");
        }
        let pair = Pair::new();
        let config = pair.client_config(version);
        let (stream, client) = shaken_over(&pair, config, (ours, theirs)).await;
        let body = pattern(1 << 19);
        let server = async {
            let (mut read, mut write) = tokio::io::split(stream);
            let sending = async {
                let (head, rest) = body.split_at(700);
                let mut pieces = &mut [IoSlice::new(head), IoSlice::new(rest)][..];
                while !pieces.is_empty() {
                    let written = write.write_vectored(pieces).await.expect("written");
                    IoSlice::advance_slices(&mut pieces, written);
                }
                write.shutdown().await.expect("an end");
            };
            let mut heard = Vec::new();
            let (heard_all, ()) = tokio::join!(read.read_to_end(&mut heard), sending);
            heard_all.expect("a clean end");
            assert!(heard == body);
        };
        let client = async {
            let (mut read, mut write) = tokio::io::split(client);
            let sending = async {
                write.write_all(&body).await.expect("written");
                write.shutdown().await.expect("an end");
            };
            let mut heard = Vec::new();
            let (heard_all, ()) = tokio::join!(read.read_to_end(&mut heard), sending);
            heard_all.expect("a clean end");
            assert!(heard == body);
        };
        tokio::join!(server, client);
    }
}

#[tokio::test]
async fn nothing_is_enciphered_for_a_socket_that_takes_nothing() {
    let (mut stream, mut client) = shaken(&TLS13).await;
    let body = pattern(30_000);
    let mut sent = 0;
    while let Poll::Ready(written) = write_now(&mut stream, &body).await {
        assert_eq!(written.expect("written"), body.len());
        sent += 1;
    }
    let waiting = stream.0.session.outgoing.len();
    assert!(write_now(&mut stream, &body).await.is_pending());
    assert_eq!(stream.0.session.outgoing.len(), waiting);
    let reading = async {
        let mut heard = vec![0; body.len()];
        for _ in 0..sent {
            client.read_exact(&mut heard).await.expect("all of it");
            assert!(heard == body);
        }
    };
    let (flushed, ()) = tokio::join!(stream.flush(), reading);
    flushed.expect("sent");
    assert_eq!(stream.0.session.outgoing.capacity(), 0);
}

/// Writes once; does not wait.
async fn write_now(stream: &mut TlsStream, body: &[u8]) -> Poll<io::Result<usize>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_write(cx, body))).await
}

#[tokio::test]
async fn a_ticket_goes_with_the_first_answer_or_when_the_client_is_waited_for() {
    let pair = Pair::new();
    for answer in [&b"an answer"[..], b""] {
        let config = pair.client_config(&TLS13);
        let (ours, theirs) = sockets().await;
        let mut stream = TlsStream::new(ours, Session::new(&pair.server).expect("a session"));
        let connector = TlsConnector::from(Arc::new(config));
        let (client, shaken) = tokio::join!(connector.connect(name(), theirs), stream.shake_hands());
        shaken.expect("a handshake");
        let mut client = client.expect("a handshake");
        assert!(!stream.0.session.outgoing.is_empty(), "the ticket waits");
        if answer.is_empty() {
            let reads = async {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.expect("what the client says in the end");
            };
            let client = async {
                // Nothing but the ticket arrives, and the read that takes it in returns nothing.
                poll_fn(|cx| {
                    let _ = Pin::new(&mut client).poll_read(cx, &mut ReadBuf::new(&mut [0; 9]))?;
                    let received = client.get_ref().1.tls13_tickets_received();
                    if received > 0 { Poll::Ready(Ok::<_, io::Error>(())) } else { Poll::Pending }
                })
                .await
                .expect("a ticket");
                client.write_all(b"!").await.expect("written");
            };
            tokio::join!(reads, client);
        } else {
            stream.write_all(answer).await.expect("written");
            assert!(stream.0.session.outgoing.is_empty());
            let mut heard = [0; 9];
            client.read_exact(&mut heard).await.expect("the answer");
            assert!(client.get_ref().1.tls13_tickets_received() > 0);
        }
    }
}

#[tokio::test]
async fn an_end_without_a_goodbye_is_not_clean() {
    for version in VERSIONS {
        let (mut stream, client) = shaken(version).await;
        let (mut tcp, _) = client.into_inner();
        tcp.shutdown().await.expect("an end");
        let error = stream.read(&mut [0; 9]).await.expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_goodbye_is_said_and_heard() {
    for version in VERSIONS {
        let (mut stream, mut client) = shaken(version).await;
        client.write_all(b"last words").await.expect("written");
        client.shutdown().await.expect("an end");
        let mut heard = Vec::new();
        // In small pieces: what does not fit is kept.
        while stream.read(&mut [0; 3]).await.expect("a clean end") > 0 {
            heard.push(());
        }
        assert_eq!(heard.len(), 4);
        assert_eq!(stream.read(&mut [0; 3]).await.expect("still the end"), 0);
        stream.write_all(b"heard").await.expect("our direction is open");
        stream.shutdown().await.expect("an end");
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("a clean end");
        assert_eq!(text, "heard");
        assert_eq!(stream.write(b"more").await.expect_err("it is over").kind(), ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn the_alert_about_bad_bytes_arrives() {
    let (mut stream, client) = shaken(&TLS13).await;
    let (mut tcp, mut tls) = client.into_inner();
    tcp.write_all(&[23, 3, 3, 0, 32]).await.expect("written");
    tcp.write_all(&[0; 32]).await.expect("written");
    let error = stream.read(&mut [0; 9]).await.expect_err("nobody enciphered this");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(stream.read(&mut [0; 9]).await.is_err());
    drop(stream);
    assert_eq!(alert(&mut tcp, &mut tls).await, AlertDescription::BadRecordMac);
}

async fn alert(tcp: &mut TcpStream, tls: &mut ClientConnection) -> AlertDescription {
    let mut heard = Vec::new();
    tcp.read_to_end(&mut heard).await.expect("an end");
    let mut heard = &heard[..];
    while !heard.is_empty() {
        tls.read_tls(&mut heard).expect("a slice gives all");
        if let Err(error) = tls.process_new_packets() {
            let Error::AlertReceived(alert) = error else { panic!("{error}") };
            return alert;
        }
    }
    panic!("no alert")
}
