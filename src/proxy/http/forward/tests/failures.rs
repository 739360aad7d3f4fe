//! What the client is told when the upstream does not answer.

use tokio::net::TcpSocket;

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn ask(front: &Front) -> String {
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    client.rest().await.to_ascii_lowercase()
}

/// A port of this machine where nobody listens, nor can anybody else while the socket is held.
fn silent_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    (socket, port)
}

#[test]
fn nobody_there_is_a_502_that_names_both_loopback_addresses() {
    run(async {
        let (_held, port) = silent_port();
        let front = Front::start(&port.to_string(), Options::default()).await;
        let got = ask(&front).await;
        assert!(got.starts_with("http/1.1 502 ") && got.ends_with("upstream_refused\n"), "{got}");
        let (said, _) = front.said();
        assert_eq!(said.tried, [format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        assert_eq!(said.conn, None);
    });
}

#[test]
fn no_answer_to_the_connection_is_a_504() {
    run(async {
        // A listener whose queue is full answers nothing, without any network.
        let (socket, port) = silent_port();
        let _listener = socket.listen(0).expect("a listener");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(spawn_local(TcpStream::connect(address)));
        }
        tokio::task::yield_now().await;
        let options = Options { connect_near: Duration::from_millis(200), ..Options::default() };
        let front = Front::start(&address.to_string(), options).await;
        let got = ask(&front).await;
        assert!(got.starts_with("http/1.1 504 ") && got.ends_with("upstream_timeout\n"), "{got}");
        assert_eq!(front.said().0.tried, [address.to_string()]);
        drop(waiting);
    });
}

#[test]
fn a_name_that_leads_nowhere_is_said_to() {
    run(async {
        let front = Front::start("http://no-such-host.invalid", Options::default()).await;
        let got = ask(&front).await;
        let (said, _) = front.said();
        assert!(got.starts_with("http/1.1 502 "), "{got}");
        assert_eq!(said.reason, Some("upstream_name_unknown"));
        assert_eq!(said.tried, ["no-such-host.invalid:80"]);
    });
}

#[test]
fn an_app_that_is_starting_is_waited_for() {
    run(async {
        let (socket, port) = silent_port();
        let options = Options { hold: Duration::from_secs(10), ..Options::default() };
        let front = Front::start(&port.to_string(), options).await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let early = timeout(Duration::from_millis(120), client.head()).await;
        assert!(early.is_err(), "it waits: {early:?}");
        let listener = socket.listen(16).expect("a listener");
        let mut upstream = Wire::new(listener.accept().await.expect("it tries again").0);
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        let (said, _) = front.said();
        assert_eq!(said.tried.len(), 2, "each address is named once: {said:?}");
    });
}

#[test]
fn an_app_that_does_not_start_is_a_503_that_says_when_to_come_again() {
    run(async {
        let path = tempfile::tempdir().expect("a folder");
        let target = format!("unix:{}", path.path().join("app.sock").display());
        let options = Options { hold: Duration::from_millis(120), ..Options::default() };
        let front = Front::start(&target, options).await;
        let began = std::time::Instant::now();
        let got = ask(&front).await;
        assert!(began.elapsed() >= Duration::from_millis(50), "it was tried again");
        assert!(got.starts_with("http/1.1 503 ") && got.contains("\r\nretry-after: 1\r\n"), "{got}");
        assert_eq!(front.said().0.reason, Some("upstream_not_ready"));
        assert_eq!(front.said().0.tried, [target]);
    });
}

#[test]
fn a_unix_socket_is_an_upstream_like_any_other() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.sock");
        let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
        let front = Front::start(&format!("unix:{}", path.display()), Options::default()).await;
        let mut client = front.connect().await;
        client.send("GET /x HTTP/1.1\r\nHost: app.example\r\n\r\n").await;
        let (mut upstream, _) = listener.accept().await.expect("a connection");
        for _ in 0..2 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(upstream.read_buf(&mut head).await.expect("bytes") > 0);
            }
            assert!(head.starts_with(b"GET /x HTTP/1.1\r\nhost: app.example\r\n"));
            upstream.write_all(OK.as_bytes()).await.expect("written");
            client.until("ok").await;
            client.send("GET /x HTTP/1.1\r\nHost: app.example\r\n\r\n").await;
        }
    });
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    run(async {
        for (head, part) in [
            ("Content-Length: 10\r\n", "half"),
            ("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n"),
            ("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n7"),
        ] {
            let (front, backend) = house().await;
            let mut client = front.connect().await;
            client.send(GET).await;
            let mut upstream = backend.accept().await;
            upstream.head().await;
            upstream.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{part}")).await;
            client.until("half").await;
            drop(upstream);
            let rest = client.rest().await;
            assert!(!rest.contains("0\r\n\r\n"), "it does not look complete: {rest:?}");
        }
    });
}

#[test]
fn a_head_without_end_is_not_read_for_ever() {
    run(async {
        let (front, backend) = house().await;
        let mut client = front.connect().await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(200_000))).await;
        assert!(client.head().await.starts_with("http/1.1 502 "));
        assert_eq!(front.said().0.reason, Some("upstream_malformed"));
    });
}
