//! What a provider says about when to renew.

use std::time::{Duration, SystemTime};

/// What a provider says about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// When it would like to be asked for the next one.
    pub window: Window,
    /// A page that tells people why.
    pub explanation: Option<String>,
    /// When it would like to be asked again what it says, if it named a moment.
    pub again: Option<SystemTime>,
}

/// When a provider would like to be asked for a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    start: SystemTime,
    end: SystemTime,
}

impl Window {
    /// From `start` up to `end`; `None` unless it ends after it starts.
    #[must_use]
    pub fn new(start: SystemTime, end: SystemTime) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Its first moment.
    #[must_use]
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// The first moment after it.
    #[must_use]
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: SystemTime) -> bool {
        (self.start..self.end).contains(&moment)
    }

    /// The moment after this share of it, in whole seconds; `share` is from 0 up to but without 1.
    #[must_use]
    pub fn at(&self, share: f64) -> SystemTime {
        let length = self.end.duration_since(self.start).unwrap_or_default();
        let into = length.mul_f64(share.clamp(0.0, 1.0)).as_secs();
        self.start + Duration::from_secs(into)
    }
}
