//! A container is configured by variables and nothing else.

use std::process::{Command, Stdio};

use crate::house::client;
use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};

#[tokio::test]
async fn variables_say_it_all_and_our_own_win() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let storage = place.storage();
    let (http, https, health) =
        (place.http.to_string(), place.https.to_string(), format!("127.0.0.1:{}", place.health));
    let port = app.port.to_string();
    // Where both are there, the plain one is nonsense.
    let variables = [
        ("TLS_DOMAIN", "nonsense.internal"),
        ("SIDEGATE_TLS_DOMAIN", "localhost,app.internal"),
        ("TARGET_PORT", "1"),
        ("SIDEGATE_TARGET_PORT", &port),
        ("HTTP_PORT", &http),
        ("HTTPS_PORT", "1"),
        ("SIDEGATE_HTTPS_PORT", &https),
        ("STORAGE_PATH", storage.to_str().expect("text")),
        ("HEALTH_ADDR", &health),
        ("LOG_FORMAT", "json"),
    ];
    let sidegate = Sidegate::start_with::<&str>(&[], &variables);
    sidegate.logged(&["{", "listening"]).await;
    for name in ["localhost", "app.internal"] {
        let mut sender = client::h1(place.tls(), name).await;
        let answer = sender.send_request(client::get("/", name)).await.expect("an answer");
        assert_eq!(client::read(answer).await, (200, "app".to_owned()));
    }
    assert_eq!(client::in_clear(place.health, "/livez").await.0, 200);
    let (status, _) = client::in_clear(place.http, "/").await;
    assert_eq!(status, 301);
    assert!(storage.join("database/items").is_dir());
    sidegate.stop().await;
}

#[tokio::test]
async fn a_storage_may_be_one_name_in_the_working_directory() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(["--domain", "localhost", "--to", "3000", "--storage", "data"]);
    command.env("HTTP_PORT", place.http.to_string()).env("HTTPS_PORT", place.https.to_string());
    command.current_dir(place.path(""));
    let sidegate = Sidegate::by(command);
    sidegate.logged(&["serving names", "item="]).await;
    assert!(place.path("data/database/items").is_dir());
    sidegate.stop().await;
}

#[test]
fn a_flag_wins_over_a_variable() {
    let out = sidegate(
        &["check", "--domain", "flag.internal", "--to", "4000"],
        &[("TLS_DOMAIN", "variable.internal"), ("TARGET_PORT", "5000")],
    );
    assert_eq!(out.0, Some(0), "{}", out.2);
    assert!(out.1.contains("flag.internal") && out.1.contains("4000"), "{}", out.1);
    assert!(!out.1.contains("variable.internal") && !out.1.contains("5000"), "{}", out.1);
}

#[test]
fn a_variable_that_was_meant_for_us_and_is_none_is_a_fault() {
    for words in [["check"].as_slice(), &["serve"], &["run", "--", "true"], &["list"], &[]] {
        let (code, out, err) = sidegate(
            words,
            &[
                ("SIDEGATE_TARGETPORT", "3000"),
                ("SIDEGATE_TLS_DOMAINS", "example.com"),
                ("HTTPS_PORT", "eighty"),
                ("TLS_DOMAIN", "localhost"),
                ("TARGET", "3000"),
            ],
        );
        assert_eq!((code, out.as_str()), (Some(78), ""), "{words:?}: {err}");
        for said in [
            "SIDEGATE_TARGETPORT: unknown variable. Did you mean `TARGET_PORT`?",
            "SIDEGATE_TLS_DOMAINS: unknown variable. Did you mean `TLS_DOMAIN`?",
            "HTTPS_PORT: \"eighty\" is not an address to listen on.",
        ] {
            assert!(err.contains(said), "{words:?}: «{said}» is not in\n{err}");
        }
    }
}

/// Runs it to its end in an environment of exactly these variables.
fn sidegate(words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(words).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    let out = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (out.status.code(), text(out.stdout), text(out.stderr))
}
