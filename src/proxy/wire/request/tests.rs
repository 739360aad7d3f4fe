use http::StatusCode;

use super::*;

/// Parses input that arrives in pieces of `size` bytes, as a connection does it.
fn arriving(input: &[u8], size: usize) -> Result<Option<(Request, usize)>, Refusal> {
    for end in (size..input.len()).step_by(size).chain([input.len()]) {
        let fresh = &input[end.saturating_sub(size)..end];
        // The last look is always taken: what is wrong with a line that has not ended is wrong in pieces too.
        if end > size && end < input.len() && !is_worth_another_look(fresh, end) {
            continue;
        }
        let mut so_far = Bytes::copy_from_slice(&input[..end]);
        if let Some(request) = request(&mut so_far)? {
            return Ok(Some((request, input.len() - end + so_far.len())));
        }
        assert_eq!(so_far, input[..end], "an incomplete head is left alone");
    }
    Ok(None)
}

fn parse(text: &str) -> Result<Option<Request>, Refusal> {
    request(&mut Bytes::copy_from_slice(text.as_bytes()))
}

fn head(text: &str) -> Request {
    parse(text).unwrap_or_else(|refusal| panic!("{text:?}: {refusal:?}")).expect("complete")
}

#[test]
fn a_request_is_what_its_head_says() {
    let text = "\r\nPOST /a%20b?c={d}|e HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nX-Text:\t a b \t\r\n\
                cOOKIE: \u{e9}\r\nContent-Length: 5\r\nExpect: 100-Continue\r\nConnection: x-hop\r\n\r\nhelloGET";
    for size in 1..=text.len() {
        let (request, left) = arriving(text.as_bytes(), size).expect("well formed").expect("complete");
        assert_eq!(
            (request.head.method, request.head.version),
            (Method::POST, Version::HTTP_11),
            "pieces of {size}"
        );
        assert_eq!(request.head.uri, "/a%20b?c={d}|e");
        let fields: Vec<_> = request.head.fields.iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(
            fields,
            [
                (&b"Host"[..], &b"example.com"[..]),
                (b"X-Empty", b""),
                (b"X-Text", b"a b"),
                (b"cOOKIE", "é".as_bytes()),
                (b"Content-Length", b"5"),
                (b"Expect", b"100-Continue"),
                (b"Connection", b"x-hop"),
            ]
        );
        assert_eq!(
            (request.framing, request.keep, request.expects_continue),
            (Framing::Length(5), true, true)
        );
        assert_eq!(left, 8, "what follows is left alone");
    }
}

#[test]
fn the_body_is_framed_as_the_rfc_says() {
    for (fields, framing) in [
        ("", Framing::Empty),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("Content-Length: 0042\r\n", Framing::Length(42)),
        ("Content-Length: 9223372036854775807\r\n", Framing::Length(i64::MAX as u64)),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("TRANSFER-ENCODING: \t CHUNKED \t\r\n", Framing::Chunked),
    ] {
        assert_eq!(head(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).framing, framing, "{fields}");
    }
}

#[test]
fn a_connection_is_kept_if_the_client_keeps_it() {
    for (version, fields, keep) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: X\r\nConnection: ,y , Close\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        assert_eq!(head(&format!("GET / HTTP/{version}\r\n{fields}\r\n")).keep, keep, "{version} {fields}");
    }
}

#[test]
fn a_target_has_the_form_that_goes_with_its_method() {
    for (line, uri) in [
        ("GET /", "/"),
        ("GET //a.example/b", "//a.example/b"),
        ("OPTIONS *", "*"),
        ("OPTIONS /a", "/a"),
        ("PROPFIND /a:b@c", "/a:b@c"),
        ("get /?a=[b]^`\\{|}'", "/?a=[b]^`\\{|}'"),
        ("GET http://a.example", "http://a.example/"),
        ("GET HTTPS://A.example:8443/x?y", "https://A.example:8443/x?y"),
        ("GET http://a.example?b", "http://a.example/?b"),
        ("GET http://[2001:db8::1]/", "http://[2001:db8::1]/"),
    ] {
        let request = head(&format!("{line} HTTP/1.1\r\n\r\n"));
        assert_eq!(request.head.uri.to_string(), uri.replace("HTTPS", "https"), "{line}");
    }
}

