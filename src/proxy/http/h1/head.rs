//! The head of a response as an HTTP/1.1 client gets it.

use http::{StatusCode, Version};

use crate::proxy::http::date;
use crate::proxy::http::shape::Shape;
use crate::proxy::wire::{Fields, Kind, ResponseFraming as Framing};

/// Writes the head of a final response to `out`. `keep` says whether the connection goes on afterwards.
pub(super) fn write(
    out: &mut Vec<u8>,
    status: StatusCode,
    fields: &Fields,
    shape: &Shape,
    version: Version,
    keep: bool,
) {
    begin(out, status, fields);
    if let Some(length) = shape.length {
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
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
    if !fields.has(Kind::Date) {
        out.extend_from_slice(b"date: ");
        date::write(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim response to `out`.
pub(super) fn write_interim(out: &mut Vec<u8>, status: StatusCode, fields: &Fields) {
    begin(out, status, fields);
    out.extend_from_slice(b"\r\n");
}

fn begin(out: &mut Vec<u8>, status: StatusCode, fields: &Fields) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    fields.write(out, |_| true);
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::proxy::http::message::Response;

    #[test]
    fn a_head_says_what_its_client_has_to_know() {
        let write = |status, body, version, keep| {
            let mut out = Vec::new();
            let response = Response::sample(status, None, body);
            let shape = Shape::of(&response, &Method::GET, version);
            write(&mut out, response.status, &response.fields, &shape, version, keep);
            String::from_utf8(out).expect("text")
        };
        let head = write(200, "hello", Version::HTTP_11, true);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: "), "{head}");
        assert!(head.ends_with(" GMT\r\n\r\n") && !head.contains("connection"), "{head}");
        assert!(write(200, "", Version::HTTP_11, false).contains("\r\nconnection: close\r\n"));
        assert!(write(200, "", Version::HTTP_10, true).contains("\r\nconnection: keep-alive\r\n"));
        assert!(write(299, "", Version::HTTP_11, true).starts_with("HTTP/1.1 299 \r\n"));
    }
}
