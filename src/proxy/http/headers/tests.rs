use super::*;
use crate::proxy::http::forward::tests::facts;

/// The head that an HTTP/1.1 upstream sees, a line each, for these fields of a client at 192.0.2.7.
fn head_of(fields: &[(&str, &str)]) -> Vec<String> {
    lines(&Head::get("/path?q=1", fields), Framing::Empty, false)
}

fn lines(head: &Head, framing: Framing, websocket: bool) -> Vec<String> {
    let facts = facts("[::ffff:192.0.2.7]:5000".parse().expect("an address"));
    let mut out = Vec::new();
    write_h1(head, &facts, framing, websocket, &mut out);
    let text = String::from_utf8(out).expect("text");
    let text = text.strip_suffix("\r\n\r\n").expect("an empty line ends the head");
    text.split("\r\n").map(str::to_owned).collect()
}

/// What of the client's own fields is left.
fn kept(fields: &[(&str, &str)]) -> Vec<String> {
    let mut all = fields.to_vec();
    all.insert(0, ("host", "app.example"));
    let lines = head_of(&all);
    let ours = |line: &String| line.starts_with("x-forwarded-") || line.starts_with("x-real-ip:");
    lines.into_iter().skip(2).filter(|line| !ours(line)).collect()
}

#[test]
fn what_we_say_is_all_that_is_said() {
    let forged = [
        ("host", "app.example:8443"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-client-cert", "Subject=\"CN=admin\""),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("x-forwarded_proto", "http"),
        ("x_real_ip", "10.0.0.1"),
        ("connection", "x-forwarded-for, x-real-ip, host"),
    ];
    assert_eq!(
        head_of(&forged),
        [
            "GET /path?q=1 HTTP/1.1",
            "host: app.example:8443",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: app.example:8443",
            "x-forwarded-port: 8443",
            "x-forwarded-proto: https",
            "x-real-ip: 192.0.2.7",
        ]
    );
}

#[test]
fn the_same_is_said_over_http2() {
    let facts = facts("[2001:db8::7]:5000".parse().expect("an address"));
    let head = Head::get(
        "https://app.example/",
        &[
            ("x-forwarded-for", "10.0.0.1"),
            ("te", "gzip, Trailers"),
            ("connection", "te, x"),
            ("x", "y"),
            ("a", "b"),
        ],
    );
    let headers = for_h2(&head, &facts);
    let mut lines: Vec<String> =
        headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().expect("text"))).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "a: b",
            "te: trailers",
            "x-forwarded-for: 2001:db8::7",
            "x-forwarded-host: app.example",
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
            "x-real-ip: 2001:db8::7",
        ]
    );
}

#[test]
fn what_concerns_one_connection_ends_with_it() {
    let fields = [
        ("connection", "keep-alive, X-Hop"),
        ("connection", "upgrade"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("proxy", "http://evil.example"),
        ("content-length", "5"),
        ("trailer", "x-sum"),
        ("accept", "*/*"),
        ("x_harmless", "kept"),
    ];
    assert_eq!(kept(&fields), ["trailer: x-sum", "accept: */*", "x_harmless: kept"]);
}

#[test]
fn connection_cannot_take_away_what_the_app_relies_on() {
    let fields = [
        ("connection", "Authorization, Cookie, Host, X-Forwarded-For, Content-Type, close"),
        ("authorization", "Bearer x"),
        ("cookie", "a=1"),
        ("content-type", "text/plain"),
    ];
    let mut kept = kept(&fields);
    kept.sort();
    assert_eq!(kept, ["authorization: Bearer x", "content-type: text/plain", "cookie: a=1"]);
}

#[test]
fn cookies_in_crumbs_become_one_field() {
    assert_eq!(
        kept(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")]),
        ["x: y", "cookie: a=1; b=2; c=3"]
    );
}

#[test]
fn fields_that_come_often_come_often() {
    assert_eq!(kept(&[("accept", "a"), ("b", "c"), ("accept", "d")]), ["accept: a", "b: c", "accept: d"]);
}

#[test]
fn the_host_is_the_one_the_client_asked_for() {
    let h2 = lines(&Head::get("https://app.example/x", &[]), Framing::Empty, false);
    assert_eq!(h2[..2], ["GET /x HTTP/1.1", "host: app.example"]);
    let absolute =
        lines(&Head::get("http://app.example:81", &[("host", "app.example:81")]), Framing::Empty, false);
    assert_eq!(absolute[..2], ["GET / HTTP/1.1", "host: app.example:81"]);
    assert!(absolute.contains(&"x-forwarded-port: 81".to_owned()));
    let literal = lines(&Head::get("/", &[("host", "[2001:db8::1]")]), Framing::Empty, false);
    assert!(literal.contains(&"x-forwarded-port: 443".to_owned()), "{literal:?}");
}

#[test]
fn the_framing_is_ours_whatever_the_client_said() {
    let fields = [("content-length", "5"), ("transfer-encoding", "chunked")];
    let framed = |framing| {
        let lines = lines(&Head::get("/", &fields), framing, false);
        let about = |l: &String| l.starts_with("content-length") || l.starts_with("transfer-encoding");
        lines.into_iter().filter(about).collect::<Vec<_>>()
    };
    assert_eq!(framed(Framing::Empty), [""; 0]);
    assert_eq!(framed(Framing::Length(u64::MAX)), ["content-length: 18446744073709551615"]);
    assert_eq!(framed(Framing::Chunked), ["transfer-encoding: chunked"]);
}

#[test]
fn a_switch_is_asked_for_in_our_words() {
    let head = Head::get(
        "/ws",
        &[("host", "a"), ("connection", "x, Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-key", "k")],
    );
    let lines = lines(&head, Framing::Empty, true);
    assert_eq!(lines[2..5], ["sec-websocket-key: k", "connection: Upgrade", "upgrade: websocket"]);
}
