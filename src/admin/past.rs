//! Items and histories in the words of the wire, and what is answered about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::desk::{Behind, Desk};
use super::report::{Reason, Refusal, VERSION};
use crate::clock::rfc3339;
use crate::ident::{ItemId, Name};
use crate::manager::{History, NotOurs, PastError, Told};

/// An item: a certificate as it was committed, and what it is to its names now. Never its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReport {
    /// Of what is said.
    pub version: u32,
    /// Its id.
    pub item: String,
    /// When it was committed, RFC 3339.
    pub committed: String,
    /// Its names, the primary one first.
    pub names: Vec<String>,
    /// `letsencrypt` or `selfsigned`.
    pub provider: String,
    /// Who signed it.
    pub issuer: String,
    /// Its first moment, RFC 3339.
    pub not_before: String,
    /// Its last moment, RFC 3339.
    pub not_after: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The kind of its key, as the configuration spells it.
    pub key_type: Option<String>,
    /// SHA-256 over the certificate, in hexadecimal.
    pub fingerprint: String,
    /// Why it was made.
    pub why: Option<String>,
    /// The directory of the CA.
    pub directory: Option<String>,
    /// The CA's profile.
    pub profile: Option<String>,
    /// The URL of the account.
    pub account: Option<String>,
    /// The URL of the order.
    pub order: Option<String>,
    /// What the order said it replaces (RFC 9773 section 5).
    pub replaces: Option<String>,
    /// Why the order did not say so, where there was a certificate to replace.
    pub not_replacing: Option<String>,
    /// By which kind of challenge each name was validated last.
    #[serde(default)]
    pub validated: BTreeMap<String, String>,
    /// The kinds of challenge that were configured then, the preferred one first.
    #[serde(default)]
    pub challenges: Vec<String>,
    /// The names for which it is the newest.
    pub newest_for: Vec<String>,
    /// The names that are pinned to it.
    pub pinned_for: Vec<String>,
    /// The names that are served with it.
    pub served_for: Vec<String>,
    /// When it was revoked, RFC 3339.
    pub revoked: Option<String>,
    /// The reason that the CA was given, if that is known.
    pub revoked_because: Option<String>,
    /// What is wrong with its files; what is said of the certificate is empty then.
    pub damaged: Option<String>,
}

/// All items for a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryReport {
    /// Of what is said.
    pub version: u32,
    /// The name.
    pub name: String,
    /// In the order of their commits.
    pub items: Vec<ItemReport>,
    /// The item that is served.
    pub served: Option<String>,
    /// Why that one.
    pub rule: String,
}

/// Where to go back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackRequest {
    /// The item; without it, the one before what is served.
    pub to: Option<String>,
    /// No longer back.
    pub off: bool,
}

impl Desk {
    /// One item.
    ///
    /// # Errors
    ///
    /// [`Reason::Unknown`] if there is none with this id.
    pub async fn item(&self, id: &str) -> Result<ItemReport, Refusal> {
        let told = self.sources.past.item(&parsed(id)?, self.clock.now()).await;
        told.map(|told| ItemReport::of(&told)).map_err(|error| refused(&error))
    }

    /// All items for a name.
    ///
    /// # Errors
    ///
    /// [`Reason::Unknown`] if there never was one, and nobody has configured the name.
    pub async fn history(&self, name: &Name) -> Result<HistoryReport, Refusal> {
        let history = self.sources.past.history(name, self.clock.now()).await;
        history.map(|history| HistoryReport::of(name, &history)).map_err(|error| refused(&error))
    }

    /// Goes back to an earlier item, or no longer; what is served is changed when this returns, if a process runs.
    ///
    /// # Errors
    ///
    /// [`Reason::Refused`] with why the item may not be served.
    pub async fn roll_back(&self, name: &Name, wanted: &RollbackRequest) -> Result<HistoryReport, Refusal> {
        let to = wanted.to.as_deref().map(parsed).transpose()?;
        let (past, now) = (&self.sources.past, self.clock.now());
        let done = match &self.behind {
            Behind::Storage(at_rest) if wanted.off => at_rest.go_forward(past, name).await,
            Behind::Storage(at_rest) => at_rest.roll_back(past, name, to.as_ref(), now).await,
            Behind::Process(_) if wanted.off => past.go_forward(name).await.map(drop),
            Behind::Process(_) => past.roll_back(name, to.as_ref(), now).await.map(drop),
        };
        done.map_err(|error| refused(&error))?;
        if let Some(commands) = self.commands() {
            commands.follow_pins().await;
        }
        self.history(name).await
    }
}

pub(super) fn parsed(id: &str) -> Result<ItemId, Refusal> {
    ItemId::parse(id).map_err(|error| Refusal::new(Reason::Malformed, error.to_string()))
}

fn refused(error: &PastError) -> Refusal {
    let kind = match error {
        PastError::Unknown(_) | PastError::NotOurs(NotOurs::Unknown { .. }) => Reason::Unknown,
        PastError::Refused(_) | PastError::NotOurs(NotOurs::Elsewhere { .. }) => Reason::Refused,
        PastError::Store(_) => Reason::Failed,
    };
    Refusal::new(kind, error.to_string())
}

impl HistoryReport {
    fn of(name: &Name, history: &History) -> Self {
        let items: Vec<ItemReport> = history.items.iter().map(ItemReport::of).collect();
        let served = items.iter().find(|item| !item.served_for.is_empty()).map(|item| item.item.clone());
        Self { version: VERSION, name: name.to_string(), items, served, rule: history.rule.clone() }
    }
}

impl ItemReport {
    fn of(told: &Told) -> Self {
        let words = |names: &[Name]| names.iter().map(ToString::to_string).collect();
        let about = Self {
            version: VERSION,
            item: told.id.to_string(),
            committed: rfc3339(told.id.time()),
            newest_for: words(&told.newest),
            pinned_for: words(&told.pinned),
            served_for: words(&told.served),
            revoked: told.revoked.as_ref().map(|revoked| rfc3339(revoked.at)),
            revoked_because: told.revoked.as_ref().and_then(|revoked| revoked.why.clone()),
            ..Self::default()
        };
        let item = match &told.item {
            Ok(item) => item,
            Err(damaged) => return Self { damaged: Some(damaged.clone()), ..about },
        };
        let leaf = item.bundle().leaf();
        let about = Self {
            names: words(item.names().as_slice()),
            provider: item.provider().to_string(),
            issuer: leaf.issuer().to_owned(),
            not_before: rfc3339(leaf.not_before()),
            not_after: rfc3339(leaf.not_after()),
            serial: leaf.serial(),
            fingerprint: leaf.fingerprint(),
            ..about
        };
        let Some(issuance) = item.issuance().cloned() else { return about };
        Self {
            key_type: Some(issuance.key_type),
            why: Some(issuance.why),
            directory: issuance.directory,
            profile: issuance.profile,
            account: issuance.account,
            order: issuance.order,
            replaces: issuance.replaces,
            not_replacing: issuance.not_replacing,
            validated: issuance.validated,
            challenges: issuance.challenges,
            ..about
        }
    }
}
