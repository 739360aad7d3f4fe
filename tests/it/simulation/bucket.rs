//! The CA's count of one limit: tokens that come back one by one. It shares nothing with how the program counts.

/// The last count, in tokens times the seconds that one takes to come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    burst: u64,
    refill: u64,
    level: u64,
    at: u64,
    /// Whether somebody else has taken from it since it was full.
    shared: bool,
    /// Until when we were told to stay away.
    told: u64,
}

impl Bucket {
    /// A full one of `burst` tokens, one coming back every `refill` seconds.
    pub(super) fn full((burst, refill): (u64, u64), now: u64) -> Self {
        Self { burst, refill, level: burst * refill, at: now, shared: false, told: 0 }
    }

    fn pour(&mut self, now: u64) {
        let full = self.burst * self.refill;
        self.level = full.min(self.level + (now - self.at));
        self.at = now;
        self.shared &= self.level < full;
    }

    /// How long until there is one, if there is none.
    pub(super) fn wait(&mut self, now: u64) -> Option<u64> {
        self.pour(now);
        (self.level < self.refill).then(|| self.refill - self.level)
    }

    /// Takes one; a bucket does not go below the bottom.
    pub(super) fn take(&mut self, now: u64) {
        self.pour(now);
        self.level = self.level.saturating_sub(self.refill);
    }

    /// Somebody else takes so many.
    pub(super) fn take_for_others(&mut self, tokens: u64, now: u64) {
        self.pour(now);
        self.level = self.level.saturating_sub(tokens * self.refill);
        self.shared = true;
    }

    /// Tells us to stay away until then; says whether that was our own fault.
    pub(super) fn refuse(&mut self, until: u64, now: u64) -> bool {
        let own = !self.shared || now < self.told;
        self.told = until;
        own
    }
}

#[test]
fn five_at_once_and_then_one_in_thirty_four_hours() {
    const HOUR: u64 = 3_600;
    let mut bucket = Bucket::full((5, 34 * HOUR), 0);
    for _ in 0..5 {
        assert_eq!(bucket.wait(0), None);
        bucket.take(0);
    }
    assert_eq!(
        (bucket.wait(0), bucket.wait(33 * HOUR), bucket.wait(34 * HOUR)),
        (Some(34 * HOUR), Some(HOUR), None)
    );
}
