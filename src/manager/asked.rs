//! A renewal that an operator asks for: whether it may begin, and what it comes to.

use std::time::SystemTime;

use thiserror::Error;

use super::FOLLOWER;
use super::desired::Wish;
use super::inventory::Inventory;
use super::not_ours::NotOurs;
use super::plan::{Step, step};
use super::schedule::{Situation, situation};
use crate::clock::rfc3339;
use crate::ident::ItemId;
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
    /// There is no certificate of ours with this name.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// Another process has the role.
    #[error("{FOLLOWER}")]
    Follower,
    /// It is not the time.
    #[error("not due: {0}")]
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
        (Some(Early { why, may_be_forced }), Asking::Due) => {
            let way = if may_be_forced { "; --force does it all the same" } else { "" };
            return Err(NotRenewed::NotDue(why + way));
        }
        (Some(Early { why, .. }), _) => format!("asked for by an operator, though {why}"),
        (None, _) => "asked for by an operator".to_owned(),
    };
    Ok(step(wish, inventory, why, now))
}

/// Why it is too early.
struct Early {
    why: String,
    /// Whether that keeps nobody away who insists. A limit does.
    may_be_forced: bool,
}

fn early(wish: &Wish, inventory: &Inventory, now: SystemTime) -> Option<Early> {
    let forced = |why| Early { why, may_be_forced: true };
    let waits =
        |at| format!("a limit, the CA or a check before the order keeps it waiting until {}", rfc3339(at));
    Some(match situation(wish, inventory, now) {
        Situation::Held { renew_at: at, .. }
        | Situation::Missing { try_at: at, .. }
        | Situation::Refused { try_at: at, .. }
            if at <= now =>
        {
            return None;
        }
        Situation::Held { due, renew_at, .. } if renew_at == due => {
            forced(format!("the certificate is to be renewed at {}", rfc3339(due)))
        }
        Situation::Held { renew_at: at, failures: 0, .. }
        | Situation::Missing { try_at: at, failures: 0 } => Early { why: waits(at), may_be_forced: false },
        Situation::Held { renew_at: at, .. } | Situation::Missing { try_at: at, .. } => {
            forced(format!("after a failure the next attempt is to be made at {}", rfc3339(at)))
        }
        Situation::Refused { try_at, reason, .. } => {
            forced(format!("after a refusal the next attempt is to be made at {}: {reason}", rfc3339(try_at)))
        }
    })
}
