//! A request and a response, whichever version of HTTP they come over.

use http::StatusCode;

use super::body::Body;
use crate::proxy::wire::{Fields, Head};

/// What a client asks for.
pub(in crate::proxy) struct Request {
    pub(in crate::proxy) head: Box<Head>,
    pub(in crate::proxy) body: Body,
}

/// What a client is answered.
pub(in crate::proxy) struct Response {
    pub(in crate::proxy) status: StatusCode,
    /// Without those that concern the connection the response came on.
    pub(in crate::proxy) fields: Fields,
    pub(in crate::proxy) body: Body,
}

#[cfg(test)]
impl Response {
    /// A response that may or may not say how long it is.
    pub(super) fn sample(status: u16, length: Option<&str>, body: &'static str) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        let fields = length.map(|length| ("content-length", length)).into_iter().collect();
        Self { status, fields, body: Body::from(body.to_owned()) }
    }
}
