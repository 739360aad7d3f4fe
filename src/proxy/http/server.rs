//! hyper's side towards clients, for HTTP/1.1 and HTTP/2. The only file that knows that hyper serves them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::body::Body;
use super::exchange;
use super::response::Watched;
use super::upgrade::Tunnel;
use super::watch::{Activity, Io, Running, Verdict, Watchdog};
use crate::proxy::access::{Record, Trace};
use crate::proxy::conn::{Conn, ConnError, ConnFacts};
use crate::proxy::drain::Watcher;
use crate::proxy::wire::MAX_FIELDS;
use crate::proxy::{Worker, listener};

/// For the head of an HTTP/1.1 request; a longer one gets 431.
const MAX_HEAD: usize = 32 * 1024;
/// For the fields of an HTTP/2 request, 32 bytes for each of them included (RFC 9113 section 6.5.2).
const MAX_HEADER_LIST: u32 = 16 * 1024;
const MAX_STREAMS: u32 = 100;
/// A client 100 ms away can upload 10 MB/s with it, on one stream as on all together.
const WINDOW: u32 = 1024 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);

/// How each protocol is served; made once a worker.
pub(in crate::proxy) struct Protocols {
    h1: http1::Builder,
    h2: http2::Builder<Local>,
}

impl Protocols {
    pub(in crate::proxy) fn new() -> Self {
        let mut h1 = http1::Builder::new();
        // Heads are timed by the watchdog: hyper's timer would run between requests too.
        h1.header_read_timeout(None).max_headers(MAX_FIELDS).max_header_size(MAX_HEAD);
        let mut h2 = http2::Builder::new(Local);
        h2.timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN);
        Self { h1, h2 }
    }
}

/// Serves HTTP/1.1 until the connection ends, then what it was upgraded to, if it was.
pub(in crate::proxy) async fn serve_h1(
    worker: &Rc<Worker>,
    conn: Conn,
    mut drain: Watcher,
) -> Result<(), ConnError> {
    let (switched, facts) = (Rc::default(), conn.facts);
    {
        let activity = Arc::default();
        let watchdog = Watchdog::new(Arc::clone(&activity), &worker.proxy.options, true);
        let service = service(worker, Rc::clone(&facts), &activity, Some(Rc::clone(&switched)));
        let io = TokioIo::new(Io::new(conn.io, activity));
        let served = pin!(worker.http.h1.serve_connection(io, service).with_upgrades());
        let leave = http1::UpgradeableConnection::graceful_shutdown;
        // What is still running is dropped with the connection, and has to find the reason by then.
        let ended = drive(served, leave, watchdog, &mut drain, true).await;
        if let Err(ConnError::Http(error)) = &ended
            && let Some((status, reason)) = refusal(&**error)
        {
            worker.access.refused(&facts, status, reason);
        }
        facts.tell(ended)?;
    }
    let Some(switched) = switched.take() else { return Ok(()) };
    tokio::select! {
        () = switched.run() => Ok(()),
        cut = async { drain.cut().await; facts.tell(Err(ConnError::Cut)) } => cut,
    }
}

/// Serves HTTP/2 until the connection ends.
pub(in crate::proxy) async fn serve_h2(
    worker: &Rc<Worker>,
    conn: Conn,
    mut drain: Watcher,
) -> Result<(), ConnError> {
    let activity = Arc::default();
    let watchdog = Watchdog::new(Arc::clone(&activity), &worker.proxy.options, false);
    let facts = conn.facts;
    let service = service(worker, Rc::clone(&facts), &activity, None);
    let io = TokioIo::new(Io::new(conn.io, activity));
    let served = pin!(worker.http.h2.serve_connection(io, service));
    facts.tell(drive(served, http2::Connection::graceful_shutdown, watchdog, &mut drain, false).await)
}

