//! What is answered by us and not by the app: requests for nobody, for somebody else, and what is no request.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use sidegate::ident::Fqdn;
use sidegate::proxy::{Options, RouteTable, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::app::App;
use crate::house::backend::Backend;
use crate::house::client::{Client, get, h1, h2, read};
use crate::house::front::{Front, site};

async fn front() -> Front {
    let app = App::saying("from the app").await;
    Front::start(
        Options::default(),
        &[site(&["example.com", "*.example.com"], app), site(&["other.example"], app)],
    )
}

/// Sends these bytes through TLS and reads until the end.
async fn raw(to: SocketAddr, bytes: &str) -> String {
    let mut io =
        Client::offering(&["http/1.1"]).hello(to, Some("example.com")).await.expect("a handshake").io;
    io.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // What counts is what came before the end, however clean that was.
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_request_has_exactly_one_valid_host() {
    let front = front().await;
    for (head, status, reason) in [
        ("GET / HTTP/1.1\r\nhost: example.com", 200, None),
        ("GET / HTTP/1.1\r\nhost: EXAMPLE.com.:444", 200, None),
        ("GET http://example.com/ HTTP/1.1\r\nhost: example.com", 200, None),
        ("GET / HTTP/1.0\r\nhost: example.com", 200, None),
        ("GET / HTTP/1.1", 400, Some("host_missing")),
        ("GET / HTTP/1.0", 400, Some("host_missing")),
        ("GET / HTTP/1.1\r\nhost: example.com\r\nhost: example.com", 400, Some("host_repeated")),
        ("GET http://example.com/ HTTP/1.1\r\nhost: other.example", 400, Some("host_disagrees")),
        ("GET / HTTP/1.1\r\nhost: example.com/x", 400, Some("host_invalid")),
        ("GET / HTTP/1.1\r\nhost: user@example.com", 400, Some("host_invalid")),
        ("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443", 501, Some("connect")),
    ] {
        let answer = raw(front.https, &format!("{head}\r\nconnection: close\r\n\r\n")).await;
        assert!(answer[8..].starts_with(&format!(" {status} ")), "{head}: {answer}");
        let line = front.line();
        assert_eq!(line["status"], status, "{head}");
        assert_eq!(line["reason"].as_str(), reason, "{head}");
    }
}

#[tokio::test]
async fn a_request_that_leaves_a_doubt_is_the_last_of_its_connection() {
    let app = App::saying("from the app").await;
    let mut site = site(&["example.com"], app);
    site.routes.push(("/admin".into(), Target::parse(&app.to_string()).expect("a target")));
    let front = Front::start(Options::default(), &[site]);
    let next = "GET /next HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n";
    for (head, reason) in [
        ("GET / HTTP/1.1\r\nhost: example.com\r\nhost: example.com", "host_repeated"),
        ("GET http://example.com/ HTTP/1.1\r\nhost: other.example", "host_disagrees"),
        ("GET / HTTP/1.1", "host_missing"),
        ("GET / HTTP/1.1\r\nhost: example.com/x", "host_invalid"),
        ("GET /x/../admin HTTP/1.1\r\nhost: example.com", "ambiguous_path"),
    ] {
        let answer = raw(front.https, &format!("{head}\r\n\r\n{next}")).await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{head}: {answer}");
        assert!(answer.ends_with(&format!("400 Bad Request: {reason}\n")), "{head}: {answer}");
        assert_eq!(front.line()["reason"], reason);
        assert_eq!(front.lines(), 0, "{head}: what followed was read");
    }
    // One that leaves none.
    let elsewhere = "GET / HTTP/1.1\r\nhost: nowhere.example\r\n\r\n";
    let answer = raw(front.https, &format!("{elsewhere}{next}")).await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("from the app"), "{answer}");
}

#[tokio::test]
async fn a_host_that_is_not_this_connections_is_misdirected() {
    let front = front().await;
    let mut sender = h1(front.https, "www.example.com").await;
    for (host, status, reason) in [
        ("www.example.com", 200, None),
        // The certificate that was shown covers these, and clients reuse connections for what it covers.
        ("example.com", 200, None),
        ("api.example.com:8443", 200, None),
        ("other.example", 421, Some("misdirected")),
        ("a.b.example.com", 404, Some("no_site")),
        ("nowhere.example", 404, Some("no_site")),
        ("192.0.2.1", 404, Some("no_site")),
    ] {
        sender.ready().await.expect("the connection stays");
        let (got, text) = read(sender.send_request(get("/", host)).await.expect("an answer")).await;
        assert_eq!(got, status, "{host}: {text}");
        assert_eq!(front.line()["reason"].as_str(), reason, "{host}");
    }
    let (mut sender, _conn) = h2(front.https, "example.com").await;
    for (uri, status) in [("https://example.com/", 200), ("https://other.example/", 421)] {
        let request = http::Request::get(uri).body(http_body_util::Full::default()).expect("a request");
        let (got, _) = read(sender.send_request(request).await.expect("an answer")).await;
        assert_eq!(got, status, "{uri}");
    }
}

#[tokio::test]
async fn a_request_in_clear_where_tls_is_spoken_is_told_so() {
    let front = front().await;
    // More than is read of a hello at once.
    let body = "x".repeat(100_000);
    for rest in [String::new(), format!("content-length: {}\r\n\r\n{body}", body.len())] {
        let mut io = TcpStream::connect(front.https).await.expect("the front accepts");
        let head = format!("POST / HTTP/1.1\r\nhost: example.com\r\n{rest}\r\n");
        io.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.expect("an end and no reset");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\n400 Bad Request: http_on_https_port\n"), "{answer}");
        assert_eq!(front.line()["reason"], "http_on_https_port");
    }
}

#[tokio::test]
async fn a_client_without_a_name_is_served_what_its_certificate_covers() {
    let front = front().await;
    let io = Client::offering(&["http/1.1"]).hello(front.https, None).await.expect("a handshake").io;
    let mut sender = crate::house::client::h1_over(io).await;
    for (host, status) in [("example.com", 200), ("other.example", 421)] {
        sender.ready().await.expect("the connection stays");
        let (got, _) = read(sender.send_request(get("/", host)).await.expect("an answer")).await;
        assert_eq!(got, status, "{host}");
    }
}

#[tokio::test]
async fn a_body_is_no_larger_than_its_site_allows() {
    let mut app = App::start().await;
    let mut small = site(&["example.com"], app.address);
    small.max_body = Some(5);
    let front = Front::start(Options::default(), &[small]);
    tokio::spawn(async move {
        loop {
            let mut asked = app.next().await;
            if asked.request.body_mut().collect().await.is_ok() {
                asked.say("it came as a whole");
            }
        }
    });
    for (framed, status, reason) in [
        ("content-length: 5\r\n\r\nhello", "200", None),
        ("content-length: 6\r\n\r\nhello!", "413", Some("body_too_large")),
        ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200", None),
        ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n", "413", Some("body_too_large")),
    ] {
        let head = format!("POST / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n{framed}");
        let answer = raw(front.https, &head).await;
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
        let line = front.line();
        assert_eq!((line["status"].to_string().as_str(), line["reason"].as_str()), (status, reason));
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_no_larger_for_an_app_that_speaks_http2() {
    let app = Backend::start().await;
    let mut small = site(&["example.com"], app.address());
    small.routes[0].1 = Target::parse(&format!("h2c://{}", app.address())).expect("a target");
    small.max_body = Some(5);
    let front = Front::start(Options::default(), &[small]);
    let reading = tokio::spawn(async move {
        let mut server = h2::server::handshake(app.accept().await.into_io()).await.expect("HTTP/2");
        while let Some(Ok((request, _answer))) = server.accept().await {
            let mut body = request.into_body();
            tokio::spawn(async move { while let Some(Ok(_)) = body.data().await {} });
        }
    });
    let head = "POST / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n";
    let answer = raw(front.https, head).await;
    assert_eq!(answer.get(9..12), Some("413"), "{answer}");
    let line = front.line();
    assert_eq!((&line["status"], line["reason"].as_str()), (&413.into(), Some("body_too_large")));
    reading.abort();
}

#[tokio::test]
async fn a_head_has_limits() {
    let front = front().await;
    let fields = |count: usize| -> String { (0..count).map(|i| format!("x-{i}: y\r\n")).collect() };
    let long = "x".repeat(40 * 1024);
    for (rest, status, reason) in [
        (fields(90), "200", None),
        (fields(101), "431", Some("too_many_fields")),
        (format!("x: {long}\r\n"), "431", Some("head_too_large")),
        ("content-length: x\r\n".to_owned(), "400", Some("content_length_invalid")),
        ("bad field: x\r\n".to_owned(), "400", Some("field_invalid")),
    ] {
        let head = format!("GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n{rest}\r\n");
        let answer = raw(front.https, &head).await;
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
        let line = front.line();
        assert_eq!((line["status"].to_string().as_str(), line["reason"].as_str()), (status, reason));
    }
    let (mut sender, _conn) = h2(front.https, "example.com").await;
    for (count, status) in [(90, 200), (101, 431)] {
        let mut request = http::Request::get("https://example.com/");
        for i in 0..count {
            request = request.header(format!("x-{i}"), "y");
        }
        let request = request.body(http_body_util::Full::default()).expect("a request");
        let (got, _) = read(sender.send_request(request).await.expect("an answer")).await;
        assert_eq!(got, status, "{count} fields");
    }
}

#[tokio::test]
async fn a_redirected_name_keeps_path_and_query() {
    let app = App::saying("from the app").await;
    let mut site = site(&["example.com", "www.example.com"], app);
    let name = |name| Fqdn::parse(name).expect("a name");
    site.redirect = vec![(name("www.example.com"), name("example.com"))];
    let front = Front::start(Options { https_port: 8443, ..Options::default() }, &[site]);
    let mut sender = h1(front.https, "www.example.com").await;
    let answer = sender.send_request(get("/a%2Fb?c=d", "www.example.com:8443")).await.expect("an answer");
    assert_eq!(answer.status(), 301);
    assert_eq!(answer.headers()["location"], "https://example.com:8443/a%2Fb?c=d");
    read(answer).await;
    sender.ready().await.expect("the connection stays");
    let (status, text) = read(sender.send_request(get("/", "example.com")).await.expect("an answer")).await;
    assert_eq!((status, text.as_str()), (200, "from the app"));
}

#[tokio::test]
async fn a_path_that_two_apps_could_claim_reaches_neither() {
    let (app, admin) = (App::saying("app").await, App::saying("admin").await);
    let mut site = site(&["example.com"], app);
    site.routes.push(("/admin".into(), Target::parse(&admin.to_string()).expect("a target")));
    let front = Front::start(Options::default(), &[site]);
    for (path, status, said) in [
        ("/", 200, "app"),
        ("/admin/x", 200, "admin"),
        ("/administrators", 200, "app"),
        ("/x/../admin", 400, "ambiguous_path"),
        ("/%61dmin", 400, "ambiguous_path"),
        ("/x/..;/admin", 400, "ambiguous_path"),
        ("/x%5c..%5cadmin", 400, "ambiguous_path"),
        ("/x%20y/../z", 200, "app"),
    ] {
        let mut sender = h1(front.https, "example.com").await;
        let (got, text) = read(sender.send_request(get(path, "example.com")).await.expect("an answer")).await;
        assert_eq!(got, status, "{path}");
        assert!(text.contains(said), "{path}: {text}");
    }
}

#[tokio::test]
async fn new_routes_are_for_the_next_request_and_leave_connections_alone() {
    let (old, new) = (App::saying("old").await, App::saying("new").await);
    let front = Front::start(Options::default(), &[site(&["example.com"], old)]);
    let mut sender = h1(front.https, "example.com").await;
    let (_, text) = read(sender.send_request(get("/", "example.com")).await.expect("an answer")).await;
    assert_eq!(text, "old");
    front.proxy.replace_routes(RouteTable::new(vec![site(&["example.com"], new)]));
    sender.ready().await.expect("the connection stays");
    let (_, text) = read(sender.send_request(get("/", "example.com")).await.expect("an answer")).await;
    assert_eq!(text, "new");
}
