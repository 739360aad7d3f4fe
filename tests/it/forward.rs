//! Requests through the whole proxy: TLS in front, every kind of app behind, every framing of bodies between.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sidegate::proxy::{Options, Site, Target};
use tokio::sync::mpsc;

use crate::house::backend::{Backend, Wire, soon};
use crate::house::client::Client;
use crate::house::front::Front;
use crate::house::issued::names;
use crate::house::port;

const NAME: &str = "app.example";

/// A front that forwards everything to this target.
fn before(target: &str, options: Options) -> Front {
    let to = Target::parse(target).expect("a target");
    Front::start(
        options,
        &[Site {
            names: names(&[NAME]).iter().cloned().collect(),
            routes: vec![("/".into(), to)],
            redirect: Vec::new(),
            http01: true,
            max_body: None,
        }],
    )
}

async fn house() -> (Front, Backend) {
    let backend = Backend::start().await;
    (before(&backend.address().to_string(), Options::default()), backend)
}

/// A client of one version of HTTP or the other, with bodies that are given frame by frame.
enum Sender {
    H1(http1::SendRequest<Fed>),
    H2(http2::SendRequest<Fed>),
}

const VERSIONS: [&str; 2] = ["http/1.1", "h2"];

impl Sender {
    async fn connect(to: SocketAddr, alpn: &str) -> Self {
        let io = Client::offering(&[alpn]).hello(to, Some(NAME)).await.expect("a handshake").io;
        if alpn == "h2" {
            let (sender, conn) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.expect("a connection");
            tokio::spawn(conn);
            Self::H2(sender)
        } else {
            let (sender, conn) = http1::handshake(TokioIo::new(io)).await.expect("a connection");
            tokio::spawn(conn);
            Self::H1(sender)
        }
    }

    async fn send(&mut self, method: &str, body: Fed) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(body);
        *request.method_mut() = method.parse().expect("a method");
        match self {
            Self::H1(sender) => {
                sender.ready().await?;
                request.headers_mut().insert("host", HeaderValue::from_static(NAME));
                *request.uri_mut() = "/path".parse().expect("a path");
                soon(sender.send_request(request)).await
            }
            Self::H2(sender) => {
                *request.uri_mut() = format!("https://{NAME}/path").parse().expect("a URI");
                soon(sender.send_request(request)).await
            }
        }
    }
}

/// A body that is given frame by frame, with a length if one is announced.
struct Fed {
    frames: Option<mpsc::UnboundedReceiver<Frame<Bytes>>>,
    length: Option<u64>,
}

impl Fed {
    fn nothing() -> Self {
        Self { frames: None, length: Some(0) }
    }

