//! The end: what runs is finished, what waits is served, what takes too long is cut.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use sidegate::proxy::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::house::app::{Answer, App, broken_body, no_body};
use crate::house::client::{Client, get, h1, h1_over, h2, h2_over, read};
use crate::house::front::{Front, site};
use crate::house::process::PATIENCE;

/// Longer than any of these tests waits.
const GRACE: Duration = Duration::from_secs(600);

async fn house() -> (App, Front) {
    house_with(Options::default()).await
}

async fn house_with(options: Options) -> (App, Front) {
    let app = App::start().await;
    let front = Front::start(options, &[site(&["example.com"], app.address)]);
    (app, front)
}

/// One connection at a time: the others wait in the kernel's queue, and nobody hurries them afterwards.
async fn house_for_one() -> (App, Front) {
    house_with(Options { max_connections: 1, newcomer: PATIENCE, ..Options::default() }).await
}

/// Returns when nobody can connect any more: seen from outside, the drain has begun.
async fn closed(front: &Front) {
    let closed = async {
        while TcpStream::connect(front.https).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.expect("the listener is closed");
}

#[tokio::test]
async fn a_drain_of_nothing_is_over_at_once() {
    let (_app, mut front) = house().await;
    front.drain().begin(GRACE);
    timeout(PATIENCE, front.ended()).await.expect("nothing holds it");
    closed(&front).await;
}

#[tokio::test]
async fn a_running_exchange_is_finished_and_its_connection_closed() {
    let (mut app, mut front) = house().await;
    let mut sender = h1(front.https, "example.com").await;
    let (answer, asked) = tokio::join!(sender.send_request(get("/", "example.com")), async {
        let asked = app.next().await;
        front.drain().begin(GRACE);
        closed(&front).await;
        asked.say("late, but whole");
    });
    let () = asked;
    let answer = answer.expect("an answer");
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(read(answer).await, (200, "late, but whole".to_owned()));
    timeout(PATIENCE, front.ended()).await.expect("the connection is closed");
    assert_eq!(front.proxy.status().open_connections(), 0);
}

#[tokio::test]
async fn idle_connections_are_closed_politely() {
    let (mut app, mut front) = house().await;
    let mut io = Client::offering(&["http/1.1"])
        .hello(front.https, Some("example.com"))
        .await
        .expect("a handshake")
        .io;
    io.write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n").await.expect("sent");
    app.next().await.say("done");
    let mut answer = [0; 4096];
    let count = io.read(&mut answer).await.expect("an answer");
    assert!(answer[..count].ends_with(b"done"));
    let (h2, ended) = h2(front.https, "example.com").await;
    front.drain().begin(GRACE);
    // close_notify: an end without it would be an error.
    assert_eq!(io.read(&mut answer).await.expect("a clean end"), 0);
    ended.await.expect("no panic").expect("GOAWAY without an error");
    drop(h2);
    drop(io);
    timeout(PATIENCE, front.ended()).await.expect("nothing is left");
}

#[tokio::test]
async fn http2_streams_are_finished_behind_a_goaway() {
    let (mut app, mut front) = house().await;
    let (mut sender, ended) = h2(front.https, "example.com").await;
    let request = |path: &str| {
        Request::get(format!("https://example.com{path}")).body(Full::default()).expect("a request")
    };
    let first = tokio::spawn(sender.send_request(request("/1")));
    let second = tokio::spawn(sender.send_request(request("/2")));
    let asked = [app.next().await, app.next().await];
    front.drain().begin(GRACE);
    closed(&front).await;
    for asked in asked {
        let path = asked.request.uri().path().to_owned();
        asked.say(path);
    }
    let (first, second) = (first.await.expect("no panic"), second.await.expect("no panic"));
    assert_eq!(read(first.expect("an answer")).await, (200, "/1".to_owned()));
    assert_eq!(read(second.expect("an answer")).await, (200, "/2".to_owned()));
    drop(sender);
    ended.await.expect("no panic").expect("a clean end");
    timeout(PATIENCE, front.ended()).await.expect("nothing is left");
}

#[tokio::test]
async fn who_waits_in_the_queue_is_still_served() {
    let (mut app, mut front) = house_for_one().await;
    let mut first = h1(front.https, "example.com").await;
    let first = tokio::spawn(async move {
        read(first.send_request(get("/", "example.com")).await.expect("an answer")).await
    });
    let asked = app.next().await;
    let mut queued = Vec::new();
    for _ in 0..3 {
        queued.push(TcpStream::connect(front.http).await.expect("the kernel accepts"));
    }
    let second = TcpStream::connect(front.https).await.expect("the kernel accepts");
    let second = tokio::spawn(async move {
        let client = Client::offering(&["http/1.1"]);
        let io = client.hello_over(second, Some("example.com")).await.expect("a handshake").io;
        let mut sender = h1_over(io).await;
        read(sender.send_request(get("/", "example.com")).await.expect("an answer")).await
    });
    front.drain().begin(GRACE);
    asked.say("first");
    assert_eq!(first.await.expect("no panic"), (200, "first".to_owned()));
    // Who of them comes first is not said.
    let second_asked = tokio::spawn(async move { app.next().await.say("second") });
    for mut io in queued {
        io.write_all(b"GET /x HTTP/1.1\r\nhost: example.com\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
    }
    second_asked.await.expect("no panic");
    assert_eq!(second.await.expect("no panic"), (200, "second".to_owned()));
    timeout(PATIENCE, front.ended()).await.expect("the queue is empty");
}

#[tokio::test]
async fn an_http2_client_that_came_at_the_last_moment_is_served() {
    let (mut app, mut front) = house_for_one().await;
    let mut first = h1(front.https, "example.com").await;
    let first = tokio::spawn(async move { first.send_request(get("/", "example.com")).await });
    let asked = app.next().await;
    // It has connected, and nobody shakes hands with it before the first is done: the drain has begun by then.
    let tcp = TcpStream::connect(front.https).await.expect("the kernel accepts");
    let second = tokio::spawn(async move {
        let shown =
            Client::offering(&["h2"]).hello_over(tcp, Some("example.com")).await.expect("a handshake");
        let (mut sender, ended) = h2_over(shown).await;
        let request = Request::get("https://example.com/").body(Full::default()).expect("a request");
        let answer = read(sender.send_request(request).await.expect("an answer")).await;
        (answer, ended.await.expect("no panic"))
    });
    front.drain().begin(GRACE);
    asked.say("first");
    first.await.expect("no panic").expect("an answer");
    let answering = tokio::spawn(async move { app.next().await.say("just in time") });
    let (answer, ended) = second.await.expect("no panic");
    assert_eq!(answer, (200, "just in time".to_owned()));
    ended.expect("a clean end, though the client would have stayed");
    answering.await.expect("no panic");
    timeout(PATIENCE, front.ended()).await.expect("nothing is left");
}

#[tokio::test]
async fn what_is_not_done_within_the_grace_is_cut() {
    let (mut app, mut front) = house().await;
    let mut sender = h1(front.https, "example.com").await;
    let answer = tokio::spawn(async move { sender.send_request(get("/", "example.com")).await });
    let asked = app.next().await;
    let began = Instant::now();
    front.drain().begin(Duration::from_millis(300));
    assert!(answer.await.expect("no panic").is_err(), "no answer came");
    assert!(began.elapsed() >= Duration::from_millis(300));
    asked.abandoned().await;
    timeout(PATIENCE, front.ended()).await.expect("it was cut");
    let line = front.line();
    assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(499), Some("drain_cut")));
}

