//! The head of an upstream's response, read strictly.
//!
//! Where a response could be understood in two ways it is not understood at all: an upstream that says both how
//! long its body is and that it is chunked, or says one of them twice, is answered for with a 502 (RFC 9112, 6.3).

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use httparse::{ParserConfig, Status};

use crate::proxy::http::headers::{Tokens, is_hop_by_hop};

/// Fields in one head. Nobody sends as many.
const MAX_FIELDS: usize = 128;

/// A response's head, without what concerned only the connection it came on.
#[derive(Debug)]
pub(in crate::proxy) struct Head {
    /// As the upstream had it.
    pub(in crate::proxy) status: StatusCode,
    /// What goes on to the client.
    pub(in crate::proxy) headers: HeaderMap,
    /// How the body is told from what follows it.
    pub(super) framing: Framing,
    /// Whether the connection may carry another exchange afterwards.
    pub(super) keep: bool,
    /// For how long the upstream says it will keep the connection.
    pub(super) timeout: Option<Duration>,
    /// Whether the upstream says that it switched to the WebSocket protocol.
    pub(super) websocket: bool,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// Where its own framing says.
    Chunked,
    /// With the connection.
    Close,
}

/// Cuts one head off `input`, or leaves it alone if the head is not complete.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn parse(input: &mut Bytes, method: &Method) -> Result<Option<Head>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("more header fields than anybody needs"),
        Err(httparse::Error::Version | httparse::Error::Status | httparse::Error::Token) => {
            return Err("not an HTTP/1.1 response");
        }
        Err(_) => return Err("a header field that is none"),
    };
    let head = read(input, &response, method)?;
    input.advance(length);
    Ok(Some(head))
}

fn read(input: &Bytes, response: &httparse::Response<'_, '_>, method: &Method) -> Result<Head, &'static str> {
    let old = response.version == Some(0);
    let status =
        response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("a status that is none")?;

    // First what the connection has to know, then what goes on; a `Connection` may stand anywhere in the head.
    let mut connection = Tokens::default();
    let (mut length, mut chunked, mut timeout, mut websocket) = (None, false, None, false);
    for field in response.headers.iter() {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            if length.replace(digits(field.value).ok_or("a content-length that is none")?).is_some() {
                return Err("two content-lengths");
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer-encoding other than chunked");
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            connection.add(field.value);
        } else if name.eq_ignore_ascii_case("keep-alive") {
            timeout = keep_alive_timeout(field.value);
        } else if name.eq_ignore_ascii_case("upgrade") {
            websocket = field.value.trim_ascii().eq_ignore_ascii_case(b"websocket");
        }
    }
    if chunked && length.is_some() {
        return Err("both a content-length and chunks");
    }
    if chunked && old {
        return Err("chunks in HTTP/1.0");
    }
    let bodiless =
        method == Method::HEAD || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let framing = match length {
        _ if bodiless => Framing::Empty,
        _ if chunked => Framing::Chunked,
        Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    };
    let keep = framing != Framing::Close && !connection.close && (!old || connection.keep_alive);

    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in response.headers.iter() {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "a header field that is none")?;
        if is_hop_by_hop(&name) || connection.nominates(&name) {
            continue;
        }
        // RFC 9110, 8.6: a 204 has no length; some apps write one all the same.
        if name == CONTENT_LENGTH && (status == StatusCode::NO_CONTENT || status.is_informational()) {
            continue;
        }
        // The value stays in the buffer it was read into; only the count of its users changes.
        let value = HeaderValue::from_maybe_shared(input.slice_ref(field.value))
            .map_err(|_| "a header field that is none")?;
        headers.append(name, value);
    }
    Ok(Head { status, headers, framing, keep, timeout, websocket: websocket && connection.upgrade })
}

/// A number as RFC 9110, 8.6 has it: digits only, no sign, no list.
fn digits(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// `timeout=5` out of `timeout=5, max=100`.
fn keep_alive_timeout(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let seconds = value.split(',').find_map(|part| {
        let (name, seconds) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().trim_matches('"').parse().ok())?
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Option<Head>, &'static str> {
        parse(&mut Bytes::copy_from_slice(text.as_bytes()), &Method::GET)
    }

    fn head(text: &str) -> Head {
        parse_text(text).expect("well formed").expect("complete")
    }

    #[test]
    fn the_body_is_framed_as_the_rfc_says() {
        for (fields, method, status, framing, keep) in [
            ("Content-Length: 5\r\n", Method::GET, 200, Framing::Length(5), true),
            ("Content-Length: 0\r\n", Method::GET, 200, Framing::Empty, true),
            ("Content-Length: 5\r\n", Method::HEAD, 200, Framing::Empty, true),
            ("Content-Length: 5\r\n", Method::GET, 304, Framing::Empty, true),
            ("", Method::GET, 204, Framing::Empty, true),
            ("", Method::GET, 103, Framing::Empty, true),
            ("", Method::HEAD, 200, Framing::Empty, true),
            ("transfer-encoding: Chunked\r\n", Method::GET, 200, Framing::Chunked, true),
            ("transfer-encoding: chunked\r\n", Method::HEAD, 200, Framing::Empty, true),
            ("", Method::GET, 200, Framing::Close, false),
            ("Content-Length: 5\r\nConnection: x, Close\r\n", Method::GET, 200, Framing::Length(5), false),
        ] {
            let text = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
            let mut input = Bytes::from(text.clone());
            let head = parse(&mut input, &method).expect("well formed").expect("complete");
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
        let names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["set-cookie", "trailer", "content-length"]);
        assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
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
}
