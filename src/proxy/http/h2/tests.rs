//! A real client at one end, a backend that says exactly what the test says at the other.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};

use super::MAX_ABORTED;
use crate::proxy::Options;
use crate::proxy::http::forward::tests::{Backend, Front, house, run};

/// A client, and what becomes of its connection.
struct Client {
    sender: SendRequest<Bytes>,
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn of(front: &Front) -> Self {
        Self::with(front, &mut Builder::new()).await
    }

    async fn with(front: &Front, builder: &mut Builder) -> Self {
        let io = TcpStream::connect(front.address).await.expect("the front accepts");
        let (sender, connection) = builder.handshake(io).await.expect("HTTP/2");
        Self { sender, ended: spawn_local(connection) }
    }

    async fn ask(&mut self, request: Request<()>, end: bool) -> (ResponseFuture, SendStream<Bytes>) {
        self.sender = self.sender.clone().ready().await.expect("an open connection");
        self.sender.send_request(request, end).expect("an open connection")
    }

    async fn get(&mut self, path: &str) -> ResponseFuture {
        self.ask(request("GET", path), true).await.0
    }
}

fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("https://app.example{path}");
    Request::builder().method(method).uri(uri).body(()).expect("a request")
}

/// All of a body and its trailers.
async fn whole(response: Response<RecvStream>) -> Result<(String, Option<HeaderMap>), h2::Error> {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        text.extend_from_slice(&data);
    }
    Ok((String::from_utf8(text).expect("text"), body.trailers().await?))
}

#[test]
fn a_response_has_the_head_and_the_end_that_it_should() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        for (method, answer, body, length) in [
            ("GET", "200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello", Some("5")),
            ("GET", "200 OK\r\ncontent-length: 0\r\n\r\n", "", Some("0")),
            ("HEAD", "200 OK\r\ncontent-length: 5\r\n\r\n", "", Some("5")),
            ("GET", "204 No Content\r\n\r\n", "", None),
            ("GET", "304 Not Modified\r\ncontent-length: 5\r\n\r\n", "", Some("5")),
        ] {
            let (response, _) = client.ask(request(method, "/"), true).await;
            let mut wire = backend.accept().await;
            wire.head().await;
            wire.send(format!("HTTP/1.1 {answer}")).await;
            let response = response.await.expect("a response");
            assert_eq!(response.status().as_str(), &answer[..3]);
            let field = |name| response.headers().get(name).map(HeaderValue::as_bytes);
            assert_eq!(field("content-length"), length.map(str::as_bytes), "{answer}");
            assert!(field("date").is_some_and(|date| date.ends_with(b" GMT")), "{answer}");
            assert_eq!(response.body().is_end_stream(), body.is_empty(), "{answer}");
            assert_eq!(whole(response).await.expect("a body").0, body);
            // The next one asks a connection of its own.
            drop(wire);
        }
        let own = client.get("/").await;
        drop(backend);
        let own = own.await.expect("a response of ours");
        assert_eq!(own.status(), StatusCode::BAD_GATEWAY);
        assert!(own.headers().contains_key("content-length"));
    });
}

#[test]
fn a_head_is_held_to_what_heads_of_http1_are_held_to() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        let field = |name: &'static str, value: &str| {
            let mut request = request("GET", "/");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
            request
        };
        for (asked, status, reason) in [
            (request("GET", "?x=1"), 400, "target_invalid"),
            (request("GET", "/\u{e9}"), 400, "target_invalid"),
            (request("GET", &format!("/{}", "x".repeat(17 * 1024))), 414, "target_too_long"),
            (field("x", &"y".repeat(33 * 1024)), 431, "head_too_large"),
            (field("expect", "foo"), 417, "expectation"),
            (request("TRACE", "/"), 405, "trace"),
        ] {
            let answer = client.ask(asked, true).await.0.await.expect("an answer");
            assert_eq!(answer.status(), status, "{reason}");
            let allows = answer.headers().get("allow").is_some_and(|allow| !allow.is_empty());
            assert_eq!(allows, status == 405, "RFC 9110 section 15.5.6");
            let (said, _) = whole(answer).await.expect("a body");
            assert!(said.ends_with(&format!(": {reason}\n")), "{said}");
        }
        assert_eq!(front.conns(), [""; 0], "nothing was sent anywhere");
        let _answer = client.ask(field("x-padded", " v\t"), true).await;
        assert!(backend.accept().await.head().await.contains("\r\nx-padded: v\r\n"));
    });
}

#[test]
fn what_the_upstream_says_before_its_answer_is_passed_on() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        let mut post = request("POST", "/");
        post.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
        let (mut response, mut body) = client.ask(post, false).await;
        let mut wire = backend.accept().await;
        assert!(wire.head().await.contains("expect: 100-continue"));
        wire.send("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n").await;
        let hints = poll_fn(|cx| response.poll_informational(cx)).await;
        let hints = hints.expect("one").expect("no error");
        assert_eq!(hints.status(), StatusCode::EARLY_HINTS);
        assert_eq!(hints.headers()["link"], "</style.css>");
        // The client is told to go on when the upstream is ready for it, and not before.
        wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        let go_on = poll_fn(|cx| response.poll_informational(cx)).await;
        assert_eq!(go_on.expect("one").expect("no error").status(), StatusCode::CONTINUE);
        body.send_data(Bytes::from_static(b"a body"), false).expect("an open stream");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        body.send_trailers(trailers).expect("an open stream");
        assert_eq!(wire.until("0\r\n").await, "6\r\na body\r\n0\r\n");
        assert_eq!(wire.until("\r\n\r\n").await, "x-sum: 7\r\n\r\n");
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 8\r\n\r\n")
            .await;
        let (text, trailers) = whole(response.await.expect("a response")).await.expect("a body");
        assert_eq!(text, "ok");
        assert_eq!(trailers.expect("trailers")["x-sum"], "8");
    });
}

