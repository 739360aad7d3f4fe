//! A revocation that an operator asks for: the CA's word, and what is noted of it.

use thiserror::Error;

use super::renew::RenewError;
use super::{FOLLOWER, Tools};
use crate::ident::{ItemId, Provider};
use crate::issuer::{By, IssueError, Reason};
use crate::store::{Item, Pins, Revoked, StoreError};
use crate::story::{Event, Text};

/// How a certificate is to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoking {
    /// Why.
    pub reason: Reason,
    /// On the word of whoever has its key, instead of the account's.
    pub by_key: bool,
}

/// Why a certificate was not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotRevoked {
    /// There is no such item.
    #[error("there is no item {0}")]
    Unknown(ItemId),
    /// Another process has the role.
    #[error("{FOLLOWER}")]
    Follower,
    /// There is nobody who could revoke it.
    #[error("{0}")]
    Refused(String),
    /// It was tried, and went wrong.
    #[error("not revoked: {0}")]
    Failed(String),
    /// The CA has revoked it, and that could not be noted.
    #[error("revoked, but that could not be noted: {0}; asking again does so")]
    Unnoted(String),
    /// The manager stopped before there was an outcome.
    #[error("given up, since the process stops; asking again does no harm")]
    GivenUp,
}

/// Has the CA revoke an item, notes that, and takes its pins away.
pub(super) async fn revoke(tools: &Tools, id: &ItemId, revoking: Revoking) -> Result<(), NotRevoked> {
    let item = tools.store.database().item(id).await.map_err(|error| match error {
        error if error.is_absent() => NotRevoked::Unknown(id.clone()),
        error => NotRevoked::Failed(error.to_string()),
    })?;
    let tell = |event| tools.recorder.tell(item.names(), event);
    let reason = revoking.reason.as_str();
    tell(Event::Commanded { command: format!("revoke --reason {reason}").into(), by: "an operator".into() });
    if let Err(error) = at_its_ca(tools, &item, revoking).await {
        tell(Event::Unrevoked { item: id.as_str().into(), error: Text::of(&error) });
        return Err(error);
    }
    tell(Event::Revoked { item: id.as_str().into(), reason: reason.into() });
    note(tools, id, revoking.reason).await.map_err(|error| NotRevoked::Unnoted(error.to_string()))
}

async fn at_its_ca(tools: &Tools, item: &Item, revoking: Revoking) -> Result<(), NotRevoked> {
    let directory = item.issuance().and_then(|issuance| issuance.directory.as_deref());
    let issuer = match item.provider() {
        Provider::Selfsigned => Some(&tools.issuers.selfsigned),
        Provider::Letsencrypt => directory.and_then(|directory| tools.issuers.at(Some(directory))),
    };
    let issuer = issuer.ok_or_else(|| {
        let directory = directory.unwrap_or("an unknown CA");
        NotRevoked::Refused(format!("{} is from {directory}, which is not configured", item.id()))
    })?;
    let bundle = item.bundle();
    let by = if revoking.by_key { By::Key(bundle.key()) } else { By::Account };
    issuer.revoke(bundle.leaf(), revoking.reason, by).await.map_err(|error| match error {
        IssueError::Irrevocable => NotRevoked::Refused(error.to_string()),
        error => NotRevoked::Failed(RenewError::from(error).story()),
    })
}

async fn note(tools: &Tools, id: &ItemId, reason: Reason) -> Result<(), StoreError> {
    let pins = tools.store.pins();
    // A key that somebody else has is not made ours again by another word about it.
    let reason = if is_compromised(&pins, id).await? { Reason::KeyCompromise } else { reason };
    let revoked = Revoked { at: tools.clock.now(), why: Some(reason.as_str().to_owned()) };
    pins.note_revoked(id, &revoked).await?;
    for (name, _) in pins.all().await?.into_iter().filter(|(_, pin)| pin.item == *id) {
        pins.remove(&name).await?;
    }
    Ok(())
}

/// Whether somebody else may have the key of an item, by what is noted of it. What cannot be read may say so.
///
/// # Errors
///
/// [`StoreError::Engine`].
pub(super) async fn is_compromised(pins: &Pins, id: &ItemId) -> Result<bool, StoreError> {
    match pins.revoked(id).await {
        Ok(None) => Ok(false),
        Ok(Some(Revoked { why, .. })) => {
            let reason = why.as_deref().and_then(Reason::parse);
            Ok(reason.is_none_or(|reason| reason == Reason::KeyCompromise))
        }
        Err(StoreError::Damaged { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}
