//! What an app that speaks HTTP/2 is believed, and for how long.

use ::h2::server;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;

use super::h2c::{fed, h2_client, request};
use super::*;

type Server = server::Connection<TcpStream, Bytes>;

async fn house() -> (Front, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("h2c://{}", listener.local_addr().expect("an address"));
    (Front::start(&target, Options::default()).await, listener)
}

/// The next connection to an app.
async fn accept(listener: &TcpListener) -> Server {
    server::handshake(listener.accept().await.expect("a connection").0).await.expect("HTTP/2")
}

fn serve(mut server: Server) {
    spawn_local(async move { while server.accept().await.is_some() {} });
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |&(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value));
    list.iter().map(field).fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_a_502() {
    run(async {
        let (front, listener) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut server = accept(&listener).await;
        for (status, said, expected) in [
            (200, &[("content-length", "")][..], "502 "),
            (200, &[("content-length", "0"), ("content-length", "0")], "502 "),
            (700, &[], "502 "),
            (600, &[], "502 "),
            (200, &[("content-length", "0")], "200 "),
            (204, &[("content-length", "5")], "204 "),
            (200, &[("x-padded", " v\t")], "200 "),
        ] {
            let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).expect("three digits");
            *response.headers_mut() = fields(said);
            answer.send_response(response, true).expect("an open stream");
            let told = tokio::select! {
                told = client.head() => told,
                _ = server.accept() => unreachable!("nothing else was asked"),
            };
            assert!(told.starts_with(&format!("http/1.1 {expected}")), "{status} {said:?}: {told}");
            if expected == "502 " {
                assert_eq!(client.until("\n").await, "502 Bad Gateway: upstream_malformed\n");
            }
            let lengths = told.matches("\r\ncontent-length: ").count();
            assert_eq!(lengths, usize::from(status != 204), "{status} {said:?}: {told}");
            assert!(!told.contains("x-padded") || told.contains("\r\nx-padded: v\r\n"), "{told}");
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        }
    });
}

#[test]
fn trailers_do_not_change_what_a_head_has_said() {
    run(async {
        let (front, listener) = house().await;
        let mut client = h2_client(&front).await;
        let (sender, body) = fed();
        let call = spawn_local(client.send_request(request("POST", body)));
        let forged = [("x-forwarded-for", "6.6.6.6"), ("authorization", "x"), ("x_real_ip", "6.6.6.6")];
        let trailers = fields(&[&forged[..], &[("x-sum", "7")]].concat());
        sender.send(Frame::trailers(trailers)).expect("an open stream");
        let mut server = accept(&listener).await;
        let (request, mut answer) = server.accept().await.expect("a stream").expect("a request");
        serve(server);
        let mut body = request.into_body();
        assert!(body.data().await.is_none());
        let came = body.trailers().await.expect("an end").expect("trailers");
        assert_eq!(came, fields(&[("x-sum", "7")]));

        let mut ends = answer.send_response(Response::new(()), false).expect("an open stream");
        let forged = [("content-length", "7"), ("x-forwarded-for", "6.6.6.6"), ("set-cookie", "a=b")];
        ends.send_trailers(fields(&[&forged[..], &[("grpc-status", "0")]].concat())).expect("an open stream");
        let response = call.await.expect("not cancelled").expect("a response");
        let came = response.into_body().collect().await.expect("a body").trailers().cloned();
        assert_eq!(came, Some(fields(&[("grpc-status", "0")])));
    });
}

/// Some time passes, and everything that was waiting for it happens.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn a_connection_that_has_fallen_silent_is_given_up() {
    run(async {
        let (front, listener) = house().await;
        let mut client = front.connect().await;
        let ask = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        client.send(ask).await;
        let mut silent = accept(&listener).await;
        let unanswered = silent.accept().await;
        // Nobody reads there any more, so nobody answers a PING.
        while front.said.borrow().is_empty() {
            later(Duration::from_secs(10)).await;
        }
        assert!(client.until("upstream_http2\n").await.starts_with("HTTP/1.1 502 "));
        // The next one does not ask there again.
        client.send(ask).await;
        let mut server = accept(&listener).await;
        let (_, mut answer) = server.accept().await.expect("a stream").expect("a request");
        answer.send_response(Response::new(()), true).expect("an open stream");
        serve(server);
        assert!(client.head().await.starts_with("http/1.1 200 "));
        drop((silent, unanswered));
    });
}
