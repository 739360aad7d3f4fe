//! The same exchange over HTTP/2 in clear, for gRPC above all.
//!
//! One connection to a target carries everything that a worker sends there, until the upstream's limit of streams
//! is reached; then there is another one. Each has a task of its own, the only one on the way of a request.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::sync::Mutex;

use super::connect::{ConnectError, Stream};
use super::pool::Pool;
use super::target::Target;
use super::tried::Tried;
use crate::proxy::http::body::{Body, BodyError, Told};

/// How often a request is offered to a new connection when the old one turned it down.
const OFFERS: usize = 3;

/// Connections to one target. When all are full, requests wait their turn.
const MAX_LINKS: usize = 16;

/// What may be on its way on one stream, and on all of a connection. Clients that do not read hold back their
/// stream's share; it takes sixty-four of them to hold back a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const LINK_WINDOW: u32 = 64 * STREAM_WINDOW;

/// The longest list of fields that is read.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// How long nothing may be heard of an upstream before it is asked, and how long it may take to say something. All
/// requests of a worker are on its connection, so one that has died unnoticed must not stay.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);

/// The connections that all share.
#[derive(Default)]
pub(in crate::proxy) struct Shared {
    links: RefCell<Vec<Rc<Link>>>,
    /// Held while one request opens the connection that the others wait for.
    opening: Mutex<()>,
}

/// One connection.
struct Link {
    sender: SendRequest<Body>,
    /// The address at the other end.
    peer: Arc<str>,
    /// What its task drives, to be asked what the upstream allows. `None` once it has ended.
    driven: Rc<RefCell<Option<Driven>>>,
    /// How many streams there are.
    busy: Cell<usize>,
}

type Driven = Connection<TokioIo<Stream>, Body, Local>;

impl Link {
    /// Whether the upstream takes one more stream now.
    fn has_room(&self) -> bool {
        let driven = self.driven.borrow();
        let limit = driven.as_ref().map_or(0, Connection::current_max_send_streams);
        // One that takes none at all may change its mind; another connection would not help.
        self.busy.get() < limit.max(1)
    }
}

/// A place among the streams of a connection, held until the response has ended.
pub(in crate::proxy) struct Seat(Rc<Link>);

impl Seat {
    fn on(link: &Rc<Link>) -> Self {
        link.busy.set(link.busy.get() + 1);
        Self(Rc::clone(link))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(in crate::proxy) enum H2Error {
    /// There is no connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// The client's body broke off.
    #[error(transparent)]
    Client(BodyError),
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
/// A request that the upstream did not look at - it was going away, or refused the stream (RFC 9113 section 8.7) - is
/// sent once more where its body is still ours to send. So is an idempotent one without a body whose connection had
/// been used before and ended without an answer.
///
/// # Errors
///
/// [`H2Error`]; a shared connection stays if it is still good.
pub(in crate::proxy) async fn exchange(
    pool: &Pool,
    mut request: Request<Body>,
    tried: &mut Tried,
) -> Result<(Response<Incoming>, Seat, Came), H2Error> {
    // hyper resets the stream of a body that breaks off, and keeps why to itself.
    let told = (!request.body().is_end_stream()).then(Told::default);
    if let Some(told) = &told {
        request = request.map(|body| body.watched(told));
    }
    let mut offer = 1;
    loop {
        let (seat, fresh) = seat(pool, tried).await?;
        let mut sender = seat.0.sender.clone();
        let copy = matches!(request.body(), Body::Empty).then(|| bodiless(&request));
        let idempotent = request.method().is_idempotent();
        // A connection that is full says so by waiting; one that is closed says so below.
        let _ = sender.ready().await;
        let mut refused = match sender.try_send_request(request).await {
            Ok(response) if offer > 1 => return Ok((response, seat, Came::Retried)),
            Ok(response) if fresh => return Ok((response, seat, Came::New)),
            Ok(response) => return Ok((response, seat, Came::Reused)),
            Err(refused) => refused,
        };
        if let Some(error) = told.as_ref().and_then(Told::take) {
            return Err(H2Error::Client(error));
        }
        let message = refused.take_message();
        let error = refused.into_error();
        let (unseen, ended) = (was_not_looked_at(&error), sender.is_closed());
        if unseen || ended {
            pool.h2().give_up(&seat.0);
            tracing::debug!(upstream = %pool.target(), error = cause(&error), "HTTP/2 connection given up");
        }
        let stale = ended && !fresh && idempotent;
        request = match message.or_else(|| copy.filter(|_| unseen || stale)) {
            Some(request) if offer < OFFERS => request,
            _ => return Err(H2Error::Exchange(error)),
        };
        offer += 1;
    }
}

/// A seat on a connection that has room, and whether it was opened for it.
async fn seat(pool: &Pool, tried: &mut Tried) -> Result<(Seat, bool), H2Error> {
    let shared = pool.h2();
    if let Some(seat) = shared.seat(tried) {
        return Ok((seat, false));
    }
    let turn = shared.opening.lock().await;
    if let Some(seat) = shared.seat(tried) {
        return Ok((seat, false));
    }
    let (io, peer) = pool.dial(tried).await.map_err(H2Error::Connect)?;
    let mut builder = Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(LINK_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(H2Error::Exchange)?;
    let driven = Rc::new(RefCell::new(Some(connection)));
    let link = Rc::new(Link { sender, peer, driven: Rc::clone(&driven), busy: Cell::new(0) });
    tokio::task::spawn_local(drive(driven, pool.target().clone()));
    let seat = Seat::on(&link);
    shared.links.borrow_mut().push(link);
    drop(turn);
    Ok((seat, true))
}

/// Runs a connection to its end.
async fn drive(driven: Rc<RefCell<Option<Driven>>>, target: Target) {
    let ended = poll_fn(|cx| {
        let mut driven = driven.borrow_mut();
        let Some(connection) = driven.as_mut() else { return Poll::Ready(Ok(())) };
        let ended = ready!(Pin::new(connection).poll(cx));
        *driven = None;
        Poll::Ready(ended)
    });
    // Whoever waits for an answer is told as well; this is for a connection that nobody waits on.
    if let Err(error) = ended.await {
        tracing::debug!(upstream = %target, error = cause(&error), "HTTP/2 connection ended");
    }
}

impl Shared {
    /// A seat on the first connection that has room; on the emptiest one if there must not be more connections.
    fn seat(&self, tried: &mut Tried) -> Option<Seat> {
        let mut links = self.links.borrow_mut();
        links.retain(|link| !link.sender.is_closed());
        let link = match links.iter().find(|link| link.has_room()) {
            Some(link) => link,
            None if links.len() < MAX_LINKS => return None,
            None => links.iter().min_by_key(|link| link.busy.get())?,
        };
        tried.note(&link.peer);
        Some(Seat::on(link))
    }

    /// Takes a connection out of use; exchanges that are under way on it may end.
    fn give_up(&self, link: &Rc<Link>) {
        self.links.borrow_mut().retain(|other| !Rc::ptr_eq(other, link));
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
