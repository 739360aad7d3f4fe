//! What the CA's limits still allow, asked before the network is.
//!
//! A limit that is hit is a week without a certificate, in the worst case. So what is spent is written down before
//! the CA is asked for it, and an order that would be refused is not placed. Of the certificates for one set of names
//! the last one is kept for emergencies; from a storage that was lost lately no more than two of a set are ordered in
//! a week. A CA whose limits are not known has none.

mod bucket;
mod domain;
mod expense;
mod limits;
mod page;

pub use bucket::Limit;
pub use domain::registered_domain;
pub use expense::{Counted, Expense};
pub use limits::Limits;
pub(super) use limits::rehearsal_of;
pub(super) use page::is_pause;

use std::time::SystemTime;

use page::{Cost, Short};

use crate::clock::Clock;
use crate::ident::{Name, Names};
use crate::issuer::{IssueError, Left};
use crate::store::{Ledger, Opened, Page, Span, StoreError};
use crate::story::{Event, Recorder};

/// One CA's limits, and the ledger of what has been spent of them.
pub struct Budget {
    ledger: Ledger,
    directory: String,
    limits: Option<Limits>,
    clock: Clock,
    recorder: Recorder,
}

impl Budget {
    /// The budget at the CA with this directory; without limits, if those are not known. What is held back is told.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        directory: &str,
        limits: Option<Limits>,
        clock: Clock,
        recorder: Recorder,
    ) -> Self {
        Self { ledger, directory: directory.to_owned(), limits, clock, recorder }
    }

    /// What is left for another certificate with each of these sets of names. Nothing is spent.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`].
    pub(super) async fn left(&self, sets: &[&Names]) -> Result<Vec<Vec<Left>>, IssueError> {
        let Some(limits) = self.limits.as_ref().filter(|_| !sets.is_empty()) else {
            return Ok(vec![Vec::new(); sets.len()]);
        };
        let now = self.clock.now();
        let looked = self.ledger.look(&self.directory, now - bucket::LONGEST_WAIT).await;
        let (mut page, issued) = looked.map_err(unusable)?;
        issued.iter().for_each(|issued| page::recollect(&mut page, limits, issued));
        Ok(sets.iter().map(|names| page::left(&page, limits, names, now)).collect())
    }

    /// Spends what an order costs. If that is anything, it counts as open from then on, whatever dies: until it is
    /// known that [no certificate](Self::no_certificate) comes of it, until another order for the same names takes
    /// its place, or until time alone has put back what it took.
    ///
    /// # Errors
    ///
    /// [`IssueError::Spent`] if there is not enough, with the moment when there will be; nothing is spent then.
    /// [`IssueError::Ledger`] if it cannot be written down.
    pub async fn order(&self, expense: Expense<'_>) -> Result<(), IssueError> {
        let names = expense.names.as_slice();
        self.spend(names, |page, limits, guarded, now| page::order(page, limits, expense, guarded, now)).await
    }

    /// Whether an order for these names is open. Nothing is spent.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`], as for all that follows.
    pub(super) async fn is_open(&self, names: &Names) -> Result<bool, IssueError> {
        if self.limits.is_none() {
            return Ok(false);
        }
        let looked = self.ledger.look(&self.directory, self.clock.now() - bucket::LONGEST_WAIT).await;
        let (page, _) = looked.map_err(unusable)?;
        Ok(page::is_open(&page, names))
    }

    /// The open order for these names was invalid, or not placed at all: no certificate was made. What only a
    /// certificate costs is given back, once for each order, and what each name costs that `failed` to be verified is
    /// taken.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`].
    pub async fn no_certificate(
        &self,
        account: &str,
        names: &Names,
        failed: &[Name],
    ) -> Result<(), IssueError> {
        self.note(|page, limits, _, now| {
            page::no_certificate(page, names, now);
            failed.iter().for_each(|name| page::failed(page, limits, account, name, now));
        })
        .await
    }

    /// Spends what registering an account costs.
    ///
    /// # Errors
    ///
    /// As for [`order`](Self::order).
    pub async fn account(&self) -> Result<(), IssueError> {
        self.spend(&[], |page, limits, _, now| page::spend(page, &Cost::of_account(limits), now)).await
    }

    /// The CA has verified these names, so from here on it can make the certificate that is ordered for them.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`].
    pub async fn verified(&self, account: &str, names: &Names) -> Result<(), IssueError> {
        self.note(|page, _, _, _| page::verified(page, account, names)).await
    }

    /// The CA has refused an order by a limit that we thought to be kept; its word counts.
    ///
    /// # Errors
    ///
    /// [`IssueError::Ledger`].
    pub async fn limited(
        &self,
        expense: Expense<'_>,
        detail: &str,
        until: SystemTime,
    ) -> Result<(), IssueError> {
        self.note(|page, limits, _, now| page::limited(page, limits, expense, detail, until, now)).await
    }

    async fn spend(
        &self,
        names: &[Name],
        change: impl Fn(&mut Page, &Limits, bool, SystemTime) -> Result<(), Short> + Send + Sync,
    ) -> Result<(), IssueError> {
        let Some(short) = self.update(change).await?.and_then(Result::err) else { return Ok(()) };
        let (ca, limit) = (self.directory.as_str().into(), short.what.as_str().into());
        self.recorder.tell(names, Event::HeldBack { ca, limit, until: short.until.into() });
        Err(IssueError::Spent { directory: self.directory.clone(), detail: short.what, until: short.until })
    }

    async fn note(
        &self,
        change: impl Fn(&mut Page, &Limits, bool, SystemTime) + Send + Sync,
    ) -> Result<(), IssueError> {
        self.update(change).await.map(drop)
    }

    /// `None` if the CA has no limits; that there is something to lose is noted all the same.
    async fn update<T: Send>(
        &self,
        change: impl Fn(&mut Page, &Limits, bool, SystemTime) -> T + Send + Sync,
    ) -> Result<Option<T>, IssueError> {
        let now = self.clock.now();
        let since = now - bucket::LONGEST_WAIT;
        let updated =
            self.ledger.update(&self.directory, Span { since, now }, |Opened { page, issued, guarded }| {
                let limits = self.limits.as_ref()?;
                issued.iter().for_each(|issued| page::recollect(page, limits, issued));
                Some(change(page, limits, guarded, now))
            });
        updated.await.map_err(unusable)
    }
}

fn unusable(error: StoreError) -> IssueError {
    IssueError::Ledger(Box::new(error))
}
