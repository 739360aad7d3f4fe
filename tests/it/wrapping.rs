//! `sidegate run -- CMD`: one container, one command, and the app's life is ours.

use std::time::Duration;

use rustix::process::Signal;

use crate::house::client;
use crate::house::port;
use crate::house::process::{PATIENCE, Place, Sidegate};
use crate::house::python;

#[tokio::test]
async fn a_request_waits_for_an_app_that_starts_late() {
    let (place, port) = (Place::new(), port::free());
    let sidegate = wrap(&place, port, &[]).await;
    let mut sender = client::h1(place.tls(), "localhost").await;
    let mut answer = std::pin::pin!(sender.send_request(client::get("/early", "localhost")));
    let early = tokio::time::timeout(Duration::from_millis(400), &mut answer).await;
    assert!(early.is_err(), "nobody listens yet, and that is no reason to give up: {early:?}");

    open_gate(&place, &sidegate).await;
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("held, not forgotten");
    assert_eq!(client::read(answer.expect("an answer")).await, (200, "/early https\n".to_owned()));
    sidegate.signal(Signal::TERM);
    // Python has no opinion about this signal, so it is what ends it.
    assert_eq!(sidegate.ended().await.code(), Some(128 + 15));
}

#[tokio::test]
async fn the_end_of_the_app_is_ours() {
    let (place, port) = (Place::new(), port::free());
    let sidegate = wrap(&place, port, &[]).await;
    open_gate(&place, &sidegate).await;
    let mut sender = client::h1(place.tls(), "localhost").await;
    let answer = sender.send_request(client::get("/exit", "localhost")).await.expect("an answer");
    assert_eq!(client::read(answer).await.0, 200);
    sidegate.logged(&["the app ended"]).await;
    assert_eq!(sidegate.ended().await.code(), Some(7));
}

#[tokio::test]
async fn a_signal_is_the_apps_and_so_is_the_exit_code() {
    let (place, port) = (Place::new(), port::free());
    let sidegate = wrap(&place, port, &["5"]).await;
    open_gate(&place, &sidegate).await;
    // The app has a handler for this one.
    sidegate.signal(Signal::TERM);
    assert_eq!(sidegate.ended().await.code(), Some(5));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the app is gone");
}

#[tokio::test]
async fn the_app_finishes_what_it_does_before_it_hears_of_the_end() {
    let (place, port) = (Place::new(), port::free());
    let sidegate = wrap(&place, port, &[]).await;
    open_gate(&place, &sidegate).await;
    let mut sender = client::h1(place.tls(), "localhost").await;
    let answer = tokio::spawn(sender.send_request(client::get("/slow", "localhost")));
    sidegate.said(&["app: asked for /slow"]).await;

    sidegate.signal(Signal::INT);
    sidegate.logged(&["stopping"]).await;
    assert!(!answer.is_finished());
    std::fs::remove_file(place.path("gate")).expect("removed");
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(client::read(answer).await, (200, "/slow https\n".to_owned()));
    // Python ends itself by the signal it did not handle.
    assert_eq!(sidegate.ended().await.code(), Some(128 + 2));
}

/// Starts the app behind sidegate as a container would; it listens once its gate is open.
async fn wrap(place: &Place, port: u16, more: &[&str]) -> Sidegate {
    let gate = place.path("gate");
    let (python, script) = (python::interpreter(), python::script("app.py"));
    let mut words =
        vec!["run".as_ref(), "--".as_ref(), python.as_os_str(), script.as_os_str(), gate.as_os_str()];
    words.extend(more.iter().map(std::ffi::OsStr::new));
    let storage = place.storage();
    let variables = [
        ("TLS_DOMAIN", "localhost".to_owned()),
        ("TARGET_PORT", port.to_string()),
        ("HTTP_PORT", place.http.to_string()),
        ("HTTPS_PORT", place.https.to_string()),
        ("HEALTH_ADDR", "off".to_owned()),
        ("STORAGE_PATH", storage.to_str().expect("text").to_owned()),
        // Overwritten: the app is told what TARGET_PORT says.
        ("PORT", "1".to_owned()),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sidegate = Sidegate::start_with(&words, &variables);
    sidegate.logged(&["listening"]).await;
    sidegate.said(&["app: waiting"]).await;
    sidegate
}

async fn open_gate(place: &Place, sidegate: &Sidegate) {
    std::fs::write(place.path("gate"), "").expect("written");
    sidegate.said(&["app: listening"]).await;
}
