//! One ACME CA as an issuer.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::info;

use super::account::Membership;
use super::budget::Budget;
use super::failure;
use super::http::Connector;
use super::nonce::insist;
use super::order::Desk;
use super::pace::Pace;
use super::renewal_info::RenewalInfo;
use super::solvers::Solvers;
use super::turns::Turns;
use super::{Options, OptionsError, Timeouts};
use crate::catalog::Challenges;
use crate::clock::Clock;
use crate::ident::{Names, Provider};
use crate::issuer::solver::{ChallengeKind, Dns01, DnsPersist01, Http01, Solver, TlsAlpn01};
use crate::issuer::{
    Advice, By, Intent, IssueError, IssueJob, Issuer, Left, Preflight, Profile, Progress, Reason, RolledOver,
    Trial, Unkept,
};
use crate::pki::{Chain, Leaf, Roots, pem};
use crate::store::{Accounts, Ledger};
use crate::story::{Event, Recorder, Text};

/// Gets certificates from one ACME CA (RFC 8555).
///
/// Several issuances may run at once; they share the account and the connections, and nothing else.
pub struct AcmeIssuer {
    pub(super) directory: String,
    pub(super) connector: Connector,
    pub(super) membership: Membership,
    renewal_info: RenewalInfo,
    budget: Arc<Budget>,
    /// Where it is tried out first, after a failure.
    pub(super) rehearsal: Option<Box<AcmeIssuer>>,
    pub(super) solvers: Solvers,
    preflight: Option<Arc<dyn Preflight>>,
    turns: Arc<Turns>,
    roots: Roots,
    preferred_chain: Option<String>,
    timeouts: Timeouts,
    pub(super) clock: Clock,
    recorder: Recorder,
}

impl AcmeIssuer {
    /// An issuer that keeps its account in `accounts` and what it spends in `ledger`, and hangs its answers in
    /// `challenges`. The CA is not asked anything before the first issuance.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] if the directory is no HTTPS URL or a root no certificate.
    pub fn new(
        options: &Options,
        accounts: Accounts,
        ledger: Ledger,
        challenges: &Challenges,
        clock: Clock,
    ) -> Result<Self, OptionsError> {
        let rehearsal = options.rehearsal.as_ref().map(|directory| {
            let trial = Options::new(directory);
            let options = Options {
                limits: trial.limits,
                rehearsal: None,
                directory: trial.directory,
                // Its chains have other names, and nobody is shown one.
                preferred_chain: None,
                ..options.clone()
            };
            Self::new(&options, accounts.clone(), ledger.clone(), challenges, clock.clone())
        });
        let rehearsal = rehearsal.transpose()?.map(Box::new);
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
        let pace = Pace::new(options.limits.as_ref().map_or(Duration::ZERO, |limits| limits.apart));
        let recorder = options.recorder.clone();
        let budget = Budget::new(ledger, directory, options.limits.clone(), clock.clone(), recorder.clone());
        let budget = Arc::new(budget);
        Ok(Self {
            connector: Connector::new(directory, trusted, options.timeouts, pace, clock.clone()),
            membership: Membership::new(accounts, options, Arc::clone(&budget), clock.clone()),
            budget,
            rehearsal,
            renewal_info: RenewalInfo::new(directory, clock.clone()),
            solvers: solvers(options, challenges, &clock),
            preflight: None,
            turns: Arc::clone(&options.turns),
            roots,
            preferred_chain: options.preferred_chain.clone(),
            timeouts: options.timeouts,
            directory: directory.clone(),
            clock,
            recorder,
        })
    }

    /// The same, which looks before it places an order.
    #[must_use]
    pub fn with_preflight(self, preflight: Arc<dyn Preflight>) -> Self {
        Self { preflight: Some(preflight), ..self }
    }

