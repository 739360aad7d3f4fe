//! What becomes of a connection: order, ends, patience.

use std::time::Duration;

use crate::proxy::Options;
use crate::proxy::http::forward::tests::{Backend, Front, OK, house, run};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn hurried(options: Options) -> (Front, Backend) {
    let backend = Backend::start().await;
    (Front::start(&backend.target, options).await, backend)
}

#[test]
fn requests_that_come_together_are_answered_one_after_the_other() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        let ask = |path: &str| format!("POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{path}");
        client.send([ask("one"), ask("two"), ask("six")].concat()).await;
        let mut upstream = backend.accept().await;
        for path in ["one", "two", "six"] {
            assert!(upstream.head().await.starts_with(&format!("post /{path} ")));
            assert_eq!(upstream.exactly(3).await, path);
            upstream
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=60\r\n\r\n{path}"))
                .await;
        }
        for path in ["one", "two", "six"] {
            client.head().await;
            assert_eq!(client.exactly(3).await, path);
        }
    });
}

#[test]
fn what_stands_behind_a_refused_request_is_not_read() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(format!("{GET}GET /x HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n{GET}")).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        let refusal = client.until(": field_invalid\n").await.to_ascii_lowercase();
        assert!(
            refusal.starts_with("http/1.1 400 ") && refusal.contains("\r\nconnection: close\r\n"),
            "{refusal}"
        );
        assert_eq!(client.rest().await, "");
        assert_eq!(front.said().1, 1);
    });
}

#[test]
fn a_connection_goes_on_if_both_sides_want_it_to() {
    run(async {
        for (ask, says, goes_on) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, true),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Some("close"), false),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Some("close"), false),
            ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", Some("keep-alive"), true),
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(ask).await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send(OK).await;
            let head = client.head().await;
            let said = head.split("\r\n").find_map(|line| line.strip_prefix("connection: "));
            assert_eq!(said, says, "{ask}");
            assert!(head.contains("\r\ndate: "), "{head}");
            assert_eq!(client.exactly(2).await, "ok");
            if goes_on {
                client.send(GET).await;
                upstream.head().await;
            } else {
                assert_eq!(client.rest().await, "", "{ask}");
            }
        }
    });
}

#[test]
fn an_app_may_refuse_a_request_and_be_asked_the_next() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send([GET, GET].concat()).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nKeep-Alive: timeout=60\r\n\r\nno")
            .await;
        assert!(client.until("no").await.starts_with("HTTP/1.1 400 "));
        upstream.head().await;
        upstream.send(OK).await;
        assert!(client.until("ok").await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn an_answer_without_a_known_end_ends_with_the_connection_for_old_clients() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        let head = client.head().await;
        assert!(head.contains("\r\nconnection: close\r\n") && !head.contains("transfer-encoding"), "{head}");
        upstream.send("0\r\n\r\n").await;
        assert_eq!(client.rest().await, "ok");
    });
}

#[test]
fn a_head_that_does_not_end_is_answered_and_silence_is_not() {
    run(async {
        let soon = Duration::from_millis(50);
        let (front, backend) = hurried(Options { head: soon, idle: soon, ..Options::default() }).await;
        let mut slow = front.connect().await;
        slow.send("GET / HT").await;
        let answer = slow.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with(": head_timeout\n"), "{answer}");
        let mut silent = front.connect().await;
        silent.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        silent.until("ok").await;
        assert_eq!(silent.rest().await, "");
    });
}

#[test]
fn a_body_that_stops_coming_is_not_waited_for() {
    run(async {
        let options = Options { stall: Duration::from_millis(50), ..Options::default() };
        let (front, backend) = hurried(options).await;
        let mut client = front.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        assert_eq!(upstream.exactly(3).await, "hel");
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with(": body_timeout\n"), "{answer}");
        assert_eq!(upstream.rest().await, "", "half a request is given up");
    });
}

#[test]
fn an_upstream_may_think_for_as_long_as_it_likes() {
    run(async {
        let soon = Duration::from_millis(20);
        let (front, backend) =
            hurried(Options { head: soon, idle: soon, stall: soon, ..Options::default() }).await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        tokio::time::sleep(soon * 5).await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
        client.head().await;
        tokio::time::sleep(soon * 5).await;
        upstream.send("ok").await;
        assert_eq!(client.exactly(2).await, "ok");
    });
}

#[test]
fn a_head_is_found_however_it_is_cut() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        let serving = tokio::task::spawn_local(async move {
            let mut upstream = backend.accept().await;
            for _ in 1..GET.len() {
                assert!(upstream.head().await.starts_with("get / "));
                upstream.send(OK).await;
            }
        });
        for cut in 1..GET.len() {
            client.send(&GET[..cut]).await;
            // The front is to see the first piece alone.
            tokio::time::sleep(Duration::from_millis(1)).await;
            client.send(&GET[cut..]).await;
            client.until("ok").await;
        }
        serving.await.expect("every request arrived");
    });
}
