//! HTTP/2 towards clients. The only file that knows that hyper serves them.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::body::Body;
use super::exchange;
use super::interim::Interim;
use super::response::Watched;
use super::watch::{Activity, Io, Running, Verdict, Watchdog};
use crate::proxy::access::{Record, Trace};
use crate::proxy::conn::{Conn, ConnError, ConnFacts};
use crate::proxy::drain::Watcher;
use crate::proxy::{Worker, listener};

/// For the fields of an HTTP/2 request, 32 bytes for each of them included (RFC 9113 section 6.5.2).
const MAX_HEADER_LIST: u32 = 16 * 1024;
const MAX_STREAMS: u32 = 100;
/// A client 100 ms away can upload 10 MB/s with it, on one stream as on all together.
const WINDOW: u32 = 1024 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);

/// How HTTP/2 is served; made once a worker.
pub(in crate::proxy) struct Server(http2::Builder<Local>);

impl Server {
    pub(in crate::proxy) fn new() -> Self {
        let mut h2 = http2::Builder::new(Local);
        h2.timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN);
        Self(h2)
    }
}

/// Serves HTTP/2 until the connection ends.
pub(in crate::proxy) async fn serve(
    worker: &Rc<Worker>,
    conn: Conn,
    mut drain: Watcher,
) -> Result<(), ConnError> {
    let activity = Rc::default();
    let watchdog = Watchdog::new(Rc::clone(&activity), &worker.proxy.options);
    let facts = conn.facts;
    let service = service(worker, Rc::clone(&facts), &activity);
    let io = TokioIo::new(Io::new(conn.io, activity));
    let served = pin!(worker.h2.0.serve_connection(io, service));
    facts.tell(drive(served, http2::Connection::graceful_shutdown, watchdog, &mut drain).await)
}

/// Polls a connection to its end, and ends it when the watchdog or the drain says so.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut conn: Pin<&mut C>,
    leave: impl Fn(Pin<&mut C>),
    mut watchdog: Watchdog,
    drain: &mut Watcher,
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
                leave(conn.as_mut());
                watchdog.leaving();
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

fn service(
    worker: &Rc<Worker>,
    facts: Rc<ConnFacts>,
    activity: &Rc<Activity>,
) -> impl HttpService<Incoming, ResBody = Watched, Error = Infallible, Future: 'static> + use<> {
    let (worker, activity) = (Rc::clone(worker), Rc::clone(activity));
    service_fn(move |request| {
        // Counted from here, not from the first poll: the connection is busy from now on.
        let running = Running::begin(&activity);
        answer(Rc::clone(&worker), Rc::clone(&facts), running, request)
    })
}

/// One exchange, with what is noted about it.
async fn answer(
    worker: Rc<Worker>,
    facts: Rc<ConnFacts>,
    running: Running,
    request: Request<Incoming>,
) -> Result<Response<Watched>, Infallible> {
    let mut record = Record::begin(&worker.access, &request, &facts);
    let method = request.method().clone();
    let mut trace = Trace::default();
    let received =
        if request.body().is_end_stream() { None } else { record.as_mut().map(|record| record.meter()) };
    let request = request.map(|body| Body::Client(body, received));
    let response = exchange(&worker, request, &facts, &mut trace).run(&mut trace, &Interim::default()).await;
    if let Some(record) = &mut record {
        record.answered(response.status(), &trace);
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
