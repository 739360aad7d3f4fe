//! A stop that is asked for: what runs may finish, nobody new comes in, and whoever asks twice is obeyed at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::house::client;
use crate::house::greeter::{Greeter, HALF};
use crate::house::process::{PATIENCE, Place, Sidegate};

const NAME: &str = "app.internal";

#[tokio::test]
async fn sigterm_lets_a_download_finish() {
    a_download_finishes(Signal::TERM).await;
}

#[tokio::test]
async fn sigint_lets_a_download_finish() {
    a_download_finishes(Signal::INT).await;
}

async fn a_download_finishes(signal: Signal) {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let sidegate = Sidegate::serve(&configure(&place, &app)).await;
    assert_eq!(probe(&place, "/livez").await, 200);
    assert_eq!(probe(&place, "/readyz").await, 200);
    let mut download = begin_download(&place).await;

    sidegate.signal(signal);
    sidegate.logged(&["stopping", "connections=1"]).await;
    until_refused(&place).await;
    assert_eq!(probe(&place, "/livez").await, 200, "it still lives");
    assert_eq!(probe(&place, "/readyz").await, 503, "but wants no more work");

    app.finish();
    let mut length = 0;
    while let Some(frame) = download.frame().await {
        length += frame.expect("the download goes on").into_data().expect("data").len();
    }
    assert_eq!(length, 2 * HALF, "the whole of it");
    sidegate.logged(&["stopped"]).await;
    assert_eq!(sidegate.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_now() {
    for second in [Signal::TERM, Signal::INT] {
        let (place, app) = (Place::new(), Greeter::start("app").await);
        let sidegate = Sidegate::serve(&configure(&place, &app)).await;
        let download = begin_download(&place).await;
        sidegate.signal(Signal::TERM);
        sidegate.logged(&["stopping"]).await;
        // Only the two that mean an end do; reading a file again is out of the question by now.
        sidegate.signal(Signal::HUP);
        sidegate.signal(second);
        sidegate.logged(&["asked again"]).await;
        assert_eq!(sidegate.ended().await.code(), Some(0));
        assert!(download.collect().await.is_err(), "the download was cut off, and does not look whole");
    }
}

#[tokio::test]
async fn what_does_not_finish_is_cut_when_the_grace_is_over() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let config = configure(&place, &app);
    allow_to_finish_within("200ms", &config);
    let sidegate = Sidegate::serve(&config).await;
    let download = begin_download(&place).await;
    sidegate.stop().await;
    assert!(download.collect().await.is_err(), "it was cut off, and does not look whole");
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_the_end() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let config = configure(&place, &app);
    allow_to_finish_within("10m", &config);
    let sidegate = Sidegate::serve(&config).await;
    let mut h1 = client::h1(place.tls(), NAME).await;
    let (mut h2, _connection) = client::h2(place.tls(), NAME).await;
    let answer = h1.send_request(client::get("/", NAME)).await.expect("an answer");
    assert_eq!(client::read(answer).await, (200, "app".to_owned()));
    let answer = h2.send_request(client::get(&format!("https://{NAME}/"), NAME)).await.expect("an answer");
    assert_eq!(client::read(answer).await, (200, "app".to_owned()));
    sidegate.stop().await;
}

#[tokio::test]
async fn the_next_start_has_the_same_ports_at_once() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let config = configure(&place, &app);
    for _ in 0..3 {
        let sidegate = Sidegate::serve(&config).await;
        assert!(!sidegate.log().iter().any(|line| line.contains("no probes")), "the probes' port as well");
        // We close first, and the address lingers in TIME_WAIT.
        let mut open = client::h1(place.tls(), NAME).await;
        let answer = open.send_request(client::get("/", NAME)).await.expect("an answer");
        assert_eq!(client::read(answer).await.0, 200);
        assert_eq!(probe(&place, "/livez").await, 200);
        sidegate.stop().await;
    }
}

#[tokio::test]
async fn nobody_who_reads_the_access_log_is_no_reason_to_stay() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let config = configure(&place, &app);
    // A pipe that nobody reads, and that has no room for what follows.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut sidegate = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["serve".as_ref(), "-c".as_ref(), config.as_os_str()])
        .stdout(writer)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let up = async {
        while TcpStream::connect(place.tls()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("it listens");
    let mut sender = client::h1(place.tls(), NAME).await;
    let path = format!("/{}", "x".repeat(2000));
    for _ in 0..400 {
        sender.ready().await.expect("it is still open");
        let answer = sender.send_request(client::get(&path, NAME)).await.expect("an answer");
        assert_eq!(client::read(answer).await.0, 200);
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&sidegate), Signal::TERM)
        .expect("it runs");
    let ended = tokio::task::spawn_blocking(move || sidegate.wait());
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    assert_eq!(ended.expect("no panic").expect("ours").code(), Some(0));
    drop(reader);
}

fn configure(place: &Place, app: &Greeter) -> PathBuf {
    place.configure("", &format!("[[site]]\ndomains = [{NAME:?}]\nto = {}", app.port))
}

fn allow_to_finish_within(grace: &str, config: &Path) {
    let text = std::fs::read_to_string(config).expect("readable");
    std::fs::write(config, format!("drain = {grace:?}\n{text}")).expect("written");
}

/// A download that has begun and does not end by itself.
async fn begin_download(place: &Place) -> Incoming {
    let mut sender = client::h1(place.tls(), NAME).await;
    let response = sender.send_request(client::get("/slow", NAME)).await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// The status a probe is answered with.
async fn probe(place: &Place, path: &str) -> u16 {
    client::in_clear(place.health, path).await.0
}

/// Returns when nobody listens on the TLS port any more.
async fn until_refused(place: &Place) {
    let refused = async {
        while TcpStream::connect(place.tls()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
}
