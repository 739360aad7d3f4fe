//! What an operator does to a storage for which no process issues.

use std::time::SystemTime;

use super::past::{Past, PastError};
use super::rollover::{NotRolledOver, Rollover, roll_over};
use crate::ident::{ItemId, Name};
use crate::issuer::Issuers;
use crate::store::{Claim, Store, StoreError};
use crate::story::{Event, Recorder};

/// A storage for which no process issues, and its journal.
#[derive(Clone)]
pub struct AtRest {
    store: Store,
    issuers: Issuers,
    recorder: Recorder,
}

impl AtRest {
    /// This storage, at these CAs.
    #[must_use]
    pub fn new(store: Store, issuers: Issuers, recorder: Recorder) -> Self {
        Self { store, issuers, recorder }
    }

    /// Gives the account at the CA with this directory another key, or those at every CA. While it works no process can
    /// issue.
    ///
    /// # Errors
    ///
    /// [`NotRolledOver`].
    pub async fn roll_over(&self, directory: Option<&str>) -> Result<Vec<Rollover>, NotRolledOver> {
        let in_use = |error: StoreError| NotRolledOver::Storage(error.to_string());
        let _claim = self.store.claim_issuer().await.map_err(in_use)?;
        self.recorder.keep().await;
        let done = roll_over(&self.issuers, &self.recorder, directory).await;
        self.recorder.end().await;
        done
    }

    /// [`Past::roll_back`], and tells of it.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn roll_back(
        &self,
        past: &Past,
        name: &Name,
        to: Option<&ItemId>,
        now: SystemTime,
    ) -> Result<(), PastError> {
        let claim = self.keep().await;
        let done = past.roll_back(name, to, now).await;
        if claim.is_some() {
            if let Ok((item, names)) = &done {
                self.tell_commanded(names, "rollback");
                for name in names {
                    self.recorder.tell([name], Event::Pinned { item: item.as_str().into() });
                }
            }
            self.recorder.end().await;
        }
        done.map(drop)
    }

    /// [`Past::go_forward`], and tells of it.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn go_forward(&self, past: &Past, name: &Name) -> Result<(), PastError> {
        let claim = self.keep().await;
        let done = past.go_forward(name).await;
        if claim.is_some() {
            if let Ok(names) = &done {
                self.tell_commanded(names, "rollback --off");
                for name in names {
                    let why = "an operator took its pin away".into();
                    self.recorder.tell([name], Event::Unpinned { why });
                }
            }
            self.recorder.end().await;
        }
        done.map(drop)
    }

    /// Takes the role of the issuer, and with it the journal. Where it is taken after all, whoever has it tells what
    /// changes.
    async fn keep(&self) -> Option<Claim> {
        let claim = self.store.claim_issuer().await.ok()?;
        self.recorder.keep().await;
        Some(claim)
    }

    fn tell_commanded(&self, names: &[Name], command: &str) {
        let event = Event::Commanded { command: command.into(), by: "an operator".into() };
        self.recorder.tell(names, event);
    }
}
