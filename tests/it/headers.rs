//! What an app sees of a request's head, and a client of a response's, through the whole proxy.

use std::collections::BTreeMap;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use sidegate::proxy::Options;

use crate::house::backend::{Backend, Wire};
use crate::house::client::{Client, h2};
use crate::house::front::{Front, site};

const NAME: &str = "app.example";

async fn house() -> (Front, Backend) {
    let backend = Backend::start().await;
    (Front::start(Options::default(), &[site(&[NAME], backend.address())]), backend)
}

/// Fields of a head that the app echoed, without the request line; each name must occur once.
fn fields(head: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for line in head.trim_end().split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").expect("a field");
        let before = fields.insert(name.to_owned(), value.to_owned());
        assert!(before.is_none(), "{name} twice in {head}");
    }
    fields
}

async fn body(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.into()).expect("text")
}

fn expected(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a client would like the app to believe.
const FORGED: [(&str, &str); 12] = [
    ("x-forwarded-for", "10.9.8.7"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "bank.example"),
    ("x-forwarded-port", "80"),
    ("x-forwarded-client-cert", "Subject=admin"),
    ("x-real-ip", "10.9.8.7"),
    ("forwarded", "for=10.9.8.7;proto=http"),
    ("x_forwarded_for", "10.9.8.7"),
    ("x_real_ip", "10.9.8.7"),
    ("proxy", "http://10.9.8.7"),
    ("accept", "*/*"),
    ("x-harmless", "kept"),
];

const SEEN: [(&str, &str); 8] = [
    ("host", NAME),
    ("accept", "*/*"),
    ("x-harmless", "kept"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-host", NAME),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "127.0.0.1"),
];

#[tokio::test]
async fn nothing_forged_gets_through_http2() {
    let (front, backend) = house().await;
    backend.echo_heads();
    let (mut sender, _) = h2(front.https, NAME).await;
    let mut request = Request::get(format!("https://{NAME}/"));
    for (name, value) in FORGED {
        request = request.header(name, value);
    }
    let response = sender.send_request(request.body(Full::default()).expect("a request")).await;
    assert_eq!(fields(&body(response.expect("a response")).await), expected(&SEEN));
}

#[tokio::test]
async fn nothing_forged_gets_through_http1_not_even_by_connection() {
    let (front, backend) = house().await;
    backend.echo_heads();
    let io = Client::offering(&["http/1.1"]).hello(front.https, Some(NAME)).await.expect("a handshake").io;
    let mut client = Wire::new(io);
    let mut request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n");
    for (name, value) in FORGED {
        request += &format!("{name}: {value}\r\n");
    }
    request += "Connection: close, X-Forwarded-For, X-Real-IP, X-Forwarded-Proto, Host, X-Hop\r\n\
                X-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    client.send(request).await;
    client.head().await;
    assert_eq!(fields(&client.rest().await), expected(&SEEN));
}

#[tokio::test]
async fn cookies_in_crumbs_are_one_field_for_the_app() {
    let (front, backend) = house().await;
    backend.echo_heads();
    let (mut sender, _) = h2(front.https, NAME).await;
    let request = Request::get(format!("https://{NAME}/")).header("cookie", "a=1").header("cookie", "b=2");
    let response = sender.send_request(request.body(Full::default()).expect("a request")).await;
    assert_eq!(fields(&body(response.expect("a response")).await)["cookie"], "a=1; b=2");
}

#[tokio::test]
async fn what_concerns_the_apps_connection_is_not_told_to_clients() {
    let (front, backend) = house().await;
    let answering = tokio::spawn(async move {
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream
            .send(
                "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
                 Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\
                 Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: app\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            )
            .await;
        upstream
    });
    let (mut sender, _) = h2(front.https, NAME).await;
    let request = Request::get(format!("https://{NAME}/")).body(Full::default()).expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let mut names: Vec<&str> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| *name != "content-length" && *name != "date");
    assert_eq!(names, ["set-cookie", "server"]);
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(body(response).await, "ok");
    answering.await.expect("the app is content");
}
