//! HTTP/2 on either side.

use ::h2::server;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::*;

pub(super) type Frames = mpsc::UnboundedReceiver<Frame<Bytes>>;

/// A body that is given frame by frame.
pub(super) struct Fed(Option<Frames>);

impl hyper::body::Body for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frames = self.0.as_mut().map_or(std::task::Poll::Ready(None), |frames| frames.poll_recv(cx));
        frames.map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

pub(super) async fn h2_client(front: &Front) -> SendRequest<Fed> {
    let io = TcpStream::connect(front.address).await.expect("the front accepts");
    let (sender, connection) = handshake(Local, TokioIo::new(io)).await.expect("HTTP/2");
    spawn_local(connection);
    sender
}

pub(super) fn fed() -> (mpsc::UnboundedSender<Frame<Bytes>>, Fed) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Fed(Some(receiver)))
}

pub(super) fn request(method: &str, body: Fed) -> Request<Fed> {
    let request = Request::builder().method(method).uri("https://app.example/svc/Call?x=1");
    request
        .header("te", "trailers")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(body)
        .expect("a request")
}

/// A gRPC-like app: it sends back each message as it comes, then trailers. Returns its address and the heads it saw.
async fn h2c_app() -> (String, mpsc::UnboundedReceiver<http::request::Parts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (heads, seen) = mpsc::unbounded_channel();
    spawn_local(async move {
        while let Ok((io, _)) = listener.accept().await {
            let heads = heads.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let heads = heads.clone();
                async move {
                    let (parts, mut body) = request.into_parts();
                    heads.send(parts).expect("the test listens");
                    let (sender, answer) = fed();
                    spawn_local(async move {
                        while let Some(Ok(frame)) = body.frame().await {
                            let _ = sender.send(frame);
                        }
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", HeaderValue::from_static("0"));
                        let _ = sender.send(Frame::trailers(trailers));
                    });
                    Ok::<_, std::convert::Infallible>(Response::new(answer))
                }
            });
            let server = hyper::server::conn::http2::Builder::new(Local);
            spawn_local(server.serve_connection(TokioIo::new(io), service));
        }
    });
    (format!("h2c://{address}"), seen)
}

#[test]
fn a_grpc_call_goes_through_with_messages_both_ways_and_trailers() {
    run(async {
        let (target, mut seen) = h2c_app().await;
        let front = Front::start(&target, Options::default()).await;
        let mut client = h2_client(&front).await;
        let (sender, body) = fed();
        let response = client.send_request(request("POST", body)).await.expect("a response");
        let parts = seen.recv().await.expect("a request arrived");
        assert_eq!(parts.version, Version::HTTP_2);
        assert_eq!(parts.uri, "http://app.example/svc/Call?x=1");
        assert_eq!(parts.headers["te"], "trailers");
        assert_eq!(parts.headers["cookie"], "a=1; b=2");
        assert_eq!(parts.headers["x-forwarded-host"], "app.example");
        assert!(!parts.headers.contains_key("host"));
        let mut answer = response.into_body();
        for message in ["one", "two"] {
            sender.send(Frame::data(Bytes::from(message))).expect("the call is open");
            let frame = answer.frame().await.expect("a frame").expect("no error");
            assert_eq!(frame.into_data().expect("data"), message, "while the request is still open");
        }
        drop(sender);
        let frame = answer.frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_trailers().expect("trailers")["grpc-status"], "0");
        assert_eq!(front.said().0.conn, Some("new"));

        let response = client.send_request(request("GET", Fed(None))).await.expect("a response");
        let trailers = response.into_body().collect().await.expect("a body").trailers().cloned();
        assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
        assert_eq!(front.said().0.conn, Some("reused"), "one connection carries all");
    });
}

#[test]
fn a_call_that_the_client_gives_up_is_given_up_upstream() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("h2c://{}", listener.local_addr().expect("an address"));
        let front = Front::start(&target, Options::default()).await;
        let mut client = h2_client(&front).await;
        let (sender, body) = fed();
        let call = spawn_local(client.send_request(request("POST", body)));
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_request, mut answer) = server.accept().await.expect("a stream").expect("a request");
        spawn_local(async move { while server.accept().await.is_some() {} });
        call.abort();
        drop(sender);
        let reset = std::future::poll_fn(|cx| answer.poll_reset(cx)).await.expect("a reset");
        assert_eq!(reset, ::h2::Reason::CANCEL);
    });
}

#[test]
fn a_connection_that_goes_away_is_opened_again() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("h2c://{}", listener.local_addr().expect("an address"));
        let front = Front::start(&target, Options::default()).await;
        let mut client = h2_client(&front).await;
        let call = spawn_local(client.send_request(request("GET", Fed(None))));
        // The first connection refuses the stream unseen, the second is gone before it is used again.
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
        answer.send_reset(::h2::Reason::REFUSED_STREAM);
        spawn_local(async move { while server.accept().await.is_some() {} });
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_, mut answer) = server.accept().await.expect("a stream").expect("the same request");
        answer.send_response(Response::new(()), true).expect("an open stream");
        let serving = spawn_local(async move {
            server.graceful_shutdown();
            while server.accept().await.is_some() {}
        });
        let response = call.await.expect("not cancelled").expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(front.said().0.conn, Some("retried"));
        serving.await.expect("the connection ends");

        let call = spawn_local(client.send_request(request("POST", Fed(None))));
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
        answer.send_response(Response::new(()), true).expect("an open stream");
        spawn_local(async move { while server.accept().await.is_some() {} });
        assert_eq!(call.await.expect("not cancelled").expect("a response").status(), StatusCode::OK);
    });
}

