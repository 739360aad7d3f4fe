//! Providers that keep zones and change records for whoever knows their secrets.
//!
//! What each of them wants to be asked is a library's knowledge; ours is which ones there are, what they want to be
//! given, and that none of it is ever told to anybody else. Nothing is kept between two changes: they are rare.

mod credentials;
mod kinds;

use std::fmt;
use std::time::Duration;

use dns_update::{DnsRecord, DnsRecordType, DnsUpdater};
use rustls_native_certs::load_native_certs;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::credentials::Credentials;
use self::kinds::{KINDS, Kind};
use crate::ident::Fqdn;

/// How long a change may take, with all the questions that a provider wants to be asked before.
const PATIENCE: Duration = Duration::from_secs(120);

/// At most this much of what a provider says about a failure is told.
const LONGEST_ANSWER: usize = 500;

/// An account at a provider. What it is opened with is never shown, and wiped with it.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudAccount {
    kind: &'static Kind,
    credentials: Credentials,
}

/// Why there is no such account. No message has anything secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloudError {
    /// Nobody we know.
    #[error("unknown DNS provider {0:?}")]
    Provider(String),
    /// Neither of the two forms.
    #[error("word {0} of the credentials is not name=value")]
    Form(usize),
    /// One thing is missing.
    #[error("{provider} wants {name}, which is not among the credentials")]
    Missing {
        /// The provider.
        provider: &'static str,
        /// What it wants.
        name: &'static str,
    },
    /// One thing is too many, or has another name.
    #[error("{provider} has no use for {name:?}, which is among the credentials")]
    Needless {
        /// The provider.
        provider: &'static str,
        /// What it does not know.
        name: String,
    },
    /// The provider's library does not take them.
    #[error("these are no credentials for {provider}: {why}")]
    Refused {
        /// The provider.
        provider: &'static str,
        /// What it says.
        why: String,
    },
    /// The providers' library verifies them by the machine's roots, and there are none.
    #[error(
        "this machine has no root certificates to know {provider} by: install ca-certificates, or name a file of them \
         in SSL_CERT_FILE"
    )]
    NoRoots {
        /// The provider.
        provider: &'static str,
    },
}

impl CloudAccount {
    /// An account at the provider of this name. The credentials are words such as `token=…`, or an object of JSON.
    ///
    /// # Errors
    ///
    /// [`CloudError`], without a word of what is secret. Nobody is asked whether the provider takes them.
    pub fn parse(provider: &str, credentials: &str) -> Result<Self, CloudError> {
        let kind = KINDS.iter().find(|kind| kind.name == provider);
        let kind = kind.ok_or_else(|| CloudError::Provider(provider.to_owned()))?;
        let account = Self { kind, credentials: Credentials::parse(credentials)? };
        let has = |name: &str| account.credentials.get(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = kind.needs.iter().find(|name| !has(name)) {
            return Err(CloudError::Missing { provider: kind.name, name });
        }
        let known = |name: &&str| kind.needs.contains(name) || kind.may.contains(name);
        if let Some(name) = account.credentials.names().find(|name| !known(name)) {
            return Err(CloudError::Needless { provider: kind.name, name: name.to_owned() });
        }
        account.open()?;
        Ok(account)
    }

    /// The names of all providers.
    #[must_use]
    pub fn providers() -> Vec<&'static str> {
        KINDS.iter().map(|kind| kind.name).collect()
    }

    /// What a provider wants to be given, as words; `None` if we do not know it.
    #[must_use]
    pub fn wanted(provider: &str) -> Option<String> {
        let kind = KINDS.iter().find(|kind| kind.name == provider)?;
        let needs = kind.needs.iter().map(|name| format!("{name}=…"));
        let may = kind.may.iter().map(|name| format!("[{name}=…]"));
        Some(needs.chain(may).collect::<Vec<_>>().join(" "))
    }

    fn open(&self) -> Result<DnsUpdater, CloudError> {
        let provider = self.kind.name;
        // The library panics without them.
        if load_native_certs().certs.is_empty() {
            return Err(CloudError::NoRoots { provider });
        }
        (self.kind.open)(&self.credentials)
            .map_err(|error| CloudError::Refused { provider, why: self.told(&error) })
    }

    /// What the provider or the library says, cut to a length and without our secrets: some have them in their URLs.
    fn told(&self, error: &dns_update::Error) -> String {
        let text = self.credentials.redact(&error.to_string());
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LONGEST_ANSWER) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    }
}

impl fmt::Debug for CloudAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudAccount({})", self.kind.name)
    }
}

/// Sets and removes TXT records with an account at a provider.
pub struct Cloud {
    account: CloudAccount,
    /// One change at a time: most providers replace all records of a name at once, so that two changes can undo each
    /// other.
    turn: Mutex<()>,
}

impl Cloud {
    /// Nobody is asked anything yet.
    #[must_use]
    pub fn new(account: CloudAccount) -> Self {
        Self { account, turn: Mutex::new(()) }
    }

    /// Adds a record beside those that are there.
    ///
    /// # Errors
    ///
    /// What the provider says, or that it says nothing. The record may be there then all the same.
    pub async fn add(&self, zone: &Fqdn, name: &Fqdn, value: &str) -> Result<(), String> {
        let (records, ttl) = (vec![DnsRecord::TXT(value.to_owned())], self.account.kind.ttl);
        self.change(|provider| async move {
            provider.add_to_rrset(name.as_str(), DnsRecordType::TXT, ttl, records, zone.as_str()).await
        })
        .await
    }

    /// Removes a record and leaves the others of its name. Nothing there is success.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub async fn remove(&self, zone: &Fqdn, name: &Fqdn, value: &str) -> Result<(), String> {
        let records = vec![DnsRecord::TXT(value.to_owned())];
        self.change(|provider| async move {
            provider.remove_from_rrset(name.as_str(), DnsRecordType::TXT, records, zone.as_str()).await
        })
        .await
    }

    async fn change<F>(&self, change: impl FnOnce(DnsUpdater) -> F) -> Result<(), String>
    where
        F: Future<Output = dns_update::Result<()>>,
    {
        let _turn = self.turn.lock().await;
        let (account, provider) = (&self.account, self.account.kind.name);
        let opened = account.open().map_err(|error| error.to_string())?;
        match timeout(PATIENCE, change(opened)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(dns_update::Error::Unauthorized)) => {
                Err(format!("{provider} does not accept the credentials"))
            }
            Ok(Err(error)) => Err(format!("{provider}: {}", account.told(&error))),
            Err(_) => Err(format!("{provider} did not answer within {} seconds", PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests;