#[test]
fn a_response_that_breaks_off_resets_its_stream_and_no_other() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        let (broken, other) = (client.get("/broken").await, client.get("/other").await);
        let mut wires = [backend.accept().await, backend.accept().await];
        for wire in &mut wires {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await;
        }
        if !wires[0].head().await.contains("/broken") {
            wires.reverse();
        }
        let [wire, mut good] = wires;
        let (broken, other) = (broken.await.expect("a head"), other.await.expect("a head"));
        wire.reset();
        let error = whole(broken).await.expect_err("half an answer");
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
        good.send("llo").await;
        assert_eq!(whole(other).await.expect("a body").0, "hello");
    });
}

#[test]
fn a_client_without_room_is_waited_for_and_holds_up_nobody_else() {
    run(async {
        let backend = Backend::start().await;
        let options = Options { stall: Duration::from_millis(200), ..Options::default() };
        let front = Front::start(&backend.target, options).await;
        let mut client = Client::with(&front, Builder::new().initial_window_size(10)).await;
        let stuck = client.get("/stuck").await;
        let mut wire = backend.accept().await;
        wire.head().await;
        // A first piece, and once it waits, a second one that there is no room for.
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n").await;
        wire.send([b'x'; 100]).await;
        let stuck = stuck.await.expect("a head");
        wire.send([b'y'; 50]).await;
        let other = client.get("/other").await;
        let mut free = backend.accept().await;
        free.head().await;
        free.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(whole(other.await.expect("a head")).await.expect("a body").0, "hello");
        let (_, mut body) = stuck.into_parts();
        assert_eq!(body.data().await.expect("a piece").expect("no error").len(), 10);
        let error = body.data().await.expect("an end").expect_err("it took nothing of it");
        assert_eq!(error.reason(), Some(Reason::CANCEL));
        assert_eq!(wire.rest().await, "", "and the upstream is let go");
    });
}

#[test]
fn a_body_that_was_announced_and_does_not_come_is_not_waited_for() {
    run(async {
        let backend = Backend::start().await;
        let options = Options { stall: Duration::from_millis(200), ..Options::default() };
        let front = Front::start(&backend.target, options).await;
        let mut client = Client::of(&front).await;
        let (response, mut body) = client.ask(request("POST", "/"), false).await;
        body.send_data(Bytes::from_static(b"half of "), false).expect("an open stream");
        let mut wire = backend.accept().await;
        wire.until("half of ").await;
        let response = response.await.expect("a response");
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(whole(response).await.expect("a body").0, "408 Request Timeout: body_timeout\n");
        wire.rest().await;
    });
}

#[test]
fn an_answer_may_come_before_the_body_and_the_rest_is_not_wanted() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        let (response, mut body) = client.ask(request("POST", "/"), false).await;
        let mut wire = backend.accept().await;
        wire.head().await;
        wire.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno").await;
        let response = response.await.expect("a response");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(whole(response).await.expect("a body").0, "no");
        let reason = poll_fn(|cx| body.poll_reset(cx)).await;
        assert_eq!(reason.expect("a reset"), Reason::NO_ERROR);
    });
}

#[test]
fn requests_that_are_only_made_to_be_reset_end_the_connection() {
    run(async {
        let (front, backend) = house().await;
        let mut client = Client::of(&front).await;
        for _ in 0..MAX_ABORTED {
            let (response, mut stream) = client.ask(request("GET", "/"), true).await;
            // Somebody has begun to work on it.
            let mut wire = backend.accept().await;
            wire.head().await;
            stream.send_reset(Reason::CANCEL);
            drop(response);
            wire.rest().await;
        }
        let error = client.ended.await.expect("no panic").expect_err("it was asked to calm down");
        assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    });
}

#[test]
fn a_head_without_end_ends_the_connection() {
    run(async {
        let (front, _backend) = house().await;
        let mut wire = front.connect().await;
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        // HEADERS, and then one CONTINUATION after the other, none of them the last.
        let frame = |kind| {
            let mut frame = vec![0, 0, 100, kind, 0, 0, 0, 0, 1];
            // A field that is not to be remembered, with a name and a value of its own.
            frame.extend_from_slice(&[0, 1, b'x', 96]);
            frame.extend_from_slice(&[b'y'; 96]);
            frame
        };
        wire.send(frame(1)).await;
        let flood: Vec<u8> = (0..2000).flat_map(|_| frame(9)).collect();
        wire.send(flood).await;
        let said = wire.rest_in_bytes().await;
        let calm = Reason::ENHANCE_YOUR_CALM;
        let calmed = said.windows(14).any(|bytes| {
            // GOAWAY, no flags, the connection; the last stream; why.
            bytes.starts_with(&[7, 0, 0, 0, 0, 0]) && bytes[10..] == u32::from(calm).to_be_bytes()
        });
        assert!(calmed, "{said:?}");
    });
}
