//! What tools are told, in the words of the wire. Version 1: fields may be added, none will change its meaning.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::manager::{Left, Renewed, Row, Trial};

/// The version of all that is said here. A tool that reads another one does not know what it reads.
pub const VERSION: u32 = 1;

/// No answer takes longer, not even one that waits for a certificate: attempts give up before, also at several CAs in
/// turn. Whoever asks for one waits as long.
pub const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A process that uses a storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Of what is said.
    pub version: u32,
    /// Its number.
    pub pid: u32,
    /// The program's version.
    pub program: String,
    /// Whether it issues; if not, it serves what another process commits.
    pub issues: bool,
    /// The storage it uses.
    pub storage: PathBuf,
}

/// Every certificate, or one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of what is said.
    pub version: u32,
    /// Who says it: none if no process was asked, but only the storage.
    pub process: Option<Process>,
    /// The storage it is about.
    pub storage: PathBuf,
    /// Whether nothing can be written there, so that another process issues, if one does.
    #[serde(default)]
    pub read_only: bool,
    /// In the order of the configuration, and what somebody else keeps after that.
    pub certificates: Vec<Certificate>,
    /// What is wrong with the operator's hook, if anything; nothing is said about it where one certificate was asked
    /// for.
    #[serde(default)]
    pub hook: Option<Hook>,
}

/// The operator's hook is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Whether somebody should look at it.
    pub health: Health,
    /// Why, a sentence each.
    pub trouble: Vec<String>,
}

/// One certificate that is, or should be, served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its names, the primary one first.
    pub names: Vec<String>,
    /// What a client is shown: `letsencrypt`, `selfsigned`, the path of a file somebody else keeps, or `nothing`.
    pub served: String,
    /// The item that is shown, if it is one.
    pub item: Option<String>,
    /// Since when that item is shown because somebody went back to it, RFC 3339; until the next issuance.
    #[serde(default)]
    pub pinned: Option<String>,
    /// Who signed what is shown.
    pub issuer: Option<String>,
    /// When that ends, RFC 3339.
    pub expires: Option<String>,
    /// What happens next, such as `renew`.
    pub next: String,
    /// When, RFC 3339.
    pub next_at: Option<String>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
    /// What is left of the CA's limits.
    pub tokens: Vec<Tokens>,
    /// Whether somebody should look at it.
    pub health: Health,
    /// Why, if so.
    pub trouble: Option<String>,
}

/// What is left of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of which: `set` and the names, or `domain` and the registered domain.
    pub of: String,
    /// How many certificates may be ordered now.
    pub left: u32,
    /// How many where nothing has been spent.
    pub burst: u32,
    /// When there will be one more, RFC 3339.
    pub more_at: Option<String>,
}

/// How urgently somebody should look, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Ok,
    /// Something needs a look.
    Warning,
    /// A client is refused, or shown what is not valid.
    Critical,
}

/// How a renewal is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenewalRequest {
    /// Also if it is not due.
    pub force: bool,
    /// Only as a trial.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// Of what is said.
    pub version: u32,
    /// The new item; none if it was a trial.
    pub item: Option<String>,
    /// How far the trial went, if it was one.
    pub tried: Option<Tried>,
    /// The directory where it was tried out.
    pub directory: Option<String>,
}

/// How far something was tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tried {
    /// A certificate was issued in the CA's staging environment.
    Issued,
    /// All that comes before an order was looked at; the CA has no staging environment that we know.
    Looked,
    /// We sign ourselves.
    Needless,
}

/// Why a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Of what is said.
    pub version: u32,
    /// What kind of reason it is.
    pub kind: Reason,
    /// The reason.
    pub error: String,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// What was asked cannot be understood.
    Malformed,
    /// There is no such thing.
    Unknown,
    /// Not as things stand; the words say until when, or what would help.
    Refused,
    /// It was tried, and did not succeed.
    Failed,
}

impl Certificate {
    pub(super) fn of(row: &Row, left: Vec<Left>, now: SystemTime) -> Self {
        let served = row.served.as_ref();
        let trouble = row.trouble(now);
        Self {
            names: row.names.iter().map(ToString::to_string).collect(),
            served: served.map_or_else(|| "nothing".to_owned(), |served| served.by.clone()),
            item: served.and_then(|served| served.item.as_ref().map(ToString::to_string)),
            pinned: row.pinned.map(rfc3339),
            issuer: served.map(|served| served.issuer.clone()),
            expires: served.map(|served| rfc3339(served.not_after)),
            next: row.next.clone(),
            next_at: row.next_at.map(rfc3339),
            last_error: row.last_error.clone(),
            tokens: left.into_iter().map(Tokens::of).collect(),
            health: match &trouble {
                None => Health::Ok,
                Some(trouble) if trouble.critical => Health::Critical,
                Some(_) => Health::Warning,
            },
            trouble: trouble.map(|trouble| trouble.what),
        }
    }
}

impl Hook {
    pub(super) fn of(trouble: Vec<String>) -> Option<Self> {
        (!trouble.is_empty()).then_some(Self { health: Health::Warning, trouble })
    }
}

impl Report {
    /// How urgently somebody should look at something in it.
    #[must_use]
    pub fn health(&self) -> Health {
        let certificates = self.certificates.iter().map(|certificate| certificate.health);
        certificates.chain(self.hook.iter().map(|hook| hook.health)).max().unwrap_or(Health::Ok)
    }
}

impl Renewal {
    pub(super) fn of(renewed: Renewed) -> Self {
        let none = Self { version: VERSION, item: None, tried: None, directory: None };
        match renewed {
            Renewed::Issued(item) => Self { item: Some(item.to_string()), ..none },
            Renewed::Tried(Trial::Issued { directory }) => {
                Self { tried: Some(Tried::Issued), directory: Some(directory), ..none }
            }
            Renewed::Tried(Trial::Looked { directory }) => {
                Self { tried: Some(Tried::Looked), directory: Some(directory), ..none }
            }
            Renewed::Tried(Trial::Needless) => Self { tried: Some(Tried::Needless), ..none },
        }
    }
}

impl Tokens {
    fn of(left: Left) -> Self {
        let Left { of, left, burst, more_at } = left;
        Self { of, left, burst, more_at: more_at.map(rfc3339) }
    }
}

impl Refusal {
    pub(super) fn new(kind: Reason, error: impl Into<String>) -> Self {
        Self { version: VERSION, kind, error: error.into() }
    }
}
