//! Connections that are used again, and requests that are sent again.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// One request and its answer on these two connections.
async fn exchange(client: &mut Wire, upstream: &mut Wire, answer: &str) {
    client.send(GET).await;
    upstream.head().await;
    upstream.send(answer).await;
    client.until("ok").await;
}

#[test]
fn one_connection_serves_one_request_after_the_other() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        for _ in 0..3 {
            exchange(&mut client, &mut upstream, OK).await;
        }
        assert_eq!(front.conns(), ["new", "reused", "reused", "reused"]);
        assert_eq!(
            front.said().0.tried,
            [backend.target],
            "the address is named for a reused connection too"
        );
    });
}

#[test]
fn the_newest_connection_is_used_first_and_each_by_one_request_at_a_time() {
    run(async {
        let (front, backend) = house().await;
        let (mut one, mut two) = (front.connect().await, front.connect().await);
        one.send(GET).await;
        let mut first = backend.accept().await;
        first.head().await;
        two.send(GET).await;
        let mut second = backend.accept().await;
        second.head().await;
        first.send(OK).await;
        one.until("ok").await;
        second.send(OK).await;
        two.until("ok").await;
        exchange(&mut one, &mut second, OK).await;
    });
}

#[test]
fn a_connection_is_not_kept_against_the_upstreams_word() {
    run(async {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=60\r\nConnection: close\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=60\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok",
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(GET).await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send(answer).await;
            client.until("ok").await;
            client.send(GET).await;
            assert_eq!(upstream.rest().await, "", "closed by us: {answer}");
            backend.accept().await.head().await;
        }
    });
}

#[test]
fn a_connection_that_waits_too_long_is_closed_by_us_first() {
    run(async {
        // One may be late for a reason that is not ours.
        for _ in 0..5 {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(GET).await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            let began = std::time::Instant::now();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=3, max=5\r\n\r\nok";
            upstream.send(answer).await;
            client.until("ok").await;
            assert_eq!(upstream.rest().await, "");
            let waited = began.elapsed();
            assert!(waited.as_millis() >= 1900, "longer than one that was told nothing: {waited:?}");
            if waited.as_secs() < 3 {
                return;
            }
        }
        panic!("never before the upstream would");
    });
}

#[test]
fn a_connection_that_the_upstream_closed_is_not_used() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        upstream.end().await;
        // A POST is never sent twice; it must find a good connection at once.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut upstream = backend.accept().await;
        assert!(upstream.head().await.starts_with("post "));
        upstream.send(OK).await;
        client.until("ok").await;
        assert_eq!(front.conns(), ["new", "new"]);
    });
}

/// A reused connection that ends with the request instead of an answer; returns the backend's next connection.
async fn stale(request: &str, reset: bool) -> (Front, Backend, Wire) {
    let (front, backend) = house().await;
    let mut client = front.connect().await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;
    client.send(request).await;
    upstream.head().await;
    if reset {
        upstream.reset()
    } else {
        drop(upstream)
    }
    (front, backend, client)
}

#[test]
fn an_idempotent_request_without_a_body_is_sent_once_more() {
    run(async {
        for (method, reset) in [("GET", false), ("GET", true), ("DELETE", true), ("HEAD", false)] {
            let request = format!("{method} /again HTTP/1.1\r\nHost: a\r\n\r\n");
            let (front, backend, mut client) = stale(&request, reset).await;
            let mut upstream = backend.accept().await;
            let head = upstream.head().await;
            assert!(head.starts_with(&format!("{} /again http/1.1\r\nhost: a\r\n", method.to_lowercase())));
            assert_eq!(head.matches("host:").count(), 2, "the same head, once: {head}");
            upstream.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            assert!(client.head().await.starts_with("http/1.1 204"), "{method}");
            assert_eq!(front.conns(), ["new", "retried"]);
        }
    });
}

#[test]
fn it_is_not_sent_a_third_time() {
    run(async {
        let (front, backend, mut client) = stale(GET, false).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        drop(upstream);
        assert!(client.head().await.starts_with("http/1.1 502 "));
        let (said, _) = front.said();
        assert_eq!((said.reason, said.conn), (Some("upstream_closed"), Some("retried")));
    });
}

#[test]
fn what_could_be_done_twice_is_not_sent_twice() {
    run(async {
        for request in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        ] {
            let (front, backend, mut client) = stale(request, false).await;
            assert!(client.head().await.starts_with("http/1.1 502 "), "{request}");
            assert_eq!(front.said().0.conn, Some("reused"));
            let again = timeout(Duration::from_millis(50), backend.accept()).await;
            assert!(again.is_err(), "{request} was sent again");
        }
    });
}

#[test]
fn half_an_answer_is_not_asked_for_again() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        client.send(GET).await;
        upstream.head().await;
        upstream.send("HTTP/1.1 2").await;
        drop(upstream);
        assert!(client.head().await.starts_with("http/1.1 502 "));
        assert_eq!(front.said().0.reason, Some("upstream_closed"));
    });
}

#[test]
fn a_fresh_connection_that_ends_is_not_tried_again() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        drop(upstream);
        assert!(client.head().await.starts_with("http/1.1 502 "));
        let (said, _) = front.said();
        assert_eq!((said.reason, said.conn), (Some("upstream_closed"), Some("new")));
    });
}