    async fn obtain(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError> {
        let http = self.connector.http();
        insist!(http, http.directory())
            .map_err(|e| failure::explain(e, &self.directory, &http, self.clock.now()))?;
        http.check_clock(job.epoch)?;
        let _used = self.membership.in_use().await;
        let account = self.membership.open(&http).await?;
        let mut desk = Desk {
            directory: &self.directory,
            membership: &self.membership,
            account,
            http,
            budget: &self.budget,
            solvers: &self.solvers,
            challenges: job.challenges,
            validated: job.validated,
            turns: &self.turns,
            roots: &self.roots,
            preferred_chain: self.preferred_chain.as_deref(),
            timeouts: self.timeouts,
            clock: &self.clock,
            recorder: &self.recorder,
        };
        match self.at(&desk, job, progress).await {
            Err(error) if failure::is_unknown_account(&error) => {
                info!(
                    directory = self.directory,
                    account = desk.account.id(),
                    "the CA does not know the account"
                );
                desk.account = self.membership.reopen(&desk.http).await?;
                self.at(&desk, job, progress).await
            }
            done => done,
        }
    }

    /// Goes on with the order that was noted; else places one, after a rehearsal if there is reason for it.
    async fn at(
        &self,
        desk: &Desk<'_>,
        job: IssueJob<'_>,
        progress: &dyn Progress,
    ) -> Result<Chain, IssueError> {
        if let Some(chain) = desk.resume(job, progress).await? {
            return Ok(chain);
        }
        self.preflight(desk, job).await?;
        if let (true, Some(rehearsal)) = (job.rehearse, &self.rehearsal)
            && let Some(kinds) = self.solvers.elsewhere(job.request.names(), job.challenges)
        {
            rehearsal.rehearse(IssueJob { challenges: &kinds, ..job }).await?;
        }
        desk.begin(job, progress).await
    }

    fn too_slow(&self) -> IssueError {
        let what = format!("no certificate within {} seconds", self.timeouts.issuance.as_secs());
        failure::nonsense(&self.directory, what)
    }

    /// Sees that nothing is certain to make the order fail.
    async fn preflight(&self, desk: &Desk<'_>, job: IssueJob<'_>) -> Result<(), IssueError> {
        let Some(preflight) = &self.preflight else { return Ok(()) };
        let directory = desk.ca_directory().await?;
        let intent = Intent {
            names: job.request.names(),
            challenges: &self.solvers.kinds(job.challenges),
            identities: &directory.meta.caa_identities,
            account: desk.account.id(),
        };
        Ok(preflight.look(intent).await?)
    }

    /// Tries it out. That this CA is down is no reason not to ask the other one.
    async fn rehearse(&self, job: IssueJob<'_>) -> Result<(), IssueError> {
        let (names, directory) = (job.request.names(), &self.directory);
        let ca = || Text::from(directory.as_str());
        let rehearsed = |outcome: Text, well: bool| Event::Rehearsed { ca: ca(), outcome, well };
        self.recorder.tell(names, Event::Rehearsing { ca: ca() });
        // It may offer other profiles than the real one, and stops offering one sooner.
        let profile = job.profile.map(|profile| Profile { required: false, ..profile.clone() });
        let job = IssueJob { predecessor: None, rehearse: false, profile: profile.as_ref(), ..job };
        // Boxed, since it is what it stands in.
        let tried: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(self.issue(job, &Unkept));
        match tried.await {
            Ok(_) => self.recorder.tell(names, rehearsed("a certificate".into(), true)),
            Err(IssueError::Unverified { name, kind, detail }) => {
                let detail = format!("{detail}; that was at {directory}, where it was tried out");
                return Err(IssueError::Unverified { name, kind, detail });
            }
            // Nor would the other one see an answer.
            Err(error @ IssueError::Solve(_)) => return Err(error),
            // What only this one refuses, the other one may grant another day.
            Err(IssueError::Refused { directory, detail, .. }) => {
                return Err(IssueError::Refused { directory, detail, for_good: false });
            }
            Err(error) => self.recorder.tell(names, rehearsed(Text::of(error), false)),
        }
        Ok(())
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
        let issued = tokio::time::timeout(limit, self.obtain(job, progress)).await;
        let issued = issued.unwrap_or_else(|_| Err(self.too_slow()));
        self.solvers.tidy().await;
        issued
    }

    async fn try_out(&self, job: IssueJob<'_>) -> Result<Trial, IssueError> {
        let limit = self.timeouts.issuance;
        tokio::time::timeout(limit, self.try_out_here(job)).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    async fn left(&self, sets: &[&Names]) -> Result<Vec<Vec<Left>>, IssueError> {
        self.budget.left(sets).await
    }

    async fn revoke(&self, leaf: &Leaf, reason: Reason, by: By<'_>) -> Result<(), IssueError> {
        self.revoke_here(leaf, reason, by).await
    }

    async fn roll_over(&self) -> Result<Option<RolledOver>, IssueError> {
        self.membership.roll_over(&self.connector.http()).await
    }

    async fn tidy(&self) {
        self.solvers.tidy().await;
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.solvers.tidy().await;
        }
    }

    async fn advise(&self, leaf: &Leaf) -> Result<Option<Advice>, IssueError> {
        let (http, epoch) = (self.connector.http(), self.clock.epoch());
        let said = self.renewal_info.ask(&http, leaf).await;
        http.check_clock(epoch)?;
        said
    }
}

/// One for each kind of challenge that is configured.
fn solvers(options: &Options, challenges: &Challenges, clock: &Clock) -> Solvers {
    let solver = |kind: &ChallengeKind| -> Option<Box<dyn Solver>> {
        Some(match kind {
            ChallengeKind::Http01 => Box::new(Http01::new(challenges.clone())),
            ChallengeKind::TlsAlpn01 => Box::new(TlsAlpn01::new(challenges.clone())),
            ChallengeKind::Dns01 => {
                Box::new(Dns01::new(options.dns.as_ref()?, &options.resolvers, clock.clone()))
            }
            ChallengeKind::DnsPersist01 => {
                Box::new(DnsPersist01::new(options.authority.clone(), clock.clone()))
            }
        })
    };
    Solvers::new(options.challenges.iter().filter_map(solver).collect())
}

fn unreadable(setting: &'static str, fault: &dyn std::fmt::Display) -> OptionsError {
    OptionsError::Root { setting, fault: fault.to_string() }
}
