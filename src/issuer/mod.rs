//! Who signs, and how control of a name is proved.
//!
//! An issuer gets a signing request, never a key (but to revoke what the key is for), and somebody to tell what must
//! survive a crash. It knows nothing of the store's layout, of what is served, or of when to come back; it only says,
//! in an error's [`Verdict`], whether coming back can help.

mod acme;
mod advice;
mod error;
mod preflight;
mod revocation;
mod selfsigned;
pub mod solver;

pub use acme::{AcmeIssuer, Budget, Counted, Expense, Limit, Limits};
pub use acme::{Options, OptionsError, Standing, Timeouts, Turns, registered_domain};
pub use advice::{Advice, Window};
pub use error::{BoxError, IssueError, Verdict};
pub use preflight::{Intent, Obstacle, Preflight};
pub use revocation::{By, Reason};
pub use selfsigned::SelfsignedIssuer;
pub use solver::{ChallengeKind, Held, Needed, Shown};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::join_all;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::clock::Epoch;
use crate::ident::{Name, Names, Provider};
use crate::pki::{Chain, Leaf, SigningRequest};

/// Turns signing requests into certificates.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Whose lineages this issuer serves.
    fn provider(&self) -> Provider;

    /// Gets a certificate for the request and returns it with its chain.
    ///
    /// Dropping the future is safe at any await: answers to challenges are taken down (by [`tidy`](Self::tidy) at the
    /// latest), and what was noted through `progress` lets a later call go on from there.
    ///
    /// # Errors
    ///
    /// [`IssueError`], whose verdict says whether and when to come back.
    async fn issue(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError>;

    /// What the provider says about when to renew; `None` if it says nothing about this certificate.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if it could not be asked, or answered nonsense.
    async fn advise(&self, leaf: &Leaf) -> Result<Option<Advice>, IssueError>;

    /// Tries out what [`issue`](Self::issue) would do. Nothing is ordered that counts, and nothing is noted but,
    /// where it is tried out at another directory, what belongs to that one: an account, and what is spent there.
    ///
    /// # Errors
    ///
    /// [`IssueError`] with what would go wrong.
    async fn try_out(&self, _job: IssueJob<'_>) -> Result<Trial, IssueError> {
        Ok(Trial::Needless)
    }

    /// What the provider's limits leave for another certificate with each of these sets of names; nothing where no
    /// limit is known.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`].
    async fn left(&self, sets: &[&Names]) -> Result<Vec<Vec<Left>>, IssueError> {
        Ok(vec![Vec::new(); sets.len()])
    }

    /// Has a certificate revoked. When this returns, the provider has published, or is about to, that nobody is to
    /// rely on it; one that had been revoked before is as good. Nothing here changes: what is served stays served.
    ///
    /// On the account's word no account is registered: without one there is an error.
    ///
    /// # Errors
    ///
    /// [`IssueError::Irrevocable`] where nobody could be told, [`IssueError::Unusable`] if the key is not the
    /// certificate's, [`IssueError::Refused`] if the provider does not take this reason or this word.
    async fn revoke(&self, _leaf: &Leaf, _reason: Reason, _by: By<'_>) -> Result<(), IssueError> {
        Err(IssueError::Irrevocable)
    }

    /// Gives the account at the provider another key; `None` if there is no account, and none is registered for this.
    ///
    /// A crash, or an answer that gets lost, at any point leaves an account that is found again with the key it has.
    ///
    /// # Errors
    ///
    /// [`IssueError`]; the same call ends then what this one has begun.
    async fn roll_over(&self) -> Result<Option<RolledOver>, IssueError> {
        Ok(None)
    }

    /// Takes back what issuances that were dropped have left with others.
    async fn tidy(&self) {}
}

/// An account that has another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledOver {
    /// Its URL, which is what it was.
    pub account: String,
    /// The id it is kept under from now on.
    pub id: String,
    /// Whether the key was made by an earlier call that could not end.
    pub earlier: bool,
}

/// How far something could be tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// A certificate that nobody needs was issued at this directory, where things are tried out.
    Issued {
        /// Its URL.
        directory: String,
    },
    /// All that comes before an order at this directory is as it should be; there is nowhere to try out the rest.
    Looked {
        /// Its URL.
        directory: String,
    },
    /// We sign ourselves, so there is nobody who might refuse.
    Needless,
}

