//! When each wish is looked at again: a queue of moments, so that an event costs what it concerns and not what there
//! is.

use std::collections::BTreeSet;
use std::time::SystemTime;

/// The next moment of each wish, by its place in the configuration.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    moments: Vec<Option<SystemTime>>,
    queue: BTreeSet<(SystemTime, usize)>,
}

impl Agenda {
    /// One with this number of wishes, all of them due.
    pub(super) fn new(wishes: usize) -> Self {
        let mut agenda = Self { moments: vec![None; wishes], queue: BTreeSet::new() };
        (0..wishes).for_each(|wish| agenda.put_now(wish));
        agenda
    }

    /// Takes in one more wish, which is due.
    pub(super) fn add(&mut self) {
        self.moments.push(None);
        self.put_now(self.moments.len() - 1);
    }

    /// Looks at the wish at this moment and not before; never, without one.
    pub(super) fn put(&mut self, wish: usize, moment: Option<SystemTime>) {
        if let Some(before) = std::mem::replace(&mut self.moments[wish], moment) {
            self.queue.remove(&(before, wish));
        }
        self.queue.extend(moment.map(|moment| (moment, wish)));
    }

    /// Something about the wish has changed.
    pub(super) fn put_now(&mut self, wish: usize) {
        self.put(wish, Some(SystemTime::UNIX_EPOCH));
    }

    /// Takes out a wish that is due.
    pub(super) fn take_due(&mut self, now: SystemTime) -> Option<usize> {
        let (moment, wish) = *self.queue.first()?;
        (moment <= now).then(|| {
            self.put(wish, None);
            wish
        })
    }

    /// When the next wish will be due.
    pub(super) fn next(&self) -> Option<SystemTime> {
        self.queue.first().map(|(moment, _)| *moment)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wish_is_due_at_its_last_word_and_once() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut agenda = Agenda::new(3);
        for wish in 0..3 {
            assert_eq!(agenda.take_due(at(0)), Some(wish));
        }
        assert_eq!((agenda.take_due(at(9)), agenda.next()), (None, None));
        agenda.put(0, Some(at(7)));
        agenda.put(1, Some(at(5)));
        agenda.put(2, Some(at(4)));
        agenda.put(2, Some(at(6)));
        agenda.put(0, None);
        assert_eq!(agenda.next(), Some(at(5)));
        assert_eq!(agenda.take_due(at(4)), None);
        assert_eq!(agenda.take_due(at(6)), Some(1));
        assert_eq!(agenda.take_due(at(6)), Some(2));
        agenda.put_now(1);
        agenda.add();
        let due = [(); 3].map(|()| agenda.take_due(at(9)));
        assert_eq!(due, [Some(1), Some(3), None]);
    }
}
