//! One look at all the files, in turns: nobody who waits for something else waits for long.

use std::collections::VecDeque;
use std::time::Duration;
use std::vec;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::{Found, Looked};

/// At most this many files are looked at per turn.
const LOOKS: usize = 256;
/// And at most this many read.
const READS: usize = 8;
/// After a turn of files that nobody has waited for yet, others have the processor for this long.
const REST: Duration = Duration::from_millis(5);

/// At most this many lines about single certificates; then only the sum is told.
const TOLD: usize = 32;

/// Where the look has got to.
pub(super) struct Pass {
    /// Sources that were read before. They come first: what has changed is in use.
    seen: VecDeque<usize>,
    unseen: vec::IntoIter<usize>,
    /// In this turn.
    looks: usize,
    reads: usize,
    rest: Option<Instant>,
    /// In all.
    changed: usize,
    told: usize,
    untold: usize,
    is_asked_for: bool,
}

impl Pass {
    /// A look at these, since somebody configured them.
    pub(super) fn asked_for(seen: Vec<usize>, unseen: Vec<usize>) -> Self {
        Self { seen: seen.into(), unseen: unseen.into_iter(), is_asked_for: true, ..Self::of_our_own() }
    }

    /// A look at nothing yet.
    pub(super) fn of_our_own() -> Self {
        let (seen, unseen) = (VecDeque::new(), Vec::new().into_iter());
        Self {
            seen,
            unseen,
            looks: 0,
            reads: 0,
            rest: None,
            changed: 0,
            told: 0,
            untold: 0,
            is_asked_for: false,
        }
    }

    /// These, which were read before, come first.
    pub(super) fn look_first(&mut self, indices: impl DoubleEndedIterator<Item = usize>) {
        indices.rev().for_each(|index| self.seen.push_front(index));
        self.rest = None;
    }

    /// Returns when the next turn may begin.
    pub(super) async fn rested(&self) {
        match self.rest {
            Some(until) => sleep_until(until).await,
            None => yield_now().await,
        }
    }

    /// The next source to look at; none if the turn is over, or the pass.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.looks < LOOKS && self.reads < READS {
            self.looks += 1;
            return self.seen.pop_front().or_else(|| self.unseen.next());
        }
        let hurry = !self.seen.is_empty() || self.reads < READS;
        self.rest = (!hurry).then(|| Instant::now() + REST);
        (self.looks, self.reads) = (0, 0);
        None
    }

    /// Takes note of what came of a look, and tells what somebody should know: what is wrong, and what is new. That
    /// many files were read for the first time is no news, but for those `of_sites`.
    pub(super) fn note(&mut self, looked: Looked, of_sites: bool, found: &Found) {
        let news = match looked {
            Looked::Unread => return,
            Looked::Same => false,
            Looked::Faulty => true,
            Looked::Better { first } => {
                self.changed += 1;
                of_sites || !first || found.fault().is_some()
            }
        };
        self.reads += 1;
        if news && self.told < TOLD {
            self.told += 1;
            found.tell();
        } else {
            self.untold += usize::from(news);
        }
    }

    /// Whether all have been looked at.
    pub(super) fn is_over(&self) -> bool {
        self.seen.is_empty() && self.unseen.len() == 0
    }

    /// Whether somebody wants to know what came of it.
    pub(super) fn is_news(&self) -> bool {
        self.is_asked_for || self.untold > 0
    }

    /// How many certificates are new.
    pub(super) fn changed(&self) -> usize {
        self.changed
    }
}
