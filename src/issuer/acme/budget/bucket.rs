//! A limit as a bucket of tokens, which fills up again at a steady pace. Pure.
//!
//! All there is to know of a bucket is when it will be full again; CAs keep theirs in the same way.

use std::time::{Duration, SystemTime};

/// No CA's word is taken for more than this.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// A number of tokens at once, and one more every so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    refill: Duration,
}

impl Limit {
    /// A bucket of `burst` tokens, one at least, that gets a token back every `refill`.
    #[must_use]
    pub const fn new(burst: u32, refill: Duration) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, refill }
    }

    /// How many tokens there are at most.
    pub(super) fn burst(self) -> u32 {
        self.burst
    }

    /// How many tokens are there, `full` being when all will be.
    pub(super) fn left(self, full: Option<SystemTime>, now: SystemTime) -> u32 {
        let missing = self.until_full(full, now).as_nanos().div_ceil(self.refill.as_nanos().max(1));
        self.burst.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// When `tokens` of them will be there; a moment that has passed if they are.
    pub(super) fn when(self, full: Option<SystemTime>, tokens: u32, now: SystemTime) -> SystemTime {
        let spare = self.refill * self.burst.saturating_sub(tokens);
        now + self.until_full(full, now).saturating_sub(spare)
    }

    /// When it will be full after one more was taken out.
    pub(super) fn spend(self, full: Option<SystemTime>, now: SystemTime) -> SystemTime {
        now + self.until_full(full, now) + self.refill
    }

    /// When one that is taken out now will have come back by itself.
    pub(super) fn back_at(self, now: SystemTime) -> SystemTime {
        now + self.refill
    }

    /// When it will be full if there will be one token at `until` and no sooner.
    pub(super) fn empty_until(self, until: SystemTime) -> SystemTime {
        until + self.refill * (self.burst - 1)
    }

    /// No bucket takes longer than to be filled from the bottom, after the longest wait a CA can ask for: what says so
    /// was noted by a clock that has been set back.
    fn until_full(self, full: Option<SystemTime>, now: SystemTime) -> Duration {
        let span = self.refill * self.burst;
        let left = full.and_then(|full| full.duration_since(now).ok()).unwrap_or_default();
        if left > span + LONGEST_WAIT { span } else { left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    /// Let's Encrypt's certificates for one set of names.
    const SET: Limit = Limit::new(5, Duration::from_secs(34 * 3600));

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn five_at_once_and_then_one_in_thirty_four_hours() {
        let mut full = None;
        for left in (0..5).rev() {
            full = Some(SET.spend(full, now()));
            assert_eq!(SET.left(full, now()), left);
        }
        assert_eq!(SET.when(full, 1, now()), now() + HOUR * 34);
        assert_eq!(SET.when(full, 2, now()), now() + HOUR * 68);
        for (hours, left) in [(33, 0), (34, 1), (67, 1), (68, 2), (169, 4), (170, 5), (1000, 5)] {
            assert_eq!(SET.left(full, now() + HOUR * hours), left, "{hours} h");
        }
        // A token that came back may be spent, and the pace stays what it was.
        let later = now() + HOUR * 34;
        let full = Some(SET.spend(full, later));
        assert_eq!((SET.left(full, later), SET.when(full, 1, later)), (0, later + HOUR * 34));
    }

    #[test]
    fn a_ca_that_says_when_is_believed_and_a_clock_that_was_set_back_is_not() {
        for hours in [10, 100] {
            let full = Some(SET.empty_until(now() + HOUR * hours));
            assert_eq!(SET.when(full, 1, now()), now() + HOUR * hours);
        }
        let ahead = Some(now() + HOUR * 24 * 400);
        assert_eq!(SET.when(ahead, 1, now()), now() + HOUR * 34);
    }
}