#[test]
fn who_speaks_http_1_0_cannot_wait_for_a_100() {
    assert!(!head("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    assert!(!head("POST / HTTP/1.1\r\n\r\n").expects_continue);
}

/// Requests that are refused, for the one fault each of them has.
const REFUSED: &[(&str, Refusal)] = &[
    // The request line.
    ("GET\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET /\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET / \r\n\r\n", Refusal::REQUEST_LINE),
    ("GET / HTTP\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET / http/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET / HTTP/1.x\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET / HTTP/1,1\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET /  HTTP/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    ("GET /\tHTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET  / HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET\t/ HTTP/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    (" GET / HTTP/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    ("G(T / HTTP/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    ("GÉT / HTTP/1.1\r\n\r\n", Refusal::REQUEST_LINE),
    ("\u{16}\u{3}\u{1}\u{2}", Refusal::REQUEST_LINE),
    ("GET / HTTP/2.0\r\n\r\n", Refusal::VERSION),
    ("GET / HTTP/0.9\r\n\r\n", Refusal::VERSION),
    ("GET / HTTP/1.2\r\n\r\n", Refusal::VERSION),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::VERSION),
    // The method.
    ("CONNECT a.example:443 HTTP/1.1\r\n\r\n", Refusal::CONNECT),
    ("CONNECT / HTTP/1.1\r\n\r\n", Refusal::CONNECT),
    ("TRACE / HTTP/1.1\r\n\r\n", Refusal::TRACE),
    // The target.
    ("GET * HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET *a HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET a.example:80 HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET a HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET ?a HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /a#b HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET #b HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /é HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /?é HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /?<b> HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /a\0b HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET /a\x7fb HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET ftp://a.example/ HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET http:///a HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET http:/a HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET http://u@a.example/ HTTP/1.1\r\n\r\n", Refusal::TARGET),
    ("GET http://u:p@a.example/ HTTP/1.1\r\n\r\n", Refusal::TARGET),
    // Line ends.
    ("GET / HTTP/1.1\n\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\nA:\nB: c\r\n\r\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\n\n", Refusal::LINE_END),
    ("GET / HTTP/1.1\r\r\n\r\n", Refusal::LINE_END),
    ("GET / HTTP/1.1 \r\n\r\n", Refusal::LINE_END),
    ("\nGET / HTTP/1.1\r\n\r\n", Refusal::LINE_END),
    ("\rGET / HTTP/1.1\r\n\r\n", Refusal::LINE_END),
    ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Refusal::LINE_END),
    ("\r\n\nGET / HTTP/1.1\r\n\r\n", Refusal::LINE_END),
    // Fields.
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\r\n\tc: d\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\n: a\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nno field\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nname\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\na\0b: c\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\né: c\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\na(b): c\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\x0bc\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\x7fc\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", Refusal::FIELD),
    ("GET / HTTP/1.1\r\nConnection: a b\r\n\r\n", Refusal::CONNECTION),
    ("GET / HTTP/1.1\r\nConnection: close\r\nConnection: x=y\r\n\r\n", Refusal::CONNECTION),
    // Framing.
    ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: -0\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", Refusal::LENGTH),
    ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Refusal::LENGTH_REPEATED),
    ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Refusal::LENGTH_REPEATED),
    ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::AMBIGUOUS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Refusal::AMBIGUOUS),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::CODING_IN_HTTP10),
    ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::CODINGS),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Refusal::CODING),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", Refusal::CODING),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", Refusal::CODING),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", Refusal::CODING),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", Refusal::CODING),
    ("POST / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", Refusal::EXPECTATION),
    ("POST / HTTP/1.1\r\nExpect:\r\n\r\n", Refusal::EXPECTATION),
    ("POST / HTTP/1.1\r\nExpect: 100-continue, x\r\n\r\n", Refusal::EXPECTATION),
];

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    for &(text, refusal) in REFUSED {
        assert_eq!(parse(text).err(), Some(refusal), "{text:?}");
        for size in 1..text.len() {
            let found = arriving(text.as_bytes(), size);
            assert_eq!(found.err(), Some(refusal), "{text:?} in pieces of {size}");
        }
    }
}

#[test]
fn every_refusal_is_explained_to_operators() {
    let manual = include_str!("../../../../docs/operations.md");
    let (statuses, malformed) = manual.split_once("### Requests that are not read").expect("both tables");
    let limits = [Refusal::TARGET_TOO_LONG, Refusal::TOO_MANY_FIELDS, Refusal::HEAD_TOO_LARGE];
    for Refusal { status, reason } in REFUSED.iter().map(|&(_, refusal)| refusal).chain(limits) {
        let (table, begin) = match status {
            StatusCode::BAD_REQUEST => (malformed, "| ".to_owned()),
            status => (statuses, format!("| {} | ", status.as_u16())),
        };
        let word = format!("`{reason}`");
        let row = table.lines().find(|line| line.starts_with(&begin) && line.contains(&word));
        assert!(row.is_some(), "{status}: {reason} is in no table");
    }
}