#[tokio::test]
async fn a_second_word_cuts_at_once() {
    let (mut app, mut front) = house().await;
    let (mut sender, _ended) = h2(front.https, "example.com").await;
    let request = Request::get("https://example.com/").body(Full::default()).expect("a request");
    let answer = tokio::spawn(sender.send_request(request));
    let asked = app.next().await;
    front.drain().begin(GRACE);
    front.drain().cut();
    timeout(PATIENCE, front.ended()).await.expect("it was cut");
    assert!(answer.await.expect("no panic").is_err(), "no answer came");
    asked.abandoned().await;
    assert_eq!(front.line()["reason"], "drain_cut");
}

/// A WebSocket through the proxy: the client's end and the app's.
async fn websocket(app: &mut App, front: &Front) -> (hyper::upgrade::Upgraded, hyper::upgrade::Upgraded) {
    let mut sender = h1(front.https, "example.com").await;
    let mut request = get("/socket", "example.com");
    for (name, value) in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
    {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (answer, app) = tokio::join!(sender.send_request(request), async {
        let mut asked = app.next().await;
        let upgrade = hyper::upgrade::on(&mut asked.request);
        let mut answer = Answer::new(no_body());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert("connection", "upgrade".parse().expect("a value"));
        answer.headers_mut().insert("upgrade", "websocket".parse().expect("a value"));
        asked.answer(answer);
        upgrade.await.expect("the app has switched")
    });
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    (hyper::upgrade::on(answer).await.expect("the client has switched"), app)
}

#[tokio::test]
async fn a_websocket_is_an_open_connection_that_the_drain_waits_for() {
    let (mut app, mut front) = house().await;
    let (client, app) = websocket(&mut app, &front).await;
    let (mut client, mut app) = (TokioIo::new(client), TokioIo::new(app));
    assert_eq!(front.proxy.status().open_connections(), 1);
    front.drain().begin(GRACE);
    closed(&front).await;
    let mut heard = [0; 5];
    client.write_all(b"hello").await.expect("sent");
    app.read_exact(&mut heard).await.expect("the tunnel carries on");
    app.write_all(b"world").await.expect("sent");
    client.read_exact(&mut heard).await.expect("the tunnel carries on");
    assert_eq!(&heard, b"world");
    assert_eq!(front.lines(), 0, "its line is written when it ends");
    drop(client);
    assert_eq!(app.read(&mut heard).await.expect("the end is passed on"), 0);
    drop(app);
    timeout(PATIENCE, front.ended()).await.expect("the tunnel has ended");
    let line = front.line();
    assert_eq!((&line["status"], &line["bytes_in"], &line["bytes_out"]), (&101.into(), &5.into(), &5.into()));
}

#[tokio::test]
async fn a_websocket_is_cut_when_the_grace_is_over() {
    let (mut app, mut front) = house().await;
    let (client, app) = websocket(&mut app, &front).await;
    let (mut client, mut app) = (TokioIo::new(client), TokioIo::new(app));
    front.drain().begin(Duration::from_millis(200));
    let mut heard = [0; 1];
    assert!(matches!(client.read(&mut heard).await, Ok(0) | Err(_)));
    assert!(matches!(app.read(&mut heard).await, Ok(0) | Err(_)));
    timeout(PATIENCE, front.ended()).await.expect("it was cut");
    assert_eq!(front.line()["reason"], "drain_cut");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (mut app, front) = house().await;
    let mut sender = h1(front.https, "example.com").await;
    let mut request = get("/", "example.com");
    *request.body_mut() = Full::from("hello");
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    let asked = app.next().await;
    answer.abort();
    asked.abandoned().await;
    let line = front.line();
    assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(499), Some("client_abort")));
    assert_eq!(line["bytes_in"], 5, "what it had sent is told all the same");

    let (mut sender, ended) = h2(front.https, "example.com").await;
    let request = Request::post("https://example.com/").body(Full::from("hello")).expect("a request");
    let answer = tokio::spawn(sender.send_request(request));
    let asked = app.next().await;
    answer.abort();
    asked.abandoned().await;
    let line = front.line();
    assert_eq!((&line["status"], &line["bytes_in"]), (&499.into(), &5.into()));
    assert!(!ended.is_finished(), "the other streams go on");
    assert!(app.is_idle());
}

#[tokio::test]
async fn a_response_that_breaks_off_is_broken_for_the_client_too() {
    let (mut app, front) = house().await;
    let mut sender = h1(front.https, "example.com").await;
    let (hand, broken) = broken_body();
    let (answer, ()) = tokio::join!(sender.send_request(get("/", "example.com")), async {
        app.next().await.answer(Answer::new(broken));
    });
    let answer = answer.expect("a head");
    drop(hand);
    let body = answer.into_body().collect().await;
    assert!(body.is_err(), "half an answer must not look whole");
    let line = front.line();
    assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(200), Some("response_broken")));
}
