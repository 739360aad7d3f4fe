//! Bodies of every framing, both ways, and what is no framing.

use super::*;

/// Sends `request` through, answers `response`, and returns what the backend and the client saw.
async fn once(request: &str, body: usize, response: &str) -> (String, String) {
    let (front, backend) = house().await;
    let mut client = front.connect().await;
    client.send(request).await;
    let mut upstream = backend.accept().await;
    let seen = upstream.head().await + &upstream.exactly(body).await;
    upstream.send(response).await;
    (seen, client.rest().await)
}

#[test]
fn a_body_of_known_length_keeps_it() {
    run(async {
        let request = "POST /a?b=c HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\n\r\nhello";
        let response = "HTTP/1.1 201 Created\r\nContent-Length: 3\r\nX-App: y\r\n\r\nbye";
        let request = request.replace("\r\nHost", "\r\nConnection: close\r\nHost");
        let (seen, got) = once(&request, 5, response).await;
        assert!(seen.starts_with("post /a?b=c http/1.1\r\nhost: app.example\r\n"), "{seen}");
        assert!(seen.contains("\r\ncontent-length: 5\r\n") && seen.ends_with("\r\n\r\nhello"), "{seen}");
        assert!(!seen.contains("transfer-encoding") && !seen.contains("connection:"), "{seen}");
        assert!(got.starts_with("HTTP/1.1 201 Created\r\n") && got.ends_with("\r\n\r\nbye"), "{got}");
        assert!(got.contains("Content-Length: 3\r\n") && got.contains("X-App: y\r\n"), "{got}");
    });
}

#[test]
fn a_name_is_passed_on_as_it_was_spelt() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nSOAPAction: x\r\nx-lower:y\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        let seen = upstream.until("\r\n\r\n").await;
        assert!(seen.contains("\r\nSOAPAction: x\r\nx-lower: y\r\n"), "{seen}");
        upstream.send("HTTP/1.1 200 OK\r\nContent-length: 0\r\nETag: z\r\n\r\n").await;
        let got = client.until("\r\n\r\n").await;
        assert!(got.starts_with("HTTP/1.1 200 OK\r\nContent-length: 0\r\nETag: z\r\n"), "{got}");
    });
}

#[test]
fn chunks_go_through_both_ways_with_their_trailers() {
    run(async {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                       3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n";
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(request.replace("\r\nHost", "\r\nTE: trailers\r\nConnection: te\r\nHost")).await;
        let mut upstream = backend.accept().await;
        let head = upstream.head().await;
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        assert!(head.contains("\r\ntrailer: x-sum\r\n"), "{head}");
        let body = upstream.until("0\r\nx-sum: 5\r\n\r\n").await;
        let data: String = body.split("\r\n").skip(1).step_by(2).take_while(|d| *d != "x-sum: 5").collect();
        assert_eq!(data, "abcde", "{body:?}");
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-done\r\n\r\n").await;
        client.head().await;
        upstream.send("4\r\nmore\r\n").await;
        assert_eq!(client.until("more\r\n").await, "4\r\nmore\r\n");
        upstream.send("0\r\nx-done: yes\r\n\r\n").await;
        assert_eq!(client.until("\r\n\r\n").await, "0\r\nx-done: yes\r\n\r\n");
    });
}

#[test]
fn a_body_that_ends_with_its_connection_ends_for_the_client_too() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\none ").await;
        client.until("one ").await;
        upstream.send("two").await;
        client.until("two").await;
        drop(upstream);
        assert_eq!(client.until("0\r\n\r\n").await, "\r\n0\r\n\r\n");
        // The client's connection lives on, and the next request has a new one.
        client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(backend.accept().await.head().await.starts_with("get /again "));
    });
}

#[test]
fn what_has_no_body_is_given_none() {
    run(async {
        for (method, response) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nKeep-Alive: timeout=60\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=60\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nKeep-Alive: timeout=60\r\n\r\n"),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=60\r\n\r\n"),
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let mut upstream = backend.accept().await;
            let head = upstream.head().await;
            assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
            upstream.send(response).await;
            let got = client.head().await;
            assert_eq!(got.contains("content-length: 500"), response.contains("500"), "{method}: {got}");
            assert!(!got.contains("transfer-encoding"), "{method}: {got}");
            // Nothing hangs over: the next exchange is on the same two connections.
            client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(upstream.head().await.starts_with("get /next "), "{method}");
            upstream.send(OK).await;
            assert!(client.head().await.starts_with("http/1.1 200"), "{method}");
            assert_eq!(client.exactly(2).await, "ok");
        }
    });
}

#[test]
fn a_post_without_a_body_says_so() {
    run(async {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (seen, _) = once(request, 0, "HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(seen.contains("\r\ncontent-length: 0\r\n"), "{seen}");
    });
}

#[test]
fn large_bodies_arrive_whole() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        let large: String = (0..300_000).map(|n| format!("{n:06}\n")).collect();
        let length = large.len();
        let sent = large.clone();
        let serving = spawn_local(async move {
            let mut upstream = backend.accept().await;
            upstream.head().await;
            let body = upstream.exactly(length).await;
            assert!(body == sent, "what arrived is not what was sent");
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nKeep-Alive: timeout=60\r\n\r\n");
            upstream.send(head + &body).await;
            upstream.head().await;
            let mut chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for piece in body.as_bytes().chunks(1234) {
                chunked += &format!("{:X}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
            }
            upstream.send(chunked + "0\r\n\r\n").await;
        });
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).await;
        client.send(&large).await;
        client.head().await;
        assert!(client.exactly(length).await == large);
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        client.head().await;
        assert!(client.rest().await == large, "chunks are taken off for a client that does not know them");
        serving.await.expect("the backend is content");
        assert_eq!(front.conns(), ["new", "reused"]);
    });
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        let answer = "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-sum: 5\r\n\r\n";
        for byte in answer.bytes() {
            upstream.send([byte]).await;
            // Lets the front see this byte before the next one comes.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(client.head().await, "http/1.1 103 early hints\r\nlink: x\r\n\r\n");
        let head = client.head().await;
        assert!(head.starts_with("http/1.1 200 ok\r\n") && !head.contains("link"), "{head}");
        let body = client.until("0\r\n").await;
        assert_eq!(body.split("\r\n").skip(1).step_by(2).collect::<String>(), "abcde", "{body}");
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(upstream.head().await.starts_with("get /next "));
    });
}

#[test]
fn an_ambiguous_answer_is_not_passed_on() {
    run(async {
        for response in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send(response).await;
            assert!(client.head().await.starts_with("http/1.1 502 "), "{response}");
            assert_eq!(upstream.rest().await, "", "the connection is closed");
            assert_eq!(front.said().0.reason, Some("upstream_malformed"), "{response}");
        }
    });
}

#[test]
fn what_follows_an_answer_unasked_is_never_anybodys_answer() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        let second = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue{second}")).await;
        client.until("true").await;
        assert_eq!(upstream.rest().await, "", "the connection is closed");
        client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        assert!(upstream.head().await.starts_with("get /2 "));
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
        client.until("good").await;
    });
}

#[test]
fn what_a_client_smuggles_does_not_arrive() {
    run(async {
        for request in [
            "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        ] {
            let (front, _backend) = house().await;
            let mut client = front.connect().await;
            client.send(request).await;
            let got = client.rest().await;
            assert!(got.starts_with("HTTP/1.1 400 ") || got.starts_with("HTTP/1.1 501 "), "{request}: {got}");
            assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "one answer, then the end: {got}");
            assert!(front.said.borrow().is_empty(), "{request} was forwarded");
        }
    });
}
