//! One request to one upstream, and its response back.
//!
//! A request is sent again only where that cannot do anything twice: when not a byte of it was sent, or when a
//! connection that had been used before ended without a word and the request is idempotent and has no body
//! (RFC 9110, 9.2.2). Everything else that goes wrong is said to the client, once, with a reason.

use std::rc::Rc;
use std::time::Instant;

use http::header::{EXPECT, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use hyper::body::Body as _;

use super::body::Body;
use super::headers;
use super::interim::Interim;
use super::reply::reply;
use super::upgrade::{self, Tunnel};
use crate::proxy::access::Trace;
use crate::proxy::conn::ConnFacts;
use crate::proxy::error::ForwardError;
use crate::proxy::scratch;
use crate::proxy::upstream::h1::{Answer, Conn, ExchangeError, Failure, Sending, exchange};
use crate::proxy::upstream::h2::{self, Came};
use crate::proxy::upstream::{Pool, Pools, Scheme, Upstream};
use crate::proxy::wire::{Framing, is_hop_by_hop};

/// Sends `request` to `upstream` and returns what it answers, or what we say in its place.
///
/// The request's host is valid by now. The response is for the client as it is; if it is a 101, the upstream's half
/// of the connection is left in `trace.tunnel`. Dropping the future, or the response's body, drops the exchange.
pub(in crate::proxy) async fn forward(
    pools: &Pools,
    upstream: &Upstream,
    request: Request<Body>,
    facts: &ConnFacts,
    trace: &mut Trace,
    interim: &Interim,
) -> Response<Body> {
    let began = Instant::now();
    let pool = pools.of(upstream.target());
    let answer = match upstream.target().scheme() {
        Scheme::H2c => over_h2(&pool, request, facts, trace).await,
        Scheme::Http | Scheme::Https => over_h1(pools, &pool, request, facts, trace, interim).await,
    };
    trace.upstream_time = Some(began.elapsed());
    answer.unwrap_or_else(|error| {
        let (status, reason) = (error.status(), error.reason());
        trace.reason = Some(reason);
        if !error.is_clients_fault()
            && let Some(untold) = pool.complain()
        {
            let tried = trace.tried.iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(upstream = %pool.target(), reason, tried, %error, untold, "no answer");
        }
        reply(status, reason)
    })
}

async fn over_h1(
    pools: &Pools,
    pool: &Rc<Pool>,
    request: Request<Body>,
    facts: &ConnFacts,
    trace: &mut Trace,
    interim: &Interim,
) -> Result<Response<Body>, ForwardError> {
    let (parts, body) = request.into_parts();
    let websocket = upgrade::is_wanted(&parts);
    let (mut conn, mut reused) = match pool.take() {
        Some(conn) => {
            trace.tried.note(conn.peer());
            (conn, true)
        }
        None => (Conn::new(pool.dial(&mut trace.tried).await?, Rc::clone(pool)), false),
    };
    trace.upstream_conn = Some(if reused { "reused" } else { "new" });
    let framing = framing(&parts, &body);
    let mut head = scratch::buffer();
    headers::write_h1(&parts, facts, framing, websocket, &mut head);
    let mut sending = Sending::new(head, body, framing, expects_continue(&parts));
    loop {
        let failure = match exchange(conn, sending, &parts.method, websocket, interim).await {
            Ok(Answer::Response(response)) => return Ok(response),
            Ok(Answer::Switched(head, conn)) => {
                let (stream, early) = conn.into_parts();
                trace.tunnel = Some(Tunnel::new(stream, early, pools.tunnel_idle()));
                return Ok(upgrade::switching(*head));
            }
            Err(failure) => failure,
        };
        let Failure { error, heard, sending: sent } = *failure;
        let ended = matches!(error, ExchangeError::Io(_) | ExchangeError::Closed);
        let again = if reused && ended && !heard { sent.again(parts.method.is_idempotent()) } else { None };
        let Some(again) = again else { return Err(error.into()) };
        (sending, reused) = (again, false);
        trace.upstream_conn = Some("retried");
        conn = Conn::new(pool.dial(&mut trace.tried).await?, Rc::clone(pool));
    }
}

async fn over_h2(
    pool: &Pool,
    request: Request<Body>,
    facts: &ConnFacts,
    trace: &mut Trace,
) -> Result<Response<Body>, ForwardError> {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() { Body::Empty } else { body };
    let mut request = Request::new(body);
    *request.headers_mut() = headers::for_h2(&parts, facts);
    // Our server says 100 when the body is asked for, which is at once here.
    request.headers_mut().remove(EXPECT);
    *request.uri_mut() = uri(&parts, pool);
    *request.method_mut() = parts.method;
    let (response, seat, came) = h2::exchange(pool, request, &mut trace.tried).await?;
    trace.upstream_conn = Some(match came {
        Came::New => "new",
        Came::Reused => "reused",
        Came::Retried => "retried",
    });
    let (parts, body) = response.into_parts();
    let mut response = Response::new(Body::H2(body, seat));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    strip(response.headers_mut());
    Ok(response)
}

/// How the request is framed upstream: as what it is, whatever its head says about it.
fn framing(parts: &Parts, body: &Body) -> Framing {
    if !body.is_end_stream() {
        return body.size_hint().exact().map_or(Framing::Chunked, Framing::Length);
    }
    // A method that is expected to have a body says that it has none (RFC 9110, 8.6).
    let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method);
    if expected { Framing::Length(0) } else { Framing::Empty }
}

fn expects_continue(parts: &Parts) -> bool {
    parts.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The request's target with everything that HTTP/2 wants to know.
fn uri(parts: &Parts, pool: &Pool) -> Uri {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let address = pool.target().authority();
    let host = headers::host(parts).unwrap_or(&address);
    let uri = Uri::builder().scheme("http").authority(host).path_and_query(path).build();
    // Each part has been parsed before.
    uri.unwrap_or_else(|_| parts.uri.clone())
}

/// Takes out what HTTP/2 does not know, should an upstream send it.
fn strip(headers: &mut HeaderMap) {
    if headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        let hop: Vec<HeaderName> =
            headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
        for name in hop {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
pub(in crate::proxy::http) mod tests;
