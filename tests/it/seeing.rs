//! What an operator sees while it runs: probes, and one line for each request.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::house::client;
use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};
use crate::status::tell_until;

const NAME: &str = "app.internal";

#[tokio::test]
async fn each_request_is_one_line_of_json() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let sidegate = Sidegate::serve(&configure(&place, &app, "")).await;
    let mut h1 = client::h1(place.tls(), NAME).await;
    for path in ["/one?secret=1", "/two\"quoted\""] {
        let answer = h1.send_request(client::get(&path.replace('"', "%22"), NAME)).await.expect("an answer");
        assert_eq!(client::read(answer).await.0, 200);
    }
    let (mut h2, _connection) = client::h2(place.tls(), NAME).await;
    let answer = h2.send_request(client::get(&format!("https://{NAME}/three"), NAME)).await;
    assert_eq!(client::read(answer.expect("an answer")).await.0, 200);
    // Lines of one millisecond have no order among them.
    sidegate.said(&["/three"]).await;
    let (status, _) = client::in_clear(place.http, "/four").await;
    assert_eq!(status, 404, "no site is called localhost");
    sidegate.said(&["/four"]).await;
    let mut last = client::h1(place.tls(), NAME).await;
    let answer = last.send_request(client::get("/last", NAME)).await.expect("an answer");
    assert_eq!(client::read(answer).await.0, 200);

    // A stop right behind the last answer loses no line.
    let out = sidegate.output();
    sidegate.stop().await;
    let lines = out.whole().await;
    let mut lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    lines.sort_by_key(|line| line["ts"].as_str().expect("a moment").to_owned());
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}",
                text("method"),
                text("path"),
                text("proto"),
                line["status"],
                text("sni")
            )
        })
        .collect();
    let expected = [
        "GET /one HTTP/1.1 200 app.internal",
        "GET /two%22quoted%22 HTTP/1.1 200 app.internal",
        "GET /three HTTP/2 200 app.internal",
        "GET /four HTTP/1.1 404 -",
        "GET /last HTTP/1.1 200 app.internal",
    ];
    assert_eq!(seen, expected);
    let first = &lines[0];
    assert_eq!((&first["msg"], &first["client_ip"]), (&"access".into(), &"127.0.0.1".into()));
    assert_eq!((&first["bytes_out"], &first["tls_version"]), (&3.into(), &"1.3".into()));
    assert_eq!(first["upstream"], format!("127.0.0.1:{}", app.port));
    assert!(lines[3]["reason"].is_string(), "an answer of our own says why: {}", lines[3]);
}

#[tokio::test]
async fn the_access_log_can_be_switched_off() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let sidegate = Sidegate::serve(&configure(&place, &app, "[log]\naccess = \"off\"\n")).await;
    let mut h1 = client::h1(place.tls(), NAME).await;
    let answer = h1.send_request(client::get("/", NAME)).await.expect("an answer");
    assert_eq!(client::read(answer).await.0, 200);
    let out = sidegate.output();
    sidegate.stop().await;
    assert_eq!(out.whole().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_log_for_machines_is_json_as_well() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let sidegate = Sidegate::serve(&configure(&place, &app, "[log]\nformat = \"json\"\n")).await;
    for line in sidegate.log() {
        let line: Value = serde_json::from_str(&line).expect("each line is JSON");
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    sidegate.stop().await;
}

#[tokio::test]
async fn a_probes_port_that_is_taken_is_only_a_warning() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let _taken = std::net::TcpListener::bind(("127.0.0.1", place.health)).expect("free a moment ago");
    let sidegate = Sidegate::serve(&configure(&place, &app, "")).await;
    sidegate.logged(&["WARN", "no probes will be answered"]).await;
    let mut h1 = client::h1(place.tls(), NAME).await;
    let answer = h1.send_request(client::get("/", NAME)).await.expect("an answer");
    assert_eq!(client::read(answer).await, (200, "app".to_owned()));
    sidegate.stop().await;
}

#[tokio::test]
async fn probes_are_told_what_there_is() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let sidegate = Sidegate::serve(&configure(&place, &app, "")).await;
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/", 404), ("/livez/x", 404)] {
        assert_eq!(client::in_clear(place.health, path).await.0, status, "{path}");
    }
    sidegate.stop().await;
}

#[tokio::test]
async fn certificates_are_counted_for_whoever_watches() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let config = configure(&place, &app, "");
    let sidegate = Sidegate::serve(&config).await;
    let status = tell_until(&config, &["status", "--json"], &["\"expires\": \""]).json();
    tell_until(&config, &["status"], &["\nok ", ", which issues"]);
    let (code, metrics) = client::in_clear(place.health, "/metrics").await;
    assert_eq!(code, 200);
    let end = status["certificates"][0]["expires"].as_str().expect("a moment");
    let end = sidegate::clock::parse_rfc3339(end).expect("a moment").duration_since(UNIX_EPOCH);
    for line in [
        "sidegate_issues 1".to_owned(),
        "sidegate_draining 0".to_owned(),
        "sidegate_certificates{state=\"ok\"} 1".to_owned(),
        "sidegate_certificates{state=\"critical\"} 0".to_owned(),
        "sidegate_tls_cert_disproved 0".to_owned(),
        format!(
            "sidegate_tls_cert_not_after_timestamp_seconds{{name=\"{NAME}\"}} {}",
            end.expect("after 1970").as_secs()
        ),
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} is not in\n{metrics}");
    }
    sidegate.stop().await;
}

fn configure(place: &Place, app: &Greeter, log: &str) -> PathBuf {
    place.configure("", &format!("{log}[[site]]\ndomains = [{NAME:?}]\nto = \"127.0.0.1:{}\"", app.port))
}
