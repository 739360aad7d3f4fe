//! The access log: one line for each request, written when its response has ended.
//!
//! A line is put together on the worker, and gathered with others ([`lines`]); who writes them, and where to, is not
//! known here. A far end that is slow costs lines, which are counted, and never time. What a client sent stands in a
//! line only escaped, and of its headers only the user agent and the request id do; queries do not, since they carry
//! secrets.

mod line;
mod lines;
mod record;
mod stamp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::http::upgrade::Tunnel;
use super::upstream::Tried;
use crate::clock::Clock;

pub use lines::Batch;
pub(in crate::proxy) use lines::Lines;
pub(in crate::proxy) use record::Record;

/// Where the workers' lines go. Cloning shares the queue.
#[derive(Clone)]
pub struct AccessLog(Option<Queue>);

/// The way to the far end.
#[derive(Clone)]
struct Queue {
    batches: Sender<Batch>,
    delay: Duration,
    dropped: Arc<AtomicU64>,
    clock: Clock,
}

impl AccessLog {
    /// A log, and the far end of it, which receives whole lines. It ends when the last clone of the log is gone and
    /// no worker has lines any more. A line waits at most for `delay` until it is handed over together with others.
    ///
    /// How much may wait to be received is bounded for each worker; what comes beyond that is dropped.
    #[must_use]
    pub fn channel(delay: Duration, clock: Clock) -> (Self, Receiver<Batch>) {
        let (batches, receiver) = channel();
        (Self(Some(Queue { batches, delay, dropped: Arc::default(), clock })), receiver)
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

    /// A worker's end of it.
    pub(in crate::proxy) fn lines(&self) -> Lines {
        Lines::new(self.0.clone())
    }
}

impl Queue {
    fn dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
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
