//! Port 80: answers challenges, and sends everybody else on to https.
//!
//! Nothing below `/.well-known/acme-challenge/` is ever sent on. A token we posted is answered whatever the host: CAs
//! follow redirects of other servers to us, and the token is answer enough (RFC 8555 section 8.3). One that we did not
//! post may be that of another process with our account; for our names it is answered too.

use std::ops::RangeInclusive;

use http::{Method, StatusCode};

use super::Exchange;
use super::body::Body;
use super::forward::Errand;
use super::message::{Request, Response};
use super::redirect;
use super::reply::reply;
use crate::ident::Name;
use crate::proxy::Worker;
use crate::proxy::access::Trace;
use crate::proxy::conn::ConnFacts;
use crate::proxy::route::{NoRoute, SiteEntry};
use crate::proxy::wire::{Fields, Head};

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// How long a token is: 128 bits in base64url at least (RFC 8555 section 8.3), and not so long that it could be
/// anything.
const TOKEN_LENGTH: RangeInclusive<usize> = 22..=128;

/// Answers a request for one of our sites.
pub(super) fn answer(
    worker: &Worker,
    request: Request,
    host: &Name,
    site: &SiteEntry,
    facts: &ConnFacts,
    trace: &mut Trace,
) -> Exchange {
    if let Some(answer) = challenge(worker, &request.head, trace) {
        return answer.into();
    }
    let path = request.head.uri.path();
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        if !is_token(token) || !is_read(&request.head.method) {
            return refuse(trace, StatusCode::NOT_FOUND, "unknown_token").into();
        }
        if site.http01() {
            return of_account(worker, token, trace).into();
        }
        // Where we do not validate by http-01, the app may. It is reached in clear for that alone.
        return match site.upstream(path) {
            Ok(upstream) => Exchange::Forwarded(Errand::new(&worker.pools, upstream, request, facts)),
            Err(NoRoute::Unknown) => refuse(trace, StatusCode::NOT_FOUND, "no_route").into(),
            Err(NoRoute::Ambiguous) => refuse(trace, StatusCode::BAD_REQUEST, "ambiguous_path").into(),
        };
    }
    trace.reason = Some("https");
    let port = worker.proxy.options.https_port;
    match host {
        Name::Ip(std::net::IpAddr::V6(ip)) => redirect::to(&request.head, format_args!("[{ip}]"), port),
        _ => redirect::to(&request.head, host, port),
    }
    .into()
}

/// Answers a request for a host we do not know: there is nowhere to send it.
pub(super) fn stranger(worker: &Worker, head: &Head, trace: &mut Trace) -> Response {
    match challenge(worker, head, trace) {
        Some(answer) => answer,
        None => refuse(trace, StatusCode::NOT_FOUND, "no_site"),
    }
}

fn challenge(worker: &Worker, head: &Head, trace: &mut Trace) -> Option<Response> {
    let token = head.uri.path().strip_prefix(CHALLENGES)?;
    let answer = worker.proxy.resolver.http01(token)?;
    trace.reason = Some("challenge");
    if !is_read(&head.method) {
        let mut response = refuse(trace, StatusCode::METHOD_NOT_ALLOWED, "challenge_method");
        response.fields.add("allow", b"GET, HEAD");
        return Some(response);
    }
    Some(authorized(answer.to_string()))
}

/// Answers for a token that another process with our account may have posted.
fn of_account(worker: &Worker, token: &str, trace: &mut Trace) -> Response {
    let known = TOKEN_LENGTH.contains(&token.len()).then(|| worker.proxy.resolver.http01_of_account(token));
    match known.flatten() {
        Some(answer) => {
            trace.reason = Some("challenge");
            authorized(answer)
        }
        None => refuse(trace, StatusCode::NOT_FOUND, "unknown_token"),
    }
}

/// RFC 8555 section 8.3.
fn authorized(key_authorization: String) -> Response {
    let fields = Fields::from_iter([("content-type", "application/octet-stream")]);
    Response { status: StatusCode::OK, fields, body: Body::from(key_authorization) }
}

/// RFC 8555 section 8.3: only characters of base64url.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn refuse(trace: &mut Trace, status: StatusCode, reason: &'static str) -> Response {
    trace.reason = Some(reason);
    reply(status, reason)
}
