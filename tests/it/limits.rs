//! How many, and how long: connections, handshakes, heads, silence, and clients that do not read.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustix::process::{Resource, Rlimit, prlimit};
use sidegate::proxy::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::house::app::App;
use crate::house::client::{Client, get, h1, h1_over, h2, read};
use crate::house::front::{Front, site};
use crate::house::process::{PATIENCE, Place, Sidegate};

const SHORT: Duration = Duration::from_millis(200);
/// A limit that a client is to stay below, however late it gets the processor.
const LONG: Duration = Duration::from_secs(6);

/// Reads until the end; how long that took since `began`, which was before anything the other side saw.
async fn end_of(io: &mut (impl tokio::io::AsyncRead + Unpin), began: Instant) -> Duration {
    let mut rest = Vec::new();
    // An end without ceremony is an end too.
    let ended = timeout(PATIENCE, io.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it never ended");
    began.elapsed()
}

#[tokio::test]
async fn who_finds_the_house_full_waits_outside_until_somebody_leaves() {
    let app = App::saying("welcome").await;
    let options = Options { max_connections: 2, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app)]);
    let (first, second) = (h1(front.https, "example.com").await, h1(front.https, "example.com").await);
    assert_eq!(front.proxy.status().open_connections(), 2);
    let tcp = TcpStream::connect(front.https).await.expect("the kernel accepts");
    let client = Client::offering(&["http/1.1"]);
    let mut third = Box::pin(client.hello_over(tcp, Some("example.com")));
    assert!(timeout(SHORT, &mut third).await.is_err(), "nobody answers");
    drop(first);
    let mut third = h1_over(third.await.expect("a handshake").io).await;
    let answer = third.send_request(get("/", "example.com")).await.expect("an answer");
    assert_eq!(read(answer).await, (200, "welcome".to_owned()));
    drop(second);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let app = App::saying("never asked").await;
    let options = Options { handshake: SHORT, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app)]);
    let began = Instant::now();
    let mut silent = TcpStream::connect(front.https).await.expect("a connection");
    assert!(end_of(&mut silent, began).await >= SHORT);
    // Half a record: the deadline is for the whole handshake.
    let began = Instant::now();
    let mut slow = TcpStream::connect(front.https).await.expect("a connection");
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("sent");
    assert!(end_of(&mut slow, began).await >= SHORT);
    // What is neither TLS nor HTTP is told so (unexpected_message or decode_error) and left.
    let front = Front::start(Options::default(), &[site(&["example.com"], app)]);
    let mut stranger = TcpStream::connect(front.https).await.expect("a connection");
    stranger.write_all(b"no hello, and no request\r\n").await.expect("sent");
    let mut alert = Vec::new();
    stranger.read_to_end(&mut alert).await.expect("an alert");
    assert_eq!(alert.get(..3), Some(&[21, 3, 3][..]), "{alert:?}");
}

#[tokio::test]
async fn a_head_has_to_come_to_its_end_and_silence_between_requests_too() {
    let app = App::saying("never asked").await;
    let (head, idle) = (SHORT, LONG);
    let options = Options { head, idle, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app)]);
    let connect = || async { TcpStream::connect(front.http).await.expect("a connection") };

    let began = Instant::now();
    let mut slow = connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: exa").await.expect("sent");
    let mut said = String::new();
    let ended = timeout(PATIENCE, slow.read_to_string(&mut said)).await;
    ended.expect("it ends").expect("text");
    assert!(began.elapsed() >= head && said.starts_with("HTTP/1.1 408 "), "{said}");

    let began = Instant::now();
    let mut silent = connect().await;
    assert!(end_of(&mut silent, began).await >= idle);

    // The head's time does not run while nobody has begun one.
    let mut late = connect().await;
    let mut began = Instant::now();
    for _ in 0..2 {
        tokio::time::sleep(head + head / 2).await;
        began = Instant::now();
        late.write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n").await.expect("sent");
        let mut answer = [0; 1024];
        let count = late.read(&mut answer).await.expect("an answer");
        assert!(answer[..count].starts_with(b"HTTP/1.1 301 "));
    }
    assert!(end_of(&mut late, began).await >= idle);
}

#[tokio::test]
async fn an_idle_http2_connection_is_asked_to_leave() {
    let mut app = App::start().await;
    let options = Options { idle: LONG, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app.address)]);
    let (mut sender, ended) = h2(front.https, "example.com").await;
    let request = Request::get("https://example.com/").body(Full::default()).expect("a request");
    let (answer, ()) = tokio::join!(sender.send_request(request), async {
        let asked = app.next().await;
        tokio::time::sleep(LONG + SHORT).await;
        asked.say("at last");
    });
    assert_eq!(read(answer.expect("an answer")).await, (200, "at last".to_owned()));
    let ended = timeout(PATIENCE, ended).await.expect("it is asked to leave");
    ended.expect("no panic").expect("GOAWAY without an error");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let mut app = App::start().await;
    let options = Options { stall: 2 * SHORT, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app.address)]);
    let mut io = Client::offering(&["http/1.1"])
        .hello(front.https, Some("example.com"))
        .await
        .expect("a handshake")
        .io;
    io.write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n").await.expect("sent");
    // More than all buffers on the way hold.
    app.next().await.say(Bytes::from(vec![0; 64 * 1024 * 1024]));
    let line = tokio::task::spawn_blocking(move || front.line()).await.expect("no panic");
    assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(200), Some("client_stalled")));
    drop(io);
}

#[tokio::test]
async fn a_process_without_descriptors_survives_and_serves_again() {
    let place = Place::new();
    let config = place.configure("", "[[site]]\ndomains = [\"localhost\"]\nto = 9\n");
    let sidegate = Sidegate::serve(&config).await;
    let address = SocketAddr::from(([127, 0, 0, 1], place.http));
    let ask = || async {
        let mut io = TcpStream::connect(address).await.expect("the kernel accepts");
        io.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
        let mut answer = [0; 1024];
        let count = io.read(&mut answer).await.expect("an answer");
        assert!(answer[..count].starts_with(b"HTTP/1.1 301 "));
    };
    ask().await;
    // Its permits were counted from the limit at its start; what is left now is far less.
    let open =
        std::fs::read_dir(format!("/proc/{}/fd", sidegate.pid().as_raw_nonzero())).expect("it runs").count();
    let few = u64::try_from(open).expect("a few") + 8;
    prlimit(Some(sidegate.pid()), Resource::Nofile, Rlimit { current: Some(few), maximum: Some(few) })
        .expect("it is ours");
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(TcpStream::connect(address).await.expect("the kernel accepts"));
    }
    sidegate.logged(&["WARN", "cannot accept connections"]).await;
    assert!(timeout(2 * SHORT, ask()).await.is_err(), "the descriptors are used up");
    drop(crowd);
    timeout(PATIENCE, ask()).await.expect("served again");
    sidegate.stop().await;
}
