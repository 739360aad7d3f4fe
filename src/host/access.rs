//! The far end of the access log: a thread that writes lines, so that no worker ever waits for a disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// How often drops are spoken of, at most.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Writes batches of whole lines to standard output from a thread of its own, which ends once every sender is gone
/// and the last batch is out.
///
/// `dropped` counts the lines for which there was no room; whoever sends adds to it, and the thread says so in the log.
///
/// # Errors
///
/// What the system said if it gave no thread.
pub fn write<B>(batches: Receiver<B>, dropped: Arc<AtomicU64>) -> io::Result<thread::JoinHandle<()>>
where
    B: AsRef<[u8]> + Send + 'static,
{
    let writer = Writer { batches, drops: Drops::new(dropped) };
    thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(io::stdout()))
}

struct Writer<B> {
    batches: Receiver<B>,
    drops: Drops,
}

impl<B: AsRef<[u8]>> Writer<B> {
    fn run(mut self, mut out: impl Write) {
        while let Some(batch) = self.next() {
            // One write for each batch: it is large where there is much to write.
            if let Err(error) = out.write_all(batch.as_ref()).and_then(|()| out.flush()) {
                // Without a reader the senders count what they drop; traffic goes on.
                warn!(%error, "access log stopped: standard output cannot be written");
                break;
            }
        }
        self.drops.report();
    }

    /// The next batch; `None` when there will be none. Wakes up without one only to speak of drops.
    fn next(&mut self) -> Option<B> {
        loop {
            match self.drops.due_in() {
                None => return self.batches.recv().ok(),
                Some(Duration::ZERO) => self.drops.report(),
                Some(wait) => match self.batches.recv_timeout(wait) {
                    Ok(batch) => return Some(batch),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            }
        }
    }
}

/// Lines that nobody will read, and who says so.
struct Drops {
    count: Arc<AtomicU64>,
    reported: u64,
    /// When there may be another report.
    next: Instant,
}

impl Drops {
    fn new(count: Arc<AtomicU64>) -> Self {
        Self { count, reported: 0, next: Instant::now() }
    }

    /// How long to wait with a report, if there is something to report.
    fn due_in(&self) -> Option<Duration> {
        let unsaid = self.count.load(Ordering::Relaxed) > self.reported;
        unsaid.then(|| self.next.saturating_duration_since(Instant::now()))
    }

    fn report(&mut self) {
        let total = self.count.load(Ordering::Relaxed);
        if total > self.reported {
            warn!(lines = total - self.reported, total, "access lines dropped: the reader is too slow");
            self.reported = total;
            self.next = Instant::now() + REPORT_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn writer(batches: Receiver<String>) -> Writer<String> {
        Writer { batches, drops: Drops::new(Arc::default()) }
    }

    #[test]
    fn batches_come_out_whole_in_order_and_once() {
        let (sender, batches) = channel();
        for batch in ["one\ntwo\n", "three\n"] {
            sender.send(batch.to_owned()).expect("somebody receives");
        }
        drop(sender);
        let mut out = Vec::new();
        writer(batches).run(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_went_away_ends_the_thread_and_nothing_else() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, batches) = channel();
        sender.send("a line\n".to_owned()).expect("somebody receives");
        writer(batches).run(Closed);
        assert!(sender.send(String::new()).is_err(), "nobody receives, so the sender can count drops");
    }

    #[test]
    fn drops_are_told_at_once_and_then_after_a_while() {
        let mut drops = Drops::new(Arc::default());
        assert_eq!(drops.due_in(), None, "nothing to wake up for");
        drops.count.fetch_add(3, Ordering::Relaxed);
        assert_eq!(drops.due_in(), Some(Duration::ZERO));
        drops.report();
        assert_eq!((drops.reported, drops.due_in()), (3, None));
        drops.count.fetch_add(1, Ordering::Relaxed);
        assert!(drops.due_in().is_some_and(|wait| !wait.is_zero()));
    }
}