    fn open(length: Option<u64>) -> (mpsc::UnboundedSender<Frame<Bytes>>, Self) {
        let (sender, frames) = mpsc::unbounded_channel();
        (sender, Self { frames: Some(frames), length })
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.as_mut().map_or(Poll::Ready(None), |frames| frames.poll_recv(cx));
        frame.map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

fn trailers(name: &'static str, value: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static(value));
    Frame::trailers(trailers)
}

/// The same answer of an app that keeps its connection for a minute.
fn keeping(answer: &str) -> String {
    answer.replacen("\r\n", "\r\nKeep-Alive: timeout=60\r\n", 1)
}

/// Status, text and trailers of a response.
async fn read(response: Response<Incoming>) -> (u16, String, Option<HeaderMap>) {
    let status = response.status().as_u16();
    let body = soon(response.into_body().collect()).await.expect("the whole body");
    let trailers = body.trailers().cloned();
    (status, String::from_utf8(body.to_bytes().into()).expect("text"), trailers)
}

#[tokio::test]
async fn every_framing_of_an_answer_reaches_clients_of_both_versions() {
    for alpn in VERSIONS {
        let (front, backend) = house().await;
        let mut sender = Sender::connect(front.https, alpn).await;
        let mut kept: Option<Wire> = None;
        for (answer, text, sum) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", None),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", None),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
                "hello",
                None,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 9\r\n\r\n",
                "hello",
                Some("9"),
            ),
            ("HTTP/1.0 200 OK\r\n\r\nto the end", "to the end", None),
        ] {
            let answer = keeping(answer);
            let asked = tokio::spawn(async move {
                let response = sender.send("GET", Fed::nothing()).await;
                (sender, response)
            });
            let mut upstream = match kept.take() {
                Some(upstream) => upstream,
                None => backend.accept().await,
            };
            upstream.head().await;
            upstream.send(&answer).await;
            if answer.starts_with("HTTP/1.1") {
                kept = Some(upstream);
            } else {
                drop(upstream);
            }
            let response;
            (sender, response) = asked.await.expect("not cancelled");
            let response = response.expect("a response");
            assert!(!response.headers().contains_key("connection"), "{alpn}: {answer}");
            let (_, got, trailers) = read(response).await;
            assert_eq!(got, text, "{alpn}: {answer}");
            if alpn == "h2" {
                assert_eq!(
                    trailers.map(|t| t["x-sum"].clone()),
                    sum.map(HeaderValue::from_static),
                    "{answer}"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_framing_of_a_request_reaches_the_app_from_clients_of_both_versions() {
    for alpn in VERSIONS {
        let (front, backend) = house().await;
        let mut sender = Sender::connect(front.https, alpn).await;

        // A length that is known stays known.
        let (feed, body) = Fed::open(Some(5));
        let asked = tokio::spawn(async move { (sender.send("POST", body).await, sender) });
        let mut upstream = backend.accept().await;
        feed.send(data("he")).expect("it is wanted");
        feed.send(data("llo")).expect("it is wanted");
        let head = upstream.head().await;
        assert!(head.starts_with("post /path http/1.1\r\nhost: app.example\r\n"), "{alpn}: {head}");
        assert!(head.contains("\r\ncontent-length: 5\r\n") && !head.contains("chunked"), "{alpn}: {head}");
        upstream.until("hello").await;
        upstream.send(keeping("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
        let (response, mut sender) = asked.await.expect("not cancelled");
        assert_eq!(read(response.expect("a response")).await.0, 200);

        // One that is not known becomes chunks, and trailers stay trailers.
        let (feed, body) = Fed::open(None);
        let asked = tokio::spawn(async move { (sender.send("POST", body).await, sender) });
        feed.send(data("hello")).expect("it is wanted");
        let head = upstream.head().await;
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{alpn}: {head}");
        assert!(!head.contains("content-length"), "{alpn}: {head}");
        assert_eq!(upstream.until("hello\r\n").await, "5\r\nhello\r\n", "{alpn}: before the request is over");
        if alpn == "h2" {
            feed.send(trailers("x-sum", "9")).expect("it is wanted");
        }
        drop(feed);
        let end = upstream.until("\r\n\r\n").await;
        assert_eq!(end, if alpn == "h2" { "0\r\nx-sum: 9\r\n\r\n" } else { "0\r\n\r\n" });
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(asked.await.expect("not cancelled").0.expect("a response").status(), 200);
    }
}

#[tokio::test]
async fn the_first_event_arrives_while_the_app_sleeps() {
    for alpn in VERSIONS {
        let (front, backend) = house().await;
        let mut sender = Sender::connect(front.https, alpn).await;
        let asked = tokio::spawn(async move { (sender.send("GET", Fed::nothing()).await, sender) });
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        let (response, _sender) = asked.await.expect("not cancelled");
        let mut body = response.expect("a response before any event").into_body();
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            // The app says nothing more until this has arrived.
            upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            let frame = soon(body.frame()).await.expect("a frame").expect("no error");
            assert_eq!(frame.into_data().expect("data"), event, "{alpn}");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_gone_for_the_app_too() {
    for alpn in VERSIONS {
        let (front, backend) = house().await;
        let mut sender = Sender::connect(front.https, alpn).await;
        let asked = tokio::spawn(async move { (sender.send("GET", Fed::nothing()).await, sender) });
        let mut upstream = backend.accept().await;
        upstream.head().await;
        asked.abort();
        assert_eq!(upstream.rest().await, "", "{alpn}: before an answer");

        let mut sender = Sender::connect(front.https, alpn).await;
        let asked = tokio::spawn(async move { (sender.send("GET", Fed::nothing()).await, sender) });
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        let (response, sender) = asked.await.expect("not cancelled");
        let mut body = response.expect("a response").into_body();
        body.frame().await.expect("a frame").expect("no error");
        drop((body, sender));
        assert_eq!(upstream.rest().await, "", "{alpn}: in the middle of one");
    }
}

#[tokio::test]
async fn an_early_refusal_reaches_clients_that_are_still_sending() {
    for alpn in VERSIONS {
        let (front, backend) = house().await;
        let mut sender = Sender::connect(front.https, alpn).await;
        let (feed, body) = Fed::open(Some(1_000_000));
        feed.send(data("only the beginning")).expect("it is wanted");
        let asked = tokio::spawn(async move { (sender.send("POST", body).await, sender) });
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsize").await;
        let (response, _sender) = asked.await.expect("not cancelled");
        let (status, text, _) = read(response.expect("a response")).await;
        assert_eq!((status, &*text), (413, "size"), "{alpn}");
    }
}

#[tokio::test]
async fn a_stale_connection_is_replaced_for_a_get_and_owned_up_to_for_a_post() {
    let (front, backend) = house().await;
    let mut sender = Sender::connect(front.https, "h2").await;
    for (method, retried) in [("GET", true), ("POST", false)] {
        let asked = tokio::spawn(async move { (sender.send("GET", Fed::nothing()).await, sender) });
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(keeping("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).await;
        let response;
        (response, sender) = asked.await.expect("not cancelled");
        assert_eq!(read(response.expect("a response")).await.1, "ok");
        let line = front.line();
        assert_eq!((line["status"].as_u64(), line["upstream_conn"].as_str()), (Some(200), Some("new")));

        let asked = tokio::spawn(async move { (sender.send(method, Fed::nothing()).await, sender) });
        upstream.head().await;
        drop(upstream);
        if retried {
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        }
        let response;
        (response, sender) = asked.await.expect("not cancelled");
        let (status, text, _) = read(response.expect("a response")).await;
        let line = front.line();
        assert_eq!(line["tried"].as_array().map(Vec::len).unwrap_or(1), 1, "{line}");
        if retried {
            assert_eq!((status, &*text, line["upstream_conn"].as_str()), (200, "ok", Some("retried")));
        } else {
            assert_eq!((status, line["upstream_conn"].as_str()), (502, Some("reused")));
            assert!(text.contains("upstream_closed"), "{text}");
            assert_eq!(line["reason"], "upstream_closed");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_the_addresses_that_were_tried() {
    let port = port::free();
    let front = before(&port.to_string(), Options::default());
    let mut sender = Sender::connect(front.https, "h2").await;
    let (status, text, _) = read(sender.send("GET", Fed::nothing()).await.expect("a response")).await;
    assert_eq!(status, 502);
    assert!(text.contains("upstream_refused"), "{text}");
    let line = front.line();
    assert_eq!(line["reason"], "upstream_refused");
    assert_eq!(line["tried"], serde_json::json!([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]));
}

#[tokio::test]
async fn localhost_is_found_on_either_family() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let backend = Backend::at(address).await;
        let front = before(&backend.address().port().to_string(), Options::default());
        backend.echo_heads();
        let mut sender = Sender::connect(front.https, "http/1.1").await;
        let (status, _, _) = read(sender.send("GET", Fed::nothing()).await.expect("a response")).await;
        assert_eq!(status, 200, "{address}");
    }
}

#[tokio::test]
async fn an_app_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    Backend::unix(&path).echo_heads();
    let target = format!("unix:{}", path.display());
    let front = before(&target, Options::default());
    let mut sender = Sender::connect(front.https, "h2").await;
    for _ in 0..2 {
        let (status, text, _) = read(sender.send("GET", Fed::nothing()).await.expect("a response")).await;
        assert_eq!(status, 200);
        assert!(text.starts_with("GET /path HTTP/1.1\r\nhost: app.example\r\n"), "{text}");
        assert_eq!(front.line()["upstream"], *target);
    }
}

#[tokio::test]
async fn requests_wait_for_an_app_that_is_starting() {
    let address = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let options = Options { hold: Duration::from_secs(10), ..Options::default() };
    let front = before(&address.to_string(), options);
    let mut sender = Sender::connect(front.https, "h2").await;
    let asked = tokio::spawn(async move { sender.send("GET", Fed::nothing()).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(!asked.is_finished(), "it waits");
    Backend::at(&address.to_string()).await.echo_heads();
    assert_eq!(asked.await.expect("not cancelled").expect("a response").status(), 200);
}

#[tokio::test]
async fn a_grpc_call_has_its_messages_and_trailers_both_ways() {
    let backend = Backend::start().await;
    let front = before(&format!("h2c://{}", backend.address()), Options::default());
    let Sender::H2(mut sender) = Sender::connect(front.https, "h2").await else {
        unreachable!("it asked for h2")
    };
    let (feed, body) = Fed::open(None);
    let request = Request::post(format!("https://{NAME}/echo.Echo/Talk"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(body)
        .expect("a request");
    let asked = tokio::spawn(async move { (sender.send_request(request).await, sender) });
    let mut server = h2::server::handshake(backend.accept().await.into_io()).await.expect("HTTP/2");
    let (request, mut answer) = server.accept().await.expect("a stream").expect("a request");
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.uri(), &*format!("http://{NAME}/echo.Echo/Talk"));
    let mut messages = answer.send_response(Response::new(()), false).expect("an open stream");
    let (response, _sender) = asked.await.expect("not cancelled");
    let (mut asked, mut answered) = (request.into_body(), response.expect("a response").into_body());
    for message in ["one", "two"] {
        feed.send(data(message)).expect("it is wanted");
        let seen = soon(asked.data()).await.expect("a message").expect("no error");
        assert_eq!(seen, message);
        messages.send_data(seen, false).expect("an open stream");
        let frame = soon(answered.frame()).await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), message);
    }
    feed.send(trailers("x-client", "done")).expect("it is wanted");
    drop(feed);
    let seen = soon(asked.trailers()).await.expect("no error").expect("trailers");
    assert_eq!(seen["x-client"], "done");
    let end = trailers("grpc-status", "0").into_trailers().expect("trailers");
    messages.send_trailers(end).expect("an open stream");
    let frame = soon(answered.frame()).await.expect("a frame").expect("no error");
    assert_eq!(frame.into_trailers().expect("trailers")["grpc-status"], "0");
    assert!(answered.frame().await.is_none());
}
