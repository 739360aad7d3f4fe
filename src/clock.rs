//! Wall time as a value one can hand in, and the one source of jitter.
//!
//! Everything that is decided by the time of day takes a [`Clock`]; nothing else asks the machine. Deadlines of
//! sockets are durations and stay with tokio's timers.
//!
//! A machine's clock may be wrong by days. Whoever hears the time from somebody who should know, such as a CA, tells the
//! clock with [`Clock::agree`]; all that share it go by the corrected time from then on.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Notify, watch};

/// Tells the time of day. Cloning shares the clock and its correction.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    correction: Arc<Correction>,
}

#[derive(Clone)]
enum Source {
    System,
    Manual(watch::Receiver<SystemTime>),
}

/// By how much the source is behind.
#[derive(Default)]
struct Correction {
    seconds: AtomicI64,
    last: Mutex<Option<Last>>,
    changed: Notify,
}

/// The last correction.
#[derive(Clone, Copy)]
struct Last {
    /// By the source.
    made: SystemTime,
    skew: Skew,
    epoch: Epoch,
}

/// The time between two corrections. What was decided in one has to be decided again in the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch(u64);

/// How far a clock is from the right time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// It shows so much too late a time.
    Ahead(Duration),
    /// It shows so much too early a time.
    Behind(Duration),
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead(by) => write!(f, "{} seconds ahead", by.as_secs()),
            Self::Behind(by) => write!(f, "{} seconds behind", by.as_secs()),
        }
    }
}

/// Moves a manual [`Clock`].
#[derive(Clone)]
pub struct Hand(Arc<watch::Sender<SystemTime>>);

/// A timer sleeps at most this long before it looks at the wall again: suspends and steps of the clock do
/// not show on a monotonic timer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A difference that is not worth a correction: answers take their time.
const TOLERATED: Duration = Duration::from_secs(5 * 60);

/// Nobody is believed more often than this: two who contradict each other would else keep everything being replanned.
const SETTLED: Duration = Duration::from_secs(10 * 60);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::from(Source::System)
    }

    /// A clock that stands at `start` until its [`Hand`] moves it.
    #[must_use]
    pub fn manual(start: SystemTime) -> (Self, Hand) {
        let (sender, receiver) = watch::channel(start);
        (Self::from(Source::Manual(receiver)), Hand(Arc::new(sender)))
    }

    fn from(source: Source) -> Self {
        Self { source, correction: Arc::default() }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.correction.corrected(self.source.now())
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.correction.last().map_or_else(Epoch::default, |last| last.epoch)
    }

    /// Takes over what somebody who should know says it is now, if the difference matters.
    ///
    /// Returns how wrong the clock was if what was decided in the epoch `since` has to be decided again: because of this
    /// word, or because of somebody else's.
    pub fn agree(&self, told: SystemTime, since: Epoch) -> Option<Skew> {
        let source = self.source.now();
        let now = self.correction.corrected(source);
        let skew = match now.duration_since(told) {
            Ok(ahead) => Skew::Ahead(ahead),
            Err(behind) => Skew::Behind(behind.duration()),
        };
        let (Skew::Ahead(by) | Skew::Behind(by)) = skew;
        let mut last = self.correction.last();
        let settled = last.is_none_or(|last| distance(last.made, source) >= SETTLED);
        if by > TOLERATED && settled {
            let Epoch(number) = last.map_or_else(Epoch::default, |last| last.epoch);
            *last = Some(Last { made: source, skew, epoch: Epoch(number + 1) });
            let seconds = i64::try_from(distance(told, source).as_secs()).unwrap_or(i64::MAX);
            let seconds = if told < source { -seconds } else { seconds };
            self.correction.seconds.store(seconds, Ordering::Relaxed);
            self.correction.changed.notify_one();
        }
        last.filter(|last| last.epoch != since).map(|last| last.skew)
    }

    /// Returns when the clock was corrected since the last call. For one waiter.
    pub async fn corrected(&self) {
        self.correction.changed.notified().await;
    }

    /// Returns when the wall clock shows `moment` or later, also after a suspend or a step of the clock, then
    /// within a minute; and when the clock has been set back, since what `moment` was for may be due at another one now.
    pub async fn sleep_until(&self, moment: SystemTime) {
        match &self.source {
            Source::System => {
                let mut before = self.source.now();
                while let Ok(left) = moment.duration_since(self.now()) {
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left.min(LOOK_AGAIN)).await;
                    let after = self.source.now();
                    if after < before {
                        return;
                    }
                    before = after;
                }
            }
            Source::Manual(time) => {
                let mut time = time.clone();
                let mut before = *time.borrow();
                let due = |now: &SystemTime| {
                    let back = *now < before;
                    before = *now;
                    back || self.correction.corrected(*now) >= moment
                };
                if time.wait_for(due).await.is_err() {
                    // The hand is gone: this clock never moves again.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl Source {
    fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Manual(time) => *time.borrow(),
        }
    }
}

