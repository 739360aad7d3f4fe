//! The same exchange over HTTP/2 in clear, for gRPC above all.
//!
//! One connection to a target carries everything that a worker sends there. It has a task of its own, the only one
//! on the way of a request.

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::sync::Mutex;

use super::connect::ConnectError;
use super::pool::Pool;
use crate::proxy::http::body::Body;

/// How often a request is offered to a new connection when the old one turned it down.
const OFFERS: usize = 3;

/// The connection that all share.
#[derive(Default)]
pub(in crate::proxy) struct Shared {
    /// Together with the address where it leads.
    sender: RefCell<Option<(SendRequest<Body>, Arc<str>)>>,
    /// Held while one request opens the connection that the others wait for.
    opening: Mutex<()>,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(in crate::proxy) enum H2Error {
    /// There is no connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// The upstream broke off, or does not speak HTTP/2.
    #[error("{}", cause(.0))]
    Exchange(hyper::Error),
}

/// Which connection an answer came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Came {
    New,
    Reused,
    Retried,
}

/// Sends a request and waits for the head of its response; the bodies go on by themselves.
///
/// A request that the upstream did not look at - it was going away, or refused the stream (RFC 9113, 8.7) - is sent
/// once more where its body is still ours to send.
///
/// # Errors
///
/// [`H2Error`]; the shared connection stays if it is still good.
pub(in crate::proxy) async fn exchange(
    pool: &Pool,
    mut request: Request<Body>,
    tried: &mut Vec<Arc<str>>,
) -> Result<(Response<Incoming>, Came), H2Error> {
    let mut offer = 1;
    loop {
        let (mut sender, fresh) = sender(pool, tried).await?;
        let copy = matches!(request.body(), Body::Empty).then(|| bodiless(&request));
        // A connection that is full says so by waiting; one that is closed says so below.
        let _ = sender.ready().await;
        let mut refused = match sender.try_send_request(request).await {
            Ok(response) if offer > 1 => return Ok((response, Came::Retried)),
            Ok(response) if fresh => return Ok((response, Came::New)),
            Ok(response) => return Ok((response, Came::Reused)),
            Err(refused) => refused,
        };
        let message = refused.take_message();
        let error = refused.into_error();
        if sender.is_closed() || error.is_closed() || was_not_looked_at(&error) {
            forget(pool, &error);
        }
        request = match message.or_else(|| copy.filter(|_| was_not_looked_at(&error))) {
            Some(request) if offer < OFFERS => request,
            _ => return Err(H2Error::Exchange(error)),
        };
        offer += 1;
    }
}

/// The shared connection, opened if need be, and whether it was.
async fn sender(pool: &Pool, tried: &mut Vec<Arc<str>>) -> Result<(SendRequest<Body>, bool), H2Error> {
    let shared = pool.h2();
    if let Some(sender) = shared.open(tried) {
        return Ok((sender, false));
    }
    let turn = shared.opening.lock().await;
    if let Some(sender) = shared.open(tried) {
        return Ok((sender, false));
    }
    let (io, peer) = pool.dial(tried).await.map_err(H2Error::Connect)?;
    let (sender, connection) =
        Builder::new(Local).handshake(TokioIo::new(io)).await.map_err(H2Error::Exchange)?;
    let target = pool.target().clone();
    tokio::task::spawn_local(async move {
        // Whoever waits for an answer is told as well; this is for a connection that nobody waits on.
        if let Err(error) = connection.await {
            tracing::debug!(upstream = %target, error = cause(&error), "HTTP/2 connection ended");
        }
    });
    *shared.sender.borrow_mut() = Some((sender.clone(), peer));
    drop(turn);
    Ok((sender, true))
}

impl Shared {
    fn open(&self, tried: &mut Vec<Arc<str>>) -> Option<SendRequest<Body>> {
        let mut sender = self.sender.borrow_mut();
        if sender.as_ref().is_some_and(|(sender, _)| sender.is_closed()) {
            *sender = None;
        }
        let (sender, peer) = sender.as_ref()?;
        if !tried.contains(peer) {
            tried.push(Arc::clone(peer));
        }
        Some(sender.clone())
    }
}

/// Takes the connection out of use; exchanges that are under way on it may end.
fn forget(pool: &Pool, error: &hyper::Error) {
    if pool.h2().sender.take().is_some() {
        tracing::debug!(upstream = %pool.target(), error = cause(error), "HTTP/2 connection given up");
    }
}

/// Whether the upstream says that it did nothing with the request.
fn was_not_looked_at(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let no_error = error.reason() == Some(h2::Reason::NO_ERROR);
            return error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && error.is_remote() && no_error);
        }
        source = error.source();
    }
    error.is_canceled()
}

fn bodiless(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The innermost cause; hyper's own words say only where it was met.
fn cause(error: &hyper::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Runs hyper's tasks on the worker they belong to.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
