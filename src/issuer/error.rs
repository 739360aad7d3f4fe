//! Why a certificate was not issued, and whether to come back.

use std::error::Error as StdError;
use std::time::SystemTime;

use thiserror::Error;

use super::solver::{ChallengeKind, SolveError};
use super::{NoteError, Obstacle};
use crate::clock::Skew;
use crate::ident::Name;
use crate::pki::PkiError;

/// Whatever lies under an error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What the manager does with a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again before long; nothing went wrong that counts.
    Soon,
    /// Decide again whether it is due at all: it is another time than we thought.
    Replan,
    /// Try again at this moment and not before; nothing went wrong that counts.
    Wait(SystemTime),
    /// Look again before long: it is certain to fail as things are, so nothing was asked for and nothing counts.
    Blocked,
    /// Try again later: one step up the ladder, and not before the moment the CA named, if it named one.
    After(Option<SystemTime>),
    /// Trying again hardly helps until the configuration changes, or the CA finds that it was mistaken.
    Never,
}

/// Why a certificate was not issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The CA could not be reached, or answered nonsense.
    #[error("{directory} gave no usable answer")]
    Unreachable {
        /// The directory's URL.
        directory: String,
        /// What the network or the parser said.
        source: BoxError,
        /// When the CA wants to be asked again, if it said so.
        until: Option<SystemTime>,
    },
    /// The CA asked us to wait.
    #[error("{directory} limits our rate: {detail}")]
    Limited {
        /// The directory's URL.
        directory: String,
        /// The CA's words.
        detail: String,
        /// When it wants to be asked again, if it said so.
        until: Option<SystemTime>,
    },
    /// So much of one of the CA's limits has been spent that it was not asked.
    #[error("held back to stay within a limit of {directory}: {detail}")]
    Spent {
        /// The directory's URL.
        directory: String,
        /// Which limit, and what is left.
        detail: String,
        /// When it will allow this.
        until: SystemTime,
    },
    /// The CA looked for our answer to a challenge and did not find it.
    #[error("{name} could not be verified by {kind}: {detail}")]
    Unverified {
        /// The name that was looked up.
        name: Name,
        /// How.
        kind: ChallengeKind,
        /// The CA's words.
        detail: String,
    },
    /// The CA will not issue for these names, or not to us.
    #[error("{directory} refuses: {detail}")]
    Refused {
        /// The directory's URL.
        directory: String,
        /// The CA's words.
        detail: String,
        /// Whether the same request may be granted another day.
        for_good: bool,
    },
    /// Our clock was wrong by so much that what is due has to be decided again. It goes by the CA's now.
    #[error("our clock was {by} of the clock of {directory}")]
    Clock {
        /// The directory's URL.
        directory: String,
        /// By how much.
        by: Skew,
    },
    /// The CA threw our nonces away too often in a row.
    #[error("{directory} rejected our nonces")]
    Nonce {
        /// The directory's URL.
        directory: String,
    },
    /// Something is certain to make the order fail, so it was not placed.
    #[error("not ordered")]
    Blocked(#[from] Obstacle),
    /// No configured kind of challenge can prove this name.
    #[error("none of the challenges {offered} can prove {name}")]
    Unprovable {
        /// The name.
        name: Name,
        /// What the CA offered.
        offered: String,
    },
    /// An answer could not be posted.
    #[error("the answer to a challenge could not be posted")]
    Solve(#[from] SolveError),
    /// What was issued is not what was asked for.
    #[error("what was issued cannot be used")]
    Unusable(#[from] PkiError),
    /// Our own side could not keep what must survive a crash.
    #[error("issuance was stopped before it could lose something")]
    Note(#[from] NoteError),
    /// What has been spent of the CA's limits could not be read or written down.
    #[error("the ledger cannot be used")]
    Ledger(#[source] BoxError),
    /// The account could not be kept or read.
    #[error("the account cannot be used")]
    Account(#[source] BoxError),
    /// Nobody signed the certificate who could revoke it.
    #[error("a self-signed certificate cannot be revoked: no CA stands behind it that could tell anybody")]
    Irrevocable,
}

impl IssueError {
    /// Whether and when to come back.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Clock { .. } => Verdict::Replan,
            Self::Blocked(_) => Verdict::Blocked,
            Self::Spent { until, .. } => Verdict::Wait(*until),
            Self::Unreachable { until, .. } | Self::Limited { until, .. } => Verdict::After(*until),
            Self::Refused { for_good: true, .. } | Self::Unprovable { .. } | Self::Irrevocable => {
                Verdict::Never
            }
            Self::Refused { .. }
            | Self::Nonce { .. }
            | Self::Unverified { .. }
            | Self::Solve(_)
            | Self::Unusable(_)
            | Self::Note(_)
            | Self::Ledger(_)
            | Self::Account(_) => Verdict::After(None),
        }
    }

    /// Whether another CA may give what this one did not give.
    ///
    /// Not where the fault is ours: a name that does not lead here leads here for no CA, and what our disk does not
    /// keep it keeps for none.
    #[must_use]
    pub fn elsewhere(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Limited { .. }
            | Self::Spent { .. }
            | Self::Refused { .. }
            | Self::Nonce { .. }
            // A CAA record may name another one, and looking costs nothing.
            | Self::Blocked(_)
            | Self::Unprovable { .. }
            | Self::Unusable(_)
            | Self::Account(_) => true,
            Self::Unverified { .. }
            | Self::Clock { .. }
            | Self::Solve(_)
            | Self::Note(_)
            | Self::Ledger(_)
            | Self::Irrevocable => false,
        }
    }
}
