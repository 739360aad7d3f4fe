//! HTTP, whichever version: one request in, one response out.
//!
//! [`exchange`] is the one function every protocol calls. It refuses what is not clearly for one of our sites,
//! before anything is sent anywhere; what remains is forwarded. Each refusal has a word that stands in the answer
//! and in the access log.

pub(in crate::proxy) mod body;
mod date;
pub(in crate::proxy) mod forward;
pub(in crate::proxy) mod h1;
pub(in crate::proxy) mod headers;
mod host;
pub(in crate::proxy) mod interim;
pub(in crate::proxy) mod outgoing;
mod patience;
mod plain;
mod redirect;
pub(in crate::proxy) mod reply;
mod response;
pub(in crate::proxy) mod server;
pub(in crate::proxy) mod upgrade;
mod watch;

use http::{Request, Response, StatusCode};

use super::Worker;
use super::access::Trace;
use super::conn::ConnFacts;
use super::route::NoRoute;
use super::wire::{MAX_FIELDS, Refusal};
use body::Body;
use forward::forward;
use interim::Interim;
use reply::reply;

/// Answers one request. What there is to say about the way it took is in `trace` afterwards.
pub(in crate::proxy) async fn exchange(
    worker: &Worker,
    request: Request<Body>,
    facts: &ConnFacts,
    trace: &mut Trace,
    interim: &Interim,
) -> Response<Body> {
    let mut refuse = |status, reason| {
        trace.reason = Some(reason);
        reply(status, reason)
    };
    // Cookies that HTTP/2 sends crumb by crumb are counted one by one.
    if request.headers().len() > MAX_FIELDS {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_fields");
    }
    if let Some(Refusal { status, reason }) = Refusal::of_method(request.method()) {
        return refuse(status, reason);
    }
    let host = match host::of(&request, facts.server_name.as_ref()) {
        Ok(host) => host,
        Err(reason) => return refuse(StatusCode::BAD_REQUEST, reason),
    };
    let routes = worker.routes.current(&worker.proxy.routes);
    let Some(site) = routes.site(&host) else {
        if !facts.secure {
            return plain::stranger(worker, &request, trace);
        }
        return refuse(StatusCode::NOT_FOUND, "no_site");
    };
    if !facts.secure {
        return plain::answer(worker, request, &host, site, facts, trace, interim).await;
    }
    // RFC 9110 section 15.5.20. Clients reuse a connection for every name its certificate carries; a name it does
    // not carry is a mistake, or somebody who looks for a way around.
    if !facts.covers(&host) {
        return refuse(StatusCode::MISDIRECTED_REQUEST, "misdirected");
    }
    if let Some(name) = site.redirect(&host) {
        trace.reason = Some("redirect");
        return redirect::to(&request, name, worker.proxy.options.https_port);
    }
    match site.upstream(request.uri().path()) {
        Ok(upstream) => forward(&worker.pools, upstream, request, facts, trace, interim).await,
        Err(NoRoute::Unknown) => refuse(StatusCode::NOT_FOUND, "no_route"),
        Err(NoRoute::Ambiguous) => refuse(StatusCode::BAD_REQUEST, "ambiguous_path"),
    }
}