/// What is left of one limit of a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Of which, as the ledger calls it: `set example.com` or `domain example.com`.
    pub of: String,
    /// How many certificates may be ordered now.
    pub left: u32,
    /// How many there are where nothing has been spent.
    pub burst: u32,
    /// When there will be one more, where something has been.
    pub more_at: Option<SystemTime>,
}

/// What an agreement with a CA, made elsewhere, gives to bind an account to it (RFC 8555 section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// What the CA calls the agreement's key.
    pub kid: String,
    /// The key, decoded.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What is to be issued.
#[derive(Clone, Copy)]
pub struct IssueJob<'a> {
    /// Names and public key.
    pub request: &'a SigningRequest,
    /// Why, in the words of the plan; for the log.
    pub why: &'a str,
    /// When it was decided that it is due: in another epoch it may not be.
    pub epoch: Epoch,
    /// The certificate it takes the place of, if there is one.
    pub predecessor: Option<&'a Predecessor>,
    /// Whether there is no certificate that could be shown meanwhile although there was one: the last of a limit may be
    /// spent.
    pub urgent: bool,
    /// Whether the attempt before this one failed: then it is tried out first where that costs nothing.
    pub rehearse: bool,
    /// The CA's profile that it is to follow; none leaves the choice to the CA.
    pub profile: Option<&'a Profile>,
    /// The kinds of challenge that may prove its names, of those that are configured.
    pub challenges: &'a [ChallengeKind],
    /// By which kind names were validated last, where that is known.
    pub validated: &'a [(Name, ChallengeKind)],
}

impl<'a> IssueJob<'a> {
    /// A first certificate, in no hurry.
    #[must_use]
    pub fn new(request: &'a SigningRequest, why: &'a str, epoch: Epoch) -> Self {
        Self {
            request,
            why,
            epoch,
            predecessor: None,
            urgent: false,
            rehearse: false,
            profile: None,
            challenges: &ChallengeKind::ALL,
            validated: &[],
        }
    }
}

/// One of the kinds of certificates a CA offers, such as `shortlived` (draft-ietf-acme-profiles).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What the CA calls it.
    pub name: String,
    /// Whether there is to be no certificate where the CA does not offer it.
    pub required: bool,
}

/// A certificate that is about to be replaced, and where it came from.
#[derive(Debug, Clone)]
pub struct Predecessor {
    /// The certificate.
    pub leaf: Leaf,
    /// The directory of the CA that issued it, if that is known.
    pub directory: Option<String>,
    /// The URL of the account that ordered it, if that is known.
    pub account: Option<String>,
    /// When its CA would like it to be replaced, if it has said so.
    pub window: Option<Window>,
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

    /// Keeps by which kinds of challenge names were validated, for the next one who orders a certificate for them.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if that could not be kept.
    async fn note_validated(&self, _names: &[(Name, ChallengeKind)]) -> Result<(), NoteError> {
        Ok(())
    }
}

/// The notes of an issuance that nobody goes on with: one that takes no time, or is only tried out.
pub struct Unkept;

#[async_trait]
impl Progress for Unkept {
    fn order(&self) -> Option<OrderNote> {
        None
    }

    async fn note_order(&self, _: &OrderNote) -> Result<(), NoteError> {
        Ok(())
    }
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
    /// Whether it names the certificate it replaces.
    pub replacing: Replacing,
    /// The profile that it asks for.
    pub profile: Option<String>,
}

/// Whether an order names the certificate it replaces (RFC 9773 section 5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replacing {
    /// There is none to replace.
    #[default]
    Nothing,
    /// It does, by this identifier.
    Named(String),
    /// It does not although there is one, for this reason.
    Unnamed(String),
}

/// A note could not be kept.
#[derive(Debug, Error)]
#[error("the order could not be noted: {0}")]
pub struct NoteError(pub String);

/// Everybody who issues.
#[derive(Clone)]
pub struct Issuers {
    /// Always there.
    pub selfsigned: Arc<dyn Issuer>,
    /// The ACME CAs that are configured, by their directories.
    pub letsencrypt: BTreeMap<String, Arc<dyn Issuer>>,
}

impl Issuers {
    /// The CA with this directory; without one, ourselves.
    #[must_use]
    pub fn at(&self, directory: Option<&str>) -> Option<&Arc<dyn Issuer>> {
        match directory {
            None => Some(&self.selfsigned),
            Some(directory) => self.letsencrypt.get(directory),
        }
    }

    /// Takes back what issuances that were dropped have left with others.
    pub async fn tidy(&self) {
        join_all(self.letsencrypt.values().map(|ca| ca.tidy())).await;
    }
}
