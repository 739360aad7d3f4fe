//! How many names were let in within the last hour.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::store::Granted;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The names that were let in within an hour, by their registered domains. Bounded by the budget itself.
#[derive(Default)]
pub(super) struct Hourly {
    granted: VecDeque<Granted>,
    /// Of which domains it was told that nothing is left, and until when; `""` is all of them.
    told: HashMap<String, SystemTime>,
}

impl Hourly {
    pub(super) fn of(granted: Vec<Granted>) -> Self {
        Self { granted: granted.into(), told: HashMap::new() }
    }

    pub(super) fn granted(&self) -> Vec<Granted> {
        self.granted.iter().cloned().collect()
    }

    /// The domain, or `""` for all, of whose limit nothing is left, and when there will be something again.
    pub(super) fn short(
        &mut self,
        limits: [(&str, usize); 2],
        now: SystemTime,
    ) -> Option<(String, SystemTime)> {
        // What lies ahead was noted by a clock that has been set back.
        self.granted.retain(|granted| now.duration_since(granted.at).is_ok_and(|since| since < HOUR));
        limits.into_iter().find_map(|(of, limit)| {
            let mut counted = self.granted.iter().filter(|granted| of.is_empty() || granted.domain == of);
            let count = counted.clone().count();
            // The one whose end leaves one less than the limit.
            let ends = counted.nth(count.checked_sub(limit)?)?.at + HOUR;
            Some((of.to_owned(), ends))
        })
    }

    pub(super) fn take(&mut self, domain: String, now: SystemTime) {
        self.granted.push_back(Granted { domain, at: now });
    }

    /// Whether it is news that nothing is left until then.
    pub(super) fn tell(&mut self, of: &str, until: SystemTime, now: SystemTime) -> bool {
        self.told.retain(|_, until| *until > now);
        self.told.insert(of.to_owned(), until).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_has_room_for_so_many_of_all_and_of_each_domain() {
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
        let mut hourly = Hourly::default();
        let short = |hourly: &mut Hourly, domain, now| hourly.short([("", 4), (domain, 2)], at(now));
        for (minute, domain) in [(0, "a.example"), (10, "b.example"), (20, "a.example")] {
            assert_eq!(short(&mut hourly, domain, minute), None);
            hourly.take(domain.to_owned(), at(minute));
        }
        assert_eq!(short(&mut hourly, "a.example", 30), Some(("a.example".into(), at(60))));
        assert_eq!(short(&mut hourly, "b.example", 30), None);
        hourly.take("b.example".into(), at(30));
        assert_eq!(short(&mut hourly, "c.example", 40), Some((String::new(), at(60))));
        let mut hourly = Hourly::of(hourly.granted());
        assert_eq!(
            short(&mut hourly, "c.example", 59),
            Some((String::new(), at(60))),
            "also after a restart"
        );
        assert_eq!(short(&mut hourly, "a.example", 60), None);
        assert_eq!(short(&mut hourly, "b.example", 60), Some(("b.example".into(), at(70))));
        assert_eq!(hourly.granted.len(), 3);
        assert_eq!(short(&mut hourly, "a.example", 1), None);
        assert_eq!(hourly.granted.len(), 0, "a clock that was set back");
    }

    #[test]
    fn that_nothing_is_left_is_told_once() {
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
        let mut hourly = Hourly::default();
        assert!(hourly.tell("a.example", at(60), at(0)));
        assert!(!hourly.tell("a.example", at(60), at(59)));
        assert!(hourly.tell("", at(60), at(59)));
        assert!(hourly.tell("a.example", at(120), at(60)));
    }
}
