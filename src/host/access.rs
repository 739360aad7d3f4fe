//! The far end of the access log: a thread that writes lines, so that no worker ever waits for a disk.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// How often drops are spoken of, at most.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Writes each line to standard output from a thread of its own, which ends once every sender is gone
/// and the last line is out.
///
/// `dropped` counts the lines for which the queue had no room; whoever sends adds to it, and the thread
/// says so in the log.
///
/// # Errors
///
/// What the system said if it gave no thread.
pub fn write_lines<L>(lines: Receiver<L>, dropped: Arc<AtomicU64>) -> io::Result<thread::JoinHandle<()>>
where
    L: AsRef<[u8]> + Send + 'static,
{
    let writer = Writer { lines, dropped, reported: 0, last_report: Instant::now() };
    thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(io::stdout()))
}

struct Writer<L> {
    lines: Receiver<L>,
    dropped: Arc<AtomicU64>,
    reported: u64,
    last_report: Instant,
}

impl<L: AsRef<[u8]>> Writer<L> {
    fn run(mut self, out: impl Write) {
        // A whole burst is one write; a quiet line is out at once.
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        let mut open = true;
        while open {
            match self.lines.recv_timeout(REPORT_EVERY) {
                Ok(line) => open = self.write_burst(line, &mut out),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            self.report(!open);
        }
    }

    /// Writes `line` and what stands behind it; false once nobody can read or send any more.
    fn write_burst(&mut self, line: L, out: &mut impl Write) -> bool {
        let mut next = Ok(line);
        let written = loop {
            match next {
                Ok(line) => {
                    let bytes = line.as_ref();
                    let end: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
                    if let Err(error) = out.write_all(bytes).and_then(|()| out.write_all(end)) {
                        break Err(error);
                    }
                }
                Err(end) => break out.flush().map(|()| end == TryRecvError::Empty),
            }
            next = self.lines.try_recv();
        };
        written.unwrap_or_else(|error| {
            // Without a reader the queue fills up and senders count what they drop; traffic goes on.
            warn!(%error, "access log stopped: standard output cannot be written");
            false
        })
    }

    fn report(&mut self, now: bool) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > self.reported && (now || self.last_report.elapsed() >= REPORT_EVERY) {
            warn!(
                lines = dropped - self.reported,
                total = dropped,
                "access lines dropped: the reader is too slow"
            );
            self.reported = dropped;
            self.last_report = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn writer(lines: Receiver<String>) -> Writer<String> {
        Writer { lines, dropped: Arc::default(), reported: 0, last_report: Instant::now() }
    }

    #[test]
    fn lines_come_out_whole_in_order_and_once() {
        let (sender, lines) = sync_channel(8);
        for line in ["one\n", "two", "three\n"] {
            sender.send(line.to_owned()).expect("room");
        }
        drop(sender);
        let mut out = Vec::new();
        writer(lines).run(&mut out);
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
        let (sender, lines) = sync_channel(8);
        sender.send("x".repeat(128 * 1024)).expect("room");
        writer(lines).run(Closed);
        assert!(
            sender.try_send(String::new()).is_err(),
            "the queue is closed, so the sender can count drops"
        );
    }
}
