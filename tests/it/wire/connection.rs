//! Whole connections: whatever bytes a client sends, the app reads the requests that are in them and nothing else.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Method, StatusCode, Uri};
use sidegate::proxy::Options;
use sidegate::proxy::wire::chunked::{Decoder, Step};
use sidegate::proxy::wire::{Response, ResponseFraming, response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::echo::{self, FAULT, READ};
use super::front::{Front, site};
use super::reading::{End, Message, Reading, ours};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client, the proxy, and an app that answers with what it was asked.
pub(crate) struct Street {
    runtime: Runtime,
    front: Front,
    client: Client,
    /// Requests that the app has read.
    read: Cell<usize>,
}

impl Street {
    pub(crate) fn build() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let app = listener.local_addr().expect("an address");
        runtime.spawn(echo::serve(listener));
        let front = Front::start(Options::default(), &[site(&["h.example"], app)]);
        Self { runtime, front, client: Client::offering(&["http/1.1"]), read: Cell::new(0) }
    }

    /// How many requests the app has read so far.
    pub(crate) fn read(&self) -> usize {
        self.read.get()
    }

    /// Sends `input` and reads the answers, which have to be those to the requests in it.
    pub(crate) fn check(&self, input: &[u8]) {
        let reading = ours(input);
        self.runtime.block_on(async {
            let mut line = Line::open(&self.client, self.front.https).await;
            // A proxy that has refused the beginning need not read the rest.
            let _ = line.io.write_all(input).await;
            let _ = line.io.flush().await;
            let read = line.check(&reading).await;
            self.read.update(|before| before + read);
        });
        // Nobody else looks at them.
        for _ in 0..self.front.lines() {
            self.front.line();
        }
    }
}

/// The value of a field of the app's own.
fn said<'a>(answer: &'a Response, name: &str) -> Option<&'a [u8]> {
    answer.fields.iter().find(|field| field.name == name.as_bytes()).map(|field| field.value)
}

/// The client's end of a connection.
struct Line {
    io: TlsStream<TcpStream>,
    inbox: Bytes,
}

impl Line {
    async fn open(client: &Client, to: SocketAddr) -> Self {
        let io = client.hello(to, Some("h.example")).await.expect("a handshake").io;
        Self { io, inbox: Bytes::new() }
    }

    /// Returns how many requests the app has read.
    async fn check(&mut self, reading: &Reading) -> usize {
        let mut read = 0;
        for message in &reading.messages {
            let broken = !message.whole;
            if broken && reading.end == End::Waits {
                // The rest never comes, and an answer may never come either.
                return read;
            }
            let method = Method::from_bytes(message.method.as_bytes()).expect("a method");
            let answer = self.answer(&method).await.expect("every request has an answer");
            assert_eq!(said(&answer, FAULT), None, "the app complains");
            match said(&answer, READ) {
                Some(echo) => {
                    assert!(!broken, "the app has read a request that was none");
                    same(message, &unhex(echo));
                    read += 1;
                }
                None => assert!(answer.status.is_client_error(), "{}", answer.status),
            }
            if !answer.keep {
                self.end().await;
                return read;
            }
            assert!(!broken, "nobody knows where the next request begins");
        }
        match reading.end {
            End::Waits => {}
            End::Refuses => {
                let answer = self.answer(&Method::GET).await.expect("a refusal is said");
                let status = answer.status;
                assert!(status.is_client_error() || status.is_server_error(), "{status}");
                assert!(!answer.keep && said(&answer, READ).is_none());
                self.end().await;
            }
            End::Leaves | End::Switches => panic!("the last answer keeps the connection"),
        }
        read
    }

    /// The next answer that is not an interim one, or `None` at the end.
    async fn answer(&mut self, method: &Method) -> Option<Response> {
        loop {
            match response(&mut self.inbox, method).expect("what we write can be read") {
                Some(head) if head.status.is_informational() => {
                    assert_eq!(head.status, StatusCode::CONTINUE);
                }
                Some(head) => {
                    self.body(head.framing).await;
                    return Some(head);
                }
                None if !self.read().await => {
                    assert!(self.inbox.is_empty(), "half an answer");
                    return None;
                }
                None => {}
            }
        }
    }

    async fn body(&mut self, framing: ResponseFraming) {
        match framing {
            ResponseFraming::Empty => {}
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).expect("a short answer");
                while self.inbox.len() < length {
                    assert!(self.read().await, "half an answer");
                }
                self.inbox.advance(length);
            }
            ResponseFraming::Chunked => {
                let mut decoder = Decoder::of_request();
                loop {
                    match decoder.step(&mut self.inbox).expect("we chunk as the grammar has it") {
                        Step::End(_) => return,
                        Step::Data(_) => {}
                        Step::More => assert!(self.read().await, "half an answer"),
                    }
                }
            }
            ResponseFraming::Close => self.end().await,
        }
    }

    /// Whether there was more to read.
    async fn read(&mut self) -> bool {
        let mut piece = vec![0; 16 * 1024];
        let read = timeout(PATIENCE, self.io.read(&mut piece)).await.expect("an answer, or the end");
        let read = read.unwrap_or(0);
        self.inbox = [&self.inbox[..], &piece[..read]].concat().into();
        read > 0
    }

    /// After the last answer the connection is over.
    async fn end(&mut self) {
        while self.read().await {}
    }
}

/// The app has read what was sent.
fn same(sent: &Message, read: &[u8]) {
    let read: Message = serde_json::from_slice(read).expect("a message");
    assert_eq!((&read.method, &read.body), (&sent.method, &sent.body));
    let target: Uri = sent.target.parse().expect("a target");
    let path = target.path_and_query().map_or("/", |path| path.as_str());
    // `http://h.example?q` asks for `/?q`.
    assert_eq!(read.target.trim_start_matches('/'), path.trim_start_matches('/'));
    for (name, value) in &read.fields {
        let ours = name.starts_with("x-forwarded-")
            || matches!(name.as_str(), "x-real-ip" | "host" | "content-length" | "transfer-encoding")
            || matches!(name.as_str(), "connection" | "upgrade");
        let joined = || -> Vec<&str> {
            sent.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
        };
        assert!(
            ours || joined().contains(&value.as_str()) || joined().join("; ") == *value,
            "{name} was not sent"
        );
    }
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
