//! ACME (RFC 8555): the only files that name `instant_acme`.
//!
//! One issuance: find the account (`account`), go on with the order that was noted (`order`) or place one (`placing`),
//! prove the names (`authorize`), finalize, fetch (another chain, if one is preferred, from `alternates`). `budget` is
//! asked before anything that the CA limits. When the next one is due the CA is asked in `renewal_info`; a certificate
//! that nobody is to trust any longer is named to it in `revoke`, and an account gets another key in `rollover`.
//!
//! What `instant_acme` does not do is done around it: `http` keeps what it drops, `nonce` calls again where it gives up,
//! `jws` signs what it does not send, `failure` says whose fault an error is.

mod account;
mod alternates;
mod authorize;
mod binding;
mod budget;
mod failure;
mod http;
mod issuer;
mod jws;
mod nonce;
mod order;
mod pace;
mod placing;
mod renewal_info;
mod retry_after;
mod revoke;
mod rollover;
mod solvers;
mod standing;
mod trial;
mod turns;

pub use budget::{Budget, Counted, Expense, Limit, Limits, registered_domain};
pub use issuer::AcmeIssuer;
pub use standing::Standing;
pub use turns::Turns;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use thiserror::Error;

use super::Binding;
use super::solver::{ChallengeKind, dns01};
use crate::dns::{Authority, Resolver};
use crate::story::Recorder;

/// Which CA, and how to deal with it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL of its directory.
    pub directory: String,
    /// Where it may write to; told to the CA, and used for nothing else.
    pub email: Option<String>,
    /// The agreement that an account is to belong to, for a CA that wants one.
    pub binding: Option<Binding>,
    /// Who else may speak for the directory, as PEM.
    pub api_root: Option<Vec<u8>>,
    /// The root its certificates should lead to, as PEM; looked at before the well-known ones.
    pub issuance_root: Option<Vec<u8>>,
    /// The issuer's name at the top of the chain that is wanted, where it has several.
    pub preferred_chain: Option<String>,
    /// Who may speak for the directory: the system's roots.
    pub roots: Vec<CertificateDer<'static>>,
    /// The kinds of challenge that may be used, the preferred one first.
    pub challenges: Vec<ChallengeKind>,
    /// The limits it publishes; none if they are not known.
    pub limits: Option<Limits>,
    /// The directory where it lets people try things out, if there is one.
    pub rehearsal: Option<String>,
    /// How dns-01 is done, where it may be used.
    pub dns: Option<dns01::Options>,
    /// Who knows which name servers a name has.
    pub resolvers: Vec<IpAddr>,
    /// Who is asked for the records of dns-persist-01.
    pub authority: Authority,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Shared by those who prove the same names.
    pub turns: Arc<Turns>,
    /// Who is told what happens and why.
    pub recorder: Recorder,
}

impl Options {
    /// The kinds of challenge that we answer ourselves, nobody trusted yet, the default timeouts, and what is known of
    /// this CA.
    #[must_use]
    pub fn new(directory: impl Into<String>) -> Self {
        let directory = directory.into();
        Self {
            limits: Limits::of(&directory),
            rehearsal: budget::rehearsal_of(&directory).map(str::to_owned),
            directory,
            email: None,
            binding: None,
            api_root: None,
            issuance_root: None,
            preferred_chain: None,
            roots: Vec::new(),
            challenges: vec![ChallengeKind::Http01, ChallengeKind::TlsAlpn01],
            dns: None,
            resolvers: Vec::new(),
            authority: Authority::Zones(Resolver::new(Vec::new())),
            timeouts: Timeouts::default(),
            turns: Arc::default(),
            recorder: Recorder::default(),
        }
    }
}

/// How long the parts of an issuance may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until TCP is connected.
    pub connect: Duration,
    /// One request, from the first packet to the last byte of the answer.
    pub request: Duration,
    /// Until the CA has decided what it said it would: a validation, or the making of a certificate.
    pub decision: Duration,
    /// The whole issuance.
    pub issuance: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(45),
            decision: Duration::from_secs(150),
            issuance: Duration::from_secs(15 * 60),
        }
    }
}

/// Why an issuer cannot be made of these options.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// RFC 8555 section 6.1 allows nothing else.
    #[error("`{0}` cannot be an ACME directory: it has to be an https:// URL")]
    Directory(String),
    /// A root that should be trusted is no certificate.
    #[error("{setting} holds no readable certificate: {fault}")]
    Root {
        /// `api_root` or `issuance_root`.
        setting: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}
