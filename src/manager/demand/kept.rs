//! A name that was let in.

use std::time::{Duration, SystemTime};

use crate::ident::ItemId;

/// What is known of it, beside what is known of every lineage.
pub(super) struct Kept {
    /// When it was last allowed.
    pub(super) allowed: SystemTime,
    /// When somebody last came for it.
    pub(super) seen: SystemTime,
    /// What it showed when somebody last looked.
    shown: Option<ItemId>,
    denial: Option<Denial>,
}

#[derive(Clone, Copy)]
struct Denial {
    /// None if it could not be asked.
    why: Option<&'static str>,
    until: SystemTime,
}

impl Kept {
    pub(super) fn new(allowed: SystemTime, seen: SystemTime) -> Self {
        Self { allowed, seen, shown: None, denial: None }
    }

    pub(super) fn allow(&mut self, now: SystemTime) {
        self.allowed = now;
        self.denial = None;
    }

    /// Whether the last permission is not older than this. One that lies ahead is by a clock that has been set back.
    pub(super) fn holds(&self, age: Duration, now: SystemTime) -> bool {
        self.denial.is_none() && now.duration_since(self.allowed).is_ok_and(|since| since < age)
    }

    /// Nothing is ordered for it until then. True if that is news.
    pub(super) fn hold_back(&mut self, why: Option<&'static str>, until: SystemTime) -> bool {
        let before = self.denial.and_then(|denial| denial.why);
        self.denial = Some(Denial { why: why.or(before), until });
        before.is_none() && why.is_some()
    }

    /// Until when it is held back.
    pub(super) fn held_back(&self, now: SystemTime) -> Option<SystemTime> {
        self.denial.map(|denial| denial.until).filter(|until| *until > now)
    }

    /// The rules have changed.
    pub(super) fn forgive(&mut self) {
        self.denial = None;
        self.allowed = SystemTime::UNIX_EPOCH;
    }

    pub(super) fn denial(&self) -> Option<&'static str> {
        self.denial?.why
    }

    pub(super) fn is_denied(&self) -> bool {
        self.denial().is_some()
    }

    /// Somebody has looked whether its certificate was met. A certificate that was not there when somebody last looked
    /// counts as met because it is new: that says nothing.
    pub(super) fn sight(&mut self, item: Option<&ItemId>, met: bool, now: SystemTime) {
        if met && item.is_some() && self.shown.as_ref() == item {
            self.seen = now;
        }
        self.shown = item.cloned();
    }
}
