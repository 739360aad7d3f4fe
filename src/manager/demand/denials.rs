//! Names that were denied, for a while.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use crate::ident::Fqdn;

/// At most this many are remembered; of more, the oldest is asked about again.
const MOST: usize = 10_000;

/// Denials, each with its end.
#[derive(Default)]
pub(super) struct Denials {
    until: HashMap<Fqdn, SystemTime>,
    /// In the order in which they were first made.
    order: VecDeque<Fqdn>,
}

impl Denials {
    /// Remembers a denial.
    pub(super) fn put(&mut self, name: Fqdn, until: SystemTime, now: SystemTime) {
        if let Some(known) = self.until.get_mut(&name) {
            *known = until;
            return;
        }
        while let Some(oldest) = self.order.front()
            && (self.order.len() >= MOST || self.until.get(oldest).is_none_or(|until| *until <= now))
        {
            self.until.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back(name.clone());
        self.until.insert(name, until);
    }

    /// Whether the name was denied, and is still.
    pub(super) fn has(&self, name: &Fqdn, now: SystemTime) -> bool {
        self.until.get(name).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: usize) -> Fqdn {
        format!("n{number}.example.org").parse().expect("a name")
    }

    #[test]
    fn a_denial_ends() {
        let (mut denials, now) = (Denials::default(), SystemTime::UNIX_EPOCH);
        let later = now + Duration::from_secs(60);
        denials.put(name(1), later, now);
        assert!(denials.has(&name(1), now) && !denials.has(&name(2), now));
        assert!(!denials.has(&name(1), later));
        denials.put(name(2), later + Duration::from_secs(60), later);
        assert_eq!(denials.until.len(), 1, "what has ended makes room");
    }

    #[test]
    fn a_crowd_does_not_grow_it() {
        let (mut denials, now) = (Denials::default(), SystemTime::UNIX_EPOCH);
        let later = now + Duration::from_secs(60);
        for number in 0..3 * MOST {
            denials.put(name(number), later, now);
            denials.put(name(number), later, now);
        }
        assert_eq!((denials.until.len(), denials.order.len()), (MOST, MOST));
        assert!(denials.has(&name(3 * MOST - 1), now) && !denials.has(&name(0), now));
    }
}
