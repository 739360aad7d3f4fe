//! One request to one upstream, and its response back.
//!
//! A request is sent again only where that cannot do anything twice: when not a byte of it was sent, or when a
//! connection that had been used before ended without a word and the request is idempotent and has no body
//! (RFC 9110 section 9.2.2). Everything else that goes wrong is said to the client, once, with a reason.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Method, Uri};
use hyper::body::Body as _;

use super::body::Body;
use super::headers;
use super::interim::Interim;
use super::message::{Request, Response};
use super::reply::reply;
use super::upgrade::{self, Tunnel};
use crate::proxy::access::Trace;
use crate::proxy::conn::ConnFacts;
use crate::proxy::error::ForwardError;
use crate::proxy::scratch;
use crate::proxy::upstream::h1::{Answer, Conn, ExchangeError, Failure, Sending, exchange};
use crate::proxy::upstream::h2::{self, Came};
use crate::proxy::upstream::{Pool, Pools, Scheme, Upstream};
use crate::proxy::wire::{self, Fields, Framing, Head};

/// A request that is ready to go to its upstream. Of what the client sent, only its body is still needed.
pub(in crate::proxy) struct Errand {
    pool: Rc<Pool>,
    message: Message,
    /// For how long a tunnel may be silent, should it become one.
    tunnel_idle: Duration,
}

/// A request as its upstream will see it.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
enum Message {
    H1 { sending: Sending, method: Method, websocket: bool },
    H2(Box<http::Request<Body>>),
}

impl Errand {
    /// Makes `request`, whose host is valid by now, ready for `upstream`. Nothing is sent.
    pub(in crate::proxy) fn new(
        pools: &Pools,
        upstream: &Upstream,
        request: Request,
        facts: &ConnFacts,
    ) -> Self {
        let pool = pools.of(upstream.target());
        let Request { head, body } = request;
        let message = match upstream.target().scheme() {
            Scheme::H2c => Message::H2(Box::new(for_h2(*head, body, facts, &pool))),
            Scheme::Http | Scheme::Https => for_h1(*head, body, facts),
        };
        Self { pool, message, tunnel_idle: pools.tunnel_idle() }
    }

    /// Sends the request and returns what the upstream answers, or what we say in its place.
    ///
    /// The response is for the client as it is; if it is a 101, the upstream's half of the connection is left in
    /// `trace.tunnel`. Dropping the future, or the response's body, drops the exchange.
    pub(in crate::proxy) async fn run(self, trace: &mut Trace, interim: &Interim) -> Response {
        let began = Instant::now();
        let pool = self.pool;
        let answer = match self.message {
            Message::H2(request) => Box::pin(over_h2(&pool, *request, trace)).await,
            Message::H1 { sending, method, websocket } => {
                over_h1(&pool, sending, &method, websocket, self.tunnel_idle, trace, interim).await
            }
        };
        trace.upstream_time = Some(began.elapsed());
        answer.unwrap_or_else(|error| own_up(&pool, &error, trace))
    }
}

/// What the client is told when its request came to nothing.
fn own_up(pool: &Pool, error: &ForwardError, trace: &mut Trace) -> Response {
    let (status, reason) = (error.status(), error.reason());
    trace.reason = Some(reason);
    if !error.is_clients_fault()
        && let Some(untold) = pool.complain()
    {
        let tried = trace.tried.iter().collect::<Vec<_>>().join(", ");
        tracing::warn!(upstream = %pool.target(), reason, tried, %error, untold, "no answer");
    }
    reply(status, reason)
}

fn for_h1(head: Head, body: Body, facts: &ConnFacts) -> Message {
    let websocket = upgrade::is_wanted(&head);
    let framing = framing(&head, &body);
    let mut out = scratch::buffer();
    headers::write_h1(&head, facts, framing, websocket, &mut out);
    // A client that has begun to send does not wait for the upstream's word (RFC 9110 section 10.1.1).
    let gated = head.expects_continue() && !body.has_begun();
    let sending = Sending::new(out, body, framing, gated);
    Message::H1 { sending, method: head.method, websocket }
}

async fn over_h1(
    pool: &Rc<Pool>,
    mut sending: Sending,
    method: &Method,
    websocket: bool,
    tunnel_idle: Duration,
    trace: &mut Trace,
    interim: &Interim,
) -> Result<Response, ForwardError> {
    let mut idle = pool.take();
    loop {
        let reused = idle.is_some();
        let conn = match idle.take() {
            Some(conn) => {
                trace.tried.note(conn.peer());
                conn
            }
            // Boxed: most requests find a connection, and need not carry along what it takes to open one.
            None => Conn::new(Box::pin(pool.dial(&mut trace.tried)).await?, Rc::clone(pool)),
        };
        trace.upstream_conn = Some(match trace.upstream_conn {
            Some(_) => "retried",
            None if reused => "reused",
            None => "new",
        });
        let failure = match exchange(conn, sending, method, websocket, interim).await {
            Ok(Answer::Response(response)) => return Ok(response),
            Ok(Answer::Switched(head, conn)) => {
                let (stream, early) = conn.into_parts();
                trace.tunnel = Some(Tunnel::new(stream, early, tunnel_idle));
                return Ok(upgrade::switching(*head));
            }
            Err(failure) => failure,
        };
        let Failure { error, heard, sending: sent } = *failure;
        let ended = matches!(error, ExchangeError::Io(_) | ExchangeError::Closed);
        let again = if reused && ended && !heard { sent.again(method.is_idempotent()) } else { None };
        let Some(again) = again else { return Err(error.into()) };
        sending = again;
    }
}

fn for_h2(head: Head, body: Body, facts: &ConnFacts, pool: &Pool) -> http::Request<Body> {
    let body = if body.is_end_stream() { Body::Empty } else { body };
    let mut request = http::Request::new(body);
    *request.headers_mut() = headers::for_h2(&head, facts);
    *request.uri_mut() = uri(&head, pool);
    *request.method_mut() = head.method;
    request
}

async fn over_h2(
    pool: &Pool,
    request: http::Request<Body>,
    trace: &mut Trace,
) -> Result<Response, ForwardError> {
    let (response, seat, came) = h2::exchange(pool, request, &mut trace.tried).await?;
    trace.upstream_conn = Some(match came {
        Came::New => "new",
        Came::Reused => "reused",
        Came::Retried => "retried",
    });
    let (parts, body) = response.into_parts();
    let mut fields = Fields::from(&parts.headers);
    wire::over_h2(parts.status, &mut fields).map_err(ExchangeError::Malformed)?;
    Ok(Response { status: parts.status, fields, body: Body::H2(body, seat) })
}

/// How the request is framed upstream: as what it is, whatever its head says about it.
fn framing(head: &Head, body: &Body) -> Framing {
    if !body.is_end_stream() {
        return body.size_hint().exact().map_or(Framing::Chunked, Framing::Length);
    }
    // A method that is expected to have a body says that it has none (RFC 9110 section 8.6).
    let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    if expected { Framing::Length(0) } else { Framing::Empty }
}

/// The request's target with everything that HTTP/2 wants to know.
fn uri(head: &Head, pool: &Pool) -> Uri {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let address = pool.target().authority();
    let host = headers::host(head).unwrap_or(&address);
    let uri = Uri::builder().scheme("http").authority(host).path_and_query(path).build();
    // Each part has been parsed before.
    uri.unwrap_or_else(|_| head.uri.clone())
}

#[cfg(test)]
pub(in crate::proxy::http) mod tests;
