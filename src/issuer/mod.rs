//! Who signs, and how control of a name is proved.
//!
//! An issuer gets a signing request, never a key, and somebody to tell what must survive a crash. It knows nothing of the
//! store's layout, of what is served, or of when to come back; it only says, in an error's [`Verdict`], whether
//! coming back can help.

mod acme;
mod error;
mod selfsigned;
pub mod solver;

pub use acme::{AcmeIssuer, Options, OptionsError, Timeouts};
pub use error::{BoxError, IssueError, Verdict};
pub use selfsigned::SelfsignedIssuer;
pub use solver::ChallengeKind;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use thiserror::Error;

use crate::ident::Provider;
use crate::pki::{Chain, Leaf, SigningRequest};

/// Turns signing requests into certificates.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Whose lineages this issuer serves.
    fn provider(&self) -> Provider;

    /// Gets a certificate for the request and returns it with its chain.
    ///
    /// Dropping the future is safe at any await: answers to challenges are taken down, and what was noted through `progress`
    /// lets a later call go on from there.
    ///
    /// # Errors
    ///
    /// [`IssueError`], whose verdict says whether and when to come back.
    async fn issue(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError>;

    /// What the provider says about when to renew, if it says anything.
    async fn advise(&self, leaf: &Leaf) -> Option<Window>;
}

/// What is to be issued.
#[derive(Clone, Copy)]
pub struct IssueJob<'a> {
    /// Names and public key.
    pub request: &'a SigningRequest,
    /// Why, in the words of the plan; for the log.
    pub why: &'a str,
}

/// What an issuer notes on the way, so that a later attempt can go on from there.
#[async_trait]
pub trait Progress: Send + Sync {
    /// The order noted by an earlier attempt.
    fn order(&self) -> Option<OrderNote>;

    /// Keeps the order. When this returns, the note survives a power cut.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if it could not be kept; the issuer stops then, rather than lose the order.
    async fn note_order(&self, order: &OrderNote) -> Result<(), NoteError>;
}

/// An order at a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderNote {
    /// The directory's URL.
    pub directory: String,
    /// The account's URL.
    pub account: String,
    /// The order's URL.
    pub order: String,
}

/// A note could not be kept.
#[derive(Debug, Error)]
#[error("the order could not be noted: {0}")]
pub struct NoteError(pub String);

/// When a provider would like to be asked for a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here.
    pub start: SystemTime,
    /// Up to here.
    pub end: SystemTime,
}

/// The issuer of each provider.
#[derive(Clone)]
pub struct Issuers {
    /// Always there.
    pub selfsigned: Arc<dyn Issuer>,
    /// The ACME CA, where one is configured.
    pub letsencrypt: Option<Arc<dyn Issuer>>,
}

impl Issuers {
    /// The issuer of a provider's lineages.
    #[must_use]
    pub fn of(&self, provider: Provider) -> Option<&Arc<dyn Issuer>> {
        match provider {
            Provider::Selfsigned => Some(&self.selfsigned),
            Provider::Letsencrypt => self.letsencrypt.as_ref(),
        }
    }
}