/// Polls a connection to its end, and ends it when the watchdog or the drain says so.
///
/// A connection that has not had its first request when the drain begins is given a moment for it if `patient`: the
/// client has just connected, and HTTP/1.1 has no way of telling it to go elsewhere without an answer.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut conn: Pin<&mut C>,
    leave: impl Fn(Pin<&mut C>),
    mut watchdog: Watchdog,
    drain: &mut Watcher,
    patient: bool,
) -> Result<(), ConnError> {
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            ended = conn.as_mut() => return ended.map_err(|error| ConnError::Http(error.into())),
            () = next_stage(drain, draining) => {
                if draining {
                    return Err(ConnError::Cut);
                }
                draining = true;
                if patient && !watchdog.has_served() {
                    watchdog.newcomer();
                } else {
                    leave(conn.as_mut());
                    watchdog.leaving();
                }
            }
            verdict = poll_fn(|cx| watchdog.poll(cx)) => match verdict {
                Verdict::Leave => {
                    leave(conn.as_mut());
                    watchdog.leaving();
                }
                Verdict::Drop(error) => return Err(error),
            },
        }
    }
}

async fn next_stage(drain: &mut Watcher, draining: bool) {
    if draining { drain.cut().await } else { drain.begun().await }
}

/// What hyper has answered by itself to something that is no request.
fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<(StatusCode, &'static str)> {
    let error: &hyper::Error = error.downcast_ref()?;
    if error.is_parse_too_large() {
        Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large"))
    } else if error.is_parse() {
        Some((StatusCode::BAD_REQUEST, "malformed"))
    } else {
        None
    }
}

/// The place where an exchange leaves a connection that is HTTP no more.
type Switch = Rc<RefCell<Option<Switched>>>;

/// Both halves of an upgraded connection.
struct Switched {
    client: OnUpgrade,
    upstream: Tunnel,
    record: Option<Record>,
}

impl Switched {
    async fn run(self) {
        let Ok(client) = self.client.await else { return };
        let (received, sent) = self.upstream.run(client).await;
        if let Some(mut record) = self.record {
            record.tunneled(received, sent);
        }
    }
}

fn service(
    worker: &Rc<Worker>,
    facts: Rc<ConnFacts>,
    activity: &Arc<Activity>,
    switch: Option<Switch>,
) -> impl HttpService<Incoming, ResBody = Watched, Error = Infallible, Future: 'static> + use<> {
    let (worker, activity) = (Rc::clone(worker), Arc::clone(activity));
    service_fn(move |request| {
        // Counted from here, not from the first poll: the connection is busy from now on.
        let running = Running::begin(&activity);
        serve(Rc::clone(&worker), Rc::clone(&facts), switch.clone(), running, request)
    })
}

/// One exchange, with what is noted about it.
async fn serve(
    worker: Rc<Worker>,
    facts: Rc<ConnFacts>,
    switch: Option<Switch>,
    running: Running,
    mut request: Request<Incoming>,
) -> Result<Response<Watched>, Infallible> {
    let mut record = Record::begin(&worker.access, &request, &facts);
    let method = request.method().clone();
    let client = match switch {
        Some(_) if request.headers().contains_key(UPGRADE) => Some(hyper::upgrade::on(&mut request)),
        _ => None,
    };
    let mut trace = Trace::default();
    let received =
        if request.body().is_end_stream() { None } else { record.as_mut().map(|record| record.meter()) };
    let request = request.map(|body| Body::Client(body, received));
    let response = exchange(&worker, request, &facts, &mut trace).await;
    let tunnel = trace.tunnel.take();
    if let Some(record) = &mut record {
        record.answered(response.status(), &trace);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let (Some(switch), Some(client), Some(upstream)) = (switch, client, tunnel)
    {
        // Its line is written when the tunnel ends.
        switch.replace(Some(Switched { client, upstream, record: record.take() }));
    }
    Ok(Watched::response(response, &method, record, running))
}

/// Runs the streams of HTTP/2 connections on the worker they came to.
#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, stream: F) {
        listener::spawn(stream);
    }
}