/// An app over HTTP/2 that takes one stream at a time on a connection.
async fn narrow(listener: &TcpListener) -> server::Connection<TcpStream, Bytes> {
    let (io, _) = listener.accept().await.expect("a connection");
    server::Builder::new().max_concurrent_streams(1).handshake(io).await.expect("HTTP/2")
}

#[test]
fn long_calls_do_not_use_up_a_connection_for_the_others() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("h2c://{}", listener.local_addr().expect("an address"));
        let front = Front::start(&target, Options::default()).await;
        let mut client = h2_client(&front).await;
        let mut calls = Vec::new();
        for _ in 0..3 {
            let call = spawn_local(client.send_request(request("GET", Fed(None))));
            let mut server = narrow(&listener).await;
            let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
            let messages = answer.send_response(Response::new(()), false).expect("an open stream");
            spawn_local(async move { while server.accept().await.is_some() {} });
            // The answer has begun and does not end.
            calls.push((call.await.expect("not cancelled").expect("a response"), messages));
        }
        assert_eq!(front.conns(), ["new", "new", "new"]);
    });
}

#[test]
fn a_connection_that_died_unnoticed_costs_a_get_nothing() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("h2c://{}", listener.local_addr().expect("an address"));
        let front = Front::start(&target, Options::default()).await;
        let mut client = h2_client(&front).await;
        let call = spawn_local(client.send_request(request("GET", Fed(None))));
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
        answer.send_response(Response::new(()), true).expect("an open stream");
        let first = tokio::select! {
            first = call => first.expect("not cancelled"),
            _ = server.accept() => unreachable!("nothing else was asked"),
        };
        first.expect("a response");
        // The second request arrives, and with it ends the connection, without a word.
        let call = spawn_local(client.send_request(request("GET", Fed(None))));
        let (_, _unanswered) = server.accept().await.expect("a stream").expect("a request");
        drop(server);
        let mut server =
            server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2");
        let (_, mut answer) = server.accept().await.expect("a stream").expect("the same request");
        answer.send_response(Response::new(()), true).expect("an open stream");
        spawn_local(async move { while server.accept().await.is_some() {} });
        assert_eq!(call.await.expect("not cancelled").expect("a response").status(), StatusCode::OK);
        assert_eq!(front.conns(), ["new", "retried"]);
    });
}

#[test]
fn an_upstream_that_does_not_speak_http2_is_a_502() {
    run(async {
        let backend = Backend::start().await;
        let front = Front::start(&format!("h2c://{}", backend.target), Options::default()).await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.until("\r\n\r\nSM\r\n\r\n").await;
        upstream.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        drop(upstream);
        assert!(client.head().await.starts_with("http/1.1 502 "));
        let (said, _) = front.said();
        assert_eq!(said.reason, Some("upstream_http2"));
        assert_eq!(said.tried, [backend.target]);
    });
}

#[test]
fn http2_clients_reach_http1_apps() {
    run(async {
        let (front, backend) = house().await;
        let mut client = h2_client(&front).await;
        let (sender, body) = fed();
        let call = spawn_local(client.send_request(request("POST", body)));
        let mut upstream = backend.accept().await;
        let head = upstream.head().await;
        assert!(head.starts_with("post /svc/call?x=1 http/1.1\r\nhost: app.example\r\n"), "{head}");
        assert!(head.contains("\r\ncookie: a=1; b=2\r\n"), "{head}");
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        assert!(!head.contains("\r\nte:"), "{head}");
        sender.send(Frame::data(Bytes::from("hello"))).expect("an open stream");
        assert_eq!(upstream.until("hello\r\n").await, "5\r\nhello\r\n");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("5"));
        sender.send(Frame::trailers(trailers)).expect("an open stream");
        assert_eq!(upstream.until("\r\n\r\n").await, "0\r\nx-sum: 5\r\n\r\n");
        upstream
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n")
            .await;
        upstream.send("2\r\nok\r\n0\r\nx-done: yes\r\n\r\n").await;
        let response = call.await.expect("not cancelled").expect("a response");
        assert!(!response.headers().contains_key("connection"));
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.trailers().expect("trailers")["x-done"], "yes");
        assert_eq!(body.to_bytes(), "ok");
    });
}

#[test]
fn http1_clients_reach_http2_apps() {
    run(async {
        let (target, mut seen) = h2c_app().await;
        let front = Front::start(&target, Options::default()).await;
        let mut client = front.connect().await;
        client
            .send(
                "POST /up HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\nConnection: keep-alive, x\r\nX: y\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nExpect: 100-continue\r\n\r\n",
            )
            .await;
        assert_eq!(client.head().await, "http/1.1 100 continue\r\n\r\n");
        client.send("hello").await;
        let parts = seen.recv().await.expect("a request arrived");
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let ours =
            ["x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"];
        assert_eq!(names, [&["content-length"][..], &ours].concat());
        let head = client.head().await;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(client.until("0\r\n").await.contains("hello"));
    });
}
