//! Other keys for accounts, in the words of the wire.

use serde::{Deserialize, Serialize};

use super::desk::{Behind, Desk};
use super::report::{Reason, Refusal, VERSION};
use crate::manager::{NotRolledOver, Rollover};

/// Which accounts are to have other keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RolloverRequest {
    /// The one at the CA with this directory; without it, those at every CA that is configured.
    pub directory: Option<String>,
}

/// What became of the accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloverReport {
    /// Of what is said.
    pub version: u32,
    /// Those that are there.
    pub accounts: Vec<AccountReport>,
}

/// What became of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReport {
    /// The directory of its CA.
    pub directory: String,
    /// Its URL, if it has another key.
    pub account: Option<String>,
    /// Under which id it is kept then.
    pub id: Option<String>,
    /// Whether that key was made by an earlier roll-over that could not end.
    pub earlier: bool,
    /// Why it may still have its old key, if that could not be done.
    pub error: Option<String>,
}

impl Desk {
    /// Gives accounts other keys, also without a process: nobody has to answer a CA for that.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub async fn roll_over(&self, wanted: &RolloverRequest) -> Result<RolloverReport, Refusal> {
        let done = match &self.behind {
            Behind::Process(commands) => commands.roll_over(wanted.directory.clone()).await,
            Behind::Storage(at_rest) => at_rest.roll_over(wanted.directory.as_deref()).await,
        };
        let accounts = done.map_err(|error| {
            let kind = match error {
                NotRolledOver::Unknown(_) | NotRolledOver::NoAccount => Reason::Unknown,
                NotRolledOver::Follower | NotRolledOver::Storage(_) => Reason::Refused,
                NotRolledOver::GivenUp => Reason::Failed,
            };
            Refusal::new(kind, error.to_string())
        })?;
        Ok(RolloverReport {
            version: VERSION,
            accounts: accounts.into_iter().map(AccountReport::of).collect(),
        })
    }
}

impl AccountReport {
    fn of(rollover: Rollover) -> Self {
        let Rollover { directory, outcome } = rollover;
        let none = Self { directory, account: None, id: None, earlier: false, error: None };
        match outcome {
            Ok(done) => {
                Self { account: Some(done.account), id: Some(done.id), earlier: done.earlier, ..none }
            }
            Err(error) => Self { error: Some(error), ..none },
        }
    }
}
