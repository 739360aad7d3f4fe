//! HTTP/2 towards clients: one connection, many requests at a time.
//!
//! The exchanges of a connection run in its own task, and what they say to the client at one time leaves together:
//! frames are gathered ([`gather`]) until everybody who had something to say has said it, and go out in one send.
//! Framing, header compression and flow control are those of the `h2` crate. So are the limits for floods of frames
//! that cost more than they say: CONTINUATION, SETTINGS, PING, empty DATA, streams reset before they were looked at.
//! Those that are reset right afterwards are for us to count.

mod answer;
mod body;
mod gather;
mod head;
mod pulse;
mod send;
mod stall;
mod watch;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::Reason;
use h2::server::{Builder, Connection};

use self::answer::{Ended, answer};
use self::gather::Gathering;
use self::pulse::Pulse;
use self::watch::{Doing, Verdict, Watch};
use super::Terms;
use super::interim::Interim;
use super::message::{Request, Response};
use crate::proxy::access::Trace;
use crate::proxy::conn::{Conn, ConnError, ConnFacts};
use crate::proxy::drain::Watcher;

pub(in crate::proxy) use self::body::RequestBody;

/// For the fields of a request, 32 bytes for each of them included (RFC 9113 section 6.5.2). The `h2` crate refuses
/// more by itself, without a word and without our knowledge; so it is more than the most that we answer.
const MAX_HEADER_LIST: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 100;
/// A client 100 ms away can upload 10 MB/s with it, on one stream as on all together.
const WINDOW: u32 = 1024 * 1024;
/// What a stream may have waiting for a client that does not read, beside the piece that comes next.
const MAX_WAITING: usize = 64 * 1024;
/// A client that has reset this many requests before they were answered, and more than half of all, does it to make
/// work.
const MAX_ABORTED: usize = 500;

/// Serves a connection until it ends. `exchange` answers its requests.
pub(in crate::proxy) async fn serve<E>(
    terms: Terms<'_>,
    conn: Conn,
    drain: Watcher,
    exchange: E,
) -> Result<(), ConnError>
where
    E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
{
    let facts = conn.facts;
    let leaving = Cell::new(false);
    let line = Line { terms, facts: &facts, leaving: &leaving };
    let mut serving = pin!(line.serve(Gathering::new(conn.io), &exchange));
    let served = drain.attend(&leaving, serving.as_mut()).await;
    // What is still running is dropped after this, and has to find the reason by then.
    facts.tell(served.unwrap_or(Err(ConnError::Cut)))
}

/// A connection, and what it is served with.
struct Line<'a> {
    terms: Terms<'a>,
    facts: &'a Rc<ConnFacts>,
    /// Set when nothing new is wanted on this connection.
    leaving: &'a Cell<bool>,
}

impl Line<'_> {
    async fn serve<E>(&self, io: Gathering, exchange: &E) -> Result<(), ConnError>
    where
        E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
    {
        let mut watch = Watch::new(self.terms.options);
        let mut connection = self.begin(&io, &mut watch).await?;
        let mut pulse = connection.ping_pong().map(Pulse::new);
        let mut streams = FuturesUnordered::new();
        let mut requests = Requests::default();
        let ended = poll_fn(|cx| {
            io.begin_turn();
            loop {
                while let Poll::Ready(Some(ended)) = streams.poll_next_unpin(cx) {
                    requests.aborted += usize::from(ended == Ended::Aborted);
                }
                if requests.are_a_flood() {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
                // A client that has only just come cannot know that it is too late, and is waited for.
                if self.leaving.get() && requests.begun > 0 && watch.ask() {
                    connection.graceful_shutdown();
                }
                let before = requests.begun;
                while let Poll::Ready(accepted) = connection.poll_accept(cx) {
                    let Some(accepted) = accepted else { return Poll::Ready(Ok(())) };
                    let (request, respond) = accepted.map_err(gone)?;
                    requests.begun += 1;
                    streams.push(answer(self, exchange, request, respond));
                }
                if requests.begun > before {
                    continue;
                }
                let blocked = io.poll_send(cx).map_err(gone)?.is_pending();
                if let Some(pulse) = &mut pulse
                    && pulse.poll(cx, io.heard()).is_ready()
                {
                    return Poll::Ready(Err(ConnError::Silent));
                }
                let (running, begun, hurried) = (!streams.is_empty(), requests.begun, self.leaving.get());
                let doing = Doing { blocked, taken: io.taken(), running, begun, hurried };
                match ready!(watch.poll(cx, &doing)) {
                    Verdict::Leave => connection.graceful_shutdown(),
                    Verdict::Drop(error) => return Poll::Ready(Err(error)),
                }
            }
        });
        // What is still running is dropped with this, and has to find the reason by then.
        self.facts.tell(ended.await)
    }

    /// Waits for the client's preface.
    async fn begin(
        &self,
        io: &Gathering,
        watch: &mut Watch,
    ) -> Result<Connection<Gathering, Bytes>, ConnError> {
        let mut shaking = pin!(settings().handshake(io.clone()));
        poll_fn(|cx| {
            io.begin_turn();
            if let Poll::Ready(shaken) = shaking.as_mut().poll(cx) {
                return Poll::Ready(shaken.map_err(gone));
            }
            let blocked = io.poll_send(cx).map_err(gone)?.is_pending();
            let doing = Doing { blocked, hurried: self.leaving.get(), ..Doing::default() };
            watch.poll(cx, &doing).map(|verdict| match verdict {
                // Nobody has said anything that could be answered with a goodbye.
                Verdict::Leave => Err(ConnError::Lingering),
                Verdict::Drop(error) => Err(error),
            })
        })
        .await
    }
}

fn settings() -> Builder {
    let mut settings = Builder::new();
    settings
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(MAX_WAITING);
    settings
}

fn gone(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnError {
    ConnError::Http(error.into())
}

/// The requests of a connection, counted.
#[derive(Default)]
struct Requests {
    begun: usize,
    /// Those that the client reset before there was an answer.
    aborted: usize,
}

impl Requests {
    fn are_a_flood(&self) -> bool {
        self.aborted >= MAX_ABORTED && self.aborted > self.begun / 2
    }
}

#[cfg(test)]
mod tests;
