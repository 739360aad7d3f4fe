//! A worker's lines on their way out of it.
//!
//! Lines gather in a buffer of the worker's own, so that a line costs its bytes and nothing else: the thread that
//! writes is woken once for a whole buffer, when it is full or a moment after its first line came. The buffer comes
//! back when it has been written. A worker has a fixed number of them; when all are on the way, the far end is too
//! slow, and lines are dropped and counted.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};

use http::StatusCode;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::line::{Fields, key};
use super::stamp::Stamp;
use super::{Queue, record};
use crate::proxy::conn::ConnFacts;

/// A buffer that holds this much is handed over.
pub(super) const FULL: usize = 64 * 1024;

/// The usual line that makes a buffer full finds room for its end; a longer one makes the buffer grow.
const MARGIN: usize = 2 * 1024;

/// Buffers that may be on the way, for each worker: together, some six thousand lines.
pub(super) const ON_THE_WAY: usize = 32;

/// What most records need.
const SCRATCH: usize = 512;

/// Scratch buffers a worker keeps: for as many requests as are under way at once on a good day.
const KEPT: usize = 128;

/// Where a worker's lines go; nowhere if there is no log. Cloning shares the buffer.
#[derive(Clone)]
pub(in crate::proxy) struct Lines(Option<Rc<Appender>>);

/// Whole lines of JSON, each with its newline. Dropping it gives the worker its buffer back.
#[derive(Debug)]
pub struct Batch {
    text: Vec<u8>,
    home: Sender<Vec<u8>>,
}

/// Appends lines to the buffer of their worker.
pub(super) struct Appender {
    queue: Queue,
    open: RefCell<OpenBatch>,
    scratch: RefCell<Vec<Vec<u8>>>,
    /// The first line since the last hand-over has come.
    begun: Notify,
}

/// What has gathered since the last hand-over.
struct OpenBatch {
    text: Vec<u8>,
    lines: u64,
    stamp: Stamp,
    buffers: Buffers,
}

/// The other ones.
struct Buffers {
    home: Sender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    on_the_way: usize,
}

impl Lines {
    pub(super) fn new(queue: Option<Queue>) -> Self {
        Self(queue.map(|queue| {
            let (home, back) = channel();
            let buffers = Buffers { home, back, on_the_way: 0 };
            let open = OpenBatch { text: Vec::new(), lines: 0, stamp: Stamp::default(), buffers };
            Rc::new(Appender {
                queue,
                open: RefCell::new(open),
                scratch: RefCell::default(),
                begun: Notify::new(),
            })
        }))
    }

    /// Where requests write, if there is a log.
    pub(super) fn appender(&self) -> Option<&Rc<Appender>> {
        self.0.as_ref()
    }

    /// Writes a line about something that was no request.
    pub(in crate::proxy) fn refused(&self, facts: &ConnFacts, status: StatusCode, reason: &'static str) {
        let Some(appender) = &self.0 else { return };
        appender.write(|line| {
            line.plain(key!("client_ip"), &facts.client);
            line.number(key!("status"), u64::from(status.as_u16()));
            line.plain(key!("reason"), reason);
            record::connection(line, facts);
        });
    }

    /// Hands over what has gathered, a moment after its first line. Never returns, and wakes nobody up while there
    /// are no lines. What is written when nobody runs this any more is handed over in the end.
    pub(in crate::proxy) async fn hand_over_in_time(&self) {
        let Some(appender) = &self.0 else { return std::future::pending().await };
        loop {
            appender.begun.notified().await;
            sleep(appender.queue.delay).await;
            appender.open.borrow_mut().hand_over(&appender.queue);
        }
    }
}

impl Appender {
    /// An empty buffer for what a record writes down; [`keep`](Self::keep) takes it back.
    pub(super) fn scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(SCRATCH))
    }

    /// Keeps a buffer for the next record.
    pub(super) fn keep(&self, mut scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < KEPT && scratch.capacity() <= 2 * SCRATCH {
            scratch.clear();
            kept.push(scratch);
        }
    }

    /// Writes a line, or counts it if there is no room.
    pub(super) fn write(&self, fields: impl FnOnce(&mut Fields<'_>)) {
        let open = &mut *self.open.borrow_mut();
        if open.text.is_empty() {
            match open.buffers.next() {
                Some(buffer) => open.text = buffer,
                None => return self.queue.dropped(1),
            }
            self.begun.notify_one();
        }
        open.text.extend_from_slice(b"{\"ts\":\"");
        open.stamp.write(self.queue.clock.now(), &mut open.text);
        open.text.extend_from_slice(b"\",\"msg\":\"access\"");
        fields(&mut Fields(&mut open.text));
        open.text.extend_from_slice(b"}\n");
        open.lines += 1;
        if open.text.len() >= FULL {
            open.hand_over(&self.queue);
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.open.get_mut().hand_over(&self.queue);
    }
}

impl OpenBatch {
    fn hand_over(&mut self, queue: &Queue) {
        if self.text.is_empty() {
            return;
        }
        let lines = mem::take(&mut self.lines);
        let batch = Batch { text: mem::take(&mut self.text), home: self.buffers.home.clone() };
        self.buffers.on_the_way += 1;
        if queue.batches.send(batch).is_err() {
            queue.dropped(lines);
        }
    }
}

impl Buffers {
    /// An empty one. Of those that have come back one is enough; the others were for a far end that was slow.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut spare = None;
        while let Ok(buffer) = self.back.try_recv() {
            self.on_the_way -= 1;
            spare = Some(buffer);
        }
        (self.on_the_way < ON_THE_WAY).then(|| spare.unwrap_or_else(|| Vec::with_capacity(FULL + MARGIN)))
    }
}

impl AsRef<[u8]> for Batch {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut text = mem::take(&mut self.text);
        text.clear();
        // A worker that has ended needs no buffer.
        let _ = self.home.send(text);
    }
}