#[test]
fn a_head_has_limits() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    let large = |length: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(length - 23));
    for (text, refusal) in [
        (target(MAX_TARGET), None),
        (target(MAX_TARGET + 1), Some(Refusal::TARGET_TOO_LONG)),
        (target(MAX_HEAD * 2), Some(Refusal::TARGET_TOO_LONG)),
        (fields(MAX_FIELDS), None),
        (fields(MAX_FIELDS + 1), Some(Refusal::TOO_MANY_FIELDS)),
        (large(MAX_HEAD), None),
        (large(MAX_HEAD + 1), Some(Refusal::HEAD_TOO_LARGE)),
    ] {
        for size in [text.len(), 4096, 1000, 7] {
            let found = arriving(text.as_bytes(), size);
            assert_eq!(found.err(), refusal, "{} bytes in pieces of {size}", text.len());
        }
    }
    assert_eq!(large(MAX_HEAD).len(), MAX_HEAD);
}

#[test]
fn what_cannot_become_a_head_is_not_waited_for() {
    let endless = "a".repeat(MAX_HEAD + 1);
    for (begin, refusal) in [
        ("GET / HTTP/1.1\nHost".to_owned(), Refusal::LINE_END),
        ("\u{16}\u{3}\u{1}".to_owned(), Refusal::REQUEST_LINE),
        ("GET / HTTP/2".to_owned(), Refusal::VERSION),
        ("GET / HTTP/1.1\r\nno field".to_owned(), Refusal::FIELD),
        (format!("GET /{endless}"), Refusal::TARGET_TOO_LONG),
        (endless.clone(), Refusal::HEAD_TOO_LARGE),
        (format!("GET / HTTP/1.1\r\n{endless}"), Refusal::HEAD_TOO_LARGE),
        (format!("GET / HTTP/1.1\r\nA: {endless}"), Refusal::HEAD_TOO_LARGE),
    ] {
        assert_eq!(parse(&begin).err(), Some(refusal), "{:?}", &begin[..begin.len().min(40)]);
    }
    for begin in [
        "",
        "\r",
        "\r\n",
        "G",
        "GET",
        "GET /",
        "GET / HTTP/1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\r\nA: b\r\n\r",
    ] {
        assert!(parse(begin).expect("no fault so far").is_none(), "{begin:?}");
    }
}

/// Writes a head as we have understood it.
fn written(request: &Request) -> Vec<u8> {
    let Head { method, uri, version, fields } = &*request.head;
    let mut out = format!("{method} {uri} {version:?}\r\n").into_bytes();
    fields.write(&mut out, |_| true);
    out.extend_from_slice(b"\r\n");
    out
}

proptest::proptest! {
    /// Whatever comes is read or refused, however it was cut on its way; and what is read says the same when it is
    /// written anew.
    #[test]
    fn a_head_means_one_thing(
        input in "(\r\n)?(GET|POST|OPTIONS|T[A-Z ]{0,3}) (/[!-~é]{0,9}|\\*|https?://[a-z:@]{0,5}[/?]?|[ -~]{1,5}) \
                  ?HTTP/(1\\.[012]|[0-9.]{0,4})\r?\n\
                  ((Host|Connection|Content-Length|Transfer-Encoding|Expect|[A-Za-z _]{0,5}): ?\
                  (close|chunked|[0-9]{1,3}|100-continue|[ -~\t\r\u{0}é]{0,9})\r?\n){0,4}\r?\n?.{0,3}",
        size in 1_usize..40,
    ) {
        let whole = request(&mut Bytes::from(input.clone()));
        let pieces = arriving(input.as_bytes(), size);
        match (whole, pieces) {
            (Ok(Some(whole)), Ok(Some((pieces, _)))) => {
                let again = written(&whole);
                proptest::prop_assert_eq!(&again, &written(&pieces));
                let again = request(&mut Bytes::from(again)).expect("well formed").expect("complete");
                proptest::prop_assert_eq!(again.framing, whole.framing);
                proptest::prop_assert_eq!(again.keep, whole.keep);
                proptest::prop_assert_eq!(written(&again), written(&whole));
            }
            (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
            (whole, pieces) => proptest::prop_assert!(false, "{whole:?}, but in pieces {pieces:?}"),
        }
    }

    /// Bytes at random do no harm.
    #[test]
    fn noise_is_survived(input in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..200)) {
        let _ = request(&mut Bytes::from(input));
    }
}
