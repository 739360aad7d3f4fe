//! A renewal that an operator asks for: whether it may begin, and what it comes to.

use std::time::SystemTime;

use thiserror::Error;

use super::desired::Wish;
use super::inventory::Inventory;
use super::plan::{Step, step};
use super::schedule::{Situation, situation};
use crate::clock::rfc3339;
use crate::ident::{ItemId, Name};
use crate::issuer::Trial;

/// How a renewal is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// If it is due.
    Due,
    /// Whether it is due or not. What the CA's limits do not allow is not ordered all the same.
    Forced,
    /// Only as a trial, which leaves everything as it is.
    Trial,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// There is a new item, and it is served.
    Issued(ItemId),
    /// It was tried out.
    Tried(Trial),
}

/// Why there was no renewal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotRenewed {
    /// Nobody configured the name.
    #[error("nobody has configured {0}")]
    Unknown(Name),
    /// Its certificate is in files that somebody else keeps.
    #[error("the certificate of {0} is kept by somebody else, who has to renew it")]
    Elsewhere(Name),
    /// Another process has the role.
    #[error("this process does not issue: another one that shares the storage does")]
    Follower,
    /// It is not the time.
    #[error("not due: {0}; --force does it all the same")]
    NotDue(String),
    /// It was tried, and went wrong.
    #[error("not issued: {0}")]
    Failed(String),
    /// The manager stopped, or is configured anew, before there was an outcome.
    #[error("the attempt was given up, since the process stops or has been configured anew")]
    GivenUp,
}

/// The step that an operator asks for.
///
/// # Errors
///
/// [`NotRenewed::NotDue`] with the moment when it will be.
pub(super) fn asked_for(
    wish: &Wish,
    inventory: &Inventory,
    asking: Asking,
    now: SystemTime,
) -> Result<Step, NotRenewed> {
    let early = early(wish, inventory, now);
    let why = match (early, asking) {
        (Some(early), Asking::Due) => return Err(NotRenewed::NotDue(early)),
        (Some(early), _) => format!("asked for by an operator, though {early}"),
        (None, _) => "asked for by an operator".to_owned(),
    };
    Ok(step(wish, inventory, why, now))
}

/// Why it is too early, if it is.
fn early(wish: &Wish, inventory: &Inventory, now: SystemTime) -> Option<String> {
    match situation(wish, inventory, now) {
        Situation::Held { renew_at, failures: 0 } if renew_at > now => {
            Some(format!("the certificate is to be renewed at {}", rfc3339(renew_at)))
        }
        Situation::Held { renew_at: at, .. } | Situation::Missing { try_at: at, .. } if at > now => {
            Some(format!("after a failure the next attempt is to be made at {}", rfc3339(at)))
        }
        Situation::Held { .. } | Situation::Missing { .. } => None,
        Situation::Refused { reason } => {
            Some(format!("nothing is to be tried until the configuration changes: {reason}"))
        }
    }
}
