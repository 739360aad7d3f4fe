//! Of how many names that were turned away the journal is told.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::ident::Fqdn;

/// At most this many names per day, each once. Strangers choose these names and could come with new ones without end; a
/// journal keeps so much and no more, and what they said must not push out what happened to the names of sites. At this
/// rate it takes them years. What the rules say of any other name can be asked for at any time.
const MOST: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The names of which it was told within a day.
#[derive(Default)]
pub(super) struct TurnedAway {
    since: Option<SystemTime>,
    told: HashSet<Fqdn>,
}

impl TurnedAway {
    /// Whether it is to be told now. Once this says so, it is taken for told.
    pub(super) fn is_to_be_told(&mut self, name: &Fqdn, now: SystemTime) -> bool {
        // A beginning that lies ahead was noted by a clock that has been set back.
        let over = |since| now.duration_since(since).is_ok_and(|since| since >= DAY);
        if self.since.is_none_or(over) {
            *self = Self { since: Some(now), told: HashSet::new() };
        }
        self.told.len() < MOST && self.told.insert(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_strangers_tells_little_and_on_the_next_day_little_again() {
        let name = |number: usize| format!("n{number}.example.org").parse::<Fqdn>().expect("a name");
        let (mut turned_away, start) = (TurnedAway::default(), SystemTime::UNIX_EPOCH + 20_000 * DAY);
        let mut told = |from: usize, now| {
            let crowd = (from..from + 1000).chain(from..from + 1000);
            crowd.filter(|number| turned_away.is_to_be_told(&name(*number), now)).count()
        };
        assert_eq!(told(0, start), MOST, "each once");
        assert_eq!(told(1000, start + DAY - Duration::from_secs(1)), 0);
        assert_eq!(told(2000, start + DAY), MOST);
        assert_eq!(told(3000, start), 0, "a clock that was set back tells no more");
    }
}
