//! Both directions at once: early answers, 100-continue, streams, and clients that go away.

use super::*;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

#[test]
fn every_byte_goes_on_as_it_comes() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        assert!(client.head().await.starts_with("http/1.1 200"), "the head comes before any event");
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            // The backend says nothing more until the client has seen this.
            upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            client.until(event).await;
        }
    });
}

#[test]
fn the_request_and_the_answer_may_talk_at_the_same_time() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        client.head().await;
        for word in ["one", "two", "three"] {
            let chunk = format!("{:x}\r\n{word}\r\n", word.len());
            client.send(&chunk).await;
            assert_eq!(upstream.until(&format!("{word}\r\n")).await, chunk);
            upstream.send(&chunk).await;
            assert_eq!(client.until(&format!("{word}\r\n")).await, chunk);
        }
        client.send("0\r\n\r\n").await;
        assert_eq!(upstream.until("\r\n\r\n").await, "0\r\n\r\n");
        upstream.send("0\r\n\r\n").await;
        client.until("0\r\n\r\n").await;
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(upstream.head().await.starts_with("get /next "), "both connections are clean");
    });
}

#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(POST).await;
        client.send("x".repeat(1000)).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsize").await;
        assert!(client.head().await.starts_with("http/1.1 413 "));
        assert_eq!(client.exactly(4).await, "size");
    });
}

#[test]
fn an_upstream_that_refuses_and_slams_the_door_is_heard() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(POST).await;
        client.send("x".repeat(1000)).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nsize").await;
        // Unread bytes make this a reset, which our next write runs into.
        drop(upstream);
        assert!(client.head().await.starts_with("http/1.1 413 "));
        assert_eq!(client.exactly(4).await, "size");
    });
}

#[test]
fn the_body_is_not_asked_for_before_the_upstream_wants_it() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        assert!(upstream.head().await.contains("\r\nexpect: 100-continue\r\n"));
        let early = timeout(Duration::from_millis(100), client.head()).await;
        assert!(early.is_err(), "nobody has said yes: {early:?}");
        upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(client.head().await, "http/1.1 100 continue\r\n\r\n");
        client.send("hello").await;
        assert_eq!(upstream.exactly(5).await, "hello");
        upstream.send(OK).await;
        client.until("ok").await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.head().await;
    });
}

#[test]
fn a_body_that_was_offered_and_refused_is_never_sent() {
    run(async {
        loop {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            let began = std::time::Instant::now();
            client
                .send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                .await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
            let head = client.head().await;
            // An answer that took a second may come too late: the body is asked for then.
            if began.elapsed() >= Duration::from_secs(1) {
                continue;
            }
            assert!(head.starts_with("http/1.1 401 "), "no 100 before it: {head}");
            assert_eq!(client.exactly(2).await, "no");
            assert_eq!(
                upstream.rest().await,
                "",
                "not one byte of the body, and the connection is not used again"
            );
            return;
        }
    });
}

#[test]
fn a_body_that_came_unasked_travels_with_its_head() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        client.send(format!("{head}hello")).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        assert_eq!(upstream.inbox, b"hello", "they came together");
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert!(client.head().await.starts_with("http/1.1 200"), "nobody has to be asked any more");
    });
}

#[test]
fn an_upstream_that_never_says_100_gets_the_body_all_the_same() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        client.head().await;
        client.send("hello").await;
        assert_eq!(upstream.exactly(5).await, "hello");
    });
}

#[test]
fn interim_responses_are_passed_on() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n").await;
        upstream.send(OK).await;
        assert_eq!(client.head().await, "http/1.1 103 early hints\r\nlink: </x>\r\n\r\n");
        assert_eq!(client.head().await, "http/1.1 102 processing\r\n\r\n");
        assert!(client.head().await.starts_with("http/1.1 200 ok\r\ncontent-length: 2"));

        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.head().await;
        upstream.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000)).await;
        client.until("ok").await;
        let told = client.until("HTTP/1.1 502 ").await.matches("HTTP/1.1 103 ").count();
        assert!((1..1000).contains(&told), "but not for ever: {told}");

        let mut old = front.connect().await;
        old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert!(old.head().await.starts_with("http/1.1 200 "), "HTTP/1.0 knows of none");
    });
}

#[test]
fn a_client_that_goes_away_takes_the_exchange_along() {
    run(async {
        // Before an answer.
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        drop(client);
        assert_eq!(upstream.rest().await, "", "the upstream is told");

        // In the middle of one.
        let mut client = front.connect().await;
        client.send("GET /tokens HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        client.until("x\r\n").await;
        drop(client);
        assert_eq!(upstream.rest().await, "", "the upstream is told");

        // In the middle of its own request.
        let mut client = front.connect().await;
        client.send(POST).await;
        client.send("abc").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        assert_eq!(upstream.exactly(3).await, "abc");
        drop(client);
        assert_eq!(upstream.rest().await, "", "the upstream is told, and not that the request is complete");
    });
}

#[test]
fn a_chunked_request_that_breaks_off_does_not_look_complete() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        assert_eq!(upstream.until("abc\r\n").await, "3\r\nabc\r\n");
        client.send("no chunk\r\n").await;
        assert_eq!(upstream.rest().await, "", "no last chunk");
        assert!(client.head().await.starts_with("http/1.1 400 "));
        assert_eq!(front.said().0.reason, Some("client_body_malformed"));
    });
}
