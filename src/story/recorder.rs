//! From those who tell to the one who keeps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Event, Moment, Record};
use crate::clock::Clock;
use crate::ident::Name;

/// At most this many events wait to be kept. A start with a hundred thousand names tells more in a second; the log has
/// them all.
const WAITING: usize = 8192;

/// Tells events. Cloning shares the line. The default one tells the log only.
#[derive(Clone, Default)]
pub struct Recorder(Option<Line>);

#[derive(Clone)]
struct Line {
    to: mpsc::Sender<Heard>,
    clock: Clock,
    lost: Arc<AtomicU64>,
}

/// What is heard at the other end.
#[derive(Debug)]
pub enum Heard {
    /// Something happened.
    Record(Box<Record>),
    /// What was told, and will be, is to be kept: this process is the one that does.
    Keep,
    /// It is not.
    Forget,
    /// Nothing more will be told. Answered when all is kept.
    End(oneshot::Sender<()>),
}

/// The other end: hears events, for one who keeps them.
pub struct Told {
    from: mpsc::Receiver<Heard>,
    clock: Clock,
    lost: Arc<AtomicU64>,
}

impl Recorder {
    /// A recorder whose events are dated by `clock` and heard at the other end.
    #[must_use]
    pub fn channel(clock: Clock) -> (Self, Told) {
        let (to, from) = mpsc::channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        let line = Line { to, clock: clock.clone(), lost: Arc::clone(&lost) };
        (Self(Some(line)), Told { from, clock, lost })
    }

    /// Tells what happened to these names; to none of them if it is about the process. Returns at once.
    pub fn tell<'a>(&self, names: impl IntoIterator<Item = &'a Name>, event: Event) {
        let names: Vec<Name> = names.into_iter().cloned().collect();
        event.log(&names);
        if let Some(Line { to, clock, lost }) = &self.0 {
            let record = Record { at: Moment(clock.now()), names, event };
            if to.try_send(Heard::Record(Box::new(record))).is_err() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// This process has the role of the issuer, and with it that of keeping what is told.
    pub async fn keep(&self) {
        self.send(Heard::Keep).await;
    }

    /// Another process has it.
    pub async fn forget(&self) {
        self.send(Heard::Forget).await;
    }

    /// Returns when everything that was told before is kept, or cannot be.
    pub async fn end(&self) {
        let (kept, is_kept) = oneshot::channel();
        self.send(Heard::End(kept)).await;
        // An error says that nobody keeps anything.
        let _ = is_kept.await;
    }

    async fn send(&self, heard: Heard) {
        if let Some(line) = &self.0 {
            // Where nobody listens nothing is kept.
            let _ = line.to.send(heard).await;
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Recorder(kept)" } else { "Recorder(log)" })
    }
}

impl Told {
    /// Waits for the next words, and takes those that wait behind them too; none once nobody can tell anything any
    /// more. Blocks the thread.
    pub fn wait(&mut self) -> Vec<Heard> {
        let mut heard: Vec<Heard> = self.from.blocking_recv().into_iter().collect();
        while heard.len() < WAITING
            && let Ok(more) = self.from.try_recv()
        {
            heard.push(more);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            heard.push(Heard::Record(Box::new(self.record(Event::Untold { events: lost }))));
        }
        heard
    }

    /// An event about the keeping itself.
    #[must_use]
    pub fn record(&self, event: Event) -> Record {
        event.log(&[]);
        Record { at: Moment(self.clock.now()), names: Vec::new(), event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_never_waits_and_what_is_lost_is_counted() {
        let (recorder, mut told) = Recorder::channel(Clock::system());
        for _ in 0..WAITING + 3 {
            recorder.tell([], Event::Leads);
        }
        let heard = told.wait();
        assert_eq!(heard.len(), WAITING + 1);
        let Some(Heard::Record(last)) = heard.last() else { panic!("{:?}", heard.last()) };
        assert_eq!(last.event, Event::Untold { events: 3 });
        drop(recorder);
        assert!(told.wait().is_empty(), "nobody tells anything any more");
    }
}
