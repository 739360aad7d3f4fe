//! How a response is framed for its client.

use http::{Method, StatusCode, Version};
use hyper::body::Body as _;

use super::message::Response;
use crate::proxy::wire::{self, Kind, ResponseFraming as Framing};

/// How a response is framed for its client, by the request's method and version (RFC 9112 section 6.3).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy::http) struct Shape {
    pub(in crate::proxy::http) framing: Framing,
    /// A length the head has to say and does not say yet.
    pub(in crate::proxy::http) length: Option<u64>,
}

impl Shape {
    pub(in crate::proxy::http) fn of(response: &Response, method: &Method, version: Version) -> Self {
        let status = response.status;
        let said = response.fields.get(Kind::ContentLength).and_then(wire::length);
        let exact = response.body.size_hint().exact();
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self { framing: Framing::Empty, length: None };
        }
        if *method == Method::HEAD {
            // What a GET would have got; an upstream that did not say it is not spoken for.
            let length = exact.filter(|&length| said.is_none() && length > 0);
            return Self { framing: Framing::Empty, length };
        }
        match (said, exact) {
            (Some(length), _) => Self { framing: Framing::Length(length), length: None },
            (None, Some(length)) => Self { framing: Framing::Length(length), length: Some(length) },
            (None, None) if version == Version::HTTP_11 => Self { framing: Framing::Chunked, length: None },
            (None, None) => Self { framing: Framing::Close, length: None },
        }
    }

    /// Whether nothing follows the head.
    pub(in crate::proxy::http) fn is_empty(&self) -> bool {
        matches!(self.framing, Framing::Empty | Framing::Length(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_the_client_can_see_it() {
        for (method, status, said, body, framing, length) in [
            (Method::GET, 200, Some("5"), "hello", Framing::Length(5), None),
            (Method::GET, 200, None, "hello", Framing::Length(5), Some(5)),
            (Method::GET, 200, None, "", Framing::Length(0), Some(0)),
            (Method::HEAD, 200, Some("5"), "", Framing::Empty, None),
            (Method::HEAD, 404, None, "hello", Framing::Empty, Some(5)),
            (Method::HEAD, 200, None, "", Framing::Empty, None),
            (Method::GET, 204, None, "", Framing::Empty, None),
            (Method::GET, 304, Some("5"), "", Framing::Empty, None),
            (Method::GET, 101, None, "", Framing::Empty, None),
        ] {
            let response = Response::sample(status, said, body);
            assert_eq!(
                Shape::of(&response, &method, Version::HTTP_11),
                Shape { framing, length },
                "{method} {status} {said:?} {body}"
            );
        }
    }
}