impl Correction {
    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn corrected(&self, source: SystemTime) -> SystemTime {
        let seconds = self.seconds.load(Ordering::Relaxed);
        let by = Duration::from_secs(seconds.unsigned_abs());
        let moved = if seconds < 0 { source.checked_sub(by) } else { source.checked_add(by) };
        moved.unwrap_or(source)
    }
}

fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

impl Hand {
    /// Sets the clock, forwards or back.
    pub fn set(&self, time: SystemTime) {
        self.0.send_replace(time);
    }

    /// Moves the clock forwards.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|time| *time += by);
    }
}

/// A number from 0 up to but without 1, new at every call.
#[must_use]
pub fn jitter() -> f64 {
    let mut bytes = [0_u8; 4];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// The moment in UTC, as RFC 3339 writes it, in whole seconds.
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    let whole = OffsetDateTime::from(moment).replace_nanosecond(0);
    whole.ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Reads a moment back; `None` if the text is not one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hand_reaches_its_moment() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(start);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(start + Duration::from_secs(90)).await }
        });
        hand.advance(Duration::from_secs(89));
        assert!(!sleeper.is_finished());
        hand.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper woke");
        assert_eq!(rfc3339(clock.now()), "1970-01-12T13:48:10Z");
        assert_eq!(parse_rfc3339("1970-01-12T13:48:10Z"), Some(clock.now()));
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_set_back() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(start);
        let sleep = clock.sleep_until(start + Duration::from_secs(90));
        tokio::pin!(sleep);
        tokio::select! {
            biased;
            () = &mut sleep => panic!("too early"),
            () = tokio::task::yield_now() => {}
        }
        hand.set(start - Duration::from_secs(5));
        sleep.await;
    }

    #[tokio::test]
    async fn a_clock_goes_by_who_should_know_and_not_by_everybody_at_once() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let (clock, hand) = Clock::manual(start);
        let day = Duration::from_secs(86_400);
        let first = clock.epoch();
        assert_eq!(clock.agree(start + TOLERATED, first), None, "an answer takes its time");
        assert_eq!(clock.agree(start - day, first), Some(Skew::Ahead(day)));
        assert_eq!(clock.clone().now(), start - day);
        clock.corrected().await;
        assert_eq!(
            clock.agree(start - day, first),
            Some(Skew::Ahead(day)),
            "what was decided before is stale"
        );
        let second = clock.epoch();
        assert_eq!(clock.agree(start + day, second), None, "two who contradict each other");
        hand.advance(SETTLED);
        assert_eq!(clock.agree(start + day, second), Some(Skew::Behind(day * 2 - SETTLED)));
        // Somebody has set the machine right.
        hand.set(start + day * 3);
        let told = clock.agree(start + day * 3, clock.epoch()).map(|skew| skew.to_string());
        assert_eq!(told.as_deref(), Some("85800 seconds ahead"));
        assert_eq!(clock.now(), start + day * 3);
        clock.sleep_until(start + day * 3).await;
    }

    #[test]
    fn jitter_stays_in_its_range() {
        assert!((0..1000).map(|_| jitter()).all(|j| (0.0..1.0).contains(&j)));
    }
}
