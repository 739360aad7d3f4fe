use super::*;

fn parse_text(text: &str) -> Result<Option<Response>, &'static str> {
    response(&mut Bytes::copy_from_slice(text.as_bytes()), &Method::GET)
}

fn head(text: &str) -> Response {
    parse_text(text).expect("well formed").expect("complete")
}

#[test]
fn the_body_is_framed_as_the_rfc_says() {
    for (fields, method, status, framing, keep) in [
        ("Content-Length: 5\r\n", Method::GET, 200, ResponseFraming::Length(5), true),
        ("Content-Length: 0\r\n", Method::GET, 200, ResponseFraming::Empty, true),
        ("Content-Length: 5\r\n", Method::HEAD, 200, ResponseFraming::Empty, true),
        ("Content-Length: 5\r\n", Method::GET, 304, ResponseFraming::Empty, true),
        ("", Method::GET, 204, ResponseFraming::Empty, true),
        ("", Method::GET, 103, ResponseFraming::Empty, true),
        ("", Method::HEAD, 200, ResponseFraming::Empty, true),
        ("transfer-encoding: Chunked\r\n", Method::GET, 200, ResponseFraming::Chunked, true),
        ("transfer-encoding: chunked\r\n", Method::HEAD, 200, ResponseFraming::Empty, true),
        ("", Method::GET, 200, ResponseFraming::Close, false),
        ("transfer-encoding: chunked\r\n", Method::GET, 204, ResponseFraming::Empty, false),
        ("content-length: 5\r\n", Method::GET, 204, ResponseFraming::Empty, false),
        ("content-length: 0\r\n", Method::GET, 204, ResponseFraming::Empty, true),
        (
            "Content-Length: 5\r\nConnection: x, Close\r\n",
            Method::GET,
            200,
            ResponseFraming::Length(5),
            false,
        ),
    ] {
        let text = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        let mut input = Bytes::from(text.clone());
        let head = response(&mut input, &method).expect("well formed").expect("complete");
        assert_eq!((head.framing, head.keep), (framing, keep), "{method} {text}");
        assert!(input.is_empty(), "the head is cut off");
    }
    assert!(!head("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n").keep);
    assert!(head("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n").keep);
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA:\nB: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>hello</html>",
        "220 mail.example ESMTP\r\n",
    ] {
        assert!(parse_text(broken).is_err(), "{broken:?}");
    }
    let many = "a: b\r\n".repeat(MAX_FIELDS + 1);
    assert!(parse_text(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")).is_err());
}

#[test]
fn what_concerned_the_connection_stays_behind() {
    let head = head(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, Set-Cookie\r\nKeep-Alive: timeout=5, max=9\r\n\
         X-Hop: 1\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nSet-Cookie: a\r\nset-cookie: b\r\nTrailer: x\r\n\
         Content-Length: 1\r\n\r\n",
    );
    let names: Vec<&[u8]> = head.fields.iter().map(|field| field.name).collect();
    assert_eq!(names, [&b"Set-Cookie"[..], b"set-cookie", b"Trailer", b"Content-Length"]);
    assert_eq!(head.timeout, Some(Duration::from_secs(5)));
    assert!(!head.websocket);
}

#[test]
fn an_incomplete_head_is_waited_for() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for end in 0..whole.len() {
        assert!(parse_text(&whole[..end]).expect("no fault so far").is_none(), "{:?}", &whole[..end]);
    }
}

#[test]
fn a_head_has_an_end() {
    let field = format!("a: {}\r\n", "x".repeat(1000));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", field.repeat(MAX_HEAD / 1000 + 1));
    assert!(parse_text(&endless).is_err());
    assert!(parse_text(&format!("{endless}\r\n")).is_err());
}
