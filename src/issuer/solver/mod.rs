//! How a challenge is made answerable.
//!
//! Posting returns a guard; dropping it takes the answer down, also when the order is cancelled in the middle. An
//! answer that lies with somebody else is taken down when the solver is next asked to tidy up.

pub mod dns01;
mod dns_persist01;
mod http01;
mod tls_alpn01;

pub use dns_persist01::{DnsPersist01, Held, Needed, Shown};
pub use dns01::Dns01;
pub use http01::Http01;
pub use tls_alpn01::TlsAlpn01;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use thiserror::Error;

use crate::ident::Name;

/// A kind of challenge (RFC 8555 section 8, RFC 8737, draft-ietf-acme-dns-persist).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeKind {
    /// A token on port 80.
    Http01,
    /// A certificate on port 443.
    TlsAlpn01,
    /// A record in the DNS.
    Dns01,
    /// A record in the DNS that stands there for good, for one account.
    DnsPersist01,
}

impl ChallengeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Http01, Self::TlsAlpn01, Self::Dns01, Self::DnsPersist01];

    /// The kind as RFCs and configuration spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
            Self::DnsPersist01 => "dns-persist-01",
        }
    }

    /// Whether it looks at the DNS only: such a kind can prove wildcards, and no addresses.
    #[must_use]
    pub const fn is_in_dns(self) -> bool {
        matches!(self, Self::Dns01 | Self::DnsPersist01)
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChallengeKind {
    type Err = ();

    fn from_str(given: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == given).ok_or(())
    }
}

/// What a CA wants to see.
#[derive(Clone)]
pub struct Challenge {
    /// The name to be proved.
    pub name: Name,
    /// The challenge's token; empty where the kind has none.
    pub token: String,
    /// Token and account thumbprint (RFC 8555 section 8.1).
    pub key_authorization: String,
    /// The URL of the account that is to prove it.
    pub account: String,
    /// The domains that mean the CA in records (RFC 8555 section 7.1.1); none if it does not say.
    pub issuers: Vec<String>,
}

/// An answer could not be posted.
#[derive(Debug, Error)]
#[error("{kind} for {name}: {fault}")]
pub struct SolveError {
    /// The kind of challenge.
    pub kind: ChallengeKind,
    /// The name to be proved.
    pub name: Name,
    /// What went wrong.
    pub fault: String,
}

/// An answer that hangs until this is dropped.
#[must_use = "dropping it takes the answer down"]
pub enum Posted {
    /// In the catalog.
    Catalog(crate::catalog::Posted),
    /// In the DNS.
    Dns(dns01::Hung),
    /// Nothing: the answer stands there for good.
    Standing,
}

/// Makes challenges of one kind answerable.
#[async_trait]
pub trait Solver: Send + Sync {
    /// The kind.
    fn kind(&self) -> ChallengeKind;

    /// Whether this kind can prove the name at all.
    fn can_prove(&self, name: &Name) -> bool;

    /// Puts the answer up; it hangs as long as the guard.
    ///
    /// # Errors
    ///
    /// [`SolveError`] if it could not be put up.
    async fn post(&self, challenge: &Challenge) -> Result<Posted, SolveError>;

    /// Waits until a validator finds what was posted for the name, which is at once where we answer ourselves.
    ///
    /// # Errors
    ///
    /// [`SolveError`] if that takes too long.
    async fn until_seen(&self, _name: &Name, _posted: &Posted) -> Result<(), SolveError> {
        Ok(())
    }

    /// Takes down what guards that are gone have left with others.
    async fn tidy(&self) {}
}
