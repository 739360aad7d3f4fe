//! The access log: one line for each request, written when its response has ended.
//!
//! A line is put together on the worker and handed to a queue; who empties the queue, and where to, is not known
//! here. A full queue drops the line and counts it: a slow disk costs lines, never time. What a client sent stands
//! in a line only escaped, and of its headers only the user agent and the request id do; queries do not, since they
//! carry secrets.

mod line;
mod record;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use http::StatusCode;

use super::conn::ConnFacts;
use super::http::upgrade::Tunnel;
use super::upstream::Tried;
use crate::clock::Clock;

pub(in crate::proxy) use record::{Meter, Record};

/// Where lines go. Cloning shares the queue.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Queue>>);

/// One line of JSON, without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Box<[u8]>);

struct Queue {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    clock: Clock,
}

impl AccessLog {
    /// A log whose lines wait in a queue of this length until they are received. The queue ends when the last
    /// clone of the log is gone.
    #[must_use]
    pub fn channel(capacity: usize, clock: Clock) -> (Self, Receiver<Line>) {
        let (lines, receiver) = sync_channel(capacity);
        let queue = Queue { lines, dropped: Arc::default(), clock };
        (Self(Some(Arc::new(queue))), receiver)
    }

    /// No log: nothing is put together.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// How many lines found no room; counts on.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.0.as_ref().map(|queue| Arc::clone(&queue.dropped)).unwrap_or_default()
    }

    pub(in crate::proxy) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Writes a line about something that was no request.
    pub(in crate::proxy) fn refused(&self, facts: &ConnFacts, status: StatusCode, reason: &'static str) {
        self.write(|line| {
            line.plain("client_ip", facts.client.ip().to_canonical());
            line.number("status", u64::from(status.as_u16()));
            line.plain("reason", reason);
            record::connection(line, facts);
        });
    }

    /// Puts a line together and hands it to the queue.
    fn write(&self, fields: impl FnOnce(&mut line::Fields<'_>)) {
        thread_local! {
            static SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1024));
        }
        let Some(queue) = &self.0 else { return };
        let line = SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            let mut line = line::Fields::new(scratch, queue.clock.now());
            line.plain("msg", "access");
            fields(&mut line);
            line.end();
            Line(scratch.as_slice().into())
        });
        if queue.lines.try_send(line).is_err() {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What became of one request, noted on the way and read once, when its response has ended.
#[derive(Default)]
pub(in crate::proxy) struct Trace {
    /// Why we answered ourselves: one of a fixed set of words. `None` if the upstream answered.
    pub(in crate::proxy) reason: Option<&'static str>,
    /// Where the request was offered.
    pub(in crate::proxy) tried: Tried,
    /// `new`, `reused` or `retried`: the connection the answer came on.
    pub(in crate::proxy) upstream_conn: Option<&'static str>,
    /// From the moment the upstream was wanted until the head of its response was there.
    pub(in crate::proxy) upstream_time: Option<Duration>,
    /// The upstream's half of an upgraded connection, left here together with a 101. The connection's own task
    /// joins it with the client's half, so that the drain counts it and can cut it.
    pub(in crate::proxy) tunnel: Option<Tunnel>,
}

#[cfg(test)]
mod tests;
