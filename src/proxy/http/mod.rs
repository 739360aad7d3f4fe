//! HTTP, whichever version: one request in, one response out.
//!
//! [`exchange`] is the one function every protocol calls, once it has found no fault with a head itself. It refuses
//! what is not clearly for one of our sites, before anything is sent anywhere; what remains is made ready for its
//! upstream, and goes there when it is [run](Exchange::run). Each refusal has a word that stands in the answer and in
//! the access log.

pub(in crate::proxy) mod body;
mod date;
pub(in crate::proxy) mod forward;
pub(in crate::proxy) mod h1;
pub(in crate::proxy) mod h2;
pub(in crate::proxy) mod headers;
mod host;
pub(in crate::proxy) mod interim;
mod lost;
pub(in crate::proxy) mod message;
pub(in crate::proxy) mod outgoing;
mod patience;
mod plain;
mod redirect;
pub(in crate::proxy) mod reply;
mod shape;
pub(in crate::proxy) mod upgrade;

use http::StatusCode;

use super::access::{Lines, Trace};
use super::conn::ConnFacts;
use super::route::NoRoute;
use super::{Options, Worker};
use body::TooLarge;
use forward::Errand;
use interim::Interim;
use message::{Request, Response};
use reply::reply;

/// What a connection is served with.
pub(in crate::proxy) struct Terms<'a> {
    pub(in crate::proxy) options: &'a Options,
    pub(in crate::proxy) access: &'a Lines,
}

/// What becomes of a request.
pub(in crate::proxy) enum Exchange {
    /// We have answered it ourselves.
    Answered(Response),
    /// Its upstream is to answer.
    Forwarded(Errand),
}

impl Exchange {
    /// The response. Dropping the future drops the exchange with the upstream.
    pub(in crate::proxy) async fn run(self, trace: &mut Trace, interim: &Interim) -> Response {
        match self {
            Self::Answered(response) => response,
            Self::Forwarded(errand) => errand.run(trace, interim).await,
        }
    }
}

impl From<Response> for Exchange {
    fn from(response: Response) -> Self {
        Self::Answered(response)
    }
}

/// Decides about one request. What there is to say about the way it took is in `trace` afterwards.
///
/// Nothing waits here: of the request, only what the upstream needs of it is left when this returns.
pub(in crate::proxy) fn exchange(
    worker: &Worker,
    mut request: Request,
    facts: &ConnFacts,
    trace: &mut Trace,
) -> Exchange {
    let mut refuse = |status, reason| {
        trace.reason = Some(reason);
        Exchange::Answered(reply(status, reason))
    };
    let host = match host::of(&request.head, facts.server_name.as_ref()) {
        Ok(host) => host,
        Err(reason) => return refuse(StatusCode::BAD_REQUEST, reason),
    };
    let routes = worker.routes.current(&worker.proxy.routes);
    let Some(site) = routes.site(&host) else {
        if !facts.secure {
            return plain::stranger(worker, &request.head, trace).into();
        }
        return refuse(StatusCode::NOT_FOUND, "no_site");
    };
    if !facts.secure {
        return plain::answer(worker, request, &host, site, facts, trace);
    }
    // RFC 9110 section 15.5.20. Clients reuse a connection for every name its certificate carries; a name it does
    // not carry is a mistake, or somebody who looks for a way around.
    if !facts.covers(&host) {
        return refuse(StatusCode::MISDIRECTED_REQUEST, "misdirected");
    }
    if let Some(name) = site.redirect(&host) {
        trace.reason = Some("redirect");
        return redirect::to(&request.head, name, worker.proxy.options.https_port).into();
    }
    if let Some(most) = site.max_body()
        && let Err(TooLarge) = body::limit(&mut request.body, most)
    {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    }
    match site.upstream(request.head.uri.path()) {
        Ok(upstream) => Exchange::Forwarded(Errand::new(&worker.pools, upstream, request, facts)),
        Err(NoRoute::Unknown) => refuse(StatusCode::NOT_FOUND, "no_route"),
        Err(NoRoute::Ambiguous) => refuse(StatusCode::BAD_REQUEST, "ambiguous_path"),
    }
}
