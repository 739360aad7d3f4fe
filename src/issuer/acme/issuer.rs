//! One ACME CA as an issuer.

use async_trait::async_trait;
use tracing::info;

use super::account::Membership;
use super::failure::{self, Nonsense};
use super::http::Connector;
use super::nonce::insist;
use super::order::Desk;
use super::renewal_info::RenewalInfo;
use super::solvers::Solvers;
use super::turns::Turns;
use super::{Options, OptionsError, Timeouts};
use crate::catalog::Challenges;
use crate::clock::Clock;
use crate::ident::Provider;
use crate::issuer::solver::{ChallengeKind, Http01, Solver, TlsAlpn01};
use crate::issuer::{Advice, IssueError, IssueJob, Issuer, Progress};
use crate::pki::{Chain, Leaf, Roots, pem};
use crate::store::Accounts;

/// Gets certificates from one ACME CA (RFC 8555).
///
/// Several issuances may run at once; they share the account and the connections, and nothing else.
pub struct AcmeIssuer {
    directory: String,
    connector: Connector,
    membership: Membership,
    renewal_info: RenewalInfo,
    solvers: Solvers,
    turns: Turns,
    roots: Roots,
    timeouts: Timeouts,
    clock: Clock,
}

impl AcmeIssuer {
    /// An issuer that keeps its account in `accounts` and hangs its answers in `challenges`. The CA is not asked
    /// anything before the first issuance.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] if the directory is no HTTPS URL or a root no certificate.
    pub fn new(
        options: &Options,
        accounts: Accounts,
        challenges: &Challenges,
        clock: Clock,
    ) -> Result<Self, OptionsError> {
        let directory = &options.directory;
        let https = directory.parse::<http::Uri>().is_ok_and(|uri| {
            uri.scheme() == Some(&http::uri::Scheme::HTTPS) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !https {
            return Err(OptionsError::Directory(directory.clone()));
        }
        let mut trusted = options.roots.clone();
        if let Some(root) = &options.api_root {
            trusted.extend(pem::certificates(root).map_err(|e| unreadable("api_root", &e))?);
        }
        let roots = match &options.issuance_root {
            Some(root) => Roots::with_pem(root).map_err(|e| unreadable("issuance_root", &e))?,
            None => Roots::well_known(),
        };
        let solvers = options.challenges.iter().map(|kind| -> Box<dyn Solver> {
            match kind {
                ChallengeKind::Http01 => Box::new(Http01::new(challenges.clone())),
                ChallengeKind::TlsAlpn01 => Box::new(TlsAlpn01::new(challenges.clone())),
            }
        });
        Ok(Self {
            connector: Connector::new(directory, trusted, options.timeouts, clock.clone()),
            membership: Membership::new(accounts, directory, options.email.as_deref(), clock.clone()),
            renewal_info: RenewalInfo::new(directory, clock.clone()),
            solvers: Solvers::new(solvers.collect()),
            turns: Turns::default(),
            roots,
            timeouts: options.timeouts,
            directory: directory.clone(),
            clock,
        })
    }

    async fn obtain(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError> {
        let http = self.connector.http();
        insist!(http, http.directory())
            .map_err(|e| failure::explain(e, &self.directory, &http, self.clock.now()))?;
        http.check_clock(job.epoch)?;
        let account = self.membership.open(&http).await?;
        let mut desk = Desk {
            directory: &self.directory,
            account,
            http,
            solvers: &self.solvers,
            turns: &self.turns,
            roots: &self.roots,
            timeouts: self.timeouts,
            clock: &self.clock,
        };
        match desk.obtain(job, progress).await {
            Err(error) if failure::is_unknown_account(&error) => {
                info!(
                    directory = self.directory,
                    account = desk.account.id(),
                    "the CA does not know the account"
                );
                desk.account = self.membership.reopen(&desk.http).await?;
                desk.obtain(job, progress).await
            }
            done => done,
        }
    }
}

#[async_trait]
impl Issuer for AcmeIssuer {
    fn provider(&self) -> Provider {
        Provider::Letsencrypt
    }

    async fn issue(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError> {
        // Every step below is bounded, but a CA that is slow at every one of them is not.
        let limit = self.timeouts.issuance;
        tokio::time::timeout(limit, self.obtain(job, progress)).await.unwrap_or_else(|_| {
            Err(IssueError::Unreachable {
                directory: self.directory.clone(),
                source: Box::new(Nonsense(format!("no certificate within {} seconds", limit.as_secs()))),
                until: None,
            })
        })
    }

    async fn advise(&self, leaf: &Leaf) -> Result<Option<Advice>, IssueError> {
        let (http, epoch) = (self.connector.http(), self.clock.epoch());
        let said = self.renewal_info.ask(&http, leaf).await;
        http.check_clock(epoch)?;
        said
    }
}

fn unreadable(setting: &'static str, fault: &dyn std::fmt::Display) -> OptionsError {
    OptionsError::Root { setting, fault: fault.to_string() }
}
