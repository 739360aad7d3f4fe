//! The head of a response as an HTTP/1.1 client gets it.

use std::io::Write;

use http::header::DATE;
use http::{HeaderMap, StatusCode, Version};

use crate::proxy::http::date;
use crate::proxy::http::shape::Shape;
use crate::proxy::wire::ResponseFraming as Framing;

/// Writes the head of a final response to `out`. `keep` says whether the connection goes on afterwards.
pub(super) fn write(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    shape: &Shape,
    version: Version,
    keep: bool,
) {
    begin(out, status, headers);
    if let Some(length) = shape.length {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    if shape.framing == Framing::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if !keep && status != StatusCode::SWITCHING_PROTOCOLS {
        out.extend_from_slice(b"connection: close\r\n");
    } else if version == Version::HTTP_10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    // RFC 9110 section 6.6.1: whoever forwards a response adds what is missing.
    if !headers.contains_key(DATE) {
        out.extend_from_slice(b"date: ");
        date::write(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim response to `out`.
pub(super) fn write_interim(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    begin(out, status, headers);
    out.extend_from_slice(b"\r\n");
}

fn begin(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::CONTENT_LENGTH;
    use http::{Method, Response};

    use super::*;
    use crate::proxy::http::body::Body;

    fn response(status: u16, length: Option<u64>, body: &'static str) -> Response<Body> {
        let mut response = Response::builder().status(status);
        if let Some(length) = length {
            response = response.header(CONTENT_LENGTH, length);
        }
        response.body(Body::from(Bytes::from_static(body.as_bytes()))).expect("a response")
    }

    #[test]
    fn a_head_says_what_its_client_has_to_know() {
        let write = |response: &Response<Body>, version, keep| {
            let mut out = Vec::new();
            let shape = Shape::of(response, &Method::GET, version);
            write(&mut out, response.status(), response.headers(), &shape, version, keep);
            String::from_utf8(out).expect("text")
        };
        let head = write(&response(200, None, "hello"), Version::HTTP_11, true);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: "), "{head}");
        assert!(head.ends_with(" GMT\r\n\r\n") && !head.contains("connection"), "{head}");
        assert!(
            write(&response(200, None, ""), Version::HTTP_11, false).contains("\r\nconnection: close\r\n")
        );
        assert!(
            write(&response(200, None, ""), Version::HTTP_10, true)
                .contains("\r\nconnection: keep-alive\r\n")
        );
        assert!(write(&response(299, None, ""), Version::HTTP_11, true).starts_with("HTTP/1.1 299 \r\n"));
    }
}
