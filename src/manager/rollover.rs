//! Other keys for our accounts at CAs, as operators ask for them.

use thiserror::Error;

use super::FOLLOWER;
use super::renew::RenewError;
use crate::issuer::{Issuers, RolledOver};
use crate::story::{Event, Recorder};

/// What became of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollover {
    /// The directory of its CA.
    pub directory: String,
    /// How it is now, or why it may still have its old key.
    pub outcome: Result<RolledOver, String>,
}

/// Why nothing was tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotRolledOver {
    /// The configuration has no such CA.
    #[error("no CA with the directory {0} is configured")]
    Unknown(String),
    /// Nor has the storage.
    #[error("there is no account at any CA that is configured")]
    NoAccount,
    /// Another process has the role.
    #[error("{FOLLOWER}")]
    Follower,
    /// The storage is in use, or cannot be used.
    #[error("{0}")]
    Storage(String),
    /// The manager stopped before there was an outcome.
    #[error("given up, since the process stops; asking again ends what was begun")]
    GivenUp,
}

/// Gives the account at the CA with this directory another key, or those at every CA.
///
/// # Errors
///
/// [`NotRolledOver::Unknown`], [`NotRolledOver::NoAccount`].
pub(super) async fn roll_over(
    issuers: &Issuers,
    recorder: &Recorder,
    directory: Option<&str>,
) -> Result<Vec<Rollover>, NotRolledOver> {
    let wanted = |(at, _): &(&String, _)| directory.is_none_or(|directory| directory == **at);
    let cas: Vec<_> = issuers.letsencrypt.iter().filter(wanted).collect();
    if let (Some(directory), true) = (directory, cas.is_empty()) {
        return Err(NotRolledOver::Unknown(directory.to_owned()));
    }
    recorder.tell([], Event::Commanded { command: "account rollover".into(), by: "an operator".into() });
    let mut done = Vec::new();
    for (at, ca) in cas {
        let outcome = match ca.roll_over().await {
            Ok(None) => continue,
            Ok(Some(rolled_over)) => Ok(rolled_over),
            Err(error) => Err(RenewError::from(error).story()),
        };
        done.push(Rollover { directory: at.clone(), outcome });
    }
    if done.is_empty() { Err(NotRolledOver::NoAccount) } else { Ok(done) }
}
