//! Wall time as a value one can hand in, and the one source of jitter.
//!
//! Everything that is decided by the time of day takes a [`Clock`]; nothing else asks the machine. Deadlines of
//! sockets are durations and stay with tokio's timers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

/// Tells the time of day. Cloning shares the clock.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(watch::Receiver<SystemTime>),
}

/// Moves a manual [`Clock`].
#[derive(Clone)]
pub struct Hand(Arc<watch::Sender<SystemTime>>);

/// A timer sleeps at most this long before it looks at the wall again: suspends and steps of the clock do
/// not show on a monotonic timer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its [`Hand`] moves it.
    #[must_use]
    pub fn manual(start: SystemTime) -> (Self, Hand) {
        let (sender, receiver) = watch::channel(start);
        (Self(Source::Manual(receiver)), Hand(Arc::new(sender)))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Returns when the wall clock shows `moment` or later, also after a suspend or a step of the clock, then
    /// within a minute.
    pub async fn sleep_until(&self, moment: SystemTime) {
        match &self.0 {
            Source::System => {
                while let Ok(left) = moment.duration_since(self.now()) {
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left.min(LOOK_AGAIN)).await;
                }
            }
            Source::Manual(time) => {
                let mut time = time.clone();
                if time.wait_for(|now| *now >= moment).await.is_err() {
                    // The hand is gone: this clock never moves again.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
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

    #[test]
    fn jitter_stays_in_its_range() {
        assert!((0..1000).map(|_| jitter()).all(|j| (0.0..1.0).contains(&j)));
    }
}
