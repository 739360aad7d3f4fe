//! Port 80: answers challenges, and sends everybody else on to https.
//!
//! Nothing below `/.well-known/acme-challenge/` is ever sent on. A token we posted is answered whatever the host: CAs
//! follow redirects of other servers to us, and the token is answer enough (RFC 8555 section 8.3).

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::Exchange;
use super::body::Body;
use super::forward::Errand;
use super::redirect;
use super::reply::reply;
use crate::ident::Name;
use crate::proxy::Worker;
use crate::proxy::access::Trace;
use crate::proxy::conn::ConnFacts;
use crate::proxy::route::{NoRoute, SiteEntry};

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Answers a request for one of our sites.
pub(super) fn answer(
    worker: &Worker,
    request: Request<Body>,
    host: &Name,
    site: &SiteEntry,
    facts: &ConnFacts,
    trace: &mut Trace,
) -> Exchange {
    if let Some(answer) = challenge(worker, &request, trace) {
        return answer.into();
    }
    let path = request.uri().path();
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        // Where we do not validate by http-01, the app may. It is reached in clear for that alone.
        if site.http01() || !is_token(token) || !is_read(request.method()) {
            return refuse(trace, StatusCode::NOT_FOUND, "unknown_token").into();
        }
        return match site.upstream(path) {
            Ok(upstream) => Exchange::Forwarded(Errand::new(&worker.pools, upstream, request, facts)),
            Err(NoRoute::Unknown) => refuse(trace, StatusCode::NOT_FOUND, "no_route").into(),
            Err(NoRoute::Ambiguous) => refuse(trace, StatusCode::BAD_REQUEST, "ambiguous_path").into(),
        };
    }
    trace.reason = Some("https");
    let port = worker.proxy.options.https_port;
    match host {
        Name::Ip(std::net::IpAddr::V6(ip)) => redirect::to(&request, format_args!("[{ip}]"), port),
        _ => redirect::to(&request, host, port),
    }
    .into()
}

/// Answers a request for a host we do not know: there is nowhere to send it.
pub(super) fn stranger(worker: &Worker, request: &Request<Body>, trace: &mut Trace) -> Response<Body> {
    match challenge(worker, request, trace) {
        Some(answer) => answer,
        None => refuse(trace, StatusCode::NOT_FOUND, "no_site"),
    }
}

fn challenge(worker: &Worker, request: &Request<Body>, trace: &mut Trace) -> Option<Response<Body>> {
    let token = request.uri().path().strip_prefix(CHALLENGES)?;
    let answer = worker.proxy.resolver.http01(token)?;
    trace.reason = Some("challenge");
    if !is_read(request.method()) {
        let mut response = refuse(trace, StatusCode::METHOD_NOT_ALLOWED, "challenge_method");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let mut response = Response::new(Body::from(answer.to_string()));
    // RFC 8555 section 8.3.
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Some(response)
}

/// RFC 8555 section 8.3: only characters of base64url.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn refuse(trace: &mut Trace, status: StatusCode, reason: &'static str) -> Response<Body> {
    trace.reason = Some(reason);
    reply(status, reason)
}
