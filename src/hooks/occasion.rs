//! What a hook is told of.

use std::fmt;

use crate::story::Event;

/// A kind of event that is worth calling somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// The first certificate for its names was committed.
    Issued,
    /// One that takes the place of another was.
    Renewed,
    /// An attempt failed.
    Failed,
    /// A certificate nears its end and should have been renewed.
    Expiring,
    /// A CA was told not to stand by a certificate any more.
    Revoked,
    /// A handshake has shown that clients get it.
    Served,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Issued, Self::Renewed, Self::Failed, Self::Expiring, Self::Revoked, Self::Served];

    /// What it is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Renewed => "renewed",
            Self::Failed => "failed",
            Self::Expiring => "expiring",
            Self::Revoked => "revoked",
            Self::Served => "served",
        }
    }

    /// What an event is for a hook, if it is anything. A certificate that only stands in for a CA's is not: whoever
    /// copies certificates elsewhere does not want it there.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Committed { stands_in: false, replaces: None, .. } => Some(Self::Issued),
            Event::Committed { stands_in: false, replaces: Some(_), .. } => Some(Self::Renewed),
            Event::Failed { .. } => Some(Self::Failed),
            Event::Expiring { .. } => Some(Self::Expiring),
            Event::Revoked { .. } => Some(Self::Revoked),
            Event::ServingProved { .. } => Some(Self::Served),
            _ => None,
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
