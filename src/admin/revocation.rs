//! Having a certificate revoked, in the words of the wire.

use serde::{Deserialize, Serialize};

use super::Desk;
use super::past::{ItemReport, parsed};
use super::report::{Reason, Refusal};
use crate::manager::{NotRevoked, RevocationReason, Revoking};

/// How a certificate is to be revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevocationRequest {
    /// Why, as RFC 5280 spells it; without it, no reason is told.
    pub reason: Option<String>,
    /// On whose word: `account`, which goes without saying, or `certificate`, which is that of its key.
    pub with: Option<String>,
}

impl Desk {
    /// Has an item revoked by its CA, and returns how it is then. Another certificate is served when this returns, if
    /// there is one, and is being ordered if need be.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; also without a process, since nobody would order what takes its place.
    pub async fn revoke(&self, id: &str, wanted: &RevocationRequest) -> Result<ItemReport, Refusal> {
        let (id, revoking) = (parsed(id)?, wanted.understood()?);
        let what = "no process uses the storage, and what is revoked should be replaced at once by one: start sidegate";
        let commands = self.commands_or(what)?;
        commands.revoke(id.clone(), revoking).await.map_err(|error| {
            let kind = match error {
                NotRevoked::Unknown(_) => Reason::Unknown,
                NotRevoked::Follower | NotRevoked::Refused(_) => Reason::Refused,
                NotRevoked::Failed(_) | NotRevoked::Unnoted(_) | NotRevoked::GivenUp => Reason::Failed,
            };
            Refusal::new(kind, error.to_string())
        })?;
        self.item(id.as_str()).await
    }
}

impl RevocationRequest {
    fn understood(&self) -> Result<Revoking, Refusal> {
        let malformed = |what: String| Refusal::new(Reason::Malformed, what);
        let reason = match self.reason.as_deref() {
            None => RevocationReason::default(),
            Some(text) => RevocationReason::parse(text)
                .ok_or_else(|| malformed(format!("{text} is no reason that is known here")))?,
        };
        let by_key = match self.with.as_deref() {
            None | Some("account") => false,
            Some("certificate") => true,
            Some(with) => return Err(malformed(format!("with {with}: account or certificate is meant"))),
        };
        Ok(Revoking { reason, by_key })
    }
}
