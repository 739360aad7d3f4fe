//! The few responses we write ourselves.

use http::StatusCode;

use super::body::Body;
use super::message::Response;
use crate::proxy::wire::{Fields, Refusal};

/// A short text answer that names the reason.
///
/// `reason` is the word that also stands in the access log, so that whoever sees the answer and whoever reads
/// the log speak of the same thing. A 503 asks the client to come again in a second.
pub(in crate::proxy) fn reply(status: StatusCode, reason: &'static str) -> Response {
    let mut response = text(status, reason);
    response.fields.add("cache-control", b"no-store");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.fields.add("retry-after", b"1");
    }
    response
}

/// What a client is told whose request is not read any further.
pub(super) fn refused(refusal: Refusal) -> Response {
    let mut response = reply(refusal.status, refusal.reason);
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110 section 15.5.6. Which of them a resource knows is for the app to say.
        response.fields.add("allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    response
}

/// A short text answer that caches may keep.
pub(super) fn text(status: StatusCode, reason: &'static str) -> Response {
    let fields = Fields::from_iter([("content-type", "text/plain; charset=utf-8")]);
    Response { status, fields, body: Body::from(format!("{status}: {reason}\n")) }
}
